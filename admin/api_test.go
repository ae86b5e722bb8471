package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// routes is every route with a request that succeeds. Changes name the audit
// entry that they must leave. MESSAGE is the message of the group tech.
var routes = []struct {
	method, path, body string
	status             int
	audit              string // action and object
}{
	{"GET", "/v1/users", "", 200, ""},
	{"POST", "/v1/users", `{"username":"bob"}`, 201, "user.add bob@example.com"},
	{"GET", "/v1/users/alice", "", 200, ""},
	{"GET", "/v1/users/1003", "", 200, ""},
	{"PATCH", "/v1/users/alice@example.com", `{"disabled":true}`, 200, "user.change alice@example.com"},
	{"DELETE", "/v1/users/alice", "", 204, "user.remove alice@example.com"},
	{"PUT", "/v1/users/alice/password", `{"password":"correct horse"}`, 200, "user.password alice@example.com"},
	{"GET", "/v1/users/alice/picture?s=96", "", 200, ""},
	{"PUT", "/v1/users/alice/picture", "face", 200, "user.picture.set alice@example.com"},
	{"DELETE", "/v1/users/alice/picture", "", 200, "user.picture.remove alice@example.com"},
	{"GET", "/v1/groups/tech/picture", "", 200, ""},
	{"PUT", "/v1/groups/tech/picture", "sign", 200, "group.picture.set tech@example.com"},
	{"DELETE", "/v1/groups/tech/picture", "", 200, "group.picture.remove tech@example.com"},
	{"POST", "/v1/users/import?domain=example.com", "carol,correct horse,Carol,1009\n", 200, "user.import example.com"},
	{"GET", "/v1/devices?user=zhangsan", "", 200, ""},
	{"DELETE", "/v1/devices/7", "", 200, "device.revoke urn:uuid:7"},
	{"GET", "/v1/messages/search?text=%E4%BD%A0&user=alice", "", 200, "message.search alice"},
	{"GET", "/v1/messages/history?user=alice&peer=zhangsan", "", 200, "message.history alice"},
	{"GET", "/v1/messages/0000000000000001/trace", "", 200, "message.trace 0000000000000001"},
	{"GET", "/v1/messages/export", "", 200, "message.export "},
	{"GET", "/v1/messages/export?format=csv", "", 200, "message.export "},
	{"GET", "/v1/calls?user=alice&since=2026-01-01T00:00:00Z", "", 200, ""},
	{"GET", "/v1/calls?live=true", "", 200, ""},
	{"GET", "/v1/calls/0000000000000051", "", 200, ""},
	{"DELETE", "/v1/calls/0000000000000061", "", 204, "call.hangup 0000000000000061"},
	{"POST", "/v1/calls", `{"user":"alice","to":"1001"}`, 201, "call.dial alice@example.com"},
	{"GET", "/v1/calls/export", "", 200, "call.export "},
	{"GET", "/v1/calls/export?format=csv&user=alice", "", 200, "call.export alice"},
	{"GET", "/v1/users/alice/calls", "", 200, ""},
	{"PUT", "/v1/users/alice/calls", `{"do_not_disturb":true}`, 200, "user.calls alice@example.com"},
	{"GET", "/v1/hunt-groups", "", 200, ""},
	{"GET", "/v1/hunt-groups/sales", "", 200, ""},
	{"PUT", "/v1/hunt-groups/fax", `{"members":["alice"]}`, 200, "hunt.set fax"},
	{"DELETE", "/v1/hunt-groups/sales", "", 204, "hunt.remove sales"},
	{"GET", "/v1/classes", "", 200, ""},
	{"GET", "/v1/classes/default", "", 200, ""},
	{"PUT", "/v1/classes/home", `{"allow":["+86"]}`, 200, "class.set home"},
	{"DELETE", "/v1/classes/default", "", 204, "class.remove default"},
	{"GET", "/v1/trunks", "", 200, ""},
	{"GET", "/v1/trunks/telco", "", 200, ""},
	{"PUT", "/v1/trunks/telco", `{"password":"correct horse","version":1}`, 200, "trunk.set telco"},
	{"DELETE", "/v1/trunks/telco", "", 204, "trunk.remove telco"},
	{"POST", "/v1/trunks/telco/gateways/a/out", "", 204, "gateway.out telco/a"},
	{"POST", "/v1/trunks/telco/gateways/a/in", "", 204, "gateway.in telco/a"},
	{"GET", "/v1/groups?match=TECH&kind=manual&member=alice", "", 200, ""},
	{"POST", "/v1/groups", `{"name":"sales","subject":"销售","members":["alice","1001"],"policy":{"invite":"nobody"}}`, 201, "group.add sales@example.com"},
	{"GET", "/v1/groups/tech@example.com", "", 200, ""},
	{"PATCH", "/v1/groups/tech", `{"subject":"技术部","announcement":"周五例会","policy":{"speak":"administrator"},"muted_all":true,"owner":"zhangsan"}`, 200, "group.change tech@example.com"},
	{"DELETE", "/v1/groups/tech", "", 204, "group.dissolve tech@example.com"},
	{"GET", "/v1/groups/1/members", "", 200, ""},
	{"POST", "/v1/groups/tech/members", `{"users":["1001"],"role":"administrator"}`, 200, "group.member.add tech@example.com"},
	{"PATCH", "/v1/groups/tech/members/1001", `{"role":"administrator","nickname":"老张","muted":true}`, 200, "group.member.change tech@example.com"},
	{"DELETE", "/v1/groups/tech/members/zhangsan", "", 204, "group.member.remove tech@example.com"},
	{"PUT", "/v1/groups/tech/pins/MESSAGE", "", 200, "group.pin tech@example.com"},
	{"DELETE", "/v1/groups/tech/pins/MESSAGE", "", 204, "group.unpin tech@example.com"},
	{"GET", "/v1/groups/tech/events", "", 200, ""},
	{"GET", "/v1/groups/tech/messages", "", 200, "message.history tech@example.com"},
	{"GET", "/v1/units?user=alice", "", 200, ""},
	{"POST", "/v1/units", `{"name":"后端","parent":"公司/研发部"}`, 201, "unit.add 公司/研发部/后端"},
	{"GET", "/v1/units/%E5%85%AC%E5%8F%B8%2F%E7%A0%94%E5%8F%91%E9%83%A8", "", 200, ""},
	{"PATCH", "/v1/units/3", `{"name":"市场部","parent":"研发部"}`, 200, "unit.change 公司/研发部/市场部"},
	{"DELETE", "/v1/units/3", "", 200, "unit.remove 公司/销售部"},
	{"GET", "/v1/units/1/members?sub_units=true", "", 200, ""},
	{"PUT", "/v1/units/2/members", `{"members":[{"user":"zhangsan","title":"组长"}]}`, 200, "unit.members.set 公司/研发部"},
	{"PUT", "/v1/units/2/members/1001", `{"title":"组长","hidden":true}`, 200, "unit.member.set 公司/研发部"},
	{"DELETE", "/v1/units/2/members/alice", "", 200, "unit.member.remove 公司/研发部"},
	{"POST", "/v1/units/import?replace=true", "公司/研发部/前端,alice,工程师,no\n", 200, "unit.import "},
	{"GET", "/v1/trace?user=alice&seconds=1", "", 200, "trace alice"},
	{"GET", "/v1/status", "", 200, ""},
	{"POST", "/v1/backup", "", 200, "backup "},
	{"POST", "/v1/verify", "", 200, "verify "},
	{"GET", "/v1/tokens", "", 200, ""},
	{"POST", "/v1/tokens", `{"name":"ci","days":30}`, 201, "token.add ci"},
	{"DELETE", "/v1/tokens/1", "", 204, "token.revoke 1"},
	{"GET", "/v1/audit", "", 200, ""},
	{"GET", "/metrics", "", 200, ""},
}

