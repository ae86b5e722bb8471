package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/store"
)

// meWorld is an API over a real store, with people who have a token each: that of
// alice is sparkle_alice. Beside the organisation (groupfakes_test.go) there are
// bob and eve, and
//
//	alice and bob: "hello bob", "hello alice", a reply, a reaction
//	club: made by alice with bob; "first", then bob is taken out, it is renamed, "second"
type meWorld struct {
	*fixture
	t     *testing.T
	users map[string]store.User
	convs map[string]store.ConversationID // ab, club, and tech
	sent  map[string]store.Accepted       // by text
	club  store.GroupID
}

func newMeWorld(t *testing.T) *meWorld {
	t.Helper()
	w := &meWorld{fixture: newFixture(t), t: t, users: map[string]store.User{}, convs: map[string]store.ConversationID{}, sent: map[string]store.Accepted{}}
	w.API.Tokens, w.API.Accounts, w.API.Chat = w.organisation, directory{w.accounts, w.organisation}, &courier{w: w}
	for _, u := range w.accounts.users {
		w.users[u.Username] = u
	}
	for _, name := range []string{"bob", "eve"} {
		u, err := w.organisation.AddUser(t.Context(), store.User{Username: name, Domain: "example.com", DisplayName: strings.ToUpper(name), Numbers: []string{"2" + name[1:2] + "1"}}, nil)
		w.must(err)
		w.users[name] = u
	}
	for name, u := range w.users {
		_, err := w.organisation.AddToken(t.Context(), store.Token{Name: name, User: u.ID, Hash: hashToken("sparkle_" + name)})
		w.must(err)
	}
	w.talk()
	w.meet()
	tech, _ := w.organisation.Find("tech")
	w.convs["tech"] = tech.Conversation
	return w
}

// directory is accounts, and knows the people of a store besides.
type directory struct {
	*accounts
	users store.Users
}

func (d directory) Find(ctx context.Context, address string) (store.User, error) {
	if u, err := d.accounts.Find(ctx, address); err == nil {
		return u, nil
	}
	return d.users.UserByAddress(ctx, address, "example.com")
}

func (d directory) ByID(ctx context.Context, id store.UserID) (store.User, error) {
	if u, err := d.accounts.ByID(ctx, id); err == nil {
		return u, nil
	}
	return d.users.User(ctx, id)
}

func (w *meWorld) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *meWorld) talk() {
	alice, bob := w.users["alice"].ID, w.users["bob"].ID
	w.say(store.NewMessage{From: alice, To: bob, Text: "hello bob", MessageID: "m1"})
	w.convs["ab"] = w.say(store.NewMessage{From: bob, To: alice, Text: "hello alice"}).Conversation
	const spaces = "From: <sip:bob@example.com>\r\nTo: <sip:alice@example.com>\r\nNS: linphone <tag:linphone.org,2020:params:groupchat>\r\n"
	w.say(store.NewMessage{From: bob, To: alice, Text: "[回复] well", ContentType: "message/cpim",
		Body: []byte(spaces + "linphone.Replying-To-Message-ID: m1\r\nlinphone.Replying-To-Sender: sip:alice@example.com\r\n\r\nContent-Type: text/plain\r\n\r\nwell")})
	w.say(store.NewMessage{From: bob, To: alice, ContentType: "message/cpim",
		Body: []byte(spaces + "linphone.In-Reply-To: m1\r\n\r\nContent-Type: text/plain\r\nContent-Disposition: Reaction\r\n\r\n👍")})
}

func (w *meWorld) meet() {
	alice, bob := w.users["alice"], w.users["bob"]
	g, err := w.organisation.Create(w.t.Context(), group.Actor{User: alice.ID}, store.Group{Name: "club", Subject: "Club"}, []store.UserID{bob.ID})
	w.must(err)
	w.club, w.convs["club"] = g.ID, g.Conversation
	w.change(group.SetNickname{User: bob.ID, Nickname: "Bobby"})
	w.say(store.NewMessage{From: bob.ID, Group: g.ID, Text: "first", Mentions: []store.UserID{alice.ID, 0}})
	w.change(group.Remove{Users: []store.UserID{bob.ID}})
	w.change(group.Rename{Subject: "Without Bob"})
	w.say(store.NewMessage{From: alice.ID, Group: g.ID, Text: "second"})
}

