package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/store"
)

func testSearch(t *testing.T, f *fixture) {
	alice, bob := f.user("alice"), f.user("bob")
	for _, s := range []string{"今天下午三点开会", "会议室在三楼", "Meeting at the Café, ROOM 301", "see you", "ＡＢＣ１２３", "👍 好的"} {
		f.append(text(alice.ID, bob.ID, s))
	}
	for query, want := range map[string][]string{
		"会":       {"会议室在三楼", "今天下午三点开会"},
		"会议":      {"会议室在三楼"},
		"下午三点":    {"今天下午三点开会"},
		"三会":      nil,
		"三 会":     {"会议室在三楼", "今天下午三点开会"},
		"meet":    {"Meeting at the Café, ROOM 301"},
		"eeting":  nil,
		"room 30": {"Meeting at the Café, ROOM 301"},
		"CAFÉ,":   {"Meeting at the Café, ROOM 301"},
		"abc123":  {"ＡＢＣ１２３"},
		"👍":       {"👍 好的"},
		"nothing": nil,
	} {
		r, err := f.Search(t.Context(), store.SearchQuery{Text: query})
		f.must(err)
		f.wantTexts("search for "+query, bodies(r.Messages), want...)
	}
}

func testSearchFilters(t *testing.T, f *fixture) {
	alice, bob, carol := f.user("alice"), f.user("bob"), f.user("carol")
	var sent []store.Accepted
	for i := range 10 {
		m := text(alice.ID, []store.UserID{bob.ID, carol.ID}[i%2], fmt.Sprint("message ", i))
		m.CallID, m.MessageID = fmt.Sprint("call", i), fmt.Sprint("id", i)
		sent = append(sent, f.append(m))
	}
	f.append(receipt(bob.ID, alice.ID))
	for name, c := range map[string]struct {
		q    store.SearchQuery
		want []string
	}{
		"call":       {store.SearchQuery{CallID: "call4"}, []string{"message 4"}},
		"message id": {store.SearchQuery{MessageID: "id5"}, []string{"message 5"}},
		"peer":       {store.SearchQuery{User: carol.ID, Peer: alice.ID, Limit: 2}, []string{"message 9", "message 7"}},
		"user":       {store.SearchQuery{User: bob.ID, Kind: store.KindText, Limit: 2}, []string{"message 8", "message 6"}},
		"receipt":    {store.SearchQuery{Kind: store.KindReceipt}, []string{"<imdn/>"}},
		"before":     {store.SearchQuery{Text: "message", Before: sent[2].GID}, []string{"message 1", "message 0"}},
		"strangers":  {store.SearchQuery{User: bob.ID, Peer: carol.ID}, nil},
		"past":       {store.SearchQuery{Until: time.Now().Add(-time.Hour)}, nil},
		"future":     {store.SearchQuery{Since: time.Now().Add(time.Hour)}, nil},
	} {
		r, err := f.Search(t.Context(), c.q)
		f.must(err)
		f.wantTexts(name, bodies(r.Messages), c.want...)
	}
}

func testExport(t *testing.T, f *fixture) {
	alice, bob, carol := f.user("alice"), f.user("bob"), f.user("carol")
	const n = 1100 // more than a page of any store
	for i := range n {
		to := bob.ID
		if i == 7 {
			to = carol.ID
		}
		f.Append(text(alice.ID, to, fmt.Sprint(i)), func(store.Accepted, error) {})
	}
	f.append(receipt(bob.ID, alice.ID))
	var got []store.Message
	f.must(f.Export(t.Context(), store.SearchQuery{}, func(m *store.Message) error {
		got = append(got, *m)
		return nil
	}))
	if len(got) != n+1 {
		t.Fatalf("%d messages, want %d", len(got), n+1)
	}
	for i := 1; i < len(got); i++ {
		if got[i].GID <= got[i-1].GID {
			t.Fatalf("message %d is out of order", i)
		}
	}
	var texts []string
	f.must(f.Export(t.Context(), store.SearchQuery{User: carol.ID}, func(m *store.Message) error {
		texts = append(texts, string(m.Body))
		return nil
	}))
	f.wantTexts("of carol", texts, "7")
	stop := errors.New("stop")
	if err := f.Export(t.Context(), store.SearchQuery{}, func(*store.Message) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("stopped: %v", err)
	}
}

func testAudit(t *testing.T, f *fixture) {
	for i := range 5 {
		f.must(f.Record(t.Context(), store.AuditEntry{Actor: "unix:root", Action: "user.add", Object: fmt.Sprint(i), Detail: "{}"}))
	}
	got, err := f.ListAudit(t.Context(), 0, 2)
	f.must(err)
	if len(got) != 2 || got[0].Object != "4" || got[0].At.IsZero() {
		t.Fatalf("the newest: %+v", got)
	}
	got, err = f.ListAudit(t.Context(), got[1].ID, 10)
	f.must(err)
	if len(got) != 3 || got[0].Object != "2" {
		t.Errorf("the rest: %+v", got)
	}
}

