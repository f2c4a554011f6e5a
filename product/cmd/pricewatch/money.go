package main

import (
	"fmt"
	"strconv"

	"golang.org/x/text/currency"
)

// money is an amount in the minor units of its currency.
type money struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"` // ISO 4217
}

// String returns the amount in the units that people use, such as "12.99 EUR".
func (m money) String() string {
	unit, err := currency.ParseISO(m.Currency)
	if err != nil {
		return fmt.Sprintf("%d %q", m.Amount, m.Currency)
	}
	digits, sign := strconv.FormatInt(m.Amount, 10), ""
	if m.Amount < 0 {
		digits, sign = digits[1:], "-"
	}
	if scale, _ := currency.Standard.Rounding(unit); scale > 0 {
		digits = fmt.Sprintf("%0*s", scale+1, digits)
		digits = digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
	}
	return sign + digits + " " + unit.String()
}