// do sends a request through a door as who.
func (f *fixture) do(t *testing.T, door http.Handler, who, token, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	path = strings.ReplaceAll(path, "MESSAGE", store.GIDString(f.organisation.message))
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if strings.HasSuffix(r.URL.Path, "/import") {
		r.Header.Set("Content-Type", "text/csv")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if who != "" {
		r = r.WithContext(context.WithValue(r.Context(), actorKey{}, who))
	}
	w := httptest.NewRecorder()
	door.ServeHTTP(w, r)
	return w
}

// unix sends a request as root over the Unix socket.
func (f *fixture) unix(t *testing.T, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	return f.do(t, f.Local(), "unix:root", "", method, path, body)
}

func TestEveryRouteByUnixSocket(t *testing.T) {
	for _, route := range routes {
		t.Run(route.method+" "+route.path, func(t *testing.T) {
			f := newFixture(t)
			f.tokens.all = []store.Token{{ID: 1, Name: "old"}}
			w := f.unix(t, route.method, route.path, route.body)
			if w.Code != route.status {
				t.Fatalf("status %d, want %d: %s", w.Code, route.status, w.Body)
			}
			f.wantAudit(t, "unix:root", route.audit)
		})
	}
}

func TestEveryRouteByToken(t *testing.T) {
	for _, route := range routes {
		t.Run(route.method+" "+route.path, func(t *testing.T) {
			f := newFixture(t)
			f.tokens.all = []store.Token{{ID: 1, Name: "ci", Hash: hashToken("sparkle_secret")}}
			if w := f.do(t, f.Remote(), "", "sparkle_secret", route.method, route.path, route.body); w.Code != route.status {
				t.Fatalf("status %d, want %d: %s", w.Code, route.status, w.Body)
			}
			f.wantAudit(t, "token:ci", route.audit)
		})
	}
}

func TestEveryRouteIsClosedWithoutToken(t *testing.T) {
	f := newFixture(t)
	f.tokens.all = []store.Token{{ID: 1, Name: "gone", Hash: hashToken("sparkle_gone"), Revoked: &noon}}
	for _, route := range routes {
		for _, token := range []string{"", "sparkle_wrong", "sparkle_gone"} {
			w := f.do(t, f.Remote(), "", token, route.method, route.path, route.body)
			if w.Code != http.StatusUnauthorized || !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("%s %s with token %q: status %d", route.method, route.path, token, w.Code)
			}
		}
		if w := f.do(t, f.Local(), "", "", route.method, route.path, route.body); w.Code != http.StatusForbidden {
			t.Errorf("%s %s by an unknown peer: status %d", route.method, route.path, w.Code)
		}
		f.wantAudit(t, "", "")
	}
}

