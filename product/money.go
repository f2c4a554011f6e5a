package product

import "golang.org/x/text/currency"

// Money is an amount in the minor units of its currency: 1299 EUR is 12.99 €.
type Money struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"` // ISO 4217, in capitals
}

// maxAmount is the largest integer that JSON readers with floating-point
// numbers keep exact (RFC 8259, section 6).
const maxAmount = 1<<53 - 1

// Check reports what keeps m from being a price.
func (m Money) Check() error {
	unit, err := currency.ParseISO(m.Currency)
	switch {
	case m.Amount <= 0:
		return ErrPriceNotPositive
	case m.Amount > maxAmount:
		return ErrPriceTooHigh
	case err != nil || unit.String() != m.Currency || unit == currency.XXX || unit == currency.XTS:
		return ErrUnknownCurrency // XXX is no currency, XTS one for tests
	}
	return nil
}
