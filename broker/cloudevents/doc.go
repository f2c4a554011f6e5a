// Package cloudevents maps events to broker messages and back: CloudEvents 1.0
// in binary mode, as the [NATS protocol binding] writes it. Each attribute is a
// header of its own with the prefix "ce-", and the event's data is the body, so
// that a service in any language reads the events without this package.
//
//	header                 value
//	ce-specversion         1.0
//	ce-id                  event id
//	ce-type                event type
//	ce-source              what the publisher calls itself, a URI reference
//	ce-time                RFC 3339, UTC, microseconds
//	ce-subject             stream id
//	ce-datacontenttype     content type of the data
//	ce-streamversion       version in the stream, from 1
//	ce-position            place in the store's whole log, if known
//	ce-history             id of the store's history, if known
//	ce-previous            id of the event before in its stream; none before version 1
//	ce-correlationid       metadata, if not empty
//	ce-causationid         metadata, if not empty
//	ce-actor               metadata, if not empty
//	ce-fields              remaining metadata fields, a JSON object of strings
//	ce-traceparent         metadata field "traceparent", if not empty
//	traceparent            the same, where tracers look for it
//
// The category is the message's topic. Values are percent-encoded: a space, a
// double quote, a percent sign and whatever is not printable ASCII becomes %XX
// for each of its bytes in UTF-8.
//
// The binding is the one in the main branch of the specification. Release
// 1.0.2 of it knows no binary mode, being older than the headers of NATS.
//
// [NATS protocol binding]: https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/nats-protocol-binding.md
package cloudevents

// The headers of the mapping. Names compare without regard to case.
const (
	specVersion   = "ce-specversion"
	id            = "ce-id"
	eventType     = "ce-type"
	source        = "ce-source"
	eventTime     = "ce-time"
	subject       = "ce-subject"
	contentType   = "ce-datacontenttype"
	streamVersion = "ce-streamversion"
	position      = "ce-position"
	history       = "ce-history"
	previous      = "ce-previous"
	correlationID = "ce-correlationid"
	causationID   = "ce-causationid"
	actor         = "ce-actor"
	fields        = "ce-fields"
	traceParent   = "ce-traceparent"

	// w3cTraceParent is the header of W3C Trace Context. Whoever passes the
	// message on may replace it; ce-traceparent stays what the producer wrote.
	w3cTraceParent = "traceparent"

	// transportType is the content type of the message. In structured mode it
	// begins with structured, and the data holds the whole event.
	transportType = "content-type"
	structured    = "application/cloudevents"
)

// traceField is the key of [store.Metadata.Fields] behind both trace headers.
const traceField = "traceparent"
