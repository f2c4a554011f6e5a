package cloudevents

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
)

// unpack reads an event in structured mode: a JSON object of attributes, with the
// data under "data" or, in base64, "data_base64". The reader's header becomes
// what binary mode would have there. It returns the data.
func (r *reader) unpack(body []byte) []byte {
	var event map[string]json.RawMessage
	if err := json.Unmarshal(body, &event); err != nil {
		r.fail(transportType, "says that the data is an event in structured mode, and it is no JSON object: %v", err)
		return nil
	}
	header := make(map[string]string, len(event))
	for name, value := range event {
		if name == "data" || name == "data_base64" || string(value) == "null" {
			continue
		}
		text, err := attribute(value)
		if err != nil {
			r.fail(transportType, "says that the data is an event in structured mode, and its attribute %s is %.40q", name, value)
		}
		header["ce-"+strings.ToLower(name)] = text
	}
	r.header, r.plain = header, true
	if encoded, ok := event["data_base64"]; ok {
		var data []byte
		if err := json.Unmarshal(encoded, &data); err != nil {
			r.fail(transportType, "says that the data is an event in structured mode, and data_base64 is not in base64: %v", err)
		}
		return data
	}
	return content(header[contentType], event["data"])
}

// attribute returns the text of an attribute's value: a string as it is, a
// number or a boolean as JSON writes it.
func attribute(value json.RawMessage) (text string, err error) {
	if bytes.HasPrefix(value, []byte(`"`)) {
		err = json.Unmarshal(value, &text)
		return text, err
	}
	var other any
	if err := json.Unmarshal(value, &other); err != nil {
		return "", err
	}
	switch other.(type) {
	case float64, bool:
		return string(value), nil
	}
	return "", errNotScalar
}

var errNotScalar = errors.New("an attribute is a string, a number or a boolean")

// content returns the data: JSON as it stands there, and what a string holds of
// another type.
func content(contentType string, data json.RawMessage) []byte {
	mode := mediaType(contentType)
	if mode == "" || mode == "application/json" || strings.HasSuffix(mode, "+json") {
		return data
	}
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return data
	}
	return []byte(text)
}