// wantAudit wants exactly one entry ("action object"), or none for "".
func (f *fixture) wantAudit(t *testing.T, actor, want string) {
	t.Helper()
	if want == "" {
		if len(f.audit.entries) > 0 {
			t.Errorf("audit has %+v, want nothing", f.audit.entries)
		}
		return
	}
	if len(f.audit.entries) != 1 {
		t.Fatalf("audit has %d entries, want one: %+v", len(f.audit.entries), f.audit.entries)
	}
	e := f.audit.entries[0]
	if got := e.Action + " " + e.Object; got != want || e.Actor != actor || !e.At.Equal(noon) {
		t.Errorf("audit has %+v, want %q by %q", e, want, actor)
	}
	for _, secret := range []string{"correct horse", "sparkle_"} {
		if strings.Contains(e.Detail, secret) {
			t.Errorf("audit shows a secret: %s", e.Detail)
		}
	}
}

func TestOpenToEverybody(t *testing.T) {
	f := newFixture(t)
	for _, path := range []string{"/healthz", "/readyz", "/docs", "/openapi.json"} {
		if w := f.do(t, f.Remote(), "", "", "GET", path, ""); w.Code != http.StatusOK {
			t.Errorf("%s: status %d", path, w.Code)
		}
	}
	f.ready = errors.New("draining")
	if w := f.do(t, f.Probe(), "", "", "GET", "/readyz", ""); w.Code != http.StatusServiceUnavailable || w.Body.String() != "draining\n" {
		t.Errorf("/readyz of a server that drains: %d %q", w.Code, w.Body)
	}
	if w := f.do(t, f.Probe(), "", "", "GET", "/v1/users", ""); w.Code != http.StatusNotFound {
		t.Errorf("the probe port serves /v1/users: status %d", w.Code)
	}
}

