package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/store"
)

// events opens the WebSocket of a user, and returns what it says.
type events struct {
	t  *testing.T
	ws *websocket.Conn
}

// dial is like a program with a token in a header, or like a browser.
func (w *meWorld) dial(door *httptest.Server, token string, browser bool) (*websocket.Conn, *http.Response, error) {
	o := &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + token}}}
	if browser {
		o = &websocket.DialOptions{Subprotocols: []string{eventsProtocol, token}}
	}
	return websocket.Dial(w.t.Context(), door.URL+eventsPath, o)
}

func (w *meWorld) open(door *httptest.Server, user string, browser bool) *events {
	w.t.Helper()
	ws, _, err := w.dial(door, "sparkle_"+user, browser)
	w.must(err)
	w.t.Cleanup(func() { ws.CloseNow() })
	return &events{w.t, ws}
}

func (e *events) want(text string) {
	e.t.Helper()
	_, b, err := e.ws.Read(e.t.Context())
	if err != nil || string(b) != text {
		e.t.Fatalf("it says %q, %v, want %q", b, err, text)
	}
}

// wantEnd skips a hint that came twice: who comes into a group hears of it for
// himself and for the group.
func (e *events) wantEnd() {
	e.t.Helper()
	for {
		_, _, err := e.ws.Read(e.t.Context())
		if err == nil {
			continue
		}
		if websocket.CloseStatus(err) != websocket.StatusGoingAway {
			e.t.Errorf("it ends with %v", err)
		}
		return
	}
}

func (w *meWorld) door() *httptest.Server {
	door := httptest.NewServer(w.Remote())
	w.t.Cleanup(door.Close)
	return door
}

func TestEvents(t *testing.T) {
	w := newMeWorld(t)
	door := w.door()
	alice, browser, eve := w.open(door, "alice", false), w.open(door, "alice", true), w.open(door, "eve", false)
	if got := browser.ws.Subprotocol(); got != eventsProtocol {
		t.Errorf("the sub-protocol %q was chosen", got)
	}
	for _, e := range []*events{alice, browser, eve} {
		e.want(`{"changed":0}`)
	}
	w.say(store.NewMessage{From: w.users["bob"].ID, To: 1, Text: "ping"})
	alice.want(`{"changed":1}`)
	browser.want(`{"changed":1}`)
	w.say(store.NewMessage{From: 1, Group: w.club, Text: "ping"})
	alice.want(`{"changed":2}`)
	browser.want(`{"changed":2}`)
	w.change(group.Add{Users: []store.UserID{w.users["eve"].ID}})
	eve.want(`{"changed":1}`) // the first of anything that is hers
	alice.want(`{"changed":3}`)
	w.must(w.revoke("alice"))
	alice.wantEnd()
	w.Forget(w.users["eve"].ID)
	eve.wantEnd()
	bob := w.open(door, "bob", true)
	bob.want(`{"changed":0}`)
	w.Close()
	bob.wantEnd()
	if _, r, err := w.dial(door, "sparkle_bob", false); err == nil || r.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("of a server that ends: %v", err)
	}
}

// hasty are tokens of which one is no longer good as soon as it has opened a door.
type hasty struct {
	store.Tokens
	once sync.Once
	then func()
}

func (h *hasty) TokenByHash(ctx context.Context, hash []byte) (store.Token, error) {
	t, err := h.Tokens.TokenByHash(ctx, hash)
	h.once.Do(h.then)
	return t, err
}

