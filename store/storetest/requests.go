package storetest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
)

func mustAdd[Tx any](t tester, b subject[Tx], r store.Request) int64 {
	t.Helper()
	id, err := b.AddRequest(t.Context(), r)
	if err != nil {
		t.Fatalf("add a request to %s %s: %v", r.Action, r.Consumer.Name, err)
	}
	return id
}

func mustFinish[Tx any](t tester, b subject[Tx], id int64, outcome string) {
	t.Helper()
	mustInTx(t, b, func(ctx context.Context, tx Tx) error {
		finished, err := b.FinishRequest(ctx, tx, id, outcome)
		if err == nil && !finished {
			t.Fatalf("request %d is done already", id)
		}
		return err
	})
}

func mustPending[Tx any](t tester, b subject[Tx], id store.ConsumerID) []store.Request {
	t.Helper()
	requests, err := b.PendingRequests(t.Context(), id)
	if err != nil {
		t.Fatalf("pending requests of %s: %v", id.Name, err)
	}
	return requests
}

func mustListRequests[Tx any](t tester, b subject[Tx], name string) []store.Request {
	t.Helper()
	requests, err := b.ListRequests(t.Context(), name, 0, all)
	if err != nil {
		t.Fatalf("list requests of %q: %v", name, err)
	}
	return requests
}

func idsOf(requests []store.Request) []int64 {
	all := make([]int64, len(requests))
	for i, r := range requests {
		all[i] = r.ID
	}
	return all
}

// everyRequest has one request of each action, with all that it can have.
func everyRequest(id store.ConsumerID) []store.Request {
	requests := []store.Request{
		{Action: store.Pause}, {Action: store.Resume}, {Action: store.Rebuild}, {Action: store.Remove},
		{Action: store.Redrive}, {Action: store.Redrive, Stream: product}, {Action: store.Skip, Stream: store.Stream{Category: "order", ID: "é 'x'"}},
		{Action: store.SetSegments, Segments: 1}, {Action: store.SetSegments, Segments: store.MaxSegments},
		{Action: store.Rename, NewName: strings.Repeat("c", store.MaxName)},
	}
	for i := range requests {
		requests[i].Consumer, requests[i].Reason, requests[i].Actor = id, "because 'of' é", "someone@example.com"
	}
	return requests
}

func requestClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"AddRequest stores a request with the next id and the database's time, not done", func(t *testing.T, b subject[Tx]) {
			var last int64
			for _, r := range everyRequest(next) {
				asked := r
				asked.ID, asked.AskedAt, asked.DoneAt, asked.Outcome = 7, noon, noon, "done"
				before := clock(t, b)
				id := mustAdd(t, b, asked)
				if id <= last {
					t.Fatalf("id %d comes after %d", id, last)
				}
				got := mustListRequests(t, b, "")[0]
				between(t, "AskedAt", got.AskedAt, before, clock(t, b), 0)
				r.ID, r.AskedAt = id, got.AskedAt
				equal(t, "request", got, r)
				last = id
			}
			equal(t, "requests", len(mustPending(t, b, next)), len(everyRequest(next)))
		}},
		{"PendingRequests returns a consumer's requests that are not done, in ascending order of id", func(t *testing.T, b subject[Tx]) {
			var mine []int64
			for range 12 {
				mine = append(mine, mustAdd(t, b, store.Request{Consumer: board, Action: store.Pause}))
				mustAdd(t, b, store.Request{Consumer: next, Action: store.Pause})
				mustAdd(t, b, store.Request{Consumer: mail, Action: store.Pause})
			}
			equal(t, "pending", idsOf(mustPending(t, b, board)), mine)
			for _, i := range []int{4, 0, 11} {
				mustFinish(t, b, mine[i], "done")
			}
			want := append(append([]int64{}, mine[1:4]...), mine[5:11]...)
			equal(t, "pending", idsOf(mustPending(t, b, board)), want)
			equal(t, "pending of nobody", mustPending(t, b, store.ConsumerID{Name: "nobody"}), nil)
		}},
		{"FinishRequest stores the outcome and the database's time, once", func(t *testing.T, b subject[Tx]) {
			first := mustAdd(t, b, store.Request{Consumer: board, Action: store.Pause})
			second := mustAdd(t, b, store.Request{Consumer: board, Action: store.Resume})
			want := mustListRequests(t, b, "")
			var before time.Time
			mustInTx(t, b, func(ctx context.Context, tx Tx) error {
				before = clock(t, b)
				for _, expect := range []bool{true, false} { // the second time it is done already
					finished, err := b.FinishRequest(ctx, tx, first, map[bool]string{true: "paused 'é'", false: "again"}[expect])
					if err != nil {
						return err
					}
					equal(t, "finished", finished, expect)
				}
				return nil
			})
			got := mustListRequests(t, b, "")
			between(t, "DoneAt", got[1].DoneAt, before, clock(t, b), 0)
			want[1].DoneAt, want[1].Outcome = got[1].DoneAt, "paused 'é'"
			equal(t, "requests", got, want)
			mustInTx(t, b, func(ctx context.Context, tx Tx) error {
				for _, id := range []int64{first, second + 1000, 0, -1} {
					finished, err := b.FinishRequest(ctx, tx, id, "again")
					if err != nil {
						return err
					}
					equal(t, "finished again", finished, false)
				}
				return nil
			})
			equal(t, "requests", mustListRequests(t, b, ""), want)
		}},
		{"FinishRequest accepts any text as the outcome", func(t *testing.T, b subject[Tx]) {
			for _, text := range weirdTexts {
				mustFinish(t, b, mustAdd(t, b, store.Request{Consumer: board, Action: store.Pause}), text)
				mustBeLike(t, mustListRequests(t, b, "")[0].Outcome, text)
			}
		}},
		{"ListRequests returns the newest first, of one name or of all, paged", func(t *testing.T, b subject[Tx]) {
			var ofAll, ofBoard []int64
			for i := range 12 {
				id := []store.ConsumerID{board, mail, next}[i%3]
				added := mustAdd(t, b, store.Request{Consumer: id, Action: store.Pause})
				ofAll = append([]int64{added}, ofAll...)
				if id != mail {
					ofBoard = append([]int64{added}, ofBoard...)
				}
			}
			mustFinish(t, b, ofAll[3], "done")
			for name, want := range map[string][]int64{"": ofAll, "board": ofBoard, "nobody": nil} {
				for _, limit := range []int{1, 5, all} {
					var got []int64
					for before := int64(0); ; before = got[len(got)-1] {
						page, err := b.ListRequests(t.Context(), name, before, limit)
						mustBe(t, "list", err, nil)
						if len(page) == 0 {
							break
						}
						equal(t, "length of a page", len(page), min(limit, len(want)-len(got)))
						got = append(got, idsOf(page)...)
					}
					equal(t, "requests of "+name, got, want)
				}
			}
			for limit := -1; limit <= 0; limit++ {
				page, err := b.ListRequests(t.Context(), "", 0, limit)
				mustBe(t, "list", err, nil)
				equal(t, "page of none", page, nil)
			}
		}},
		{"AddRequest refuses what CheckRequest refuses", func(t *testing.T, b subject[Tx]) {
			long := strings.Repeat("r", 3<<10)
			for _, r := range []store.Request{
				{Consumer: board}, {Consumer: board, Action: "stop"}, {Action: store.Pause},
				{Consumer: store.ConsumerID{Name: "board", Generation: -1}, Action: store.Pause},
				{Consumer: store.ConsumerID{Name: "a b"}, Action: store.Pause},
				{Consumer: board, Action: store.Pause, Reason: long}, {Consumer: board, Action: store.Pause, Actor: long},
				{Consumer: board, Action: store.Pause, Reason: "a\x00"}, {Consumer: board, Action: store.Pause, Actor: "\xff"},
				{Consumer: board, Action: store.Redrive, Stream: store.Stream{Category: "product"}},
				{Consumer: board, Action: store.Skip, Stream: product}, {Consumer: board, Action: store.Skip, Reason: "why"},
				{Consumer: board, Action: store.SetSegments}, {Consumer: board, Action: store.SetSegments, Segments: store.MaxSegments + 1},
				{Consumer: board, Action: store.Rename}, {Consumer: board, Action: store.Rename, NewName: "a.b"},
				{Consumer: board, Action: store.Pause, Stream: product}, {Consumer: board, Action: store.Pause, Segments: 3},
				{Consumer: board, Action: store.Pause, NewName: "view"},
			} {
				_, err := b.AddRequest(t.Context(), r)
				if err == nil {
					t.Fatalf("%+v was accepted", r)
				}
				mustInvalid(t, err)
			}
			equal(t, "requests", mustListRequests(t, b, ""), nil)
		}},
	}
}
