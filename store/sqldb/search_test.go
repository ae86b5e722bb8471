package sqldb

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sparkleim/sparkle/store"
)

// sendAll appends texts, without waiting for each.
func sendAll(t testing.TB, db *DB, texts []string) {
	t.Helper()
	var all sync.WaitGroup
	all.Add(len(texts))
	for i, s := range texts {
		db.Append(chat(1, store.UserID(2+i%7), s), func(_ store.Accepted, err error) {
			if err != nil {
				t.Error(err)
			}
			all.Done()
		})
		if i%1000 == 999 {
			until2(t, func() bool { return db.writer.queue.len() < 1000 })
		}
	}
	all.Wait()
}

func until2(t testing.TB, ask func() bool) {
	for !ask() {
		select {
		case <-t.Context().Done():
			return
		default:
		}
	}
}

// indexAll brings the index up to date at once.
func indexAll(t testing.TB, db *DB) {
	t.Helper()
	if db.index.writer == nil {
		t.Skip("THE INDEX WAS NOT TESTED: built without -tags sqlite_fts5")
	}
	for db.index.indexed.Load() < db.activity.newestGID() {
		if err := db.index.advance(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

// chinese makes texts of few different characters, so that chance repeats them.
func chinese(r *rand.Rand, n int) string {
	letters := []rune("今天下午三点开会议室请参加的了是我你他在有不人这个上们来到时大地为子中说生国年着就那和要她出也得里后自以，。 aB1")
	out := make([]rune, n)
	for i := range out {
		out[i] = letters[min(r.IntN(len(letters)), r.IntN(len(letters)))]
	}
	return string(out)
}

func searchAll(t *testing.T, db *DB, text string) []string {
	t.Helper()
	var found []string
	for before := int64(0); ; {
		r, err := db.Search(t.Context(), store.SearchQuery{Text: text, Limit: maxFound, Before: before})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range r.Messages {
			found = append(found, m.Text)
			before = m.GID
		}
		if r.Partial {
			t.Fatalf("search for %q was cut short", text)
		}
		if len(r.Messages) < maxFound {
			return found
		}
	}
}

// TestSearchEqualsSubstring compares Chinese search with a plain substring
// search, with half of the messages in the index and half not yet.
func TestSearchEqualsSubstring(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	db := openTest(t, Config{})
	var texts []string
	for range 4000 {
		texts = append(texts, chinese(r, 1+r.IntN(40)))
	}
	sendAll(t, db, texts[:2000])
	indexAll(t, db)
	sendAll(t, db, texts[2000:])
	for length := 1; length <= 6; length++ {
		hits := 0
		for range 30 {
			query := slice(r, texts[r.IntN(len(texts))], length)
			if query == "" {
				continue
			}
			var want []string
			for _, s := range slices.Backward(texts) {
				if strings.Contains(fold(s), fold(query)) {
					want = append(want, s)
				}
			}
			got := searchAll(t, db, query)
			if !slices.Equal(got, want) {
				t.Fatalf("search for %q: %d found, %d expected", query, len(got), len(want))
			}
			hits += len(got)
		}
		if hits == 0 {
			t.Errorf("no query of %d characters found anything", length)
		}
	}
}

// slice cuts n ideographs in a row out of a text, or "".
func slice(r *rand.Rand, s string, n int) string {
	runes := []rune(s)
	if len(runes) < n {
		return ""
	}
	at := r.IntN(len(runes) - n + 1)
	cut := runes[at : at+n]
	if slices.ContainsFunc(cut, func(c rune) bool { return classOf(c) != classIdeo }) {
		return ""
	}
	return string(cut)
}

func TestIndexedFilters(t *testing.T) {
	db := openTest(t, Config{})
	m := chat(1, 2, "needle")
	m.CallID, m.MessageID = "call-1", "id-1"
	if _, err := appendWait(db, m); err != nil {
		t.Fatal(err)
	}
	sendAll(t, db, []string{"hay", "needles", "needless", "kneedle"})
	indexAll(t, db)
	for name, c := range map[string]struct {
		q    store.SearchQuery
		want int
	}{
		"text":         {store.SearchQuery{Text: "needle"}, 3},
		"text of peer": {store.SearchQuery{Text: "needle", User: 2}, 1},
		"pair":         {store.SearchQuery{User: 2, Peer: 1, Kind: store.KindText}, 2},
		"call":         {store.SearchQuery{CallID: "call-1"}, 1},
		"id":           {store.SearchQuery{MessageID: "id-1"}, 1},
		"other id":     {store.SearchQuery{MessageID: "id"}, 0},
		"strangers":    {store.SearchQuery{User: 2, Peer: 3, Kind: store.KindText}, 0},
		"quotes":       {store.SearchQuery{Text: `" OR needle *`}, 0},
		"no token":     {store.SearchQuery{Text: "!?"}, 0},
	} {
		r, err := db.Search(t.Context(), c.q)
		if err != nil || len(r.Messages) != c.want {
			t.Errorf("%s: %d messages, %v, want %d", name, len(r.Messages), err, c.want)
		}
	}
}

// TestViewerSearchByIndex: who is in many groups finds what is his, whether it is
// in the index or not, and nothing of others.
func TestViewerSearchByIndex(t *testing.T) {
	db := openTest(t, Config{})
	groups := manyGroups(t, db, 600) // of user 1
	var all sync.WaitGroup
	send := func(m *store.NewMessage) {
		all.Add(1)
		db.Append(m, func(_ store.Accepted, err error) {
			if err != nil {
				t.Error(err)
			}
			all.Done()
		})
	}
	round := func(n int) {
		for i, g := range groups {
			m := chat(2, 0, fmt.Sprint("needle ", n, " of group ", i))
			m.Group = g
			send(m)
			send(chat(2, 3, "needle of others"))
		}
		send(chat(2, 1, fmt.Sprint("needle ", n, " for him")))
		all.Wait()
	}
	round(1)
	indexAll(t, db)
	round(2)
	// The second one wrote it all, and is in no group.
	for viewer, want := range map[store.UserID]int{1: 1202, 2: 1202, 3: 1200, 4: 0} {
		found := 0
		for before := int64(0); ; {
			r, err := db.Search(t.Context(), store.SearchQuery{Viewer: viewer, Text: "needle", Before: before, Limit: 500})
			if err != nil || r.Partial {
				t.Fatalf("viewer %d: %v, cut short: %v", viewer, err, r.Partial)
			}
			for _, m := range r.Messages {
				before = m.GID
			}
			if found += len(r.Messages); len(r.Messages) < 500 {
				break
			}
		}
		if found != want {
			t.Errorf("viewer %d found %d messages, want %d", viewer, found, want)
		}
	}
	limited := store.SearchQuery{Viewer: 1, Text: "needle", Group: groups[7]}
	if r, err := db.Search(t.Context(), limited); err != nil || len(r.Messages) != 2 {
		t.Errorf("in one group: %d found, %v", len(r.Messages), err)
	}
}

// TestIndexIsMadeAgain damages, deletes and mistakes search.db.
func TestIndexIsMadeAgain(t *testing.T) {
	dir := t.TempDir()
	db := openTest(t, Config{Dir: dir})
	sendAll(t, db, []string{"会议", "开会"})
	indexAll(t, db)
	db.Close()
	path := filepath.Join(dir, "search.db")
	for name, spoil := range map[string]func() error{
		"deleted": func() error { return os.Remove(path) },
		"damaged": func() error { return os.WriteFile(path, []byte(strings.Repeat("garbage", 2000)), 0o600) },
		"ahead": func() error {
			db := openTest(t, Config{Dir: dir})
			defer db.Close()
			_, err := db.index.writer.Exec(`UPDATE progress SET gid = gid + 1`)
			return err
		},
	} {
		if err := spoil(); err != nil {
			t.Fatal(name, err)
		}
		db := openTest(t, Config{Dir: dir})
		if db.index.indexed.Load() != 0 {
			t.Errorf("%s: the index goes on at %d", name, db.index.indexed.Load())
		}
		indexAll(t, db)
		if got := searchAll(t, db, "会"); len(got) != 2 {
			t.Errorf("%s: found %q", name, got)
		}
		db.Close()
	}
}

func TestTokens(t *testing.T) {
	for text, want := range map[string]string{
		"今天":           "今 天 今天",
		"Hello, World": "hello world",
		"ｉＰｈｏｎｅ手机":     "iphone 手 机 手机",
		"会议会议":         "会 议 会议 议会",
		"a👍b":          "a 👍 b",
		"naïve":        "naïve",
		" \t。，":        "",
	} {
		var tokens []string
		textTokens(text, func(token string) {
			if !slices.Contains(tokens, token) {
				tokens = append(tokens, token)
			}
		})
		if got := strings.Join(tokens, " "); got != want {
			t.Errorf("tokens of %q: %q, want %q", text, got, want)
		}
	}
}

// FuzzTokens wants of any text: valid tokens without separators, and that a
// word that is in the text finds its terms among the text's tokens.
func FuzzTokens(f *testing.F) {
	for _, s := range []string{"今天下午三点", "Hello wörld", "👍🏽 ok", "か゚き", "\xff\xfe", "a\u0301b", "ﬁ ½ Ａ", strings.Repeat("x", 100)} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, text, query string) {
		tokens := make(map[string]bool)
		textTokens(text, func(token string) {
			if token == "" || !utf8.ValidString(token) || strings.ContainsAny(token, " \"*\x00") {
				t.Fatalf("token %q of %q", token, text)
			}
			tokens[token] = true
		})
		folded := fold(text)
		for _, w := range queryWords(query) {
			if !w.in(folded) {
				continue
			}
			for _, term := range w.terms {
				if !hasTerm(tokens, term) {
					t.Fatalf("%q has the word %q but not its term %s", text, w.text, term)
				}
			}
		}
	})
}

func hasTerm(tokens map[string]bool, term string) bool {
	prefix, isPrefix := strings.CutSuffix(term, " *")
	token := strings.Trim(prefix, `"`)
	if !isPrefix {
		return tokens[token]
	}
	for have := range tokens {
		if strings.HasPrefix(have, token) {
			return true
		}
	}
	return false
}

func BenchmarkSearch(b *testing.B) {
	r := rand.New(rand.NewPCG(3, 4))
	db := openTest(b, Config{})
	texts := make([]string, 20_000)
	for i := range texts {
		texts[i] = chinese(r, 24)
	}
	sendAll(b, db, texts)
	indexAll(b, db)
	for length := 1; length <= 4; length++ {
		b.Run(fmt.Sprint(length), func(b *testing.B) {
			for b.Loop() {
				query := slice(r, texts[r.IntN(len(texts))], length)
				if _, err := db.Search(b.Context(), store.SearchQuery{Text: query}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkIndex(b *testing.B) {
	r := rand.New(rand.NewPCG(3, 4))
	db := openTest(b, Config{})
	texts := make([]string, b.N)
	for i := range texts {
		texts[i] = chinese(r, 24)
	}
	sendAll(b, db, texts)
	b.ResetTimer()
	before := cpuTime(b)
	indexAll(b, db)
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
}

// TestIndexWaitsForQuiet: a busy program is left alone, and what is not indexed
// is found all the same.
func TestIndexWaitsForQuiet(t *testing.T) {
	db := openTest(t, Config{})
	db.background()
	db.ended.Wait()
	x := db.index
	if x.writer == nil {
		t.Skip("built without FTS5")
	}
	sendAll(t, db, []string{"会议", "午饭"})
	db.writer.lastWrite.Store(0)
	for _, c := range []struct {
		name string
		rest usage
		want int64
	}{
		{"busy", usage{usageNow().at.Add(-time.Second), usageNow().used - time.Second}, 0},
		{"quiet", usage{usageNow().at.Add(-time.Hour), usageNow().used}, db.activity.newestGID()},
	} {
		x.rest = c.rest
		if err := x.work(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := x.indexed.Load(); got != c.want {
			t.Errorf("%s: indexed up to %d, want %d", c.name, got, c.want)
		}
		if r, err := db.Search(t.Context(), store.SearchQuery{Text: "午饭"}); err != nil || len(r.Messages) != 1 {
			t.Errorf("%s: %d found: %v", c.name, len(r.Messages), err)
		}
	}
}
