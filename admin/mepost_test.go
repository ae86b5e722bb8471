package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/chat"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/store"
)

// courier archives what is posted, as text, and keeps what it was given.
type courier struct {
	w     *meWorld
	posts []chat.Post
	err   error
}

func (c *courier) Post(_ context.Context, p chat.Post) (store.Accepted, error) {
	c.posts = append(c.posts, p)
	if c.err != nil {
		return store.Accepted{}, c.err
	}
	return c.w.say(store.NewMessage{From: p.From.ID, To: p.To.ID, Group: p.Group, Text: p.Text}), nil
}

func TestSending(t *testing.T) {
	w := newMeWorld(t)
	c := &courier{w: w}
	w.API.Chat = c
	send := func(path, body string) (*httptest.ResponseRecorder, MyMessage) {
		t.Helper()
		r := httptest.NewRequest("POST", w.path(path), strings.NewReader(w.path(body)))
		r.Header.Set("Authorization", "Bearer sparkle_alice")
		r.Header.Set("Idempotency-Key", "k1")
		rec := httptest.NewRecorder()
		w.Remote().ServeHTTP(rec, r)
		var m MyMessage
		w.must(json.Unmarshal(rec.Body.Bytes(), &m))
		return rec, m
	}
	const ab, club = "/v1/me/conversations/{ab}/messages", "/v1/me/conversations/{club}/messages"
	for _, ok := range []struct{ path, body string }{
		{ab, `{"text":"sent"}`}, {club, `{"text":"sent"}`}, {ab, `{"text":"sent","reply_to":"{hello alice}"}`}, {club, `{"forward":"{hello alice}"}`},
		{"/v1/me/messages", `{"to":"1001","text":"sent"}`}, {"/v1/me/messages", `{"to":"1001","text":"sent again"}`},
		{ab, `{"react_to":"{hello alice}","text":"👍"}`}, {ab, `{"react_to":"{hello alice}"}`},
		{ab, `{"record":["{hello alice}","{hello bob}"]}`}, {"/v1/me/messages", `{"to":"1001","record":["{first}"]}`},
	} {
		r, m := send(ok.path, ok.body)
		p := c.posts[len(c.posts)-1]
		if r.Code != http.StatusCreated || !m.Mine || m.Text != p.Text || p.Key != "k1" || p.From.Username != "alice" {
			t.Errorf("%s %s: %d %s", ok.path, ok.body, r.Code, r.Body)
		}
	}
	if p := c.posts[0]; p.Group != 0 || p.To.Username != "bob" || p.ReplyTo != nil {
		t.Errorf("to one: %+v", p)
	}
	if p := c.posts[1]; p.Group != w.club || p.To.ID != 0 {
		t.Errorf("to a group: %+v", p)
	}
	if p := c.posts[2]; p.ReplyTo == nil || p.ReplyTo.Text != "hello alice" || p.ReplyTo.Author != "bob@example.com" {
		t.Errorf("a reply: %+v", p)
	}
	if p := c.posts[3]; p.Forward == nil || p.Forward.Text != "hello alice" || p.Text != "" {
		t.Errorf("forwarded: %+v", p)
	}
	if p := c.posts[4]; p.To.Username != "zhangsan" {
		t.Errorf("to a number: %+v", p)
	}
	if p := c.posts[6]; p.ReactTo == nil || p.ReactTo.Text != "hello alice" || p.Text != "👍" {
		t.Errorf("a reaction: %+v", p)
	}
	if r := c.posts[8].Record; r == nil || r.Title != "Alice, BOB" || len(r.Messages) != 2 || r.Messages[0].Text != "hello bob" || r.Messages[0].Name != "Alice" || r.Messages[1].Name != "BOB" {
		t.Errorf("a record of two: %+v", r)
	}
	if r := c.posts[9].Record; r == nil || r.Title != "Without Bob" || len(r.Messages) != 1 {
		t.Errorf("a record of a group: %+v", r)
	}
	sent := len(c.posts)
	for _, bad := range []struct {
		path, body string
		status     int
	}{
		{ab, `{"text":"x","record":["{hello alice}"]}`, 422}, {ab, `{"record":["{hello alice}","{first}"]}`, 422},
		{ab, `{"react_to":"{hello alice}","reply_to":"{hello alice}","text":"x"}`, 422}, {club, `{"react_to":"{hello alice}","text":"x"}`, 422},
		{ab, `{}`, 422}, {ab, `{"text":"x","forward":"{hello alice}"}`, 422}, {club, `{"text":"x","reply_to":"{hello alice}"}`, 422},
		{ab, `{"text":"x","reply_to":"00000000000003e7"}`, 422}, {ab, `{"text":"x","reply_to":"zz"}`, 422},
		{"/v1/me/conversations/999/messages", `{"text":"x"}`, 404}, {"/v1/me/messages", `{"to":"nobody","text":"x"}`, 422},
		{ab, `{"text":"` + strings.Repeat("x", 10001) + `"}`, 422},
	} {
		if r, _ := send(bad.path, bad.body); r.Code != bad.status {
			t.Errorf("%s %.60s: %d %s", bad.path, bad.body, r.Code, r.Body)
		}
	}
	if len(c.posts) != sent {
		t.Errorf("of what was refused %d were posted", len(c.posts)-sent)
	}
	for _, refused := range []struct {
		user, path, body string
		status           int
	}{
		{"bob", club, `{"text":"x"}`, 403},                                        // he has left
		{"eve", ab, `{"text":"x"}`, 404},                                          // it is not hers
		{"eve", "/v1/me/messages", `{"to":"bob","forward":"{hello alice}"}`, 422}, // nor is that
		{"bob", ab, `{"forward":"{second}"}`, 422},                                // said after he had left
		{"bob", ab, `{"record":["{first}","{second}"]}`, 422},                     // likewise
	} {
		if r := w.ask(refused.user, "POST", w.path(refused.path), w.path(refused.body)); r.Code != refused.status {
			t.Errorf("%s to %s: %d %s", refused.user, refused.path, r.Code, r.Body)
		}
	}
}

func TestSendingFails(t *testing.T) {
	w := newMeWorld(t)
	c := &courier{w: w}
	w.API.Chat = c
	for _, f := range []struct {
		err    error
		status int
		text   string
	}{
		{&server.Error{Status: 403, Warning: "禁言至 12:00"}, 403, "禁言至 12:00"},
		{&server.Error{Status: 404}, 404, "nobody can be written to there any more"},
		{&server.Error{Status: 413, Warning: "message is too large; send it as a file"}, 413, "message is too large; send it as a file"},
		{&server.Error{Status: 503, RetryAfter: 5}, 503, ""},
		{store.ErrUnavailable, 503, "the store cannot write now: try again in some seconds; nothing was changed"},
		{invalid("no name"), 422, "no name"},
	} {
		c.err = f.err
		r := w.ask("alice", "POST", w.path("/v1/me/conversations/{ab}/messages"), `{"text":"x"}`)
		var p struct{ Detail string }
		w.must(json.Unmarshal(r.Body.Bytes(), &p))
		if r.Code != f.status || f.text != "" && p.Detail != f.text {
			t.Errorf("%v: %d %q", f.err, r.Code, p.Detail)
		}
	}
}
