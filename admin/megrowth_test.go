package admin

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/store"
	"github.com/sparkleim/sparkle/store/sqldb"
	"golang.org/x/sys/unix"
)

// TestOwnGrowth measures, from request to response, what a device of a user with
// 1,000 conversations costs in an archive of 1,000,000 messages: half of the
// conversations are groups, and nothing of the newest fifth was read. It takes a
// minute or two, so it runs when SPARKLE_GROWTH is set, to 1 or to another number of
// messages.
func TestOwnGrowth(t *testing.T) {
	if os.Getenv("SPARKLE_GROWTH") == "" {
		t.Skip("set SPARKLE_GROWTH=1 to grow a store to 1,000,000 messages")
	}
	messages, err := strconv.Atoi(os.Getenv("SPARKLE_GROWTH"))
	if err != nil || messages <= 1 {
		messages = 1_000_000
	}
	g := grow(t, messages)
	first := g.measure("the first page of a sync", 20*time.Millisecond, "/v1/me/sync")
	g.measure("the second page", 20*time.Millisecond, "/v1/me/sync?since="+first.Next)
	g.measure("the first page of the list", 20*time.Millisecond, "/v1/me/conversations")
	since := (&cursor{kind: afterStamp, stamp: g.db.SyncStamp()}).sign(g.api.SyncKey, 1)
	g.measure("nothing new", time.Millisecond, "/v1/me/sync?since="+since)
	g.send(20, false)
	g.measure("20 messages later", 10*time.Millisecond, "/v1/me/sync?since="+since)
	beginning := (&cursor{kind: afterStamp}).sign(g.api.SyncKey, 1)
	g.measure("a page of everything", 20*time.Millisecond, "/v1/me/sync?since="+beginning)
	g.measure("a page of messages", 20*time.Millisecond, fmt.Sprintf("/v1/me/conversations/%d/messages", g.conversation))
	g.measure("a search", 2500*time.Millisecond, "/v1/me/search?q=nothing")
}

// grown is a large archive of user 1, and its API.
type grown struct {
	t            *testing.T
	db           *sqldb.DB
	api          *API
	groups       []store.GroupID
	conversation store.ConversationID
}

const grownPeers, grownGroups = 500, 500

func grow(t *testing.T, messages int) *grown {
	db, err := sqldb.Open(sqldb.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	users := []store.User{{Username: "me", Domain: "example.com"}}
	for i := range grownPeers {
		users = append(users, store.User{Username: fmt.Sprint("peer", i), Domain: "example.com", DisplayName: fmt.Sprint("Peer ", i), Numbers: []string{fmt.Sprint(1000 + i)}})
	}
	if _, _, err := db.ImportUsers(t.Context(), users, make([]*store.Credential, len(users))); err != nil {
		t.Fatal(err)
	}
	groups, err := group.New(t.Context(), group.Config{Store: db, Domain: "example.com"})
	if err != nil {
		t.Fatal(err)
	}
	g := &grown{t: t, db: db}
	for i := range grownGroups {
		made, err := groups.Create(t.Context(), administrator(), store.Group{Subject: fmt.Sprint("Group ", i)}, []store.UserID{1, store.UserID(2 + i%grownPeers)})
		if err != nil {
			t.Fatal(err)
		}
		g.groups = append(g.groups, made.ID)
	}
	g.send(messages*8/10, true)
	g.send(messages*2/10, false)
	g.api = New(Config{Own: db, Groups: groups, GroupRecords: db, Pictures: &gallery{}, SyncKey: []byte("key"), Tokens: db, Log: slog.New(slog.DiscardHandler)})
	if _, err := db.AddToken(t.Context(), store.Token{Name: "me", User: 1, Hash: hashToken("sparkle_me")}); err != nil {
		t.Fatal(err)
	}
	return g
}

// send appends messages to conversations by chance, and reads them.
func (g *grown) send(n int, read bool) {
	room := make(chan struct{}, 128)
	for range n {
		room <- struct{}{}
		text := fmt.Sprint("message ", rand.IntN(1_000_000), "，今天下午三点开会，请大家准时参加")
		m := &store.NewMessage{Kind: store.KindText, ContentType: "text/plain", Body: []byte(text), Text: text, CallID: text, TraceID: "0123456789abcdef", Source: "tls 192.0.2.1:5061 Linphone/5.2"}
		if c := rand.IntN(grownPeers + grownGroups); c < grownPeers {
			m.From, m.To = store.UserID(2+c), 1
		} else {
			m.From, m.Group = store.UserID(2+c-grownPeers), g.groups[c-grownPeers]
		}
		g.db.Append(m, func(a store.Accepted, err error) {
			if err != nil {
				g.t.Error(err)
			}
			if read {
				g.db.ReadUpTo(1, a.Conversation, a.Seq)
			}
			if g.conversation == 0 {
				g.conversation = a.Conversation
			}
			<-room
		})
	}
	for range cap(room) {
		room <- struct{}{}
	}
}

// measure shows the processor time of a request: that of the thread that answers
// it, for the store indexes its messages meanwhile.
func (g *grown) measure(what string, limit time.Duration, path string) SyncPage {
	g.t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	turns := time.Duration(0)
	door := g.api.Remote()
	var page SyncPage
	var size int
	used := func() time.Duration {
		var r unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_THREAD, &r); err != nil {
			g.t.Fatal(err)
		}
		return time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	before, begin := used(), time.Now()
	for ; turns < 20 || time.Since(begin) < 400*time.Millisecond; turns++ { // the system counts in ticks
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Authorization", "Bearer sparkle_me")
		w := httptest.NewRecorder()
		if door.ServeHTTP(w, r); w.Code != http.StatusOK {
			g.t.Fatalf("%s: %d %s", what, w.Code, w.Body)
		}
		size = w.Body.Len()
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
			g.t.Fatal(err)
		}
	}
	took := (used() - before) / turns
	g.t.Logf("%s: %v for %d rows, %d bytes", what, took, len(page.Conversations), size)
	if took > limit {
		g.t.Errorf("%s takes more than %v", what, limit)
	}
	return page
}
