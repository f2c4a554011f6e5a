package codec_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/eventus-go/eventus/codec"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

type inner struct {
	Amount   int64             `json:"amount"`
	Currency string            `json:"currency,omitempty"`
	Tags     []string          `json:"tags"`
	Fields   map[string]string `json:"fields"`
	Self     *inner            `json:"self,omitempty"`
}

type sample struct {
	Name  string        `json:"name"`
	Price inner         `json:"price"`
	Raw   []byte        `json:"raw"`
	Wait  time.Duration `json:"wait"`
	At    time.Time     `json:"at"`
	Ratio float64       `json:"ratio"`
	Flag  *bool         `json:"flag"`
	Pairs map[int]inner `json:"pairs"`
}

func genInner() *rapid.Generator[inner] {
	return rapid.Custom(func(t *rapid.T) inner {
		v := inner{
			Amount:   rapid.Int64().Draw(t, "amount"),
			Currency: rapid.String().Draw(t, "currency"),
			Tags:     rapid.OneOf(rapid.Just[[]string](nil), rapid.SliceOf(rapid.String())).Draw(t, "tags"),
			Fields:   rapid.OneOf(rapid.Just[map[string]string](nil), rapid.MapOf(rapid.String(), rapid.String())).Draw(t, "fields"),
		}
		if rapid.IntRange(0, 3).Draw(t, "nest") == 0 {
			v.Self = &inner{Amount: rapid.Int64().Draw(t, "nested amount")}
		}
		return v
	})
}

func genSample() *rapid.Generator[sample] {
	return rapid.Custom(func(t *rapid.T) sample {
		return sample{
			Name:  rapid.String().Draw(t, "name"),
			Price: genInner().Draw(t, "price"),
			Raw:   rapid.SliceOf(rapid.Byte()).Draw(t, "raw"),
			Wait:  time.Duration(rapid.Int64().Draw(t, "wait")),
			At:    time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "at"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC(),
			Ratio: rapid.Float64Range(-1e300, 1e300).Draw(t, "ratio"),
			Flag:  rapid.Ptr(rapid.Bool(), true).Draw(t, "flag"),
			Pairs: rapid.MapOf(rapid.Int(), genInner()).Draw(t, "pairs"),
		}
	})
}

func TestWhatIsEncodedComesBackEqual(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := genSample().Draw(t, "sample")
		data, err := codec.JSON{}.Encode(want)
		if err != nil {
			t.Fatal(err)
		}
		var got sample
		if err := (codec.JSON{}).Decode(data, &got); err != nil {
			t.Fatalf("decode %s: %v", data, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("-want +got:\n%s", diff)
		}
		again, err := codec.JSON{}.Encode(got)
		if err != nil || !bytes.Equal(data, again) {
			t.Fatalf("equal values, other bytes: %v\n%s\n%s", err, data, again)
		}
	})
}

func TestBadInputIsAnError(t *testing.T) {
	deep := strings.Repeat("[", 5_000_000)
	for name, data := range map[string]string{
		"empty":                "",
		"truncated":            `{"name":"a"`,
		"truncated escape":     `{"\`,
		"something after it":   `{"name":"a"}}`,
		"null":                 " null\n",
		"a wrong type":         `{"name":1}`,
		"an unknown field":     `{"nmae":"a"}`,
		"a name in other case": `{"NAME":"a"}`,
		"a name twice":         `{"name":"a","name":"b"}`,
		"invalid UTF-8":        "{\"name\":\"\xff\"}",
		"a number too large":   `{"price":{"amount":9223372036854775808}}`,
		"too deep":             `{"name":` + deep,
		"too deep and unknown": `{"x":` + deep + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			// More than once, for a decoder that keeps state between calls.
			for range 3 {
				var v sample
				if err := (codec.JSON{}).Decode([]byte(data), &v); err == nil {
					t.Fatalf("decoded as %+v", v)
				}
			}
		})
	}
}

func TestALenientReaderPassesOverUnknownFields(t *testing.T) {
	var v sample
	if err := (codec.JSON{AllowUnknownFields: true}).Decode([]byte(`{"name":"a","new":{"x":[1]}}`), &v); err != nil || v.Name != "a" {
		t.Fatalf("got %+v, %v", v, err)
	}
}

func TestWhatCannotComeBackIsNotEncoded(t *testing.T) {
	cycle := &inner{}
	cycle.Self = cycle
	for name, v := range map[string]any{
		"nil pointer": (*sample)(nil),
		"cycle":       cycle,
		"function":    struct{ F func() }{func() {}},
		"bad UTF-8":   inner{Currency: "\xff"},
	} {
		t.Run(name, func(t *testing.T) {
			if data, err := (codec.JSON{}).Encode(v); err == nil {
				t.Fatalf("encoded as %s", data)
			}
		})
	}
}

func FuzzJSON(f *testing.F) {
	data, err := codec.JSON{}.Encode(sample{Name: "a", Price: inner{Self: &inner{}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"\`))
	f.Add([]byte(`[{"x":1},{"y":`))
	f.Add([]byte(`{"price":{"fields":{"a":"\ud800"}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var v sample
		if err := (codec.JSON{}).Decode(data, &v); err != nil {
			return
		}
		if !json.Valid(data) {
			t.Fatalf("accepted what is not JSON: %q", data)
		}
		encoded, err := codec.JSON{}.Encode(v)
		if err != nil {
			t.Fatalf("decoded %q, but cannot encode it again: %v", data, err)
		}
		var again sample
		if err := (codec.JSON{}).Decode(encoded, &again); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(v, again); diff != "" {
			t.Fatal(diff)
		}
	})
}
