package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/admin"
	"github.com/sparkleim/sparkle/sip/auth"
	"github.com/sparkleim/sparkle/sip/trunk"
	"github.com/sparkleim/sparkle/store"
	"github.com/sparkleim/sparkle/store/sqldb"
)

// switchboard is a server with a real store whose calls and carriers are only
// told about.
type switchboard struct {
	dir string
	db  *sqldb.DB
	out map[string]bool // gateways taken out, by trunk/gateway
}

func newSwitchboard(t *testing.T) *switchboard {
	t.Helper()
	accounts, db, _ := newTestAccounts(t)
	s := &switchboard{dir: t.TempDir(), db: db, out: map[string]bool{}}
	for _, u := range []store.User{{Username: "alice", Numbers: []string{"1003"}}, {Username: "zhangsan", DisplayName: "张三"}} {
		if _, err := accounts.Add(t.Context(), u, "correct horse"); err != nil {
			t.Fatal(err)
		}
	}
	api := admin.New(admin.Config{
		Accounts: accounts, Calls: s, CallRecords: db, Trunks: s, Own: db, Audit: db, Gatherer: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
	})
	l, err := net.Listen("unix", filepath.Join(s.dir, socketName))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: api.Local(), ConnContext: admin.PeerContext}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return s
}

func (s *switchboard) Live() []store.CallRecord {
	open, _ := s.db.OpenCalls(context.Background())
	return open
}

func (s *switchboard) LiveCall(id int64) (store.CallRecord, error) {
	return s.db.Call(context.Background(), id)
}

func (s *switchboard) HangUp(_ context.Context, id int64, by string) error {
	for _, r := range s.Live() {
		if r.ID == id {
			r.Ended, r.EndedBy, r.Reason, r.Cause = &r.Started, "administrator", "ended by "+by, 16
			s.db.SaveCall(&r)
			return nil
		}
	}
	return store.ErrNotFound
}

func (s *switchboard) Dial(_ context.Context, u store.User, to string) (int64, error) {
	r := &store.CallRecord{ID: s.db.NewCallID(), Direction: "click", Started: time.Now(), Dialled: to, Caller: store.CallParty{User: u.ID, Address: u.AOR()}}
	s.db.SaveCall(r)
	return r.ID, nil
}

func (s *switchboard) Settings(u store.UserID) store.CallSettings {
	all, _ := s.db.AllCallSettings(context.Background())
	if i := slices.IndexFunc(all, func(c store.CallSettings) bool { return c.User == u }); i >= 0 {
		return all[i]
	}
	return store.CallSettings{User: u}
}

func (s *switchboard) SetSettings(ctx context.Context, c store.CallSettings) (store.CallSettings, error) {
	return s.db.SetCallSettings(ctx, c)
}

func (s *switchboard) HuntGroups() []store.HuntGroup {
	groups, _ := s.db.HuntGroups(context.Background())
	return groups
}

func (s *switchboard) SetHuntGroup(ctx context.Context, g store.HuntGroup) (store.HuntGroup, error) {
	return s.db.SetHuntGroup(ctx, g)
}

func (s *switchboard) RemoveHuntGroup(ctx context.Context, name string) error {
	return s.db.RemoveHuntGroup(ctx, name)
}

func (s *switchboard) Trunks() []trunk.Status {
	var all []trunk.Status
	trunks, _ := s.db.Trunks(context.Background())
	for _, t := range trunks {
		status := trunk.Status{Trunk: t, HasPassword: t.Password != "", In: 1}
		for _, g := range t.Gateways {
			state := "up"
			if s.out[t.Name+"/"+g.Name] {
				state = "out"
			}
			status.Gateways = append(status.Gateways, trunk.GatewayStatus{Name: g.Name, State: state, Since: time.Now(), Latency: 12 * time.Millisecond})
		}
		all = append(all, status)
	}
	return all
}

func (s *switchboard) SetTrunk(ctx context.Context, t store.Trunk) (store.Trunk, error) {
	return s.db.SetTrunk(ctx, t)
}

func (s *switchboard) RemoveTrunk(ctx context.Context, name string) error {
	for _, t := range s.Trunks() {
		if t.Name == name {
			return s.db.RemoveTrunk(ctx, t.ID)
		}
	}
	return fmt.Errorf("trunk %s: %w", name, store.ErrNotFound)
}

func (s *switchboard) TakeOut(trunk, gateway string, out bool) error {
	s.out[trunk+"/"+gateway] = out
	return nil
}

