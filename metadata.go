package eventus

import (
	"context"
	"maps"
)

type metadataKey struct{}

// ContextWithMetadata returns a context whose metadata is md. A repository stores the
// metadata of its context with every event it appends, and handlers are called
// with a context whose metadata continues that of their message.
func ContextWithMetadata(ctx context.Context, md Metadata) context.Context {
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

// ContextWithCorrelationID returns a context whose events carry id as the name of all
// that one request sets off.
func ContextWithCorrelationID(ctx context.Context, id string) context.Context {
	md := MetadataFrom(ctx)
	md.CorrelationID = id
	return ContextWithMetadata(ctx, md)
}

// ContextWithCausationID returns a context whose events carry id as the message or
// command that led to them.
func ContextWithCausationID(ctx context.Context, id string) context.Context {
	md := MetadataFrom(ctx)
	md.CausationID = id
	return ContextWithMetadata(ctx, md)
}

// ContextWithActor returns a context whose events carry actor as the one who asked.
func ContextWithActor(ctx context.Context, actor string) context.Context {
	md := MetadataFrom(ctx)
	md.Actor = actor
	return ContextWithMetadata(ctx, md)
}

// ContextWithField returns a context whose events carry a free field.
func ContextWithField(ctx context.Context, key, value string) context.Context {
	md := MetadataFrom(ctx)
	if md.Fields == nil {
		md.Fields = make(map[string]string)
	}
	md.Fields[key] = value
	return ContextWithMetadata(ctx, md)
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
	return ContextWithMetadata(ctx, md)
}
