package admin

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/store"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// accounts is an organisation in memory.
type accounts struct {
	users     []store.User
	passwords map[store.UserID]string
	devices   []store.Device
	err       error // what every change answers
}

func (f *accounts) Find(_ context.Context, address string) (store.User, error) {
	name, _, _ := strings.Cut(address, "@")
	for _, u := range f.users {
		if u.Username == name || slices.Contains(u.Numbers, name) {
			return u, nil
		}
	}
	return store.User{}, fmt.Errorf("user %q: %w", address, store.ErrNotFound)
}

func (f *accounts) ByID(_ context.Context, id store.UserID) (store.User, error) {
	for _, u := range f.users {
		if u.ID == id {
			return u, nil
		}
	}
	return store.User{}, store.ErrNotFound
}

func (f *accounts) List(_ context.Context, match string, after store.UserID, limit int) ([]store.User, error) {
	var found []store.User
	for _, u := range f.users {
		if u.ID > after && strings.Contains(u.Username+u.DisplayName, match) && len(found) < limit {
			found = append(found, u)
		}
	}
	return found, nil
}

func (f *accounts) Add(_ context.Context, u store.User, password string) (store.User, error) {
	if f.err != nil {
		return u, f.err
	}
	for _, other := range f.users {
		if other.Username == u.Username {
			return u, fmt.Errorf("username %q: %w", u.Username, store.ErrConflict)
		}
	}
	u.ID = store.UserID(len(f.users) + 1)
	u.Domain = cmp.Or(u.Domain, "example.com")
	f.users = append(f.users, u)
	f.passwords[u.ID] = password
	return u, nil
}

func (f *accounts) Update(_ context.Context, u store.User) (store.User, error) {
	u.Version++
	f.users[u.ID-1] = u
	return u, f.err
}

func (f *accounts) SetPassword(_ context.Context, u store.User, password string) error {
	f.passwords[u.ID] = password
	return f.err
}

func (f *accounts) Remove(_ context.Context, u store.User) error {
	f.users = slices.DeleteFunc(f.users, func(x store.User) bool { return x.ID == u.ID })
	return f.err
}

func (f *accounts) Import(ctx context.Context, users []store.User, passwords []string) (added, updated int, err error) {
	for i, u := range users {
		if _, err := f.Add(ctx, u, passwords[i]); err != nil {
			updated++
		} else {
			added++
		}
	}
	return added, updated, f.err
}

func (f *accounts) Devices(_ context.Context, u store.UserID) ([]store.Device, error) {
	var found []store.Device
	for _, d := range f.devices {
		if u == 0 || d.User == u {
			found = append(found, d)
		}
	}
	return found, nil
}

func (f *accounts) RevokeDevice(_ context.Context, id store.DeviceID) (store.Device, error) {
	for _, d := range f.devices {
		if d.ID == id {
			return d, nil
		}
	}
	return store.Device{}, fmt.Errorf("device %d: %w", id, store.ErrNotFound)
}

// archive holds messages, newest last.
type archive struct{ messages []store.Message }

func (f *archive) Message(_ context.Context, gid int64) (store.Message, error) {
	for _, m := range f.messages {
		if m.GID == gid {
			return m, nil
		}
	}
	return store.Message{}, fmt.Errorf("message %s: %w", store.GIDString(gid), store.ErrNotFound)
}

func (f *archive) Deliveries(_ context.Context, gid int64) ([]store.Delivery, error) {
	return []store.Delivery{{GID: gid, Device: 7, Status: 200, Rendering: "text", At: noon}}, nil
}

func (f *archive) Search(_ context.Context, q store.SearchQuery) (store.SearchResult, error) {
	var r store.SearchResult
	for _, m := range slices.Backward(f.messages) {
		if (q.Before == 0 || m.GID < q.Before) && wanted(q, &m) && strings.Contains(m.Text, q.Text) && len(r.Messages) < q.Limit {
			r.Messages = append(r.Messages, m)
		}
	}
	return r, nil
}

func (f *archive) Page(_ context.Context, a, b store.UserID, before int64, limit int) ([]store.Message, error) {
	var page []store.Message
	for _, m := range slices.Backward(f.messages) {
		between := m.From == a && m.To == b || m.From == b && m.To == a
		if between && m.Kind == store.KindText && (before == 0 || m.Seq < before) && len(page) < limit {
			page = append(page, m)
		}
	}
	return page, nil
}

func (f *archive) ConversationPage(_ context.Context, c store.ConversationID, before int64, limit int) ([]store.Message, error) {
	var page []store.Message
	for _, m := range slices.Backward(f.messages) {
		if m.Conversation == c && m.Kind == store.KindText && (before == 0 || m.Seq < before) && len(page) < limit {
			page = append(page, m)
		}
	}
	return page, nil
}

func wanted(q store.SearchQuery, m *store.Message) bool {
	return (q.Kind == 0 || m.Kind == q.Kind) && (q.CallID == "" || m.CallID == q.CallID)
}