func (s *switchboard) Classes() []store.ClassOfService {
	classes, _ := s.db.Classes(context.Background())
	return classes
}

func (s *switchboard) SetClass(ctx context.Context, c store.ClassOfService) (store.ClassOfService, error) {
	return s.db.SetClass(ctx, c)
}

func (s *switchboard) RemoveClass(ctx context.Context, name string) error {
	return s.db.RemoveClass(ctx, name)
}

// does runs a command that must succeed.
func (s *switchboard) does(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errOut := command(t, "", append([]string{"--data", s.dir}, args...)...)
	if code != exitDone {
		t.Fatalf("sparkle %s: exit code %d\n%s%s", strings.Join(args, " "), code, out, errOut)
	}
	return out
}

// fails runs a command that must fail with an error that contains want.
func (s *switchboard) fails(t *testing.T, want string, args ...string) {
	t.Helper()
	code, _, errOut := command(t, "", append([]string{"--data", s.dir}, args...)...)
	if code == exitDone || !strings.Contains(errOut, want) {
		t.Errorf("sparkle %s: exit code %d, %q, want %q", strings.Join(args, " "), code, errOut, want)
	}
}

// wantIn looks for texts in what a command printed.
func wantIn(t *testing.T, out string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(out, w) {
			t.Errorf("%q is not in\n%s", w, out)
		}
	}
}

func TestCallCommands(t *testing.T) {
	s := newSwitchboard(t)
	out := s.does(t, "call", "dial", "1003", "010 5551234")
	_, id, _ := strings.Cut(strings.TrimSpace(out), "call ")
	wantIn(t, s.does(t, "call", "list", "--live"), id, "alice@example.com", "010 5551234", "being set up")
	wantIn(t, s.does(t, "call", "show", id), "alice@example.com called 010 5551234: being set up", "begun by the server")
	s.does(t, "call", "hangup", id)
	if live := s.does(t, "call", "list", "--live"); strings.Contains(live, id) {
		t.Errorf("it goes on:\n%s", live)
	}
	wantIn(t, s.does(t, "call", "list", "5551", "--failed", "--user", "alice", "--since", "1h"), id)
	if other := s.does(t, "call", "list", "--user", "zhangsan"); strings.Contains(other, id) {
		t.Errorf("a call of alice is listed as 张三's:\n%s", other)
	}
	file := filepath.Join(t.TempDir(), "calls.csv")
	s.does(t, "call", "export", "--format", "csv", "-o", file)
	if b, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(b), "\xef\xbb\xbfid,") || !strings.Contains(string(b), id) {
		t.Errorf("%q %v", b, err)
	}
	var call admin.Call
	if err := json.Unmarshal([]byte(s.does(t, "call", "show", id, "--json")), &call); err != nil || call.ID != id || call.EndedBy != "administrator" {
		t.Errorf("%+v %v", call, err)
	}
	s.fails(t, "not found", "call", "hangup", id)
	s.fails(t, "`sparkle call list` shows them", "call", "show", "x")
	s.fails(t, "--since", "call", "list", "--since", "yesterday")
	s.fails(t, "user nobody@example.com: not found", "call", "dial", "nobody", "1")
}

func TestUserCallsCommand(t *testing.T) {
	s := newSwitchboard(t)
	s.does(t, "class", "set", "abroad", "--deny", "+1900,+44900")
	wantIn(t, s.does(t, "user", "calls", "alice"), "do not disturb             no", "class of service           default")
	wantIn(t, s.does(t, "user", "calls", "1003", "--dnd", "--forward-busy", "zhangsan", "--no-answer-after", "15", "--class", "abroad", "--lock"),
		"do not disturb             yes", "forward when busy          zhangsan", "(after 15 s)", "abroad", "locked for carriers        yes")
	wantIn(t, s.does(t, "user", "calls", "alice", "--forward-busy", "off", "--lock=false"),
		"do not disturb             yes", "forward when busy          -", "(after 15 s)", "locked for carriers        no")
	s.fails(t, `no class of service "none"`, "user", "calls", "alice", "--class", "none")
	s.fails(t, "not found", "user", "calls", "nobody")
	s.fails(t, "class abroad still has users (1)", "class", "remove", "abroad")
}