func (w *meWorld) change(c group.Change) {
	w.t.Helper()
	_, err := w.organisation.Change(w.t.Context(), group.Actor{System: true}, w.club, c)
	w.must(err)
}

// say archives a message and waits for it.
func (w *meWorld) say(m store.NewMessage) store.Accepted {
	w.t.Helper()
	m.Kind = store.KindText
	if m.ContentType == "" {
		m.ContentType, m.Body = "text/plain", []byte(m.Text)
	}
	type answer struct {
		a   store.Accepted
		err error
	}
	c := make(chan answer, 1)
	w.organisation.Append(&m, func(a store.Accepted, err error) { c <- answer{a, err} })
	got := <-c
	w.must(got.err)
	w.sent[m.Text] = got.a
	return got.a
}

// ask sends a request with the token of a user.
func (w *meWorld) ask(user, method, path, body string) *httptest.ResponseRecorder {
	w.t.Helper()
	return w.do(w.t, w.Remote(), "", "sparkle_"+user, method, path, body)
}

// read200 wants 200 and reads the answer.
func read200[T any](w *meWorld, user, path string) T {
	w.t.Helper()
	return ask200[T](w, user, http.MethodGet, path, "")
}

func ask200[T any](w *meWorld, user, method, path, body string) T {
	w.t.Helper()
	r := w.ask(user, method, path, body)
	var out T
	if r.Code != http.StatusOK {
		w.t.Fatalf("%s %s as %s: %d %s", method, path, user, r.Code, r.Body)
	}
	w.must(json.Unmarshal(r.Body.Bytes(), &out))
	return out
}

// path fills in {ab}, {club} and {tech}, and {text} with the id of a message.
func (w *meWorld) path(s string) string {
	for name, c := range w.convs {
		s = strings.ReplaceAll(s, "{"+name+"}", fmt.Sprint(c))
	}
	for text, a := range w.sent {
		if text == "" {
			continue
		}
		s = strings.ReplaceAll(s, "{"+text+"}", store.GIDString(a.GID))
	}
	return s
}

// ownRoutes is every route below /v1/me with a request of alice that succeeds.
// Those that name something that is not everybody's have in foreign the same
// request about something that nobody has.
var ownRoutes = []struct {
	method, path, body string
	status             int
	foreign            string
}{
	{"GET", "/v1/me", "", 200, ""},
	{"GET", "/v1/me/picture", "", 200, ""},
	{"PUT", "/v1/me/picture", "face", 200, ""},
	{"DELETE", "/v1/me/picture", "", 200, ""},
	{"GET", "/v1/me/groups", "", 200, ""},
	{"GET", "/v1/me/sync", "", 200, ""},
	{"GET", "/v1/me/conversations", "", 200, ""},
	{"GET", "/v1/me/conversations/{ab}", "", 200, "/v1/me/conversations/999"},
	{"PATCH", "/v1/me/conversations/{ab}", `{"pinned":true}`, 200, "/v1/me/conversations/999"},
	{"PUT", "/v1/me/conversations/{ab}/read", `{"seq":1}`, 200, "/v1/me/conversations/999/read"},
	{"GET", "/v1/me/conversations/{ab}/messages", "", 200, "/v1/me/conversations/999/messages"},
	{"GET", "/v1/me/conversations/{ab}/members", "", 200, "/v1/me/conversations/999/members"},
	{"GET", "/v1/me/conversations/{ab}/readers", "", 200, "/v1/me/conversations/999/readers"},
	{"DELETE", "/v1/me/messages/{hello bob}", "", 204, "/v1/me/messages/00000000000003e7"},
	{"PUT", "/v1/me/stars/{hello bob}", `{"note":"n"}`, 204, "/v1/me/stars/00000000000003e7"},
	{"DELETE", "/v1/me/stars/{hello bob}", "", 204, "/v1/me/stars/00000000000003e7"},
	{"GET", "/v1/me/stars", "", 200, ""},
	{"GET", "/v1/me/search?q=hello", "", 200, ""},
	{"GET", "/v1/me/search?q=hello&conversation={ab}", "", 200, "/v1/me/search?q=hello&conversation=999"},
	{"GET", "/v1/me/events", "", 426, ""},
	{"POST", "/v1/me/conversations/{ab}/messages", `{"text":"x"}`, 201, "/v1/me/conversations/999/messages"},
	{"POST", "/v1/me/messages", `{"to":"bob","text":"x"}`, 201, ""},
}

