package eventus

import (
	"context"
	"maps"
)

type metadataKey struct{}

// WithMetadata returns a context whose metadata is md. A repository stores the
// metadata of its context with every event it appends, and handlers are called
// with a context whose metadata continues that of their message.
func WithMetadata(ctx context.Context, md Metadata) context.Context {
	md.Fields = maps.Clone(md.Fields)
	return context.WithValue(ctx, metadataKey{}, md)
}

// MetadataFrom returns the metadata of ctx, empty when it has none. The caller
// owns the result.
func MetadataFrom(ctx context.Context) Metadata {
	md, _ := ctx.Value(metadataKey{}).(Metadata)
	md.Fields = maps.Clone(md.Fields)
	return md
}

// WithCorrelationID returns a context whose events carry id as the name of all
// that one request sets off.
func WithCorrelationID(ctx context.Context, id string) context.Context {
	md := MetadataFrom(ctx)
	md.CorrelationID = id
	return WithMetadata(ctx, md)
}

// WithCausationID returns a context whose events carry id as the message or
// command that led to them.
func WithCausationID(ctx context.Context, id string) context.Context {
	md := MetadataFrom(ctx)
	md.CausationID = id
	return WithMetadata(ctx, md)
}

// WithActor returns a context whose events carry actor as the one who asked.
func WithActor(ctx context.Context, actor string) context.Context {
	md := MetadataFrom(ctx)
	md.Actor = actor
	return WithMetadata(ctx, md)
}

// WithField returns a context whose events carry a free field.
func WithField(ctx context.Context, key, value string) context.Context {
	md := MetadataFrom(ctx)
	if md.Fields == nil {
		md.Fields = make(map[string]string)
	}
	md.Fields[key] = value
	return WithMetadata(ctx, md)
}

// ContinueFrom returns a context for work that the message set off: the
// correlation id is the message's, or the message's id where it had none, the
// causation id is the message's id, and actor and fields stay.
func ContinueFrom[E any](ctx context.Context, m Message[E]) context.Context {
	md := m.Metadata
	if md.CorrelationID == "" {
		md.CorrelationID = m.ID
	}
	md.CausationID = m.ID
	return WithMetadata(ctx, md)
}
