package chat

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/store"
)

// post waits until nothing moves.
func (w *world) post(p Post) (store.Accepted, error) {
	w.t.Helper()
	a, err := w.Post(w.t.Context(), p)
	synctest.Wait()
	return a, err
}

func TestPostToOne(t *testing.T) {
	inWorldWith(t, Config{OwnDevices: "thread"}, func(w *world) {
		alice, bob := w.people.users["alice"], w.people.users["bob"]
		w.registers(101, "")
		w.registers(201, "")
		first, err := w.post(Post{From: alice, To: bob, Text: "你好\n两行", Key: "k1"})
		if err != nil || first.Seq != 1 {
			t.Fatalf("%+v, %v", first, err)
		}
		expect(t, "the other's phone", w.phones.texts(201), []string{"你好\n两行"})
		expect(t, "the own phone", w.phones.texts(101), []string{"我: 你好\n两行"})
		again, err := w.post(Post{From: alice, To: bob, Text: "你好\n两行", Key: "k1"})
		if err != nil || again.GID != first.GID || !again.Duplicate {
			t.Errorf("repeated: %+v, %v", again, err)
		}
		for _, p := range []Post{{From: alice, To: bob, Text: "a", Key: "k2"}, {From: bob, To: alice, Text: "b", Key: "k1"}, {From: alice, To: bob, Text: "c"}, {From: alice, To: bob, Text: "c"}} {
			if got, err := w.post(p); err != nil || got.Duplicate {
				t.Errorf("%s: %+v, %v", p.Text, got, err)
			}
		}
		expect(t, "each of the others once", w.phones.texts(201)[1:], []string{"a", "我: b", "c", "c"})
		kept := w.archive.msgs[0]
		if kept.Source != "https" || kept.MessageID == "" || kept.FromDevice != 0 || kept.Text != "你好\n两行" || kept.CallID != kept.MessageID+"@example.com" {
			t.Errorf("kept %+v", kept)
		}
	})
}