func (f *archive) Export(_ context.Context, q store.SearchQuery, fn func(*store.Message) error) error {
	for i := range f.messages {
		if !wanted(q, &f.messages[i]) {
			continue
		}
		if err := fn(&f.messages[i]); err != nil {
			return err
		}
	}
	return nil
}

// tokens keeps API tokens.
type tokens struct{ all []store.Token }

func (f *tokens) AddToken(_ context.Context, t store.Token) (store.Token, error) {
	t.ID = int64(len(f.all) + 1)
	f.all = append(f.all, t)
	return t, nil
}

func (f *tokens) TokenByHash(_ context.Context, hash []byte) (store.Token, error) {
	for _, t := range f.all {
		if bytes.Equal(t.Hash, hash) && t.Revoked == nil {
			return t, nil
		}
	}
	return store.Token{}, store.ErrNotFound
}

func (f *tokens) ListTokens(context.Context) ([]store.Token, error) { return f.all, nil }

func (f *tokens) RevokeToken(_ context.Context, id int64) error {
	for i := range f.all {
		if f.all[i].ID == id {
			f.all[i].Revoked = &noon
			return nil
		}
	}
	return fmt.Errorf("token %d: %w", id, store.ErrNotFound)
}

// auditLog keeps what was recorded.
type auditLog struct {
	entries []store.AuditEntry
	err     error
}

func (f *auditLog) Record(_ context.Context, e store.AuditEntry) error {
	e.ID = int64(len(f.entries) + 1)
	f.entries = append(f.entries, e)
	return f.err
}

func (f *auditLog) ListAudit(_ context.Context, before int64, limit int) ([]store.AuditEntry, error) {
	var found []store.AuditEntry
	for _, e := range slices.Backward(f.entries) {
		if (before == 0 || e.ID < before) && len(found) < limit {
			found = append(found, e)
		}
	}
	return found, nil
}

type tracer struct{}

func (tracer) Trace(_ context.Context, f TraceFilter) iter.Seq[TraceEvent] {
	return slices.Values([]TraceEvent{{At: noon, Received: true, Transport: "TLS", Remote: "192.0.2.1:5061", Message: "OPTIONS for " + f.User}})
}

// fixture is an API over fakes.
type fixture struct {
	*API
	accounts     *accounts
	archive      *archive
	tokens       *tokens
	audit        *auditLog
	calls        *calls
	records      *callRecords
	border       *border
	organisation *organisation
	gallery      *gallery
	ready        error
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{
		accounts: &accounts{
			users:     twoUsers(),
			passwords: map[store.UserID]string{},
			devices:   []store.Device{{ID: 7, User: 2, Instance: "urn:uuid:7", UserAgent: "Linphone"}},
		},
		archive: &archive{messages: []store.Message{
			{NewMessage: store.NewMessage{Kind: store.KindText, From: 1, To: 2, ContentType: "text/plain", Body: []byte("你好"), Text: "你好", CallID: "c1", TraceID: "t1"}, Accepted: store.Accepted{GID: 1, Conversation: 1, Seq: 1, At: noon}},
			{NewMessage: store.NewMessage{Kind: store.KindText, From: 2, To: 1, ContentType: "text/plain", Body: []byte("=1+1"), Text: "=1+1", CallID: "c2", TraceID: "t2"}, Accepted: store.Accepted{GID: 2, Conversation: 1, Seq: 2, At: noon}},
			{NewMessage: store.NewMessage{Kind: store.KindReceipt, From: 9, To: 1, ContentType: "message/imdn+xml", Text: "", CallID: "c3", TraceID: "t3"}, Accepted: store.Accepted{GID: 3, Conversation: 1, Seq: 3, At: noon}},
		}},
		tokens: &tokens{}, gallery: &gallery{},
		audit: &auditLog{},
	}
	f.calls, f.records, f.border = newCalls()
	f.organisation = newOrganisation(t)
	f.API = New(Config{
		Calls: f.calls, CallRecords: f.records, Trunks: f.border,
		Groups: f.organisation, GroupRecords: f.organisation, Units: f.organisation, Pictures: f.gallery,
		Own: f.organisation, SyncKey: []byte("the key of cursors in tests"),
		Accounts: f.accounts, Messages: f.archive, Tokens: f.tokens, Audit: f.audit, Tracer: tracer{},
		Backup: func(_ context.Context, w io.Writer) error { _, err := io.WriteString(w, "tar"); return err },
		Verify: func(_ context.Context, w io.Writer) (int, error) { io.WriteString(w, "ok\n"); return 0, nil },
		Status: func(context.Context) (Status, error) { return Status{Users: 2, Domains: []string{"example.com"}}, nil },
		Ready:  func() error { return f.ready }, Gatherer: prometheus.NewRegistry(), Version: "test",
		Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return noon },
	})
	return f
}