func TestHuntAndClassCommands(t *testing.T) {
	s := newSwitchboard(t)
	if out := s.does(t, "hunt", "list", "--json"); out != "[]\n" {
		t.Errorf("no hunt groups are %q", out)
	}
	s.does(t, "hunt", "add", "Sales", "--member", "alice,zhangsan", "--number", "2000", "--name", "销售部", "--serial")
	wantIn(t, s.does(t, "hunt", "change", "sales", "--overflow", "1003", "--ring-time", "10"), "sales", "销售部", "one by one, 10 s", "alice zhangsan", "1003")
	wantIn(t, s.does(t, "hunt", "list"), "2000")
	s.fails(t, "exists already", "hunt", "add", "sales")
	s.fails(t, "alice is taken by alice@example.com", "hunt", "add", "alice")
	s.fails(t, "not found", "hunt", "change", "none", "--serial")
	s.does(t, "hunt", "remove", "sales")
	if list := s.does(t, "hunt", "list"); strings.Contains(list, "sales") {
		t.Error(list)
	}

	s.does(t, "class", "set", "default", "--allow", "+86")
	wantIn(t, s.does(t, "class", "set", "default", "--deny", "+86900", "--max-calls", "2"), "+86 ", "+86900", "2", "no limit")
	wantIn(t, s.does(t, "class", "set", "default", "--allow", ""), "everywhere")
	s.does(t, "class", "remove", "default")
	s.fails(t, "not found", "class", "remove", "default")
}

func TestTrunkCommands(t *testing.T) {
	s := newSwitchboard(t)
	code, out, errOut := command(t, "hunter2 secret\nrest", "--data", s.dir, "trunk", "add", "telco", "--gateway", "sip.telco.example", "--gateway", "b=192.0.2.2:5061/TLS",
		"--username", "acct", "--password-stdin", "--register", "--country", "86", "--area", "10",
		"--inward", "+8610555*=*", "--inward", "+8610123=zhangsan", "--emergency", "110,119", "--prefix", "+86")
	if code != exitDone || strings.Contains(out, "hunter2") {
		t.Fatalf("exit code %d\n%s%s", code, out, errOut)
	}
	wantIn(t, out, "sip.telco.example", "192.0.2.2:5061", "tls", "2 of 2", "acct, registers", "country 86, area 10, prefixes 0 (national) and 00 (international)", "+8610555*", "zhangsan", "110 119", "12ms")
	trunks, err := s.db.Trunks(t.Context())
	if err != nil || len(trunks) != 1 || trunks[0].Password != "hunter2 secret" || trunks[0].Gateways[1].Name != "b" {
		t.Fatalf("%+v %v", trunks, err)
	}
	if strings.Contains(out, "CALLS IN") {
		t.Errorf("the list stands above the details:\n%s", out)
	}
	wantIn(t, s.does(t, "trunk", "change", "telco", "--probe", "60", "--source", "192.0.2.0/24", "--source", "2001:db8::/64"),
		"every 60 s", "sip-telco-example: 192.0.2.0/24 2001:db8::/64; b: 192.0.2.0/24 2001:db8::/64")
	wantIn(t, s.does(t, "trunk", "change", "telco", "--probe", "-1", "--source", "", "--max-in", "4"), "never", "b: its address", "4 in")
	s.does(t, "trunk", "out", "telco", "b")
	wantIn(t, s.does(t, "trunk", "list"), "1 of 2", "up")
	s.does(t, "trunk", "out", "telco", "sip-telco-example")
	wantIn(t, s.does(t, "trunk", "list"), "0 of 2", "down")
	s.does(t, "trunk", "in", "telco", "b")
	wantIn(t, s.does(t, "trunk", "change", "telco", "--max-calls", "30", "--inward", "+86=alice", "--srtp", "require"), "30", "require", "alice", "110 119")

	// What is shown as JSON can be edited and given back; the password stays.
	shown := s.does(t, "trunk", "show", "telco", "--json")
	file := filepath.Join(t.TempDir(), "telco.json")
	os.WriteFile(file, []byte(strings.Replace(shown, `"max_calls": 30`, `"max_calls": 7, "max_out": 5`, 1)), 0o600)
	s.does(t, "trunk", "change", "telco", "--file", file)
	s.does(t, "trunk", "add", "copy", "--file", file, "--priority", "5")
	if trunks, err = s.db.Trunks(t.Context()); err != nil || len(trunks) != 2 {
		t.Fatalf("%+v %v", trunks, err)
	}
	copied, telco := trunks[0], trunks[1]
	if telco.MaxCalls != 7 || telco.MaxOut != 5 || telco.Password != "hunter2 secret" || telco.Numbers.Inward[0].To != "alice" {
		t.Errorf("from the file: %+v", telco)
	}
	if copied.Name != "copy" || copied.Priority != 5 || copied.MaxOut != 5 || copied.Password != "" || copied.Version != 1 {
		t.Errorf("the copy: %+v", copied)
	}
	wantIn(t, s.does(t, "trunk", "show", "copy"), "WITHOUT A PASSWORD")
	s.fails(t, "read it again", "trunk", "change", "telco", "--file", file) // its version is the one before
	os.WriteFile(file, []byte(`{"max_cals": 7}`), 0o600)
	s.fails(t, "max_cals", "trunk", "change", "telco", "--file", file)
	s.fails(t, "exists already", "trunk", "add", "telco", "--gateway", "x")
	s.fails(t, "write udp, tcp or tls", "trunk", "add", "x", "--gateway", "h/sctp")
	s.fails(t, "write [NAME=]HOST", "trunk", "add", "x", "--gateway", "a=:5060")
	s.fails(t, "write NUMBER=TO", "trunk", "add", "x", "--inward", "1003")
	s.fails(t, `+8610123: there is neither a user nor a hunt group "reception"`, "trunk", "change", "telco", "--inward", "+8610123=reception")
	s.fails(t, "no password on standard input", "trunk", "change", "telco", "--password-stdin")
	s.does(t, "trunk", "remove", "copy")
	s.fails(t, "not found", "trunk", "remove", "copy")
}