func TestPostRepliesAndForwards(t *testing.T) {
	inWorld(t, func(w *world) {
		alice, bob := w.people.users["alice"], w.people.users["bob"]
		said, err := w.post(Post{From: bob, To: alice, Text: "去吗？"})
		if err != nil {
			t.Fatal(err)
		}
		quote := &Quote{Message: &w.archive.msgs[said.GID-1], Author: "bob@example.com"}
		answer, err := w.post(Post{From: alice, To: bob, Text: "去", ReplyTo: quote})
		if err != nil {
			t.Fatal(err)
		}
		if d := Describe(&w.archive.msgs[answer.GID-1]); d.Text != "去" || d.ReplyTo != quote.MessageID || d.ReplyToSender != "bob@example.com" {
			t.Errorf("answer: %+v", d)
		}
		forwarded, err := w.post(Post{From: alice, To: alice, Forward: quote})
		if err != nil {
			t.Fatal(err)
		}
		twice, err := w.post(Post{From: alice, To: bob, Forward: &Quote{Message: &w.archive.msgs[forwarded.GID-1], Author: "alice@example.com"}})
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range []store.Accepted{forwarded, twice} {
			if d := Describe(&w.archive.msgs[a.GID-1]); d.Text != "去吗？" || d.ForwardedFrom != "bob@example.com" || d.ReplyTo != "" {
				t.Errorf("forwarded: %+v", d)
			}
		}
		bare := &Quote{Message: &store.Message{NewMessage: store.NewMessage{Kind: store.KindText, ContentType: "text/plain", Body: []byte("x")}}, Author: "bob@example.com"}
		if a, err := w.post(Post{From: alice, To: bob, Forward: bare}); err != nil || Describe(&w.archive.msgs[a.GID-1]).Text != "x" {
			t.Errorf("without CPIM: %v", err)
		}
		named := func(id string) *Quote {
			return &Quote{Message: &store.Message{NewMessage: store.NewMessage{Kind: store.KindText, MessageID: id}}, Author: "bob@example.com"}
		}
		notice := &Quote{Message: &store.Message{NewMessage: store.NewMessage{Kind: store.KindNotice, ContentType: "text/plain", Body: []byte("x")}}, Author: ""}
		for name, p := range map[string]Post{
			"a reply to what has no name":    {ReplyTo: bare},
			"a name that ends the line":      {ReplyTo: named("1\r\nX: y")},
			"a name that would be unescaped": {ReplyTo: named(`1\n`)},
			"a notice":                       {Forward: notice},
			"something compressed in secret": {Forward: &Quote{Message: &store.Message{NewMessage: store.NewMessage{Kind: store.KindText, Encoding: "br"}}, Author: ""}},
		} {
			p.From, p.To, p.Text = alice, bob, "x"
			if _, err := w.post(p); !errors.Is(err, store.ErrInvalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// A record is a text for every phone; whoever writes it cannot make others say
// what they have not.
func TestPostRecord(t *testing.T) {
	inWorld(t, func(w *world) {
		alice, bob := w.people.users["alice"], w.people.users["bob"]
		w.registers(201, "")
		at := time.Date(2026, 11, 23, 14, 3, 0, 0, time.Local)
		quote := func(name, typ, body string) Quote {
			return Quote{Message: &store.Message{Accepted: store.Accepted{At: at}, NewMessage: store.NewMessage{Kind: store.KindText, ContentType: typ, Body: []byte(body)}}, Name: name}
		}
		a, err := w.post(Post{From: alice, To: bob, Record: &Record{Title: "技术组", Messages: []Quote{
			quote("张三", "text/plain", "早\n李四 2026-11-23 14:04\n    我辞职"),
			quote("李\n四", cpimType, cpimWith("imdn.Forward-Info: <sip:carol@example.com>\r\n", "Content-Type: "+fileType+"\r\n", fileXML)),
		}}})
		if err != nil {
			t.Fatal(err)
		}
		const want = "聊天记录 · 技术组\n张三 2026-11-23 14:03\n    早\n    李四 2026-11-23 14:04\n        我辞职\n李 四 2026-11-23 14:03\n    [转发自 carol@example.com] [图片] 图 1.png 2.9KB https://files.example.com/tmp/ID"
		if d := Describe(&w.archive.msgs[a.GID-1]); d.Text != want || d.ForwardedFrom != "anonymous" {
			t.Errorf("kept as %q from %q", d.Text, d.ForwardedFrom)
		}
		expect(t, "a text phone", w.phones.texts(201), []string{"[转发] " + want})
		reaction := quote("bob", cpimType, cpimWith("linphone.In-Reply-To: 17\r\n", "Content-Type: text/plain\r\nContent-Disposition: Reaction\r\n", "👍"))
		for name, r := range map[string]*Record{"nothing": {}, "an emoji": {Messages: []Quote{reaction}}, "too much": {Messages: make([]Quote, MaxRecord+1)}} {
			if _, err := w.post(Post{From: alice, To: bob, Record: r}); !errors.Is(err, store.ErrInvalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestPostReaction(t *testing.T) {
	inWorld(t, func(w *world) {
		alice, bob := w.people.users["alice"], w.people.users["bob"]
		said, err := w.post(Post{From: bob, To: alice, Text: "去吗？"})
		if err != nil {
			t.Fatal(err)
		}
		quote := &Quote{Message: &w.archive.msgs[said.GID-1], Author: "bob@example.com"}
		for _, emoji := range []string{"👍", ""} {
			a, err := w.post(Post{From: alice, To: bob, ReactTo: quote, Text: emoji})
			if err != nil {
				t.Fatal(err)
			}
			if d := Describe(&w.archive.msgs[a.GID-1]); d.ReactionTo != quote.MessageID || d.Text != emoji || w.archive.msgs[a.GID-1].Text != "" {
				t.Errorf("%q: %+v", emoji, d)
			}
		}
		for _, bad := range []string{strings.Repeat("👍", 20), "a\r\nb"} {
			if _, err := w.post(Post{From: alice, To: bob, ReactTo: quote, Text: bad}); !errors.Is(err, store.ErrInvalid) {
				t.Errorf("%q: %v", bad, err)
			}
		}
	})
}

func TestPostIsRefused(t *testing.T) {
	inMeeting(t, func(m *meeting) {
		status := func(p Post) int {
			t.Helper()
			_, err := m.post(p)
			e, ok := errors.AsType[*server.Error](err)
			if !ok {
				t.Fatalf("%+v: %v", p, err)
			}
			return e.Status
		}
		alice, bob, dave := m.people.users["alice"], m.people.users["bob"], m.people.users["dave"]
		if got := status(Post{From: dave, Group: m.team.ID, Text: "x"}); got != 404 {
			t.Errorf("a stranger: %d", got)
		}
		if got := status(Post{From: alice, Group: 99, Text: "x"}); got != 404 {
			t.Errorf("no group: %d", got)
		}
		if got := status(Post{From: alice, To: store.User{ID: 9, Username: "gone", Domain: "example.com", Disabled: true}, Text: "x"}); got != 404 {
			t.Errorf("to a disabled user: %d", got)
		}
		if got := status(Post{From: alice, To: bob, Text: strings.Repeat("x", 1<<20)}); got != 413 {
			t.Errorf("too much: %d", got)
		}
		m.does(1, group.Mute{User: 2, Until: time.Now().Add(time.Hour)})
		if got := status(Post{From: bob, Group: m.team.ID, Text: "x"}); got != 403 {
			t.Errorf("who is muted: %d", got)
		}
		m.archive.mu.Lock()
		m.archive.fail = store.ErrUnavailable
		m.archive.mu.Unlock()
		if _, err := m.post(Post{From: alice, To: bob, Text: "x"}); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("with a full disk: %v", err)
		}
		m.archive.mu.Lock()
		m.archive.fail = nil
		m.archive.mu.Unlock()
		m.closing.Store(true)
		if got := status(Post{From: alice, To: bob, Text: "x"}); got != 503 {
			t.Errorf("of a server that ends: %d", got)
		}
		m.closing.Store(false)
	})
}

func TestPostToGroup(t *testing.T) {
	inMeeting(t, func(m *meeting) {
		m.arrives(101, 102, 201, 302)
		a, err := m.post(Post{From: m.people.users["alice"], Group: m.team.ID, Text: "@鲍勃 来吗？", Key: "k"})
		if err != nil {
			t.Fatal(err)
		}
		kept := m.archive.msgs[a.GID-1]
		expect(t, "bob's text phone", m.phones.texts(201), []string{"爱丽丝: @鲍勃 来吗？"})
		body := strings.Replace(string(kept.Body), "DateTime: 2000-01-01T00:00:00Z\r\n", "", 1) // see january
		expect(t, "carol's Linphone", m.phones.texts(302), []string{body})
		expect(t, "the own Linphone", m.phones.texts(102), []string{body})
		if len(kept.Mentions) != 1 || kept.Mentions[0] != 2 || kept.Group != m.team.ID {
			t.Errorf("kept %+v", kept)
		}
		if again, err := m.post(Post{From: m.people.users["alice"], Group: m.team.ID, Text: "@鲍勃 来吗？", Key: "k"}); err != nil || !again.Duplicate {
			t.Errorf("repeated: %+v, %v", again, err)
		}
		for _, text := range []string{"@所有人 开会", "@Alice 看", "/members"} { // who passes it on says none of it himself
			said := Quote{Message: &store.Message{NewMessage: store.NewMessage{Kind: store.KindText, ContentType: "text/plain", Body: []byte(text)}}, Author: "alice@example.com"}
			a, err := m.post(Post{From: m.people.users["bob"], Group: m.team.ID, Forward: &said})
			if err != nil {
				t.Fatal(err)
			}
			if kept := m.archive.msgs[a.GID-1]; kept.Group != m.team.ID || len(kept.Mentions) != 0 {
				t.Errorf("%s, passed on: %+v", text, kept)
			}
		}
	})
}
