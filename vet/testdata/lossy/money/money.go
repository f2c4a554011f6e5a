// Package money has types that events are made of elsewhere.
package money

type Amount struct{ cents int64 }

// Exact encodes itself.
type Exact struct{ cents int64 }

func (e Exact) MarshalText() ([]byte, error)  { return nil, nil }
func (e *Exact) UnmarshalText(b []byte) error { return nil }

type Moved struct {
	By     int64
	Reason error
}
