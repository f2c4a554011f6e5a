package broker

import (
	"errors"
	"fmt"
	"strings"
)

// maxName is the most characters of a topic or of a subscription's name.
const maxName = 128

// Check reports what the contract refuses in m. Every backend calls it on all
// messages of a Publish before it sends the first.
func (m *Message) Check() error {
	if err := CheckName(m.Topic); err != nil {
		return fmt.Errorf("message %q: topic %w", m.ID, err)
	}
	for name, value := range m.Header {
		if !isToken(name) {
			return fmt.Errorf("message %q: header name %q is not a token as in HTTP", m.ID, name)
		}
		if !isHeaderValue(value) {
			return fmt.Errorf("message %q: header %s: %q is not printable ASCII without spaces around it", m.ID, name, value)
		}
	}
	return nil
}

// CheckName reports what makes name unusable as a topic or as the name of a
// subscription. Every backend calls it in Subscribe for both.
func CheckName(name string) error {
	if name == "" || len(name) > maxName {
		return fmt.Errorf("%.40q has %d characters, want 1 to %d", name, len(name), maxName)
	}
	for _, r := range name {
		if !isAlphanumeric(r) && r != '-' && r != '_' {
			return fmt.Errorf("%q has %q, want only a-z A-Z 0-9 - _", name, r)
		}
	}
	return nil
}

func isAlphanumeric(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

// tokenBytes are those of a token in RFC 9110, section 5.6.2.
var tokenBytes = func() (is [256]bool) {
	for c := range is {
		is[c] = isAlphanumeric(rune(c)) || c < 128 && strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c))
	}
	return is
}()

func isToken(name string) bool {
	for i := range len(name) {
		if !tokenBytes[name[i]] {
			return false
		}
	}
	return name != ""
}

func isHeaderValue(value string) bool {
	for i := range len(value) {
		if value[i] < ' ' || value[i] > '~' {
			return false
		}
	}
	return value == "" || value[0] != ' ' && value[len(value)-1] != ' '
}

// CheckNotify reports what the contract refuses in the arguments of
// [Notifier.Notify]. Every backend calls it there.
func CheckNotify(topics []string, f func()) error {
	if f == nil {
		return errors.New("notify: the function is nil: pass the one to call")
	}
	if len(topics) == 0 {
		return errors.New("notify: no topics: name at least one")
	}
	for _, topic := range topics {
		if err := CheckName(topic); err != nil {
			return fmt.Errorf("notify: topic %w", err)
		}
	}
	return nil
}
