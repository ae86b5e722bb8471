package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/sparkleim/sparkle/admin"
	"github.com/sparkleim/sparkle/sip/wire"
)

// TestOwn: what a user has of his own, through the real doors: alice has a softphone
// and a page in a browser, bob a softphone.
func TestOwn(t *testing.T) {
	d := startDemo(t, t.TempDir())
	alice, bob := d.phone(t, "alice"), d.phone(t, "bob")
	code, out, errOut := d.command(t, "", "token", "add", "page", "--user", "alice")
	token := strings.TrimSpace(out)
	if code != exitDone || !strings.Contains(errOut, "/v1/me/") {
		t.Fatal(code, out, errOut)
	}
	page := ownPage{d.browser(t), "https://" + first(d.Listeners["https"]), token}
	ws, _, err := websocket.Dial(t.Context(), page.host+"/v1/me/events", &websocket.DialOptions{HTTPClient: page.Client, Subprotocols: []string{"sparkle", token}})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	hint := func(want string) {
		t.Helper()
		if _, b, err := ws.Read(t.Context()); err != nil || string(b) != want {
			t.Fatalf("hint %q, %v, want %q", b, err, want)
		}
	}
	hint(`{"changed":0}`)
	var now admin.SyncPage
	page.ask("GET", "/v1/me/sync", nil, &now)

	bob.message("1003", "to a number of hers")
	bob.final(t, 202)
	await(t, alice.requests)
	hint(`{"changed":1}`)
	page.ask("GET", "/v1/me/sync?since="+now.Next, nil, &now)
	if len(now.Conversations) != 1 || now.Conversations[0].Peer.DisplayName != "Bob" || now.Conversations[0].Last.Text != "to a number of hers" || now.Conversations[0].Unread != 1 {
		t.Fatalf("after bob wrote: %+v", now)
	}
	var sent admin.MyMessage
	page.ask("POST", "/v1/me/messages", map[string]string{"to": "1004", "text": "from the page"}, &sent)
	if got := await(t, bob.requests); string(got.Body()) != "from the page" || !strings.Contains(wire.Header(got, "From"), "alice@") {
		t.Errorf("bob gets %s", got)
	}
	if got := await(t, alice.requests); !strings.Contains(string(got.Body()), "from the page") {
		t.Errorf("the own softphone gets %s", got)
	}
	if sent.Seq != 2 || sent.Conversation != now.Conversations[0].ID {
		t.Errorf("sent %+v", sent)
	}

	if code, _, errOut := d.command(t, "", "user", "disable", "alice"); code != exitDone {
		t.Fatal(errOut)
	}
	for {
		_, _, err := ws.Read(t.Context())
		if err != nil {
			if websocket.CloseStatus(err) != websocket.StatusGoingAway {
				t.Errorf("of a disabled user: %v", err)
			}
			break
		}
	}
	if status := page.ask("GET", "/v1/me", nil, nil); status != http.StatusUnauthorized {
		t.Errorf("of a disabled user: %d", status)
	}
}

// TestOwnDrain: who waits for changes does not hold up a server that ends.
func TestOwnDrain(t *testing.T) {
	d := startDemo(t, t.TempDir())
	_, out, _ := d.command(t, "", "token", "add", "page", "--user", "alice")
	page := ownPage{d.browser(t), "https://" + first(d.Listeners["https"]), strings.TrimSpace(out)}
	var now admin.SyncPage
	page.ask("GET", "/v1/me/sync", nil, &now)
	answered := make(chan int, 1)
	go func() { answered <- page.ask("GET", "/v1/me/sync?wait=30&since="+now.Next, nil, nil) }()
	for d.gauge(t, "sparkle_events_listeners") == 0 && len(answered) == 0 {
		runtime.Gosched()
	}
	begin := time.Now()
	if err := d.stop(); err != nil {
		t.Error(err)
	}
	if status := await(t, answered); status != http.StatusServiceUnavailable || time.Since(begin) > 20*time.Second {
		t.Errorf("it was answered %d after %v", status, time.Since(begin))
	}
}

// gauge is the value of a metric.
func (d *demo) gauge(t *testing.T, name string) float64 {
	t.Helper()
	families, err := d.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// ownPage is a page of a user in a browser.
type ownPage struct {
	browser
	host, token string
}

// ask wants no particular status when nothing is to be read.
func (p ownPage) ask(method, path string, body, into any) (status int) {
	p.t.Helper()
	var b bytes.Buffer
	if body != nil {
		json.NewEncoder(&b).Encode(body)
	}
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.host+path, &b)
	if err != nil {
		p.t.Error(err)
		return 0
	}
	r.Header.Set("Authorization", "Bearer "+p.token)
	answer, err := p.Do(r)
	if err != nil {
		p.t.Error(err)
		return 0
	}
	defer answer.Body.Close()
	if into == nil {
		return answer.StatusCode
	}
	if err := json.NewDecoder(answer.Body).Decode(into); err != nil || answer.StatusCode >= 300 {
		p.t.Errorf("%s %s: %s, %v", method, path, answer.Status, err)
	}
	return answer.StatusCode
}