func TestOwnRoutes(t *testing.T) {
	w := newMeWorld(t)
	for _, route := range ownRoutes {
		path := w.path(route.path)
		if r := w.ask("alice", route.method, path, route.body); r.Code != route.status {
			t.Errorf("%s %s: %d %s", route.method, path, r.Code, r.Body)
		}
		if route.foreign == "" {
			continue
		}
		// What is not hers, and what is nobody's, is the same to eve.
		foreign, nothing := w.ask("eve", route.method, path, route.body), w.ask("eve", route.method, w.path(route.foreign), route.body)
		same := strings.ReplaceAll(nothing.Body.String(), "999", fmt.Sprint(w.convs["ab"]))
		same = strings.ReplaceAll(same, "00000000000003e7", store.GIDString(w.sent["hello bob"].GID))
		if foreign.Code != http.StatusNotFound || nothing.Code != foreign.Code || foreign.Body.String() != same {
			t.Errorf("%s %s as eve: %d %s; of nobody: %d %s", route.method, path, foreign.Code, foreign.Body, nothing.Code, nothing.Body)
		}
	}
	w.wantAudit(t, "", "")
}

// TestTokensOpenTheirOwn: a user's token opens nothing of the administration, as if
// it were not there, and that of an administrator nothing that is a user's own.
func TestTokensOpenTheirOwn(t *testing.T) {
	w := newMeWorld(t)
	_, err := w.organisation.AddToken(t.Context(), store.Token{Name: "ci", Hash: hashToken("sparkle_ci")})
	w.must(err)
	unknown := w.ask("alice", "GET", "/v1/nothing", "")
	for _, route := range routes {
		if r := w.ask("alice", route.method, route.path, route.body); r.Code != unknown.Code || r.Body.String() != unknown.Body.String() || !maps.EqualFunc(r.Header(), unknown.Header(), slices.Equal) {
			t.Errorf("%s %s with a user's token: %d %s", route.method, route.path, r.Code, r.Body)
		}
	}
	for _, path := range []string{"/v1/me", "/v1/me/conversations", "/v1/me/nothing"} {
		for name, r := range map[string]*httptest.ResponseRecorder{"token": w.ask("ci", "GET", path, ""), "socket": w.unix(t, "GET", path, "")} {
			if r.Code != http.StatusForbidden || !strings.Contains(r.Body.String(), "--user") {
				t.Errorf("%s by an administrator's %s: %d %s", path, name, r.Code, r.Body)
			}
		}
	}
	if r := w.ask("alice", "GET", "/v1/me/nothing", ""); r.Code != http.StatusNotFound {
		t.Errorf("/v1/me/nothing: %d", r.Code)
	}
	if r := w.ask("alice", "GET", "/v1/me/../users", ""); r.Code == http.StatusOK {
		t.Errorf("out of the own by dots: %d %s", r.Code, r.Body)
	}
}

func TestTokenEndsWithItsUser(t *testing.T) {
	w := newMeWorld(t)
	bob := w.users["bob"]
	bob.Disabled = true
	_, err := w.organisation.UpdateUser(t.Context(), bob)
	w.must(err)
	w.must(w.organisation.RemoveUser(t.Context(), w.users["eve"].ID))
	for _, user := range []string{"bob", "eve"} {
		if r := w.ask(user, "GET", "/v1/me", ""); r.Code != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", user, r.Code, r.Body)
		}
	}
}