// TestNobodyListensWithATokenThatWasGood: between the door and the hub, too.
func TestNobodyListensWithATokenThatWasGood(t *testing.T) {
	for name, end := range map[string]func(w *meWorld){
		"revoked": func(w *meWorld) { w.must(w.revoke("eve")) },
		"disabled": func(w *meWorld) {
			u := w.users["eve"]
			u.Disabled = true
			_, err := w.organisation.UpdateUser(w.t.Context(), u)
			w.must(err)
			w.Forget(u.ID)
		},
		"removed": func(w *meWorld) {
			w.must(w.organisation.RemoveUser(w.t.Context(), w.users["eve"].ID))
			w.Forget(w.users["eve"].ID)
		},
	} {
		w := newMeWorld(t)
		w.API.Tokens = &hasty{Tokens: w.API.Tokens, then: func() { end(w) }}
		if _, r, err := w.dial(w.door(), "sparkle_eve", false); err == nil || r.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: a WebSocket: %v", name, err)
		}
		w = newMeWorld(t)
		var page SyncPage
		w.must(json.Unmarshal(w.ask("eve", "GET", "/v1/me/sync", "").Body.Bytes(), &page))
		w.API.Tokens = &hasty{Tokens: w.API.Tokens, then: func() { end(w) }}
		if r := w.ask("eve", "GET", "/v1/me/sync?wait=2&since="+page.Next, ""); r.Code != http.StatusUnauthorized {
			t.Errorf("%s: a sync that waits: %d %s", name, r.Code, r.Body)
		}
		if n := w.hub.listening.Load(); n != 0 {
			t.Errorf("%s: %d listen", name, n)
		}
	}
}

// revoke revokes the token of a user.
func (w *meWorld) revoke(user string) error {
	tokens, err := w.organisation.ListTokens(w.t.Context())
	for _, token := range tokens {
		if token.Name == user {
			if r := w.unix(w.t, "DELETE", fmt.Sprint("/v1/tokens/", token.ID), ""); r.Code != http.StatusNoContent {
				return errors.New(r.Body.String())
			}
		}
	}
	return err
}

func TestEventsAreRefused(t *testing.T) {
	w := newMeWorld(t)
	door := w.door()
	_, err := w.organisation.AddToken(t.Context(), store.Token{Name: "ci", Hash: hashToken("sparkle_ci")})
	w.must(err)
	for range maxListenersOf {
		w.open(door, "alice", false)
	}
	for _, c := range []struct {
		token  string
		status int
	}{{"sparkle_alice", 429}, {"sparkle_nobody", 401}, {"", 401}, {"sparkle_ci", 403}} {
		for _, browser := range []bool{false, true} {
			if c.token == "" && browser {
				continue
			}
			if _, r, err := w.dial(door, c.token, browser); err == nil || r.StatusCode != c.status {
				t.Errorf("token %q, browser %v: %v, want %d", c.token, browser, err, c.status)
			}
		}
	}
	if r := w.ask("alice", "GET", "/v1/me/sync?wait=1&since="+(&cursor{kind: afterStamp}).sign(w.SyncKey, 1), ""); r.Code != http.StatusTooManyRequests {
		t.Errorf("a sync that waits beside them: %d", r.Code)
	}
	r := httptest.NewRequest("GET", eventsPath+"?token=sparkle_bob", nil)
	rec := httptest.NewRecorder()
	if w.Remote().ServeHTTP(rec, r); rec.Code != http.StatusUnauthorized {
		t.Errorf("with a token in the URL: %d", rec.Code)
	}
	r = httptest.NewRequest("GET", "/v1/me", nil)
	r.Header.Set("Sec-WebSocket-Protocol", "sparkle, sparkle_bob")
	if w.Remote().ServeHTTP(rec, r); rec.Code != http.StatusUnauthorized {
		t.Errorf("anything else with a token as sub-protocol: %d", rec.Code)
	}
	if got := w.hub.listening.Load(); got != maxListenersOf {
		t.Errorf("%d listen, want %d", got, maxListenersOf)
	}
}

// pipes is a listener whose connections have no buffers: who does not read is
// noticed at once.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

// connect makes a handshake by hand.
func (p *pipes) connect(t *testing.T) net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	_, err := io.WriteString(client, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReaderSize(client, 1<<10)
	for line := ""; line != "\r\n"; {
		if line, err = r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	return client
}

// everyToken is good.
type everyToken struct{ store.Tokens }

func (everyToken) TokenByHash(context.Context, []byte) (store.Token, error) {
	return store.Token{}, nil
}

// recording keeps what a device has heard.
type recording struct {
	mu sync.Mutex
	strings.Builder
}

func (r *recording) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.Builder.Write(b)
}

