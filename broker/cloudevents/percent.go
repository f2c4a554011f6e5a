package cloudevents

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// plain reports whether the binding sends c as it is.
func plain(c byte) bool { return c > ' ' && c <= '~' && c != '"' && c != '%' }

// escape writes the header form of an attribute.
func escape(s string) string {
	encoded := 0
	for i := range len(s) {
		if !plain(s[i]) {
			encoded++
		}
	}
	if encoded == 0 {
		return s
	}
	const hex = "0123456789ABCDEF"
	b := make([]byte, 0, len(s)+2*encoded)
	for i := range len(s) {
		if c := s[i]; plain(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}

// unescape reads an attribute from its header form. It refuses what CloudEvents
// allows in no attribute: broken UTF-8 and control characters.
func unescape(s string) (string, error) {
	s, err := unquote(s)
	if err != nil {
		return "", err
	}
	if strings.IndexByte(s, '%') >= 0 {
		s = unpercent(s)
	}
	if err := checkText(s); err != nil {
		return "", err
	}
	return s, nil
}

// checkText refuses what CloudEvents allows in no attribute.
func checkText(s string) error {
	if !utf8.ValidString(s) {
		return errors.New("is not valid UTF-8")
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return fmt.Errorf("has the control character %U", r)
		}
	}
	return nil
}

// unquote removes the double quotes that older producers put around values
// (RFC 7230, section 3.2.6).
func unquote(s string) (string, error) {
	if !strings.HasPrefix(s, `"`) {
		return s, nil
	}
	b := make([]byte, 0, len(s))
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			if i != len(s)-1 {
				return "", errors.New("has text after the closing quote")
			}
			return string(b), nil
		case '\\':
			if i++; i == len(s) {
				return "", errors.New("has no closing quote")
			}
		}
		b = append(b, s[i])
	}
	return "", errors.New("has no closing quote")
}

// unpercent decodes percent sequences. A percent sign that begins none is itself:
// several SDKs send it so.
func unpercent(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if high, low := nibble(s[i+1]), nibble(s[i+2]); high >= 0 && low >= 0 {
				b = append(b, byte(high<<4|low))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

// nibble is the value of a hexadecimal digit, or -1.
func nibble(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