// TestDocsNeedNoNetwork looks for anything that the page would load from elsewhere.
func TestDocsNeedNoNetwork(t *testing.T) {
	page := string(docsPage)
	for _, foreign := range []string{"http://", "https://", "src="} {
		if strings.Contains(page, foreign) {
			t.Errorf("docs.html contains %q", foreign)
		}
	}
}

// TestDescriptionListsEveryRoute keeps the table above complete.
func TestDescriptionListsEveryRoute(t *testing.T) {
	f := newFixture(t)
	var spec struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	if err := json.Unmarshal(f.unix(t, "GET", "/openapi.json", "").Body.Bytes(), &spec); err != nil {
		t.Fatal(err)
	}
	described := 0
	for _, methods := range spec.Paths {
		described += len(methods)
	}
	const twice, undescribed = 5, 1 // get-user, both exports, list-calls and the search of a user are in the tables twice; /metrics is no operation
	if want := len(routes) + len(ownRoutes) - twice - undescribed; described != want {
		t.Errorf("%d operations are described, the table has %d", described, want)
	}
}

func TestErrors(t *testing.T) {
	f := newFixture(t)
	for _, test := range []struct {
		method, path, body string
		err                error // what the services answer
		status             int
		text               string
	}{
		{"GET", "/v1/users/nobody", "", nil, 404, `user "nobody": not found`},
		{"POST", "/v1/users", `{"username":"alice"}`, nil, 409, `username "alice": already exists`},
		{"POST", "/v1/users", `{"username":"Bob Smith"}`, nil, 422, `username "Bob Smith": use 1 to 64 of a-z 0-9 . _ - and begin with a letter or digit`},
		{"POST", "/v1/users", `{"username":"bob","password":"short"}`, nil, 422, "password: use 8 to 128 characters"},
		{"POST", "/v1/users", `{"username":"bob","numbers":["12x"]}`, nil, 422, `number "12x": use digits, * and #, with + in front of an international number`},
		{"POST", "/v1/users", `{"username":"bob","colour":1}`, nil, 422, "validation failed"},
		{"POST", "/v1/users", `{"username":`, nil, 400, "validation failed"},
		{"POST", "/v1/users", `{"username":"bob"}`, store.ErrUnavailable, 503, "the store cannot write now: try again in some seconds; nothing was changed"},
		{"POST", "/v1/users", `{"username":"bob"}`, store.ErrUnknown, 500, "the store did not confirm the change: look whether it was made before you try again"},
		{"POST", "/v1/users", `{"username":"bob"}`, fmt.Errorf("secret path"), 500, "internal error: the server's log says more"},
		{"GET", "/v1/messages/12/trace", "", nil, 422, "\"12\" is not the id of a message: it has 16 hex digits (`sparkle message search` shows them)"},
		{"GET", "/v1/messages/00000000000000ff/trace", "", nil, 404, "message 00000000000000ff: not found"},
		{"GET", "/v1/trace?address=nowhere", "", nil, 422, `address "nowhere": write an IP address without a port`},
		{"DELETE", "/v1/devices/9", "", nil, 404, "device 9: not found"},
		{"DELETE", "/v1/tokens/9", "", nil, 404, "token 9: not found"},
		{"POST", "/v1/users", `{"username":"` + strings.Repeat("b", 2<<20) + `"}`, nil, 413, "request body is too large limit=1048576 bytes"},
	} {
		f.accounts.err = test.err
		w := f.unix(t, test.method, test.path, test.body)
		var got struct{ Detail string }
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Errorf("%s %s: %v", test.method, test.path, err)
		}
		if w.Code != test.status || got.Detail != test.text {
			t.Errorf("%s %s: %d %q, want %d %q", test.method, test.path, w.Code, got.Detail, test.status, test.text)
		}
		if ct := w.Header().Get("Content-Type"); ct != "application/problem+json" {
			t.Errorf("%s %s: Content-Type %s", test.method, test.path, ct)
		}
	}
	f.wantAudit(t, "", "")
}