func TestUserTokenIsMadeAndListed(t *testing.T) {
	w := newMeWorld(t)
	var added AddedToken
	r := w.unix(t, "POST", "/v1/tokens", `{"name":"web","user":"1001"}`)
	w.must(json.Unmarshal(r.Body.Bytes(), &added))
	if r.Code != http.StatusCreated || added.User != "zhangsan@example.com" {
		t.Fatalf("%d %s", r.Code, r.Body)
	}
	w.wantAudit(t, "unix:root", "token.add web")
	if !strings.Contains(w.audit.entries[0].Detail, `"user":"zhangsan@example.com"`) {
		t.Errorf("audit: %s", w.audit.entries[0].Detail)
	}
	if r := w.do(t, w.Remote(), "", added.Secret, "GET", "/v1/me", ""); !strings.Contains(r.Body.String(), "张三") {
		t.Errorf("%d %s", r.Code, r.Body)
	}
	if r := w.unix(t, "GET", "/v1/tokens", ""); !strings.Contains(r.Body.String(), `"user":"zhangsan@example.com"`) {
		t.Errorf("list: %s", r.Body)
	}
	if r := w.unix(t, "POST", "/v1/tokens", `{"name":"web","user":"nobody"}`); r.Code != http.StatusUnprocessableEntity {
		t.Errorf("for nobody: %d %s", r.Code, r.Body)
	}
}

func TestRows(t *testing.T) {
	w := newMeWorld(t)
	rows := read200[Page[MyConversation]](w, "alice", "/v1/me/conversations").Items
	var titles []string
	for _, r := range rows {
		switch {
		case r.Group != nil:
			titles = append(titles, r.Group.Title)
		default:
			titles = append(titles, r.Peer.DisplayName)
		}
	}
	if want := []string{"Without Bob", "BOB", "技术组", "研发部"}; !slices.Equal(titles, want) {
		t.Errorf("the list of alice: %q, want %q", titles, want)
	}
	club, bob := rows[0], rows[1]
	if club.Unread != 0 || club.Last == nil || club.Last.Text != "second" || !club.Last.Mine || club.Group.Members != 1 || club.Group.Address != "club@example.com" {
		t.Errorf("club: %+v %+v", club, club.Last)
	}
	if bob.Unread != 2 || bob.Peer.Address != "bob@example.com" || fmt.Sprint(bob.Peer.Numbers) != "[2o1]" || bob.Last.Text != "[回复] well" || bob.Last.Mine || bob.Mute != "none" {
		t.Errorf("bob: %+v %+v %+v", bob, bob.Peer, bob.Last)
	}
	own := read200[Page[MyGroup]](w, "alice", "/v1/me/groups").Items
	if len(own) != 3 || own[2].Role != "owner" || own[2].Conversation != club.ID || own[2].Title != "Without Bob" {
		t.Errorf("groups: %+v", own)
	}
}

// TestLeftGroup: who has left a group sees what he knew of it.
func TestLeftGroup(t *testing.T) {
	w := newMeWorld(t)
	row := read200[MyConversation](w, "bob", w.path("/v1/me/conversations/{club}"))
	if !row.Left || row.Group.Title != "Club" || row.Group.Members != 0 || row.Group.Address != "club@example.com" || strings.Contains(row.Last.Text, "second") {
		t.Errorf("row: %+v %+v %+v", row, row.Group, row.Last)
	}
	for _, what := range []string{"members", "readers"} {
		if r := w.ask("bob", "GET", w.path("/v1/me/conversations/{club}/"+what), ""); r.Code != http.StatusForbidden {
			t.Errorf("%s: %d %s", what, r.Code, r.Body)
		}
	}
	for _, m := range read200[Page[MyMessage]](w, "bob", w.path("/v1/me/conversations/{club}/messages")).Items {
		if strings.Contains(m.Text, "second") || strings.Contains(m.Text, "Without") {
			t.Errorf("he sees %+v", m)
		}
	}
	if found := read200[MyMessagePage](w, "bob", "/v1/me/search?q=second").Items; len(found) != 0 {
		t.Errorf("he finds %+v", found)
	}
	w.change(group.Dissolve{})
	if row := read200[MyConversation](w, "alice", w.path("/v1/me/conversations/{club}")); !row.Left || row.Group.Title != "Without Bob" {
		t.Errorf("of who was in it to the end: %+v %+v", row, row.Group)
	}
	if row := read200[MyConversation](w, "bob", w.path("/v1/me/conversations/{club}")); row.Group.Title != "Club" {
		t.Errorf("dissolved later: %+v", row.Group)
	}
}

