package vet_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"reflect"
	"testing"
	"time"

	"github.com/eventus-go/eventus/codec"
)

type (
	number  int
	plain   struct{ X int }
	sealed  struct{ secret string }
	lost    struct{ secret string }
	inlined struct{ plain }
	timed   struct {
		Name string
		time.Time
	}
)

func (s sealed) MarshalText() ([]byte, error)     { return []byte(s.secret), nil }
func (s *sealed) UnmarshalText(text []byte) error { s.secret = string(text); return nil }

// What lossy finds is what the default codec loses, and what it is silent about
// is what that keeps.
func TestTheCodecLosesWhatIsFound(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	for name, survived := range map[string]bool{
		"an unexported field":           survives(struct{ A, secret int }{1, 2}),
		"a struct of unexported fields": survives(struct{ Lost lost }{lost{"x"}}),
		"a field with the tag json:-": survives(struct {
			A int `json:"-"`
		}{1}),
		"a number in an interface": survives(struct{ A any }{1}),
		"an error":                 survives(struct{ A error }{errors.New("x")}),
		"a channel":                survives(struct{ A chan int }{make(chan int)}),
		"a function":               survives(struct{ A func() }{func() {}}),
		"a complex number":         survives(struct{ A complex128 }{1i}),
		"an embedded pointer to an unexported struct":   survives(struct{ *plain }{&plain{1}}),
		"an embedded unexported type that is no struct": survives(struct{ number }{1}),
		"a field beside a promoted encoding":            survives(timed{"x", at}),
	} {
		if survived {
			t.Errorf("%s survives the codec, and is reported", name)
		}
	}
	for name, survived := range map[string]bool{
		"an embedded unexported struct":          survives(inlined{plain{1}}),
		"unexported fields with an own encoding": survives(struct{ Sealed sealed }{sealed{"x"}}),
		"an embedded unexported struct with a name": survives(struct {
			plain `json:"p"`
		}{plain{1}}),
		"an embedded pointer to one with a name": survives(struct {
			*plain `json:"p"`
		}{&plain{1}}),
		"a field without a name": survives(struct{ A, _ int }{A: 1}),
		"a time":                 survives(struct{ A time.Time }{at}),
		"a duration":             survives(struct{ A time.Duration }{3}),
		"a big number":           survives(struct{ A *big.Int }{big.NewInt(7)}),
		"raw JSON":               survives(struct{ A json.RawMessage }{json.RawMessage(`{"a":1}`)}),
	} {
		if !survived {
			t.Errorf("%s is lost, and not reported", name)
		}
	}
}

// survives reports whether a value comes back from the codec as it was.
func survives[T any](value T) bool {
	data, err := codec.JSON{}.Encode(value)
	if err != nil {
		return false
	}
	var back T
	return codec.JSON{}.Decode(data, &back) == nil && reflect.DeepEqual(value, back)
}
