package eventus_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/codec"
	"github.com/eventus-go/eventus/store"
)

func stored(name, contentType, data string) store.Message {
	return store.Message{
		Event:   store.Event{ID: "e-1", Type: name, ContentType: contentType, Data: []byte(data), Time: time.Unix(1, 0).UTC()},
		Stream:  store.Stream{Category: "counter", ID: "c-1"},
		Version: 7,
	}
}

func TestWhatCannotBeDecodedNamesStreamVersionAndType(t *testing.T) {
	for name, c := range map[string]struct {
		message store.Message
		want    error // nil where the codec's own error is wanted
	}{
		"an unknown type":         {stored("counter.tripled", "application/json", `{}`), eventus.ErrUnknownEvent},
		"an unknown content type": {stored("counter.added", "application/xml", `<by/>`), nil},
		"an unknown field":        {stored("counter.added", "application/json", `{"by":1,"to":2}`), nil},
		"truncated data":          {stored("counter.added", "application/json", `{"by":1`), nil},
		"null":                    {stored("counter.added", "application/json", `null`), nil},
		"hostile data":            {stored("counter.added", "application/json", `{"by":`+strings.Repeat("[", 1<<20)), nil},
		"no data":                 {stored("counter.added", "application/json", ``), nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := counters.Decode(c.message)
			var decode *eventus.DecodeError
			if !errors.As(err, &decode) {
				t.Fatalf("got %v, want a DecodeError", err)
			}
			if decode.Stream != c.message.Stream || decode.Version != 7 || decode.Type != c.message.Type || decode.Err == nil {
				t.Errorf("got %+v", decode)
			}
			if c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("got %v, want it to match %v", err, c.want)
			}
		})
	}
}

func TestOldEventsAreUpcast(t *testing.T) {
	type addedV0 struct {
		Amount string `json:"amount"`
	}
	upcast := eventus.Define("counter", eventus.New[counter],
		eventus.Type[added]("counter.added"),
		eventus.Upcast("counter.added.v0", func(old addedV0) added { return added{By: int64(len(old.Amount))} }),
	)
	m, known, err := upcast.Decode(stored("counter.added.v0", "application/json", `{"amount":"III"}`))
	if err != nil || !known || m.Event != (added{By: 3}) || m.Type != "counter.added.v0" {
		t.Fatalf("got %+v, %v, %v", m, known, err)
	}
	e, err := upcast.Encode(added{By: 3})
	if err != nil || e.Type != "counter.added" {
		t.Fatalf("new events go under the new name; got %q, %v", e.Type, err)
	}
}

func TestForeignEventsAreTypedAndUnknownOnesPassBy(t *testing.T) {
	type theirs struct {
		By int64 `json:"by"`
	}
	type notice struct{ amount int64 }
	foreign := eventus.Foreign("counter",
		eventus.Known("counter.added", func(e theirs) notice { return notice{e.By} }))

	m, known, err := foreign.Decode(stored("counter.added", "application/json", `{"by":4,"note":"theirs alone"}`))
	if err != nil || !known || m.Event != (notice{4}) || m.Version != 7 {
		t.Errorf("got %+v, %v, %v", m, known, err)
	}
	if _, known, err := foreign.Decode(stored("counter.cleared", "application/json", `{}`)); err != nil || known {
		t.Errorf("a type that is not declared: known %v, %v", known, err)
	}
	var decode *eventus.DecodeError
	if _, _, err := foreign.Decode(stored("counter.added", "application/json", `{"by":`)); !errors.As(err, &decode) {
		t.Errorf("broken data: %v", err)
	}
}

func TestContentTypesOfOthersAreRead(t *testing.T) {
	for contentType, want := range map[string]bool{
		"application/json; charset=utf-8": true, "application/json;charset=UTF-8": true, "Application/JSON": true,
		"application/vnd.erp.order+json": true, "application/vnd.erp+JSON; v=1": true,
		"application/xml": false, "application/vnd.erp+xml": false, "text/plain": false, "json": false, "+json": false,
	} {
		if _, _, err := counters.Decode(stored("counter.added", contentType, `{"by":4}`)); (err == nil) != want {
			t.Errorf("%s: got %v", contentType, err)
		}
	}
	if counters.Foreign() || !eventus.Foreign("c", eventus.Known("n", func(e added) added { return e })).Foreign() {
		t.Error("a table does not tell whether it is foreign")
	}
}

func TestForeignNamesMayShareAForm(t *testing.T) {
	type reference struct {
		By int64 `json:"by"`
	}
	foreign := eventus.Foreign("counter",
		eventus.Known("counter.added", func(e reference) string { return "added" }),
		eventus.Known("counter.cleared", func(e reference) string { return "cleared" }))
	for _, name := range []string{"added", "cleared"} {
		if m, _, err := foreign.Decode(stored("counter."+name, "application/json", `{"by":1}`)); err != nil || m.Event != name {
			t.Errorf("%s: got %q, %v", name, m.Event, err)
		}
	}
}

func TestAnUpcasterThatPanicsCondemnsTheMessage(t *testing.T) {
	type addedV0 struct{ By *int64 }
	upcast := eventus.Define("counter", eventus.New[counter],
		eventus.Type[added]("counter.added"),
		eventus.Upcast("counter.added.v0", func(old addedV0) added { return added{By: *old.By} }))
	_, _, err := upcast.Decode(stored("counter.added.v0", "application/json", `{}`))
	var decode *eventus.DecodeError
	if !errors.As(err, &decode) || decode.Version != 7 || !strings.Contains(err.Error(), "panic") {
		t.Errorf("got %v", err)
	}
}

// reversed is a codec of its own content type.
type reversed struct{ codec.JSON }

func (reversed) ContentType() string { return "application/x-reversed" }

func (r reversed) Encode(v any) ([]byte, error) {
	data, err := r.JSON.Encode(v)
	return reverse(data), err
}

func (r reversed) Decode(data []byte, v any) error { return r.JSON.Decode(reverse(data), v) }

func reverse(data []byte) []byte {
	out := make([]byte, len(data))
	for i, b := range data {
		out[len(data)-1-i] = b
	}
	return out
}

func TestANewCodecReadsWhatTheOldOneWrote(t *testing.T) {
	changed := counters.WithCodec(reversed{})
	for _, m := range []store.Message{
		stored("counter.added", "application/json", `{"by":4}`),
		stored("counter.added", "application/x-reversed", `}4:"yb"{`),
	} {
		if got, _, err := changed.Decode(m); err != nil || got.Event != (added{By: 4}) {
			t.Errorf("%s: got %+v, %v", m.ContentType, got.Event, err)
		}
	}
	e, err := changed.Encode(added{By: 4})
	if err != nil || e.ContentType != "application/x-reversed" || string(e.Data) != `}4:"yb"{` {
		t.Errorf("got %s %s, %v", e.ContentType, e.Data, err)
	}
	if _, _, err := counters.Decode(stored("counter.added", "application/x-reversed", `}4:"yb"{`)); err == nil {
		t.Error("WithCodec changed the definition it was called on")
	}
}
