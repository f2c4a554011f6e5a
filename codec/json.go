package codec

import (
	"bytes"
	"errors"

	v1 "github.com/goccy/go-json"
	"github.com/goccy/go-json/v2"
)

// JSON is the default codec, on goccy/go-json with the semantics of
// encoding/json/v2: names match by case, a name twice in one object, invalid
// UTF-8 and nesting deeper than 10,000 levels are errors.
//
// It differs from those semantics where a value would not come back as it was:
// a nil slice or map is null, not empty, and a [time.Duration] is its count of
// nanoseconds. The keys of maps are sorted.
//
// The zero value is strict: a field that the Go type does not have is an error,
// because an aggregate that leaves out what it does not understand decides on
// half the truth.
type JSON struct {
	// AllowUnknownFields passes over fields that the Go type does not have, for
	// readers of another team's events.
	AllowUnknownFields bool
}

var (
	encodeOptions = json.JoinOptions(
		json.FormatNilSliceAsNull(true),
		json.FormatNilMapAsNull(true),
		json.Deterministic(true),
		v1.FormatDurationAsNano(true),
	)
	strictOptions  = json.JoinOptions(v1.FormatDurationAsNano(true), json.RejectUnknownMembers(true))
	lenientOptions = json.JoinOptions(v1.FormatDurationAsNano(true))
)

var (
	errNull = errors.New("the value is null")
	null    = []byte("null")
)

// ContentType returns "application/json".
func (JSON) ContentType() string { return "application/json" }

// Encode returns v as JSON. A value that encodes as null, a nil pointer for
// one, is an error: read back, it would be a different value.
func (JSON) Encode(v any) ([]byte, error) {
	data, err := json.Marshal(v, encodeOptions)
	if err != nil {
		return nil, err
	}
	if bytes.Equal(data, null) {
		return nil, errNull
	}
	return data, nil
}

// Decode reads one JSON value, not null, with nothing after it.
func (c JSON) Decode(data []byte, v any) error {
	if bytes.Equal(bytes.TrimSpace(data), null) {
		return errNull
	}
	options := strictOptions
	if c.AllowUnknownFields {
		options = lenientOptions
	}
	return json.Unmarshal(data, v, options)
}
