package broker_test

import (
	"strings"
	"testing"

	"github.com/eventus-go/eventus/broker"
)

func TestNames(t *testing.T) {
	for _, name := range []string{"a", "Order-lines_2", strings.Repeat("x", 128)} {
		if err := broker.CheckName(name); err != nil {
			t.Errorf("%q is refused: %v", name, err)
		}
	}
	for _, name := range []string{"", "a.b", "a*", ">", "a b", "ä", "a\n", "a\x00", strings.Repeat("x", 129)} {
		if broker.CheckName(name) == nil {
			t.Errorf("%q is accepted", name)
		}
	}
}

func TestMessages(t *testing.T) {
	good := broker.Message{Topic: "t", Header: map[string]string{"ce-id": "a b", "X!#$%&'*+-.^_`|~9": ""}}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for name, m := range map[string]broker.Message{
		"topic":          {Topic: "a.b"},
		"empty name":     {Topic: "t", Header: map[string]string{"": "v"}},
		"name: colon":    {Topic: "t", Header: map[string]string{"a:b": "v"}},
		"name: space":    {Topic: "t", Header: map[string]string{"a b": "v"}},
		"name: unicode":  {Topic: "t", Header: map[string]string{"ä": "v"}},
		"value: break":   {Topic: "t", Header: map[string]string{"a": "b\r\nc: d"}},
		"value: tab":     {Topic: "t", Header: map[string]string{"a": "b\tc"}},
		"value: unicode": {Topic: "t", Header: map[string]string{"a": "ä"}},
		"value: spaces":  {Topic: "t", Header: map[string]string{"a": " b"}},
	} {
		if m.Check() == nil {
			t.Errorf("%s: %+v is accepted", name, m)
		}
	}
}
