package eventus

import "container/list"

// kept has groups without members between the Updates of their aggregates, so that
// the next Update needs no load. It drops those that were used longest ago. It is
// for the holder of a lock.
type kept struct {
	limit int // bytes
	bytes int
	order list.List // of *keptGroup, the one used last in front
	byID  map[string]*list.Element
}

type keptGroup struct {
	id    string
	group *group
	bytes int
}

// messageOverhead is about what a message takes beside its data.
const messageOverhead = 400

// put keeps a group whose past is known.
func (k *kept) put(id string, g *group) {
	if g.past == nil {
		return
	}
	bytes := messageOverhead + len(g.past.snapshot.Data)
	for i := range g.past.messages {
		bytes += messageOverhead + len(g.past.messages[i].Data)
	}
	if bytes > k.limit {
		return
	}
	if k.byID == nil {
		k.byID = make(map[string]*list.Element)
	}
	k.byID[id] = k.order.PushFront(&keptGroup{id, g, bytes})
	for k.bytes += bytes; k.bytes > k.limit; {
		k.take(k.order.Back().Value.(*keptGroup).id)
	}
}

// take returns the group of an aggregate, nil if there is none, and keeps it no
// longer.
func (k *kept) take(id string) *group {
	e, ok := k.byID[id]
	if !ok {
		return nil
	}
	delete(k.byID, id)
	g := k.order.Remove(e).(*keptGroup)
	k.bytes -= g.bytes
	return g.group
}
