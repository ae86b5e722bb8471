package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// answer decodes what a change answers, and wants it done.
func answer[T any](t *testing.T, f *fixture, method, path, body string) (v T) {
	t.Helper()
	w := f.unix(t, method, path, body)
	if w.Code >= 300 {
		t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
	}
	return v
}

// refusal is the words of an error.
func (f *fixture) refusal(t *testing.T, method, path, body string) (status int, text string) {
	t.Helper()
	w := f.unix(t, method, path, body)
	var problem struct {
		Detail string
		Errors []struct{ Message string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &problem); err != nil {
		t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	for _, e := range problem.Errors {
		problem.Detail += ": " + e.Message
	}
	return w.Code, problem.Detail
}

func TestListGroups(t *testing.T) {
	f := newFixture(t)
	answer[Group](t, f, "POST", "/v1/groups", `{"members":["zhangsan"]}`)
	for query, want := range map[string]string{
		"":                           "tech yanfa 3",
		"?match=TEC":                 "tech",
		"?match=%E7%A0%94":           "yanfa",
		"?match=%E5%BC%A0":           "3", // called after its members
		"?kind=fixed":                "yanfa",
		"?kind=pair":                 "",
		"?member=1001":               "tech 3",
		"?member=alice&kind=manual":  "tech",
		"?limit=2":                   "tech yanfa",
		"?limit=2&cursor=2":          "3",
		"?limit=3":                   "tech yanfa 3",
		"?member=alice&cursor=1":     "yanfa",
		"?member=zhangsan&match=rat": "",
	} {
		var got []string
		for _, g := range get[Page[Group]](t, f, "/v1/groups"+query).Items {
			name := g.Name
			if strings.HasPrefix(name, "g-") {
				name = fmt.Sprint(g.ID)
			}
			got = append(got, name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q, want %q", query, got, want)
		}
	}
	for query, want := range map[string]string{"?limit=2": "2", "?limit=3": "", "?kind=fixed&limit=1": "", "": ""} {
		if page := get[Page[Group]](t, f, "/v1/groups"+query); page.Next != want {
			t.Errorf("%q goes on from %q, want %q", query, page.Next, want)
		}
	}
	if status, text := f.refusal(t, "GET", "/v1/groups?member=nobody", ""); status != 404 || text != `user "nobody": not found` {
		t.Errorf("groups of nobody: %d %s", status, text)
	}
}

// TestShowGroup tells what was decided for a group, and what holds in it.
func TestShowGroup(t *testing.T) {
	f := newFixture(t)
	answer[Group](t, f, "PATCH", "/v1/groups/tech", `{"announcement":"周五例会","policy":{"speak":"administrator","history":-1,"max_members":7}}`)
	answer[Group](t, f, "PUT", "/v1/groups/tech/pins/MESSAGE", "")
	g := get[Group](t, f, "/v1/groups/TECH@example.com")
	if g.ID != 1 || g.Address != "tech@example.com" || g.Title != "技术组" || g.Owner != "alice@example.com" || g.Members != 2 || g.Kind != store.GroupManual {
		t.Errorf("%+v", g)
	}
	if g.Announcement == nil || g.Announcement.Text != "周五例会" || g.Announcement.By != "" || !slices.Equal(g.Pinned, []string{store.GIDString(f.organisation.message)}) {
		t.Errorf("announcement %+v, pinned %q", g.Announcement, g.Pinned)
	}
	if own, _ := json.Marshal(g.Policy); string(own) != `{"speak":"administrator","max_members":7,"history":-1}` {
		t.Errorf("own policy %s", own)
	}
	want := `{"invite":"member","rename":"administrator","pin":"administrator","mention_all":"administrator","speak":"administrator",` +
		`"private":"member","promote":"administrator","all_daily":3,"max_members":7,"history":-1}`
	if holds, _ := json.Marshal(g.InForce); string(holds) != want {
		t.Errorf("in force\n%s, want\n%s", holds, want)
	}

	fixed := get[Group](t, f, "/v1/groups/yanfa")
	if f := fixed.Follows; f == nil || *f != (GroupFollows{Unit: "公司/研发部", Orphan: "dissolve"}) || fixed.Owner != "" {
		t.Errorf("%+v follows %+v", fixed, f)
	}
	for _, path := range []string{"/v1/groups/tech@example.org", "/v1/groups/77", "/v1/groups/nothing"} {
		if status, _ := f.refusal(t, "GET", path, ""); status != 404 {
			t.Errorf("%s: %d", path, status)
		}
	}
}

// TestDissolvedGroup is there for who knows its number, and for nobody else.
func TestDissolvedGroup(t *testing.T) {
	f := newFixture(t)
	f.Messages = f.organisation
	answer[struct{}](t, f, "DELETE", "/v1/groups/tech", "")
	for _, path := range []string{"", "/members", "/events", "/messages"} {
		if status, _ := f.refusal(t, "GET", "/v1/groups/tech"+path, ""); status != 404 {
			t.Errorf("by name%s: %d", path, status)
		}
	}
	if g := get[Group](t, f, "/v1/groups/1"); g.Dissolved == nil || g.Title != "技术组" || g.Members != 2 || g.InForce != nil {
		t.Errorf("%+v", g)
	}
	if members := get[Page[Member]](t, f, "/v1/groups/1/members").Items; len(members) != 2 || members[0].User != "alice@example.com" {
		t.Errorf("%+v", members)
	}
	events := get[Page[GroupEvent]](t, f, "/v1/groups/1/events").Items
	if last := events[len(events)-1]; last.Action != "dissolve" {
		t.Errorf("%+v", events)
	}
	if page := get[Page[Message]](t, f, "/v1/groups/1/messages"); !slices.ContainsFunc(page.Items, func(m Message) bool { return m.Text == "晚上见" && m.To == "tech@example.com" }) {
		t.Errorf("%+v", page)
	}
	if page := get[MessagePage](t, f, "/v1/messages/search?group=1"); len(page.Items) != 1 {
		t.Errorf("%+v", page)
	}
	for _, change := range []string{"PATCH /v1/groups/1", "POST /v1/groups/1/members", "PATCH /v1/groups/1/members/alice"} {
		method, path, _ := strings.Cut(change, " ")
		if status, text := f.refusal(t, method, path, `{"users":["alice"]}`); status != 404 && status != 422 {
			t.Errorf("%s: %d %s", change, status, text)
		}
	}
	if status, text := f.refusal(t, "POST", "/v1/groups", `{"name":"tech","subject":"x","members":["alice"]}`); status != 409 {
		t.Errorf("its name is given away: %d %s", status, text)
	}
}

func TestMakeGroup(t *testing.T) {
	for _, test := range []struct {
		body   string
		status int
		want   string // what it is, or the error
	}{
		{`{"name":"Sales","subject":"销售","members":["alice","1001","alice"]}`, 201, "sales manual 销售 2 alice@example.com"},
		{`{"name":"sales","subject":"销售","owner":"zhangsan","members":["alice","zhangsan"]}`, 201, "sales manual 销售 2 zhangsan@example.com"},
		{`{"name":"sales","owner":"zhangsan"}`, 201, "sales discussion 张三 1 zhangsan@example.com"},
		{`{"name":"sales","follows":{"unit":"公司","sub_units":true}}`, 201, "sales fixed 公司 2 "},
		{`{"name":"sales","subject":"经理们","follows":{"unit":"1","sub_units":true,"title":"经理","orphan":"convert"}}`, 201, "sales fixed 经理们 1 "},
		{`{"name":"sales","kind":"fixed"}`, 422, "a fixed group follows a unit, and no other group does"},
		{`{"name":"sales","kind":"manual","follows":{"unit":"公司"}}`, 422, "a fixed group follows a unit, and no other group does"},
		{`{"name":"sales","follows":{"unit":"公司"},"members":["alice"]}`, 422, "a fixed group has the members of its unit and no others; make an owner of one of them later"},
		{`{"name":"sales","follows":{"unit":"没有"}}`, 422, `there is no unit "没有"`},
		{`{"name":"sales","subject":"x","members":["nobody"]}`, 422, `there is no user "nobody"`},
		{`{"name":"sales","subject":"x"}`, 422, "a group needs a member"},
		{`{"name":"tech","subject":"x","members":["alice"]}`, 409, "make a group: add group tech@example.com: tech is the name of a group, or was"},
		{`{"name":"alice","subject":"x","members":["alice"]}`, 409, ""},
		{`{"name":"1001","subject":"x","members":["alice"]}`, 422, `the name "1001" looks like a number: give it a letter`},
		{`{"name":"sales","kind":"manual","members":["alice"]}`, 403, ""}, // in the words of the group
		{`{"name":"sales","subject":"x","members":["alice"],"policy":{"speak":"king"}}`, 422, ""},
	} {
		f := newFixture(t)
		if test.status != http.StatusCreated {
			if status, text := f.refusal(t, "POST", "/v1/groups", test.body); status != test.status || test.want != "" && text != test.want {
				t.Errorf("%s: %d %q, want %d %q", test.body, status, text, test.status, test.want)
			}
			f.wantAudit(t, "", "")
			continue
		}
		g := answer[Group](t, f, "POST", "/v1/groups", test.body)
		if got := fmt.Sprintf("%s %s %s %d %s", g.Name, g.Kind, g.Title, g.Members, g.Owner); got != test.want {
			t.Errorf("%s: %q, want %q", test.body, got, test.want)
		}
		f.wantAudit(t, "unix:root", "group.add sales@example.com")
	}
}

// TestChangeGroupIsAllOrNothing, and the audit log holds what was asked for.
func TestChangeGroupIsAllOrNothing(t *testing.T) {
	f := newFixture(t)
	for body, want := range map[string]string{
		`{"subject":"新","owner":"nobody"}`:            `422 there is no user "nobody"`,
		`{"subject":"新","policy":{"max_members":-1}}`: "422 validation failed: expected number >= 0",
		`{"subject":"新","announcement":"a\u0007b"}`:   "403 ",
		`{"subject":""}`:  "403 ",
		`{"kind":"pair"}`: "422 ",
	} {
		if status, text := f.refusal(t, "PATCH", "/v1/groups/tech", body); !strings.HasPrefix(fmt.Sprint(status, " ", text), want) {
			t.Errorf("%s: %d %s, want %s", body, status, text, want)
		}
	}
	if g := get[Group](t, f, "/v1/groups/tech"); g.Subject != "技术组" || g.Version != 1 {
		t.Errorf("something was changed: %+v", g)
	}
	f.wantAudit(t, "", "")

	const body = `{"subject":"技术部","policy":{"invite":"nobody","speak":"owner"},"owner":"zhangsan"}`
	g := answer[Group](t, f, "PATCH", "/v1/groups/tech", body)
	if g.Subject != "技术部" || g.Owner != "zhangsan@example.com" || g.Policy.Speak != "owner" {
		t.Errorf("%+v", g)
	}
	if detail := f.audit.entries[0].Detail; detail != body {
		t.Errorf("audit: %s", detail)
	}
	g = answer[Group](t, f, "PATCH", "/v1/groups/tech", `{"policy":{"speak":"default"}}`)
	if own, _ := json.Marshal(g.Policy); string(own) != `{"invite":"nobody"}` {
		t.Errorf("rules that were not named changed: %s", own)
	}
	version := g.Version
	if g = answer[Group](t, f, "PATCH", "/v1/groups/tech", `{}`); g.Version != version {
		t.Error("nothing was asked for, and something changed")
	}
	if g = answer[Group](t, f, "PATCH", "/v1/groups/yanfa", `{"kind":"manual"}`); g.Kind != store.GroupManual || g.Follows != nil || g.Owner != "alice@example.com" {
		t.Errorf("converted: %+v", g)
	}
}

func TestMembersOfAGroup(t *testing.T) {
	f := newFixture(t)
	f.accounts.users = append(f.accounts.users, store.User{ID: 3, Username: "bob", Domain: "example.com", DisplayName: "Bob"})
	if _, err := f.organisation.AddUser(t.Context(), store.User{Username: "bob", Domain: "example.com", DisplayName: "Bob"}, nil); err != nil {
		t.Fatal(err)
	}
	const member = "/v1/groups/tech/members/zhangsan"
	g := answer[Group](t, f, "POST", "/v1/groups/tech/members", `{"users":["alice","bob"],"role":"administrator"}`)
	if g.Members != 3 {
		t.Errorf("%d members", g.Members)
	}
	page := get[Page[Member]](t, f, "/v1/groups/tech/members?limit=2")
	rest := get[Page[Member]](t, f, "/v1/groups/tech/members?limit=2&cursor="+page.Next)
	var got []string
	for _, m := range append(page.Items, rest.Items...) {
		got = append(got, m.User+" "+m.Name+" "+m.Role)
	}
	if want := []string{"alice@example.com Alice owner", "zhangsan@example.com 张三 member", "bob@example.com Bob administrator"}; !slices.Equal(got, want) || rest.Next != "" {
		t.Errorf("members %q", got)
	}

	tomorrow := noon.AddDate(0, 0, 1)
	for _, test := range []struct {
		body  string
		muted time.Time
	}{
		{`{"muted_until":"2026-05-05T12:00:00Z"}`, tomorrow},
		{`{"muted":true,"muted_until":"2026-05-05T12:00:00Z"}`, tomorrow},
		{`{"muted":false}`, time.Time{}},
		{`{"muted":true}`, noon.AddDate(100, 0, 0)},
		{`{"muted_until":"2026-05-03T12:00:00Z"}`, time.Time{}}, // over
	} {
		m := answer[Member](t, f, "PATCH", member, test.body)
		if muted := m.MutedUntil; (muted == nil) != test.muted.IsZero() || muted != nil && !muted.Equal(test.muted) {
			t.Errorf("%s: muted until %v, want %v", test.body, muted, test.muted)
		}
	}
	if m := answer[Member](t, f, "PATCH", member, `{"nickname":"老张","role":"owner"}`); m.Nickname != "老张" || m.Role != "owner" {
		t.Errorf("%+v", m)
	}
	if got, want := f.audit.entries[6].Detail, `{"user":"zhangsan@example.com","change":{"role":"owner","nickname":"老张"}}`; got != want {
		t.Errorf("audit: %s", got)
	}
	for _, test := range []struct{ method, path, body, want string }{
		{"PATCH", member, `{"role":"member"}`, "403 "}, // the owner has to hand over first
		{"PATCH", member, `{"muted":false,"muted_until":"2026-05-05T12:00:00Z"}`, "422 muted_until: a member who may write is not muted until a time"},
		{"PATCH", "/v1/groups/yanfa/members/zhangsan", `{"nickname":"x"}`, "404 zhangsan in group yanfa: not found"},
		{"PATCH", "/v1/groups/tech/members/nobody", `{}`, `404 user "nobody": not found`},
		{"DELETE", "/v1/groups/yanfa/members/alice", "", "403 "}, // her unit decides
		{"POST", "/v1/groups/yanfa/members", `{"users":["bob"]}`, "403 "},
		{"POST", "/v1/groups/tech/members", `{"users":[]}`, "422 "},
		{"POST", "/v1/groups/tech/members", `{"users":["bob"],"role":"owner"}`, "422 "},
	} {
		if status, text := f.refusal(t, test.method, test.path, test.body); !strings.HasPrefix(fmt.Sprint(status, " ", text), test.want) {
			t.Errorf("%s %s %s: %d %s, want %s", test.method, test.path, test.body, status, text, test.want)
		}
	}
	answer[struct{}](t, f, "DELETE", member, "")
	if g := get[Group](t, f, "/v1/groups/tech"); g.Members != 2 || g.Owner != "alice@example.com" {
		t.Errorf("%+v", g)
	}
}

func TestGroupEvents(t *testing.T) {
	f := newFixture(t)
	answer[Group](t, f, "PATCH", "/v1/groups/tech", `{"subject":"技术部","muted_all":true}`)
	answer[Member](t, f, "PATCH", "/v1/groups/tech/members/zhangsan", `{"role":"administrator"}`)
	var got []string
	for cursor := "0"; cursor != ""; {
		page := get[Page[GroupEvent]](t, f, "/v1/groups/tech/events?limit=2&cursor="+cursor)
		for _, e := range page.Items {
			got = append(got, fmt.Sprintf("%d %s %s %s %s", e.Version, e.By, e.Action, e.User, e.Detail))
		}
		cursor = page.Next
	}
	want := []string{"1  create  技术组", "2  subject  技术部", "3  mute-all  on", "4  role zhangsan@example.com administrator"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestMessagesOfAGroup has the archive tell to whom a message was written, whatever
// way it is found.
func TestMessagesOfAGroup(t *testing.T) {
	f := newFixture(t)
	f.Messages = f.organisation
	id := store.GIDString(f.organisation.message)
	answer[Group](t, f, "PATCH", "/v1/groups/tech", `{"subject":"技术部"}`)
	stored := make(chan error, 1)
	f.organisation.Append(&store.NewMessage{Kind: store.KindReceipt, From: 2, To: 1, Group: 1, CallID: "r1"}, func(_ store.Accepted, err error) { stored <- err })
	if err := <-stored; err != nil {
		t.Fatal(err)
	}

	check := func(where string, m Message, want string) {
		t.Helper()
		if got := fmt.Sprintf("%s %q %s %s %s", m.Kind, m.From, m.To, m.Group, m.Text); got != want {
			t.Errorf("%s: %s, want %s", where, got, want)
		}
	}
	const text = `text "alice@example.com" tech@example.com tech@example.com 晚上见`
	history := get[Page[Message]](t, f, "/v1/groups/tech/messages?limit=1")
	check("newest", history.Items[0], `notice "" tech@example.com tech@example.com The administrator named the group “技术部”`)
	history = get[Page[Message]](t, f, "/v1/groups/tech/messages?cursor="+history.Next)
	if len(history.Items) != 1 {
		t.Fatalf("%+v", history)
	}
	check("history", history.Items[0], text)
	found := get[MessagePage](t, f, "/v1/messages/search?group=tech&user=alice")
	if len(found.Items) != 1 {
		t.Fatalf("%+v", found)
	}
	check("search", found.Items[0], text)
	if none := get[MessagePage](t, f, "/v1/messages/search?group=yanfa"); len(none.Items) != 0 {
		t.Errorf("%+v", none)
	}
	check("receipt", get[MessagePage](t, f, "/v1/messages/search?call_id=r1").Items[0], `receipt "zhangsan@example.com" alice@example.com tech@example.com `)
	check("trace", get[MessageTrace](t, f, "/v1/messages/"+id+"/trace").Message, text)
	export := f.unix(t, "GET", "/v1/messages/export?format=csv&group=tech", "").Body.String()
	if !strings.Contains(export, ",alice@example.com,tech@example.com,晚上见,") || strings.Count(export, "\n") != 2 {
		t.Errorf("export:\n%s", export)
	}

	var read []string
	for _, e := range f.audit.entries {
		if strings.HasPrefix(e.Action, "message.") {
			read = append(read, e.Action+" "+e.Object)
		}
	}
	want := []string{"message.history tech@example.com", "message.history tech@example.com", "message.search alice", "message.search yanfa", "message.search ", "message.trace " + id, "message.export tech"}
	if !slices.Equal(read, want) {
		t.Errorf("audit\ngot  %q\nwant %q", read, want)
	}
	if status, _ := f.refusal(t, "GET", "/v1/messages/search?group=nothing", ""); status != 404 {
		t.Errorf("search in a group that does not exist: %d", status)
	}
}

func TestPins(t *testing.T) {
	f := newFixture(t)
	for _, test := range []struct{ method, path, want string }{
		{"PUT", "/v1/groups/yanfa/pins/MESSAGE", "403 "}, // of another group
		{"PUT", "/v1/groups/tech/pins/00000000000000ff", "403 "},
		{"PUT", "/v1/groups/tech/pins/12", `422 "12" is not the id of a message`},
		{"DELETE", "/v1/groups/nothing/pins/MESSAGE", `404 group "nothing": not found`},
	} {
		if status, text := f.refusal(t, test.method, test.path, ""); !strings.HasPrefix(fmt.Sprint(status, " ", text), test.want) {
			t.Errorf("%s %s: %d %s, want %s", test.method, test.path, status, text, test.want)
		}
	}
	if g := answer[Group](t, f, "PUT", "/v1/groups/tech/pins/MESSAGE", ""); len(g.Pinned) != 1 {
		t.Errorf("%+v", g)
	}
	answer[struct{}](t, f, "DELETE", "/v1/groups/tech/pins/MESSAGE", "")
	if g := get[Group](t, f, "/v1/groups/tech"); len(g.Pinned) != 0 {
		t.Errorf("%+v", g)
	}
}
