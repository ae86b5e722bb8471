package admin

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/store"
)

// get decodes what a GET answers.
func get[T any](t *testing.T, f *fixture, path string) (v T) {
	t.Helper()
	w := f.unix(t, "GET", path, "")
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestListCalls(t *testing.T) {
	f := newFixture(t)
	const over, live = "0000000000000051", "0000000000000061"
	for query, want := range map[string][]string{
		"":                                       {live, over},
		"limit=1":                                {live},
		"limit=1&cursor=" + live:                 {over},
		"user=zhangsan":                          {live},
		"failed=true&text=-1":                    {over},
		"live=true":                              {live},
		"live=true&user=1003":                    {live},
		"live=true&text=ZHANG":                   {live},
		"live=true&text=nobody":                  nil,
		"live=true&trunk=telco":                  nil,
		"live=true&direction=internal":           {live},
		"live=true&direction=in":                 nil,
		"live=true&failed=true":                  nil,
		"live=true&call_id=c3":                   nil,
		"live=true&since=" + nextYear:            nil,
		"live=true&until=" + nextYear:            {live},
		"trunk=telco&since=2026-01-01T00:00:00Z": {over},
	} {
		var got []string
		for _, c := range get[Page[Call]](t, f, "/v1/calls?"+query).Items {
			got = append(got, c.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
	if page := get[Page[Call]](t, f, "/v1/calls?limit=1"); page.Next != live {
		t.Errorf("next is %q", page.Next)
	}
	if c := get[Call](t, f, "/v1/calls/"+live); c.Answered == nil || c.Attempts == nil || c.Quality == nil {
		t.Errorf("the record is shown of a call in progress, which knows more, or a list is null: %+v", c)
	}
	if c := get[Call](t, f, "/v1/calls/"+over); c.Status != 503 || len(c.Attempts) != 2 {
		t.Errorf("%+v", c)
	}
}

const nextYear = "2099-01-01T00:00:00Z"

func TestHangUpAndDial(t *testing.T) {
	f := newFixture(t)
	if w := f.unix(t, "DELETE", "/v1/calls/0000000000000061", ""); w.Code != http.StatusNoContent || !slices.Equal(f.calls.hungUp, []string{"unix:root"}) {
		t.Errorf("%d %s, ended by %q", w.Code, w.Body, f.calls.hungUp)
	}
	var added AddedCall
	json.Unmarshal(f.unix(t, "POST", "/v1/calls", `{"user":"1003","to":"010 5551234"}`).Body.Bytes(), &added)
	if added.ID != "0000000000000077" || !slices.Equal(f.calls.dialled, []string{"alice 010 5551234"}) {
		t.Errorf("%+v, dialled %q", added, f.calls.dialled)
	}
	for _, test := range []struct {
		err    error
		status int
		text   string
	}{
		{&server.Error{Status: 480, Reason: "Temporarily Unavailable", Warning: "no device of alice is there"}, 409, "no device of alice is there (SIP 480)"},
		{&server.Error{Status: 403, Reason: "Forbidden"}, 403, "Forbidden (SIP 403)"},
		{&server.Error{Status: 404, Reason: "Not Found"}, 404, "Not Found (SIP 404)"},
		{&server.Error{Status: 503}, 503, "the call was refused (SIP 503)"},
	} {
		f.calls.err = test.err
		w := f.unix(t, "POST", "/v1/calls", `{"user":"alice","to":"110"}`)
		var got struct{ Detail string }
		json.Unmarshal(w.Body.Bytes(), &got)
		if w.Code != test.status || got.Detail != test.text {
			t.Errorf("%v: %d %q", test.err, w.Code, got.Detail)
		}
	}
}

// TestExportCallsDisarms reads the export as a spreadsheet does: no cell begins
// a formula, and Chinese is recognised by the byte order mark.
func TestExportCallsDisarms(t *testing.T) {
	f := newFixture(t)
	text := f.unix(t, "GET", "/v1/calls/export?format=csv", "").Body.String()
	body, marked := strings.CutPrefix(text, "\xef\xbb\xbf")
	if !marked {
		t.Errorf("no byte order mark: %q", text[:20])
	}
	rows, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if err != nil || len(rows) != 3 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, row := range rows {
		for i, cell := range row {
			if cell != "" && strings.ContainsAny(string([]rune(cell)[:1]), "=+-@＝＋－＠\t\r\n") || strings.Contains(cell, "\x1b") {
				t.Errorf("%s is live: %q", rows[0][i], cell)
			}
		}
	}
	for column, want := range map[string]string{
		"id": "0000000000000051", "caller": "alice@example.com", "caller_device": `'=HYPERLINK("http://evil.example","Linphone")`, "dialled": "'-1+1",
		"number": "'+4917612345", "callee": "'@SUM(A1)", "callee_shown": "'＝1+1", "callee_device": "'\tcarrier\ufffd[31m", "trunks": "backup telco",
		"status": "503", "reason": "'+好", "cause": "41", "attempts": "'=gateway a sip:192.0.2.1 503; gateway b 503", "codec": "'=opus",
		"mos": "3.91", "lost": "7", "call_id": "'+call@id", "seconds": "", "ringing": "",
	} {
		if got := rows[1][slices.Index(rows[0], column)]; got != want {
			t.Errorf("%s is %q, want %q", column, got, want)
		}
	}
	lines := strings.Split(strings.TrimSpace(f.unix(t, "GET", "/v1/calls/export?user=alice", "").Body.String()), "\n")
	var first Call
	if err := json.Unmarshal([]byte(lines[0]), &first); err != nil || len(lines) != 2 {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	if first.Callee.Device != "\tcarrier\x1b[31m" || strings.Contains(lines[0], "\x1b") {
		t.Errorf("JSON must keep what was written, escaped: %s", lines[0])
	}
}

func TestCallSettings(t *testing.T) {
	f := newFixture(t)
	s := get[store.CallSettings](t, f, "/v1/users/1001/calls")
	if !s.DoNotDisturb || s.Version != 3 || s.User != 2 {
		t.Errorf("%+v", s)
	}
	w := f.unix(t, "PUT", "/v1/users/zhangsan/calls", `{"user":1,"forward_busy":"alice","version":3}`)
	if got := f.calls.settings[2]; w.Code != http.StatusOK || got.ForwardBusy != "alice" || got.DoNotDisturb || got.Version != 4 {
		t.Errorf("%d %s: %+v", w.Code, w.Body, got)
	}
}

// TestTrunkPasswordIsNeverShown sets one and looks for it everywhere.
func TestTrunkPasswordIsNeverShown(t *testing.T) {
	f := newFixture(t)
	w := f.unix(t, "PUT", "/v1/trunks/second", `{"username":"u","password":"battery staple","gateways":[{"name":"a","address":"192.0.2.9"}]}`)
	if w.Code != http.StatusOK || f.border.trunks[1].Password != "battery staple" || f.border.trunks[1].ID != 2 {
		t.Fatalf("%d %s: %+v", w.Code, w.Body, f.border.trunks)
	}
	shown := w.Body.String() + f.unix(t, "GET", "/v1/trunks", "").Body.String() + f.unix(t, "GET", "/v1/trunks/second", "").Body.String() + f.audit.entries[0].Detail
	if strings.Contains(shown, "staple") || strings.Contains(shown, "horse") {
		t.Errorf("a password is shown: %s", shown)
	}
	if got := get[Trunk](t, f, "/v1/trunks/telco"); !got.HasPassword || got.CallsIn != 1 || got.CallsOut != 2 || len(got.State) != 1 || got.State[0].State != "up" ||
		got.Gateways[0].Address != "192.0.2.1" {
		t.Errorf("%+v", got)
	}
	f.unix(t, "PUT", "/v1/trunks/telco", `{"username":"v","version":1}`)
	if got := f.border.trunks[0]; got.ID != 1 || got.Username != "v" || got.Trunk.Version != 2 {
		t.Errorf("changed: %+v", got)
	}
	// What was read can be written back.
	if w := f.unix(t, "PUT", "/v1/trunks/telco", `{"id":9,"name":"x","numbers":{"country":"86","inward":[{"number":"+8610*","to":"*"}]},"version":2}`); w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestGatewayOutAndIn(t *testing.T) {
	f := newFixture(t)
	for _, way := range []string{"out", "in"} {
		f.unix(t, "POST", "/v1/trunks/telco/gateways/a/"+way, "")
		if f.border.out["telco/a"] != (way == "out") {
			t.Errorf("gateway is out: %v", f.border.out)
		}
	}
}

func TestCallErrors(t *testing.T) {
	f := newFixture(t)
	for _, test := range []struct {
		method, path, body string
		status             int
		text               string
	}{
		{"GET", "/v1/calls/12", "", 422, "\"12\" is not the id of a call: it has 16 hex digits (`sparkle call list` shows them)"},
		{"GET", "/v1/calls/00000000000000ff", "", 404, "call 00000000000000ff: not found"},
		{"GET", "/v1/calls?user=nobody", "", 404, `user "nobody": not found`},
		{"DELETE", "/v1/calls/00000000000000ff", "", 404, "call 00000000000000ff is over, or never was: not found"},
		{"POST", "/v1/calls", `{"user":"nobody","to":"1001"}`, 404, `user "nobody": not found`},
		{"POST", "/v1/calls", `{"user":"alice","to":"1\r\n2"}`, 422, "to: use an address or a number without control characters"},
		{"GET", "/v1/hunt-groups/none", "", 404, `hunt group "none": not found`},
		{"PUT", "/v1/hunt-groups/Bad%20Name", `{}`, 422, `hunt group "Bad Name": use 1 to 64 of a-z 0-9 . _ - and begin with a letter or digit`},
		{"PUT", "/v1/hunt-groups/new", `{"members":["alice","+861012345","nobody"]}`, 422, `members: there is neither a user nor a hunt group "nobody"`},
		{"PUT", "/v1/hunt-groups/new", `{"members":["alice"],"overflow":"李四"}`, 422, `overflow: there is neither a user nor a hunt group "李四"`},
		{"PUT", "/v1/users/alice/calls", `{"forward_always":"sales","forward_busy":"bbo"}`, 422, `forward_busy: there is neither a user nor a hunt group "bbo"`},
		{"POST", "/v1/calls", `{"user":"alice","to":"nobody"}`, 422, `to: there is neither a user nor a hunt group "nobody"`},
		{"GET", "/v1/classes/none", "", 404, `class "none": not found`},
		{"GET", "/v1/trunks/none", "", 404, `trunk "none": not found`},
		{"PUT", "/v1/trunks/t", `{"password":"a\u0000b"}`, 422, "password: use no control characters"},
		{"PUT", "/v1/trunks/t", `{"gateways":[{"name":"a"}]}`, 422, "validation failed"},
		{"POST", "/v1/trunks/telco/gateways/z/out", "", 404, "gateway z of trunk telco: not found"},
	} {
		w := f.unix(t, test.method, test.path, test.body)
		var got struct{ Detail string }
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Errorf("%s %s: %v in %s", test.method, test.path, err, w.Body)
		}
		if w.Code != test.status || got.Detail != test.text {
			t.Errorf("%s %s: %d %q, want %d %q", test.method, test.path, w.Code, got.Detail, test.status, test.text)
		}
	}
	f.wantAudit(t, "", "")
}
