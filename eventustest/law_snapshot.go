package eventustest

import "reflect"

// snapshots takes a snapshot at each version and goes on from it.
func (tr *trial[S, E, A]) snapshots() *violation {
	events, v := tr.decoded()
	if v != nil {
		return v
	}
	full, v := tr.fold(events)
	if v != nil {
		return v
	}
	fresh, v := tr.decoded()
	if v != nil {
		return v
	}
	var state S
	for i, event := range fresh {
		if v := tr.apply(event, &state, i); v != nil {
			return v
		}
		restored, v := tr.restored(state, i+1)
		if v != nil {
			return v
		}
		at := diff(state, restored)
		for j, event := range events[i+1:] {
			if v := tr.apply(event, &restored, i+1+j); v != nil {
				return broken(lawSnapshot, "after a snapshot at version %d: %s", i+1, v.detail)
			}
		}
		switch d := diff(full, restored); {
		case d == "":
		case at != "":
			return broken(lawSnapshot, "%s\n-state at version %d +from its snapshot:\n%s", stateCure[S](), i+1, at)
		default:
			return broken(lawSnapshot, "%s\n-full replay +from the snapshot at version %d:\n%s", stateCure[S](), i+1, d)
		}
		// events are shared by all tails: one that an Apply wrote to would tell
		// a lie later.
		if events, v = tr.decoded(); v != nil {
			return v
		}
	}
	return nil
}

func (tr *trial[S, E, A]) restored(state S, version int) (restored S, v *violation) {
	panicked := recovered(func() {
		data, err := tr.definition.Codec().Encode(state)
		if err != nil {
			v = broken(lawSnapshot, "%s\nthe state at version %d cannot be encoded: %v", stateCure[S](), version, err)
			return
		}
		if err := tr.definition.Codec().Decode(data, &restored); err != nil {
			v = broken(lawSnapshot, "%s\nthe state at version %d, stored as %s, cannot be read again: %v", stateCure[S](), version, data, err)
		}
	})
	if panicked != "" {
		v = broken(lawSnapshot, "%s\nthe codec panics on the state at version %d: %s", stateCure[S](), version, panicked)
	}
	return restored, v
}

// stateCure says what keeps a state from being a snapshot, and what to do.
func stateCure[S any]() string {
	cure := ""
	for _, reason := range reasons(reflect.TypeFor[S](), "", nil) {
		cure += reason + "\n"
	}
	return cure + "a state that is never kept as a snapshot need not obey this: see WithoutSnapshots"
}