func TestParseGateway(t *testing.T) {
	for in, want := range map[string]store.Gateway{
		"sip.telco.example":      {Name: "sip-telco-example", Address: "sip.telco.example", Transport: "udp"},
		"192.0.2.1:5080/tcp":     {Name: "192-0-2-1", Address: "192.0.2.1:5080", Transport: "tcp"},
		"v6=[2001:db8::1]/TLS":   {Name: "v6", Address: "[2001:db8::1]", Transport: "tls"},
		"[2001:db8::1]:5061/udp": {Name: "2001-db8--1", Address: "[2001:db8::1]:5061", Transport: "udp"},
	} {
		if got, err := parseGateway(in); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %+v, %v", in, got, err)
		}
	}
}

// TestCallStory reads like what an administrator is told on the phone.
func TestCallStory(t *testing.T) {
	at := func(s float64) time.Time {
		return time.Date(2026, 5, 4, 12, 0, 0, 0, time.Local).Add(time.Duration(s * float64(time.Second)))
	}
	answered, ringing, ended := at(4.2), at(1.5), at(70)
	call := admin.Call{ID: "01e2f3a4b5c6d7e8", CallRecord: store.CallRecord{
		CallID: "abc@192.0.2.7", TraceID: "f00f", Direction: "out", Started: at(0), Dialled: "sip:055512345@example.com;user=phone", Number: "+861055512345",
		Caller: store.CallParty{Address: "zhangsan@example.com", Shown: "+861055500001", Device: "Linphone/5.2\x1b[31m"},
		Callee: store.CallParty{Address: "+861055512345", Shown: "+861055512345", Trunk: "second"},
		Attempts: []store.CallAttempt{
			{Target: "forward always of lisi@example.com to sip:055512345@example.com", Started: at(0), Ended: at(0), Status: 181, Reason: "Call Is Being Forwarded", Cause: 16},
			{Target: "gateway a sip:192.0.2.1", Trunk: "telco", Number: "055512345", Started: at(0), Ended: at(0.3), Status: 503, Reason: "Service Unavailable", Cause: 41},
			{Target: "gateway b sip:192.0.2.2", Trunk: "second", Number: "+861055512345", Started: at(0.3), Ended: at(4.2), Status: 200, Reason: "OK", Cause: 16},
		},
		Ringing: &ringing, Answered: &answered, Ended: &ended, Status: 200, Reason: "OK", Cause: 16, EndedBy: "callee",
		Quality: []store.CallQuality{
			{Leg: "caller", Kind: "audio", Codec: "opus", Security: "AEAD_AES_128_GCM", Received: 3283, Lost: 7, JitterMS: 1.25, RoundTripMS: 20.4, MOS: 4.37},
			{Leg: "callee", Kind: "audio", Codec: "PCMA", Received: 3290, MOS: 3.2},
		},
	}}
	var out strings.Builder
	printCallStory(&out, call, at(100))
	want := `2026-05-04 12:00:00: zhangsan@example.com called 055512345@example.com: answered, 1:06

caller     zhangsan@example.com, shown as +861055500001, with Linphone/5.2 [31m
dialled    sip:055512345@example.com;user=phone, which is +861055512345
callee     +861055512345, by trunk second
direction  to a carrier

12:00:00.000   +0.0 s  the call begins
12:00:00.000   +0.0 s  goes elsewhere: forward always of lisi@example.com to sip:055512345@example.com
12:00:00.000   +0.0 s  tries gateway a sip:192.0.2.1 of trunk telco with 055512345: 503 Service Unavailable (cause 41, temporary failure) after 0.3 s
12:00:00.300   +0.3 s  tries gateway b sip:192.0.2.2 of trunk second with +861055512345: 200 OK after 3.9 s
12:00:01.500   +1.5 s  it rings
12:00:04.200   +4.2 s  answered by +861055512345
12:01:10.000  +70.0 s  the callee hung up (cause 16, normal end), 1:06 after the answer

FROM    KIND   CODEC  ENCRYPTION        RECEIVED  LOST       JITTER  ROUND TRIP  QUALITY
caller  audio  opus   AEAD_AES_128_GCM  3283      7 (0.2 %)  1.2 ms  20 ms       4.4 excellent
callee  audio  PCMA   none              3290      0          0.0 ms  -           3.2 poor

call 01e2f3a4b5c6d7e8   trace id f00f   Call-ID abc@192.0.2.7
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	call.EndedBy, call.Reason, call.Cause = "media", "the media failed: no memory", 41
	out.Reset()
	printCallStory(&out, call, at(100))
	wantIn(t, out.String(), "the media failed: no memory (cause 41, temporary failure), 1:06 after the answer")
	call.Ringing = call.Answered // echo does not ring
	out.Reset()
	if printCallStory(&out, call, at(100)); strings.Contains(out.String(), "rings") {
		t.Errorf("it rang:\n%s", out.String())
	}
}

func TestCallResults(t *testing.T) {
	now := time.Now()
	for want, r := range map[string]store.CallRecord{
		"being set up":               {},
		"ringing":                    {Ringing: &now},
		"in progress":                {Ringing: &now, Answered: &now},
		"answered":                   {Answered: &now, Ended: &now, Status: 200},
		"busy (486)":                 {Ended: &now, Status: 486, Reason: "Busy Here"},
		"Preconditions failed (580)": {Ended: &now, Status: 580, Reason: "Preconditions failed"},
		"failed":                     {Ended: &now},

		"an administrator ended it (480)": {Ended: &now, Status: 480, EndedBy: "administrator", Reason: "ended by unix:root"},
		"the server was restarted (480)":  {Ended: &now, Status: 480, EndedBy: "restart", Reason: "the server was restarted"},
	} {
		if got := callResult(&r); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for want, d := range map[string]time.Duration{"0:00": 0, "1:05": 65 * time.Second, "2:00:01": 2*time.Hour + time.Second} {
		if got := clock(d); got != want {
			t.Errorf("%v is %s, want %s", d, got, want)
		}
	}
}

// TestAccountsRespectHuntGroups: an account that the store refuses changes nothing.
func TestAccountsRespectHuntGroups(t *testing.T) {
	a, db, w := newTestAccounts(t)
	if _, err := db.SetHuntGroup(t.Context(), store.HuntGroup{Name: "sales", Numbers: []string{"2000"}}); err != nil {
		t.Fatal(err)
	}
	w.since()
	if _, err := a.Add(t.Context(), store.User{Username: "sales"}, "correct horse"); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a user with the name of a hunt group: %v", err)
	}
	_, _, err := a.Import(t.Context(), []store.User{{Username: "bob", Numbers: []string{"2000"}}}, []string{"correct horse"})
	if !errors.Is(err, store.ErrConflict) || a.owns(1, "2000") || len(w.since()) > 0 {
		t.Errorf("a user with a number of a hunt group: %v", err)
	}
	if _, err := db.Credential(t.Context(), "sales", "example.com"); err == nil {
		t.Error("the refused user can log in with " + auth.SHA256)
	}
}

func TestPrintStatus(t *testing.T) {
	var out strings.Builder
	printStatus(&out, admin.Status{Calls: 3, MediaPorts: admin.PortStatus{Used: 12, Free: 16372}, Trunks: []admin.TrunkStatus{
		{Name: "telco", State: "down"}, {Name: "peer", State: "up"}, {Name: "old", State: "disabled"}, {Name: "spare", State: "down"},
	}})
	wantIn(t, out.String(), "calls in progress: 3\n", "media ports: 12 in use, 16372 free\n", "trunks: 1 up, 2 down (telco, spare), 1 disabled (old)\n")
	if text := trunksText(nil); text != "trunks: none" {
		t.Error(text)
	}
}