func (r *recording) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.Builder.String()
}

// TestSlowReader: a device that does not read is dropped after 10 seconds, one that
// answers no ping after 40, and nobody waits for them.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(nil, prometheus.NewRegistry())
		p := &pipes{make(chan net.Conn), make(chan struct{})}
		server := &http.Server{ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			a := &API{hub: h, Config: Config{Tokens: everyToken{}}}
			a.serveEvents(w, r.WithContext(context.WithValue(r.Context(), holderKey{}, store.Token{User: 1})))
		})}
		go server.Serve(p)
		defer server.Close()
		begin := time.Now()
		deaf, mute := p.connect(t), p.connect(t)
		defer deaf.Close()
		defer mute.Close()
		var heard recording
		go io.Copy(&heard, mute) // it reads, and never answers
		time.Sleep(time.Second)
		h.changed(store.Changed{Users: []store.UserID{1, 2}})
		if took := time.Since(begin); took != time.Second {
			t.Errorf("the store waited until %v", took)
		}
		time.Sleep(11*time.Second - time.Since(begin))
		if got := h.listening.Load(); got != 1 {
			t.Errorf("%d listen beside who does not read", got-1)
		}
		time.Sleep(41*time.Second - time.Since(begin))
		if got := h.listening.Load(); got != 0 {
			t.Errorf("%d who answer no ping listen", got)
		}
		if got := testutil.ToFloat64(h.metrics.dropped); got != 2 {
			t.Errorf("%v dropped, want 2", got)
		}
		synctest.Wait()
		if got := heard.String(); !strings.Contains(got, `{"changed":0}`) || !strings.Contains(got, `{"changed":1}`) {
			t.Errorf("who reads heard %q", got)
		}
	})
}

// TestHintsAreBounded: many changes between two looks are one hint, and in 200 ms
// there is one at most.
func TestHintsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(nil, nil)
		p := &pipes{make(chan net.Conn), make(chan struct{})}
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			a := &API{hub: h, Config: Config{Tokens: everyToken{}}}
			a.serveEvents(w, r.WithContext(context.WithValue(r.Context(), holderKey{}, store.Token{User: 1, Expires: new(time.Now().Add(5 * time.Second))})))
		})}
		go server.Serve(p)
		defer server.Close()
		device := p.connect(t)
		defer device.Close()
		var heard recording
		read := make(chan struct{})
		go func() { io.Copy(&heard, device); close(read) }()
		for range 2000 {
			h.changed(store.Changed{Users: []store.UserID{1}})
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := strings.Count(heard.String(), "changed"); n < 10 || n > 12 {
			t.Errorf("%d hints in 2 seconds", n)
		}
		time.Sleep(15 * time.Second) // the device answers no close either
		if h.listening.Load() != 0 {
			t.Error("it listens although its token has expired")
		}
		device.Close()
		<-read
	})
}

// TestGroupHints: of a group only who is in it and listens is told, whichever are
// fewer, and once however much is said.
func TestGroupHints(t *testing.T) {
	w := newMeWorld(t)
	for _, crowd := range []int{0, 100} {
		h := newHub(w.organisation, nil)
		member, err := h.listen(1, 0)
		w.must(err)
		stranger, err := h.listen(w.users["eve"].ID, 0)
		w.must(err)
		for i := range crowd {
			_, err := h.listen(store.UserID(1000+i), 0)
			w.must(err)
		}
		for range 1000 {
			h.changed(store.Changed{Groups: []store.GroupID{w.club, 999}})
		}
		<-member.hint
		for busy := true; busy; {
			h.waiting.Lock()
			busy = h.spreading
			h.waiting.Unlock()
			runtime.Gosched()
		}
		if len(stranger.hint) != 0 {
			t.Errorf("with %d others: a stranger is told", crowd)
		}
		member.leave()
		member.leave()
		if got := h.listening.Load(); got != int64(crowd+1) {
			t.Errorf("%d listen, want %d", got, crowd+1)
		}
	}
}