func TestLostAuditEntryIsAnError(t *testing.T) {
	f := newFixture(t)
	f.audit.err = store.ErrUnavailable
	w := f.unix(t, "DELETE", "/v1/users/alice", "")
	if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "could not be written to the audit log") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestPages(t *testing.T) {
	for _, path := range []string{"/v1/users?limit=1", "/v1/messages/search?limit=1&receipts=true", "/v1/audit?limit=1"} {
		t.Run(path, func(t *testing.T) {
			f := newFixture(t)
			f.audit.entries = []store.AuditEntry{{ID: 1}, {ID: 2}}
			seen, cursor := 0, ""
			for range 5 {
				var page struct {
					Items []any
					Next  string
				}
				w := f.unix(t, "GET", path+cursor, "")
				if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
					t.Fatal(err)
				}
				seen += len(page.Items)
				if page.Next == "" {
					break
				}
				cursor = "&cursor=" + page.Next
			}
			if want := map[bool]int{true: 3, false: 2}[strings.Contains(path, "messages")]; seen != want {
				t.Errorf("%d items on all pages, want %d", seen, want)
			}
		})
	}
}

func TestMadePasswordIsShownOnce(t *testing.T) {
	f := newFixture(t)
	var added AddedUser
	if err := json.Unmarshal(f.unix(t, "POST", "/v1/users", `{"username":"bob"}`).Body.Bytes(), &added); err != nil {
		t.Fatal(err)
	}
	if len(added.Password) != 20 || f.accounts.passwords[added.User.ID] != added.Password {
		t.Errorf("password %q is shown, %q is set", added.Password, f.accounts.passwords[added.User.ID])
	}
	if w := f.unix(t, "GET", "/v1/users/bob", ""); strings.Contains(w.Body.String(), added.Password) {
		t.Error("the password is shown again")
	}
}

func TestExport(t *testing.T) {
	f := newFixture(t)
	csv := f.unix(t, "GET", "/v1/messages/export?format=csv", "").Body.String()
	if !strings.HasPrefix(csv, "\xef\xbb\xbfid,at,kind,") {
		t.Errorf("no byte order mark and heading: %q", csv[:20])
	}
	if !strings.Contains(csv, ",'=1+1,") {
		t.Errorf("a formula is not disarmed: %s", csv)
	}
	lines := strings.Split(strings.TrimSpace(f.unix(t, "GET", "/v1/messages/export?receipts=true", "").Body.String()), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines, want 3", len(lines))
	}
	var first, last Message
	json.Unmarshal([]byte(lines[0]), &first)
	json.Unmarshal([]byte(lines[2]), &last)
	if first.Text != "你好" || first.From != "alice@example.com" || first.To != "zhangsan@example.com" {
		t.Errorf("first line: %+v", first)
	}
	if last.Kind != "receipt" || last.From != "user 9 (removed)" {
		t.Errorf("last line: %+v", last)
	}
}

