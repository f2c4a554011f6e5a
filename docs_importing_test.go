package eventus_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/eventus-go/eventus/eventustest/pgtest"
)

// TestImportingPage follows docs/importing.md with 20,000 prices of an older
// system. One product has more of them than one append takes.
func TestImportingPage(t *testing.T) {
	t.Parallel()
	page := openPage(t, "docs/importing.md")
	t.Run("20,000 events", func(t *testing.T) {
		p, server := page.onServer(t, pgtest.Options{}, "psql")
		urls := make(map[string]string)
		for _, name := range []string{"legacy", "shop", "appended", "copied"} {
			p.sql(server.URL(), "CREATE DATABASE "+name)
			urls[name] = databaseOf(server.URL(), name)
			p.set(strings.ToUpper(name), urls[name])
		}
		p.sql(urls["legacy"], `CREATE TABLE prices AS SELECT i AS id, CASE WHEN i % 2 = 0 OR i > 19000 THEN 'p-0' ELSE 'p-' || i % 900 END AS product,
			i AS cents, '2020-01-01'::timestamptz + i * interval '1 minute' AS at, 'ann' AS who FROM generate_series(1, 20000) AS i`)
		p.run("Export")
		for _, name := range []string{"shop", "copied"} {
			openStoreAt(t, urls[name])
		}
		p.run("Import by COPY")
		if out := p.run("Check the import"); strings.Count(out, "(0 rows)") != 3 {
			t.Errorf("the import is not right:\n%s", out)
		}
		p.run("Keep positions")
		openStoreAt(t, urls["copied"])

		streams, file := filepath.Join(p.dir, "streams.csv"), filepath.Join(t.TempDir(), "product.db")
		for _, to := range []string{urls["appended"], urls["appended"], file, file} { // the second one writes nothing
			if out := p.runGo("Import by Append", streams, to); out != "20000 events\n" {
				t.Errorf("to %s: %s", to, out)
			}
		}
		const all = `SELECT count(*) || md5(string_agg(e::text, ' ' ORDER BY category, stream_id, version)) FROM (SELECT category, stream_id,
			version, event_id, type, content_type, data, time, correlation_id, causation_id, actor, metadata FROM event_store) AS e`
		want := p.sql(urls["shop"], all)
		for _, name := range []string{"appended", "copied"} {
			if got := p.sql(urls[name], all); got != want {
				t.Errorf("%s has %s, want %s", name, got, want)
			}
		}
		if n := p.sql(urls["appended"], "SELECT count(*) FROM outbox"); n != "20000" {
			t.Errorf("%s events wait to be published, want all of them", n)
		}
		if n := eventsInFile(t, file); n != 20_000 {
			t.Errorf("the file has %d events", n)
		}

		sample := startProductd(t, "-data", t.TempDir(), "-postgres", urls["shop"], "-seed=false")
		createProduct(t, sample.url, "last")
		awaitView(t, sample.url, "last")
		const view = `{"id":"p-0","name":"p-0","price":{"amount":20000,"currency":"EUR"},"discontinued":false,"version":10500}`
		if got := curl(t, sample.url, "http://127.0.0.1:8080/products/p-0"); got != view {
			t.Errorf("got  %s\nwant %s", got, view)
		}
		if got := curl(t, sample.url, "http://127.0.0.1:8080/readyz"); !strings.HasPrefix(got, `{"status":"ok"`) {
			t.Errorf("after the import: %s", got)
		}

		p.sql(urls["shop"], `INSERT INTO event_store (category, stream_id, version, event_id, type, content_type, data, time, correlation_id, causation_id, actor)
			SELECT 'wrong category', 'p-0', 10502, 'prices-1', type, content_type, data, time, '', '', '' FROM event_store WHERE event_id = 'prices-1'`)
		if out := p.run("Check the import"); strings.Contains(out, "(0 rows)") {
			t.Errorf("the checks do not find what is wrong:\n%s", out)
		}
	})
}