// TestLeftGroupNicknames: he does not see either what its members are called since.
func TestLeftGroupNicknames(t *testing.T) {
	w := newMeWorld(t)
	alice, bob := w.users["alice"].ID, w.users["bob"].ID
	w.change(group.Add{Users: []store.UserID{bob}})
	w.say(store.NewMessage{From: alice, Group: w.club, Text: "third"})
	w.change(group.SetNickname{User: alice, Nickname: "Boss"})
	for _, c := range []struct {
		left bool
		want string
	}{{false, "Boss"}, {true, w.users["alice"].DisplayName}} {
		if c.left {
			w.change(group.Remove{Users: []store.UserID{bob}})
		}
		row := read200[MyConversation](w, "bob", w.path("/v1/me/conversations/{club}"))
		messages := read200[Page[MyMessage]](w, "bob", w.path("/v1/me/conversations/{club}/messages")).Items
		third := messages[slices.IndexFunc(messages, func(m MyMessage) bool { return m.Text == "third" })]
		if third.From.DisplayName != c.want || row.Left != c.left {
			t.Errorf("left %v: %+v in %+v", row.Left, third.From, row)
		}
	}
}

func TestMyMessages(t *testing.T) {
	w := newMeWorld(t)
	ab := w.path("/v1/me/conversations/{ab}/messages")
	ms := read200[Page[MyMessage]](w, "alice", ab).Items
	if len(ms) != 4 {
		t.Fatalf("%d messages", len(ms))
	}
	reaction, reply, first := ms[0], ms[1], ms[3]
	if reaction.Reaction == nil || *reaction.Reaction != (Reaction{"m1", "👍"}) || reaction.Text != "" {
		t.Errorf("reaction: %+v", reaction)
	}
	if reply.Reply == nil || *reply.Reply != (Answer{"m1", "alice@example.com"}) || reply.Text != "well" || reply.From.DisplayName != "BOB" {
		t.Errorf("reply: %+v", reply)
	}
	if !first.Mine || first.MessageID != "m1" || first.Seq != 1 || first.ID != store.GIDString(w.sent["hello bob"].GID) || first.At.IsZero() {
		t.Errorf("first: %+v", first)
	}
	texts := func(query string) string {
		page := read200[Page[MyMessage]](w, "alice", ab+query)
		var out []string
		for _, m := range page.Items {
			out = append(out, fmt.Sprint(m.Seq))
		}
		return strings.Join(append(out, "next "+page.Next), " ")
	}
	for query, want := range map[string]string{
		"?before_seq=3":          "2 1 next ",
		"?before_seq=4&limit=2":  "3 2 next 2",
		"?after_seq=0&limit=3":   "1 2 3 next 3",
		"?after_seq=3":           "4 next ",
		"?after_seq=9":           "next ",
		"?before_seq=1&limit=20": "next ",
	} {
		if got := texts(query); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	in := read200[Page[MyMessage]](w, "alice", w.path("/v1/me/conversations/{club}/messages")).Items
	i := slices.IndexFunc(in, func(m MyMessage) bool { return m.Text == "first" })
	if i < 0 || !in[i].MentionsAll || !slices.Equal(in[i].Mentions, []string{"alice@example.com"}) || in[i].From.DisplayName != "BOB" {
		t.Errorf("in the group: %+v", in)
	}
	if n := in[len(in)-1]; n.Kind != "notice" || n.Text == "" {
		t.Errorf("the notice of its making: %+v", n)
	}
}

func TestDecisions(t *testing.T) {
	w := newMeWorld(t)
	ab := w.path("/v1/me/conversations/{ab}")
	patch := func(body string) MyConversation { return ask200[MyConversation](w, "alice", "PATCH", ab, body) }
	if r := patch(`{"pinned":true,"labels":["work","现场"],"marked_unread":true,"mute":"mentions"}`); r.Pinned == nil || !r.MarkedUnread || r.Mute != "mentions" || fmt.Sprint(r.Labels) != "[work 现场]" {
		t.Errorf("%+v", r)
	}
	if r := patch(`{"pinned":false,"labels":[],"mute":"none"}`); r.Pinned != nil || r.Mute != "none" || len(r.Labels) != 0 || !r.MarkedUnread {
		t.Errorf("%+v", r)
	}
	until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	if r := patch(`{"mute":"all","mute_until":"` + until + `"}`); r.Mute != "all" || r.MuteUntil == nil {
		t.Errorf("%+v", r)
	}
	if r := ask200[MyConversation](w, "alice", "PUT", ab+"/read", `{"seq":99}`); r.ReadSeq != 4 || r.Unread != 0 || r.MarkedUnread {
		t.Errorf("read: %+v", r)
	}
	if r := ask200[MyConversation](w, "alice", "PUT", ab+"/read", `{"seq":1}`); r.ReadSeq != 4 {
		t.Errorf("read backwards: %+v", r)
	}
	if r := patch(`{"cleared_seq":2}`); r.ClearedSeq != 2 || len(read200[Page[MyMessage]](w, "alice", ab+"/messages").Items) != 2 {
		t.Errorf("cleared: %+v", r)
	}
	if r := patch(`{"hidden":true}`); !r.Hidden {
		t.Errorf("hidden: %+v", r)
	}
	if r := read200[MyConversation](w, "bob", ab); r.ReadSeq != 0 || r.Hidden || r.ClearedSeq != 0 || r.Mute != "none" {
		t.Errorf("bob's: %+v", r)
	}
	for body, want := range map[string]string{
		`{"mute":"loud"}`:                              "validation failed",
		`{"mute_until":"` + until + `"}`:               "mute_until: say with mute what is not to be announced until then",
		`{"labels":[""]}`:                              `label "": use 1 to 32 characters and no control characters`,
		`{"labels":["a\nb"]}`:                          `label "a\nb": use 1 to 32 characters and no control characters`,
		`{"colour":1}`:                                 "validation failed",
		`{"cleared_seq":-1}`:                           "validation failed",
		`{"mute":"none","mute_until":"` + until + `"}`: "mute_until: say with mute what is not to be announced until then",
	} {
		r := w.ask("alice", "PATCH", ab, body)
		var p struct{ Detail string }
		w.must(json.Unmarshal(r.Body.Bytes(), &p))
		if r.Code != http.StatusUnprocessableEntity || p.Detail != want {
			t.Errorf("%s: %d %q, want %q", body, r.Code, p.Detail, want)
		}
	}
}

func TestStarsAndHiddenMessages(t *testing.T) {
	w := newMeWorld(t)
	star := func(text string) {
		t.Helper()
		if r := w.ask("alice", "PUT", w.path("/v1/me/stars/{"+text+"}"), `{"note":"`+text+`"}`); r.Code != http.StatusNoContent {
			t.Fatalf("%d %s", r.Code, r.Body)
		}
	}
	for _, text := range []string{"hello bob", "hello alice", "first"} {
		star(text)
	}
	first := read200[Page[StarredMessage]](w, "alice", "/v1/me/stars?limit=2")
	rest := read200[Page[StarredMessage]](w, "alice", "/v1/me/stars?limit=2&cursor="+first.Next)
	var notes []string
	for _, s := range append(first.Items, rest.Items...) {
		if s.Message == nil || s.Message.Text != s.Note {
			t.Errorf("star %+v", s)
		}
		notes = append(notes, s.Note)
	}
	if want := []string{"first", "hello alice", "hello bob"}; !slices.Equal(notes, want) {
		t.Errorf("stars %q, want %q", notes, want)
	}
	w.ask("alice", "DELETE", w.path("/v1/me/messages/{hello alice}"), "")
	w.ask("alice", "DELETE", w.path("/v1/me/stars/{first}"), "")
	left := read200[Page[StarredMessage]](w, "alice", "/v1/me/stars").Items
	if len(left) != 2 || left[0].Message != nil || left[1].Message == nil {
		t.Errorf("after one was hidden: %+v", left)
	}
	if found := read200[MyMessagePage](w, "alice", "/v1/me/search?q=hello").Items; len(found) != 1 || found[0].Text != "hello bob" {
		t.Errorf("found after one was hidden: %+v", found)
	}
	if found := read200[MyMessagePage](w, "bob", "/v1/me/search?q=hello").Items; len(found) != 2 {
		t.Errorf("bob finds %+v", found)
	}
}

func TestMySearch(t *testing.T) {
	w := newMeWorld(t)
	for path, want := range map[string]int{
		"/v1/me/search?q=hello":                            2,
		"/v1/me/search?q=hello&limit=1":                    1,
		"/v1/me/search?q=hello&conversation={ab}":          2,
		"/v1/me/search?q=hello&conversation={club}":        0,
		"/v1/me/search?q=first&conversation={club}":        1,
		"/v1/me/search?q=first":                            1,
		"/v1/me/search?q=hello&until=2020-01-01T00:00:00Z": 0,
	} {
		if page := read200[MyMessagePage](w, "alice", w.path(path)); len(page.Items) != want || page.Partial {
			t.Errorf("%s: %d found, want %d", path, len(page.Items), want)
		}
	}
	page := read200[MyMessagePage](w, "alice", "/v1/me/search?q=hello&limit=1")
	if page := read200[MyMessagePage](w, "alice", "/v1/me/search?q=hello&limit=1&cursor="+page.Next); len(page.Items) != 1 || page.Items[0].Text != "hello bob" {
		t.Errorf("the second page: %+v", page)
	}
	for _, path := range []string{"/v1/me/search", "/v1/me/search?q=", "/v1/me/search?q=x&cursor=zz"} {
		if r := w.ask("alice", "GET", path, ""); r.Code != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", path, r.Code, r.Body)
		}
	}
}

