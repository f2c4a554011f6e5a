package product

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrExists tells that a product with the id was created before.
var ErrExists = errors.New("a product with this id exists already")

// Rule is a rule of the domain that a command would have broken. Nothing was
// stored. Its text is for the one who sent the command.
type Rule string

func (r Rule) Error() string { return string(r) }

// The rules, to compare with [errors.Is].
const (
	ErrNoName           Rule = "a product needs a name"
	ErrLongName         Rule = "a name has at most 200 characters"
	ErrUnprintableName  Rule = "a name has no control characters"
	ErrPriceNotPositive Rule = "a price is more than 0"
	ErrPriceTooHigh     Rule = "a price is at most 9007199254740991 minor units"
	ErrUnknownCurrency  Rule = "a currency is an ISO 4217 code in capitals, such as EUR"
	ErrOtherCurrency    Rule = "a product keeps the currency it was created with"
	ErrDiscontinued     Rule = "a discontinued product does not change any more"
)

const maxName = 200

// cleanName returns the name without the spaces around it.
func cleanName(name string) (string, error) {
	name = strings.TrimSpace(name)
	switch {
	case name == "":
		return "", ErrNoName
	case utf8.RuneCountInString(name) > maxName:
		return "", ErrLongName
	case strings.ContainsFunc(name, unicode.IsControl) || !utf8.ValidString(name):
		return "", ErrUnprintableName
	}
	return name, nil
}