// TestReceiptsAreAskedFor: who looks for what people wrote does not get IMDNs.
func TestReceiptsAreAskedFor(t *testing.T) {
	f := newFixture(t)
	for query, want := range map[string]int{"": 2, "receipts=true": 3, "call_id=c3": 1} {
		var page MessagePage
		json.Unmarshal(f.unix(t, "GET", "/v1/messages/search?"+query, "").Body.Bytes(), &page)
		if len(page.Items) != want {
			t.Errorf("search %q: %d messages, want %d", query, len(page.Items), want)
		}
		lines := strings.Count(f.unix(t, "GET", "/v1/messages/export?"+query, "").Body.String(), "\n")
		if lines != want {
			t.Errorf("export %q: %d lines, want %d", query, lines, want)
		}
	}
}

func TestMessageTrace(t *testing.T) {
	f := newFixture(t)
	var trace MessageTrace
	json.Unmarshal(f.unix(t, "GET", "/v1/messages/0000000000000001/trace", "").Body.Bytes(), &trace)
	if len(trace.Deliveries) != 1 {
		t.Fatalf("%+v", trace)
	}
	d := trace.Deliveries[0]
	if d.User != "zhangsan@example.com" || d.UserAgent != "Linphone" || d.Status != 200 || d.Rendering != "text" {
		t.Errorf("delivery: %+v", d)
	}
}

// TestPeerOfUnixSocket asks over a real socket who we are.
func TestPeerOfUnixSocket(t *testing.T) {
	f := newFixture(t)
	path := filepath.Join(t.TempDir(), "admin.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: f.Local(), ConnContext: PeerContext}
	go server.Serve(listener)
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}}}
	response, err := client.Post("http://sparkle/v1/verify", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK || !strings.HasPrefix(f.audit.entries[0].Actor, "unix:") {
		t.Errorf("status %d, audit %+v", response.StatusCode, f.audit.entries)
	}
}

// TestLongOperationsOutliveTheDeadlines has a verify that takes longer than the
// server gives to requests.
func TestLongOperationsOutliveTheDeadlines(t *testing.T) {
	f := newFixture(t)
	const deadline = time.Second // in which a busy machine sends the request
	f.Verify = func(ctx context.Context, w io.Writer) (int, error) {
		select {
		case <-time.After(deadline + deadline/4):
			return 0, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	server := httptest.NewUnstartedServer(f.Local())
	server.Config.ReadTimeout, server.Config.WriteTimeout = deadline, deadline
	server.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		return context.WithValue(ctx, actorKey{}, "unix:root")
	}
	server.Start()
	defer server.Close()
	response, err := http.Post(server.URL+"/v1/verify", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("status %d", response.StatusCode)
	}
}

// TestDescriptionExplains wants words for each operation, and for each field of
// what an administrator sets.
func TestDescriptionExplains(t *testing.T) {
	f := newFixture(t)
	var d struct {
		Paths      map[string]map[string]struct{ Summary string }
		Components struct {
			Schemas map[string]struct {
				Properties map[string]struct{ Description string }
			}
		}
	}
	if err := json.Unmarshal(f.do(t, f.Remote(), "", "", "GET", "/openapi.json", "").Body.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	for path, item := range d.Paths {
		for method, op := range item {
			if op.Summary == "" {
				t.Errorf("%s %s has no summary", method, path)
			}
		}
	}
	plain := []string{"$schema", "id", "user", "version", "name", "display_name", "numbers", "disabled"} // by their names
	for _, name := range []string{"CallSettings", "ClassOfService", "HuntGroup", "TrunkSetup", "Gateway", "NumberPlan", "Inward",
		"NewGroup", "GroupChange", "GroupFollows", "Policy", "NewMembers", "MemberChange",
		"NewUnit", "UnitChange", "UnitPeople", "UnitPerson", "UnitPlace"} {
		if len(d.Components.Schemas[name].Properties) == 0 {
			t.Errorf("%s is not described", name)
		}
		for field, p := range d.Components.Schemas[name].Properties {
			if p.Description == "" && !slices.Contains(plain, field) {
				t.Errorf("%s of %s is not explained", field, name)
			}
		}
	}
}