func TestMembersAndReaders(t *testing.T) {
	w := newMeWorld(t)
	w.change(group.Add{Users: []store.UserID{w.users["bob"].ID, w.users["zhangsan"].ID}})
	w.change(group.SetNickname{User: w.users["bob"].ID, Nickname: "Bobby"})
	club := w.path("/v1/me/conversations/{club}")
	var got []string
	for cursor := ""; ; {
		page := read200[Page[Participant]](w, "bob", club+"/members?limit=2"+cursor)
		for _, p := range page.Items {
			got = append(got, p.Address+" "+p.Role+" "+p.Nickname)
		}
		if page.Next == "" {
			break
		}
		cursor = "&cursor=" + page.Next
	}
	if want := []string{"alice@example.com owner ", "zhangsan@example.com member ", "bob@example.com member Bobby"}; !slices.Equal(got, want) {
		t.Errorf("members %q, want %q", got, want)
	}
	ask200[MyConversation](w, "zhangsan", "PUT", club+"/read", `{"seq":99}`)
	readers := func(query string) (names []string) {
		for _, r := range read200[Page[Reader]](w, "alice", club+"/readers"+query).Items {
			names = append(names, r.Address)
		}
		return names
	}
	if got := readers(""); !slices.Equal(got, []string{"zhangsan@example.com"}) {
		t.Errorf("readers %q", got)
	}
	if got := readers("?seq=1000"); len(got) != 0 {
		t.Errorf("readers of the future %q", got)
	}
	two := read200[Page[Participant]](w, "alice", w.path("/v1/me/conversations/{ab}/members")).Items
	if len(two) != 2 || two[0].Role != "" || two[1].Address != "bob@example.com" {
		t.Errorf("of two: %+v", two)
	}
	notes := w.say(store.NewMessage{From: 1, To: 1, Text: "note"})
	if one := read200[Page[Participant]](w, "alice", fmt.Sprintf("/v1/me/conversations/%d/members", notes.Conversation)).Items; len(one) != 1 {
		t.Errorf("of my notes: %+v", one)
	}
}