func testTokens(t *testing.T, f *fixture) {
	ctx := t.Context()
	hash := func(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }
	past := time.Now().Add(-time.Hour)
	ci, err := f.AddToken(ctx, store.Token{Name: "ci", Hash: hash(1)})
	f.must(err)
	_, err = f.AddToken(ctx, store.Token{Name: "old", Hash: hash(2), Expires: &past})
	f.must(err)
	if _, err := f.AddToken(ctx, store.Token{Name: "twice", Hash: hash(1)}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("the same hash: %v", err)
	}
	if got, err := f.TokenByHash(ctx, hash(1)); err != nil || got.Name != "ci" {
		t.Errorf("got %+v, %v", got, err)
	}
	eventually(f, func() ([]store.Token, bool) {
		ts, err := f.ListTokens(ctx)
		f.must(err)
		return ts, len(ts) == 2 && ts[0].LastUsed != nil
	})
	for _, b := range []byte{2, 3} {
		if _, err := f.TokenByHash(ctx, hash(b)); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("token %d: %v", b, err)
		}
	}
	f.must(f.RevokeToken(ctx, ci.ID))
	if _, err := f.TokenByHash(ctx, hash(1)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("revoked: %v", err)
	}
	if err := f.RevokeToken(ctx, 99); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("revoked what is not there: %v", err)
	}
}

// testUserTokens: a token of a user works as long as he does.
func testUserTokens(t *testing.T, f *fixture) {
	ctx := t.Context()
	hash := bytes.Repeat([]byte{7}, 32)
	alice := f.user("alice")
	added, err := f.AddToken(ctx, store.Token{Name: "web", User: alice.ID, Hash: hash})
	f.must(err)
	if got, err := f.TokenByHash(ctx, hash); err != nil || got.User != alice.ID || added.User != alice.ID {
		t.Errorf("got %+v, %v, of %+v", got, err, added)
	}
	alice.Disabled = true
	alice, err = f.UpdateUser(ctx, alice)
	f.must(err)
	if _, err := f.TokenByHash(ctx, hash); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("of a disabled user: %v", err)
	}
	alice.Disabled = false
	_, err = f.UpdateUser(ctx, alice)
	f.must(err)
	if _, err := f.TokenByHash(ctx, hash); err != nil {
		t.Errorf("enabled again: %v", err)
	}
	f.must(f.RemoveUser(ctx, alice.ID))
	if _, err := f.TokenByHash(ctx, hash); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("of a removed user: %v", err)
	}
	if _, err := f.AddToken(ctx, store.Token{Name: "late", User: alice.ID, Hash: hash}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("for a removed user: %v", err)
	}
}

func testSecrets(t *testing.T, f *fixture) {
	a, err := f.Secret(t.Context(), "nonce", 32)
	f.must(err)
	b, err := f.Secret(t.Context(), "nonce", 32)
	f.must(err)
	c, err := f.Secret(t.Context(), "other", 32)
	f.must(err)
	if len(a) != 32 || !bytes.Equal(a, b) || bytes.Equal(a, c) {
		t.Errorf("secrets %x, %x, %x", a, b, c)
	}
	if _, err := f.Secret(t.Context(), "nonce", 16); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("another length: %v", err)
	}
}

func testVerify(t *testing.T, f *fixture) {
	alice, bob := f.user("alice"), f.user("bob")
	b := f.device(bob, "b")
	for i := range 50 {
		m := text(alice.ID, bob.ID, fmt.Sprint(i))
		m.Dedup = [16]byte{byte(i), 1}
		a := f.append(m)
		if rand.IntN(2) == 0 {
			f.deliver(b, a)
		}
	}
	f.must(f.Record(t.Context(), store.AuditEntry{Actor: "a", Action: "b", Object: "c"}))
	var report strings.Builder
	if problems, err := f.Verify(t.Context(), &report); err != nil || problems != 0 {
		t.Errorf("%d problems, %v\n%s", problems, err, &report)
	}
	s, err := f.Stats(t.Context())
	f.must(err)
	if s.Users != 2 || s.Devices != 1 || s.Messages != 50 || s.Bytes <= 0 {
		t.Errorf("stats %+v", s)
	}
	if err := f.Healthy(); err != nil {
		t.Error(err)
	}
	f.must(f.Close())
	if _, err := f.tryAppend(text(alice.ID, bob.ID, "late")); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("append after close: %v", err)
	}
	if n, err := f.Verify(t.Context(), io.Discard); err == nil && n == 0 {
		t.Error("a closed store verifies as sound")
	}
}
