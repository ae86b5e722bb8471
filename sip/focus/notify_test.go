package focus

import (
	"bytes"
	"compress/zlib"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/sip/event"
	"github.com/sparkleim/sparkle/sip/payload"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// watched makes a group of alice and bob whom both watch from the beginning.
func watched(w *world) *group.Snapshot {
	w.creates(w.Phones["alice"], "Subject: Team & Co", "bob")
	w.Play("invites bob")
	g := w.group()
	w.subs.subscribe('a', g.AOR(), 0)
	w.subs.subscribe('b', g.AOR(), 0)
	return g
}

func (w *world) tells(u byte, want ...string) {
	w.t.Helper()
	synctest.Wait()
	got := w.subs.take(store.UserID(u))
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		w.t.Errorf("%c is told\n%s\nwant\n%s", u, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestDocuments(t *testing.T) {
	inWorld(t, func(w *world) {
		g := watched(w)
		user := func(name, state, inner string) string {
			return `<user entity="sip:` + strings.ToLower(name) + `@example.com" state="` + state + `">` + inner + `</user>`
		}
		is := func(name, state, role string) string {
			return user(name, state, `<display-text>`+name+`</display-text><roles><entry>`+role+`</entry></roles>`)
		}
		head := func(state string, version int) string {
			return fmt.Sprintf(`"%s" state="%s" version="%d">`, g.URI(), state, version)
		}
		subject := func(s string) string {
			return "<conference-description><subject>" + s + "</subject></conference-description>"
		}
		partial := func(version int, users ...string) string {
			return head("partial", version) + `<users state="partial">` + strings.Join(users, "") + "</users>"
		}
		full := head("full", 1) + subject("Team &amp; Co") + `<users state="full">` + is("Alice", "full", "admin") + is("Bob", "full", "participant") + "</users>"
		w.tells('a', full)
		w.tells('b', full)

		w.change(group.Rename{Subject: "更好的名字"})
		w.tells('a', head("partial", 2)+subject("更好的名字"))
		w.change(group.Add{Users: users("carol")})
		w.Play("invites carol")
		w.tells('b', head("partial", 2)+subject("更好的名字"), partial(3, is("Carol", "full", "participant")))
		w.change(group.SetRole{User: 'b', Role: store.RoleAdministrator})
		w.change(group.SetRole{User: 'b', Role: store.RoleMember})
		w.change(group.SetNickname{User: 'c', Nickname: "小 <C>"})
		w.subs.take('a')
		w.tells('b', partial(4, is("Bob", "partial", "admin")), partial(5, is("Bob", "partial", "participant")),
			partial(6, user("Carol", "partial", "<display-text>小 &lt;C&gt;</display-text><roles><entry>participant</entry></roles>")))

		// What clients do not show they are not told.
		w.change(group.MuteAll{On: true})
		w.change(group.Announce{Text: "tomorrow"})
		w.tells('b')

		// Carol is told by BYE, and has nothing to see any more.
		w.subs.subscribe('c', g.AOR(), 8)
		w.change(group.Remove{Users: users("carol")})
		w.Play(`
			carol gets BYE
			carol 200 BYE`)
		w.tells('c')
		w.tells('b', partial(9, `<user entity="sip:carol@example.com" state="deleted"/>`))
		if got := strings.Join(w.subs.ended, ", "); got != g.AOR()+" 99 noresource" {
			t.Error(got)
		}
		// Two things at once are one document; its version is the last.
		w.change(group.Add{Users: users("carol")}, group.SetRole{User: 'c', Role: store.RoleOwner})
		w.Play("invites carol")
		w.tells('b', partial(12, is("Alice", "partial", "admin"), is("Carol", "full", "admin")))

		w.change(group.Dissolve{})
		if got := strings.Join(w.subs.ended[1:], ", "); got != g.AOR()+" 0 noresource" {
			t.Error(got)
		}
		w.tells('b')
		w.Play(`
			alice gets BYE
			bob gets BYE
			carol gets BYE`)
	})
}

// A discussion is called after its members, for each by another name.
func TestDocumentsOfADiscussion(t *testing.T) {
	inWorld(t, func(w *world) {
		w.creates(w.Phones["alice"], "", "bob")
		w.Play("invites bob")
		g := w.group()
		w.subs.subscribe('a', g.AOR(), 0)
		w.subs.subscribe('b', g.AOR(), 0)
		for u, title := range map[byte]string{'a': "Bob", 'b': "Alice"} {
			if got := w.subs.take(store.UserID(u)); !strings.Contains(got[0], "<subject>"+title+"</subject>") {
				t.Errorf("%c: %s", u, got)
			}
		}
		w.change(group.Add{Users: users("carol")})
		w.Play("invites carol")
		for u, title := range map[byte]string{'a': "Bob and Carol", 'b': "Alice and Carol"} {
			if got := w.subs.take(store.UserID(u)); len(got) != 1 || !strings.Contains(got[0], "<subject>"+title+"</subject>") {
				t.Errorf("%c: %s", u, got)
			}
		}
	})
}

func TestDocumentOfAPair(t *testing.T) {
	inWorld(t, func(w *world) {
		w.creates(w.Phones["alice"], "One-To-One-Chat-Room: true", "bob")
		w.Play("invites bob")
		w.subs.subscribe('a', w.group().AOR(), 0)
		got := strings.Join(w.subs.take('a'), "")
		if !strings.Contains(got, "<subject>Bob</subject><keywords>one-to-one</keywords>") || strings.Contains(got, "admin") {
			t.Error(got)
		}
	})
}

// Who comes back says what he knows, truly or not.
func TestCurrent(t *testing.T) {
	inWorld(t, func(w *world) {
		g := watched(w)
		for i := range 14 {
			w.change(group.Rename{Subject: fmt.Sprint("Name ", i)})
		}
		w.change(group.Add{Users: users("carol")})
		w.Play("invites carol")
		w.change(group.MuteAll{On: true}) // version 17, which nobody is told
		for told, want := range map[int64]string{
			0: "full", -3: "full", 18: "full", 1 << 40: "full", 1: "full", 5: "full", // more than ten changes ago, or never
			6: "partial", 15: "partial", 16: "", 17: "",
		} {
			docs := w.focus.Current(&event.Subscription{Subscription: store.Subscription{User: 'a'}, Told: map[string]int64{g.AOR(): told}}, g.AOR())
			got := ""
			if len(docs) == 1 {
				_, got, _ = strings.Cut(string(docs[0].Body), `" state="`)
				got, _, _ = strings.Cut(got, `"`)
				if docs[0].Version != 17 || docs[0].Resource != g.AOR() {
					t.Errorf("told %d: %+v", told, docs[0])
				}
				if named := strings.Contains(string(docs[0].Body), "Name 13"); named != (told != 15) {
					t.Errorf("told %d: named %v", told, named)
				}
			}
			if got != want {
				t.Errorf("told %d: %q, want %q", told, got, want)
			}
		}
		if docs := w.focus.Current(&event.Subscription{Subscription: store.Subscription{User: 'd'}}, g.AOR()); len(docs) != 0 {
			t.Error("a stranger is told of the group")
		}
		// After a restart the changes are not known any more, but the version is.
		w.restart(true)
		w.subs.subscribe('a', g.AOR(), 17)
		w.tells('a')
		w.subs.subscribe('a', g.AOR(), 16)
		if got := w.subs.take('a'); len(got) != 1 || !strings.Contains(got[0], `state="full"`) {
			t.Error(got)
		}
	})
}

// Whoever watches 100 members or 5,000 shares what was written, compressed.
func TestLargeDocument(t *testing.T) {
	inWorld(t, func(w *world) {
		var ids []store.UserID
		for i := range store.UserID(5000) {
			id := 1000 + i
			w.memory.users[id] = store.User{ID: id, Username: fmt.Sprintf("user%05d", i), Domain: "example.com", DisplayName: fmt.Sprintf("员工 %d", i)}
			ids = append(ids, id)
		}
		var err error
		w.groups, err = group.New(context.Background(), group.Config{Store: w.memory, Domain: "example.com"})
		if err != nil {
			t.Fatal(err)
		}
		w.focus.cfg.Groups = w.groups
		if err := w.focus.Restore(context.Background()); err != nil {
			t.Fatal(err)
		}
		w.groups.Observe(w.focus.Changed)
		g, err := w.groups.Create(context.Background(), group.Actor{System: true}, store.Group{Subject: "All"}, ids)
		if err != nil {
			t.Fatal(err)
		}
		one := w.focus.Current(&event.Subscription{Subscription: store.Subscription{User: 1000}}, g.AOR())[0]
		two := w.focus.Current(&event.Subscription{Subscription: store.Subscription{User: 1001}}, g.AOR())[0]
		if &one.Body[0] != &two.Body[0] {
			t.Error("it was written twice")
		}
		if len(one.Headers) != 1 || one.Headers[0].Value() != "deflate" {
			t.Fatal(one.Headers)
		}
		z, err := zlib.NewReader(bytes.NewReader(one.Body))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(z)
		if err != nil || bytes.Count(text, []byte("<user ")) != 5000 || !bytes.Contains(text, []byte("员工 4999")) {
			t.Errorf("%d bytes, %v", len(text), err)
		}
		t.Logf("%d bytes, compressed %d", len(text), len(one.Body))
		// One who goes is a small document again.
		if _, err := w.groups.Change(context.Background(), group.Actor{System: true}, g.ID, group.Remove{Users: ids[4999:]}); err != nil {
			t.Fatal(err)
		}
		d := w.focus.Current(&event.Subscription{Subscription: store.Subscription{User: 1000}, Told: map[string]int64{g.AOR(): 1}}, g.AOR())[0]
		if root, err := payload.ParseXML(d.Body, 1024); err != nil || root.Attr("version") != "2" {
			t.Errorf("%s, %v", d.Body, err)
		}
		// 101 people at once are told as the whole.
		if _, err := w.groups.Change(context.Background(), group.Actor{System: true}, g.ID, group.Remove{Users: ids[4000:4101]}); err != nil {
			t.Fatal(err)
		}
		d = w.focus.Current(&event.Subscription{Subscription: store.Subscription{User: 1000}, Told: map[string]int64{g.AOR(): 2}}, g.AOR())[0]
		if len(d.Headers) == 0 {
			t.Errorf("%s", d.Body)
		}
	})
}

// Names are those of now.
func TestUserChanged(t *testing.T) {
	inWorld(t, func(w *world) {
		g := watched(w)
		w.subs.take('a')
		w.memory.users['n'] = store.User{ID: 'n', Username: "new<&>user", Domain: "example.com"}
		w.change(group.Add{Users: []store.UserID{'n'}})
		want := `<user entity="sip:new%3C&amp;%3Euser@example.com" state="full"><roles>`
		if got := w.subs.take('a'); len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("%s, want %s", got, want)
		}
		w.focus.UserChanged(store.User{ID: 'b', Username: "bob", DisplayName: "Robert"})
		w.subs.subscribe('a', g.AOR(), 0)
		if got := w.subs.take('a'); !strings.Contains(got[0], "<display-text>Robert</display-text>") {
			t.Error(got)
		}
	})
}

func TestSubscribe(t *testing.T) {
	inWorld(t, func(w *world) {
		g := watched(w)
		request := func(headers string) *server.Request {
			m, err := wire.Parse([]byte("SUBSCRIBE " + g.URI() + " SIP/2.0\r\n" + headers + "\r\n\r\n"))
			if err != nil {
				t.Fatal(err)
			}
			return &server.Request{Incoming: &transaction.Incoming{Request: m.(*sip.Request)}}
		}
		for _, c := range []struct {
			user    byte
			headers string
			told    map[string]int64
			status  int
			want    int64
		}{
			{'a', "Event: conference", nil, 0, 0},
			{'a', "Last-Notify-Version: 7", nil, 0, 7},
			{'a', "Last-Notify-Version: 7", map[string]int64{g.AOR(): 9}, 0, 9},
			{'a', "Last-Notify-Version: 0", map[string]int64{}, 0, 0},
			{'a', "Last-Notify-Version: -1", nil, 0, 0},
			{'a', "Last-Notify-Version: many", nil, 0, 0},
			{'c', "Event: conference", nil, 404, 0},
		} {
			sub := &event.Subscription{Subscription: store.Subscription{User: store.UserID(c.user), Resource: g.AOR()}, Told: c.told}
			err := w.focus.Subscribe(sub, request(c.headers))
			status := 0
			if e, ok := err.(*server.Error); ok {
				status = e.Status
			}
			if status != c.status || sub.Told[g.AOR()] != c.want {
				t.Errorf("%c %s: %v, told %v", c.user, c.headers, err, sub.Told)
			}
		}
		// Of a list what he is not in is left out.
		sub := &event.Subscription{Subscription: store.Subscription{User: 'a', Resource: "conference-factory@example.com",
			List: []string{"g-nothing@example.com", g.AOR(), "bob@example.com"}}}
		if err := w.focus.Subscribe(sub, request("Event: conference")); err != nil || len(sub.List) != 1 || sub.List[0] != g.AOR() {
			t.Error(sub.List, err)
		}
		// However its address is written, it is found by the one that is published.
		other := strings.ToUpper(g.Name) + "@192.0.2.1"
		sub = &event.Subscription{Subscription: store.Subscription{User: 'a', Resource: other}}
		if err := w.focus.Subscribe(sub, request("Last-Notify-Version: 7")); err != nil || sub.Resource != g.AOR() || sub.Told[g.AOR()] != 7 {
			t.Error(sub.Resource, sub.Told, err)
		}
		asked := []string{"g-nothing@example.com", other, g.AOR()}
		sub = &event.Subscription{Subscription: store.Subscription{User: 'a', List: asked}, Told: map[string]int64{other: 7, "g-nothing@example.com": 3}}
		if err := w.focus.Subscribe(sub, request("Event: conference")); err != nil || !slices.Equal(sub.List, []string{g.AOR()}) ||
			len(sub.Told) != 1 || sub.Told[g.AOR()] != 7 {
			t.Error(sub.List, sub.Told, err)
		}
		if asked[1] != other { // the notifier still finds the subscription by it
			t.Errorf("the list that was there has become %q", asked)
		}
	})
}

// Nothing is lost between reading the present and hearing of the next change.
func TestChangeWhileSubscribing(t *testing.T) {
	inWorld(t, func(w *world) {
		g := watched(w)
		w.subs.take('b')
		for i := range 30 {
			go w.groups.Change(context.Background(), group.Actor{System: true}, g.ID, group.Rename{Subject: fmt.Sprint(i)})
			go w.focus.Current(&event.Subscription{Subscription: store.Subscription{User: 'b'}}, g.AOR())
		}
		time.Sleep(time.Second)
		synctest.Wait()
		last := int64(1)
		w.subs.mu.Lock()
		defer w.subs.mu.Unlock()
		for _, d := range w.subs.got['b'] {
			if d.Version <= last {
				t.Errorf("version %d after %d", d.Version, last)
			}
			last = d.Version
		}
		if last != 31 {
			t.Errorf("the last version is %d", last)
		}
	})
}
