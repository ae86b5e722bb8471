package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// now is the present as the store keeps it.
func now() time.Time { return time.Now().Truncate(time.Millisecond).UTC() }

// call begins the record of a call.
func (f *fixture) call(caller store.User, dialled string) store.CallRecord {
	id := f.NewCallID()
	return store.CallRecord{
		ID: id, CallID: fmt.Sprint("call", id), TraceID: "t", Direction: "internal", Started: now(), Dialled: dialled,
		Caller: store.CallParty{User: caller.ID, Address: caller.AOR(), Shown: caller.Username, Device: "Phone/1"},
	}
}

// save saves a copy, so that the test may go on with the record.
func (f *fixture) save(r store.CallRecord) { f.SaveCall(&r) }

// end is a record that has ended so.
func end(r store.CallRecord, status int) store.CallRecord {
	at := now()
	r.Ended, r.Status, r.Reason, r.Cause, r.EndedBy = &at, status, "the end", 16, "caller"
	if status == 200 {
		r.Answered = &at
	}
	return r
}

func testCalls(t *testing.T, f *fixture) {
	alice, bob := f.user("alice", "1003"), f.user("bob")
	r := f.call(alice, "01055512345")
	f.save(r)
	if next := f.NewCallID(); next <= r.ID {
		t.Errorf("after %x comes %x", r.ID, next)
	}
	r.Direction, r.Number = "out", "+861055512345"
	f.save(r)
	f.wantCall("begun", r)

	ringing := now()
	r.Ringing = &ringing
	f.save(r)
	r.Callee = store.CallParty{User: bob.ID, Address: "+861055512345", Shown: "+861066600000", Trunk: "second", Device: "carrier"}
	r.Attempts = []store.CallAttempt{
		{Target: "gateway a sip:192.0.2.1", Trunk: "first", Number: "01055512345", Started: ringing, Ended: ringing, Status: 503, Cause: 41, Reason: "Service Unavailable"},
		{Target: "gateway b sip:192.0.2.2", Trunk: "second", Number: "+861055512345", Started: ringing, Status: 200, Cause: 16, Reason: "好"},
	}
	f.save(r)
	r = end(r, 200)
	r.Quality = []store.CallQuality{{
		Leg: "caller", Kind: "audio", Codec: "opus/48000/2", Security: "AEAD_AES_128_GCM", Received: math.MaxUint64, Sent: 2, Lost: 3, LostRemote: 4,
		JitterMS: 1.5, RoundTripMS: 20.25, MOS: 4.4, Dropped: 5,
	}}
	f.save(r)
	f.wantCall("ended", r)
	f.wantCall("looked at again", r)

	r.Quality = []store.CallQuality{{Leg: "callee", MOS: math.NaN(), JitterMS: math.Inf(1), RoundTripMS: 3}}
	f.save(r)
	r.Quality = []store.CallQuality{{Leg: "callee", RoundTripMS: 3}}
	f.wantCall("with a quality that is no number", r)

	if _, err := f.Call(t.Context(), r.ID+1); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a call that never was: %v", err)
	}
	if problems, err := f.Verify(t.Context(), t.Output()); err != nil || problems != 0 {
		t.Errorf("%d problems, %v", problems, err)
	}
}

func (f *fixture) wantCall(what string, want store.CallRecord) {
	f.t.Helper()
	got, err := f.Call(f.t.Context(), want.ID)
	f.must(err)
	if !reflect.DeepEqual(got, want) {
		f.t.Errorf("%s: got\n%+v, want\n%+v", what, got, want)
	}
}

func testListCalls(t *testing.T, f *fixture) {
	alice, bob, carol := f.user("alice"), f.user("bob"), f.user("carol")
	start := now()
	var ids []int64
	add := func(r store.CallRecord) {
		r.Started = start.Add(time.Duration(len(ids)) * time.Minute)
		ids = append(ids, r.ID)
		f.save(r)
	}
	with := func(r store.CallRecord, change func(*store.CallRecord)) store.CallRecord {
		change(&r)
		return r
	}
	add(end(with(f.call(alice, "bob"), func(r *store.CallRecord) { r.Callee.User, r.Callee.Address = bob.ID, "bob@example.com" }), 200)) // 0
	add(end(with(f.call(bob, "1001"), func(r *store.CallRecord) { r.Callee.User = carol.ID }), 486))                                     // 1
	add(end(with(f.call(alice, "=cmd|' /C calc'!A0"), func(r *store.CallRecord) { r.Number, r.Direction = "+4917612345", "out" }), 404)) // 2
	add(end(with(f.call(store.User{}, "100%_1"), func(r *store.CallRecord) {
		r.Direction, r.Caller = "in", store.CallParty{Address: "+861055512345", Shown: "01055512345", Trunk: "telco", Device: "<script>alert(1)</script>"}
	}), 200)) // 3
	add(end(with(f.call(alice, "911"), func(r *store.CallRecord) {
		r.Attempts = []store.CallAttempt{{Trunk: "backup", Status: 503}, {Trunk: "telco", Status: 503}}
	}), 503)) // 4
	add(f.call(carol, "Alice")) // 5, goes on

	for name, c := range map[string]struct {
		q    store.CallQuery
		want []int
	}{
		"all":                {store.CallQuery{}, []int{5, 4, 3, 2, 1, 0}},
		"of bob":             {store.CallQuery{User: bob.ID}, []int{1, 0}},
		"two of alice":       {store.CallQuery{User: alice.ID, Limit: 2}, []int{4, 2}},
		"the rest":           {store.CallQuery{User: alice.ID, Limit: 2, Before: ids[2]}, []int{0}},
		"by trunk":           {store.CallQuery{Trunk: "telco"}, []int{4, 3}},
		"by trunk tried":     {store.CallQuery{Trunk: "backup"}, []int{4}},
		"inward":             {store.CallQuery{Direction: "in"}, []int{3}},
		"failed":             {store.CallQuery{Failed: true}, []int{4, 2, 1}},
		"failed of alice":    {store.CallQuery{Failed: true, User: alice.ID}, []int{4, 2}},
		"part of a number":   {store.CallQuery{Text: "5551"}, []int{3}},
		"part of an address": {store.CallQuery{Text: "ALICE"}, []int{5, 4, 2, 0}},
		"what was dialled":   {store.CallQuery{Text: "911"}, []int{4}},
		"a formula":          {store.CallQuery{Text: "calc'!a0"}, []int{2}},
		"no wildcards":       {store.CallQuery{Text: "%_"}, []int{3}},
		"not across fields":  {store.CallQuery{Text: "100%_1+"}, nil},
		"quotes":             {store.CallQuery{Text: `'; DROP TABLE call_record; --`}, nil},
		"call id":            {store.CallQuery{CallID: fmt.Sprint("call", ids[1])}, []int{1}},
		"since":              {store.CallQuery{Since: start.Add(4 * time.Minute)}, []int{5, 4}},
		"until":              {store.CallQuery{Until: start.Add(2 * time.Minute)}, []int{1, 0}},
		"between":            {store.CallQuery{Since: start.Add(time.Minute), Until: start.Add(2 * time.Minute)}, []int{1}},
		"long ago":           {store.CallQuery{Until: start.Add(-48 * time.Hour)}, nil},
	} {
		found, err := f.ListCalls(t.Context(), c.q)
		f.must(err)
		var got []int
		for _, r := range found {
			got = append(got, slices.Index(ids, r.ID))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: calls %v, want %v", name, got, c.want)
		}
	}
}

func testOpenCalls(t *testing.T, f *fixture) {
	alice := f.user("alice")
	var records []store.CallRecord
	for range 5 {
		records = append(records, f.call(alice, "bob"))
		f.save(records[len(records)-1])
	}
	for _, i := range []int{3, 1} {
		f.save(end(records[i], 200))
	}
	open, err := f.OpenCalls(t.Context())
	f.must(err)
	if want := []store.CallRecord{records[0], records[2], records[4]}; !reflect.DeepEqual(open, want) {
		t.Errorf("got %+v\nwant %+v", open, want)
	}
}

func testExportCalls(t *testing.T, f *fixture) {
	alice, bob := f.user("alice"), f.user("bob")
	const n = 1100 // more than a page of any store
	for i := range n {
		who := alice
		if i%100 == 7 {
			who = bob
		}
		f.save(end(f.call(who, fmt.Sprint(i)), 200))
	}
	collect := func(q store.CallQuery) (got []string) {
		last := int64(0)
		f.must(f.ExportCalls(t.Context(), q, func(r *store.CallRecord) error {
			if r.ID <= last {
				t.Fatalf("call %s is out of order", r.Dialled)
			}
			last = r.ID
			got = append(got, r.Dialled)
			return nil
		}))
		return got
	}
	if got := collect(store.CallQuery{}); len(got) != n || got[n-1] != fmt.Sprint(n-1) {
		t.Errorf("%d calls, want %d", len(got), n)
	}
	f.wantTexts("of bob", collect(store.CallQuery{User: bob.ID, Text: "07"}), "107", "207", "307", "407", "507", "607", "707", "807", "907", "1007")
	stop := errors.New("stop")
	if err := f.ExportCalls(t.Context(), store.CallQuery{}, func(*store.CallRecord) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("stopped: %v", err)
	}
}

func testCallSettings(t *testing.T, f *fixture) {
	ctx := t.Context()
	alice, bob := f.user("alice"), f.user("bob")
	s := store.CallSettings{
		User: alice.ID, DoNotDisturb: true, ForwardAlways: "bob", ForwardBusy: "1001", ForwardNoAnswer: "+8610", ForwardOffline: "x@example.org",
		NoAnswerAfter: 15, Class: "abroad", Locked: true, MaxCalls: 3, Caller: "+861055500001", Withhold: true,
	}
	if _, err := f.SetCallSettings(ctx, s); !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), `"abroad"`) {
		t.Errorf("a class that does not exist: %v", err)
	}
	class, err := f.SetClass(ctx, store.ClassOfService{Name: "abroad", Allow: []string{"+86", "+49"}, Deny: []string{"+86900"}, MaxCalls: 2, CallsPerHour: 60})
	f.must(err)
	s, err = f.SetCallSettings(ctx, s)
	f.must(err)
	if _, err := f.SetCallSettings(ctx, store.CallSettings{User: bob.ID, Class: "default"}); err != nil {
		t.Errorf("the default class: %v", err)
	}
	all, err := f.AllCallSettings(ctx)
	f.must(err)
	if s.Version != 1 || len(all) != 2 || all[0] != s {
		t.Errorf("got %+v, want first %+v", all, s)
	}
	for version, want := range map[int64]error{0: store.ErrConflict, 1: nil} { // 1 becomes 2 whichever comes first
		changed := s
		changed.Version, changed.Locked = version, false
		if _, err := f.SetCallSettings(ctx, changed); !errors.Is(err, want) {
			t.Errorf("a change of version %d: %v", version, err)
		}
	}
	if _, err := f.SetCallSettings(ctx, s); !errors.Is(err, store.ErrConflict) || !strings.Contains(err.Error(), "read it again") {
		t.Errorf("a change of what was changed: %v", err)
	}
	if _, err := f.SetCallSettings(ctx, store.CallSettings{User: 999}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("settings of nobody: %v", err)
	}

	if err := f.RemoveClass(ctx, "abroad"); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a class that alice has was removed: %v", err)
	}
	f.must(f.RemoveUser(ctx, alice.ID))
	classes, err := f.Classes(ctx)
	f.must(err)
	if len(classes) != 1 || !reflect.DeepEqual(classes[0], class) {
		t.Errorf("classes %+v, want %+v", classes, class)
	}
	f.must(f.RemoveClass(ctx, "abroad"))
	if err := f.RemoveClass(ctx, "abroad"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("removed twice: %v", err)
	}
	if all, err := f.AllCallSettings(ctx); err != nil || len(all) != 1 {
		t.Errorf("after alice went: %+v, %v", all, err)
	}
}

func testHuntGroups(t *testing.T, f *fixture) {
	ctx := t.Context()
	g := store.HuntGroup{Name: "Sales", Numbers: []string{"2000"}, DisplayName: "销售部", Serial: true, Members: []string{"alice", "+8610"}, RingTime: 15, Overflow: "bob"}
	set, err := f.SetHuntGroup(ctx, g)
	f.must(err)
	g.Name, g.Version = "sales", 1
	if !reflect.DeepEqual(set, g) {
		t.Errorf("set %+v, want %+v", set, g)
	}
	if _, err := f.SetHuntGroup(ctx, store.HuntGroup{Name: "SALES"}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("added twice: %v", err)
	}
	if _, err := f.SetHuntGroup(ctx, store.HuntGroup{Name: "gone", Version: 1}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a change of one that was removed: %v", err)
	}
	g.Numbers, g.Serial = []string{"2001"}, false
	g, err = f.SetHuntGroup(ctx, g)
	f.must(err)
	early, err := f.SetHuntGroup(ctx, store.HuntGroup{Name: "fax", Numbers: []string{"2000"}}) // given up by sales
	f.must(err)
	all, err := f.HuntGroups(ctx)
	f.must(err)
	if want := []store.HuntGroup{early, g}; !reflect.DeepEqual(all, want) {
		t.Errorf("got %+v, want %+v", all, want)
	}
	f.must(f.RemoveHuntGroup(ctx, "Sales"))
	if err := f.RemoveHuntGroup(ctx, "sales"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("removed twice: %v", err)
	}
}

func testHuntAddresses(t *testing.T, f *fixture) {
	ctx := t.Context()
	alice := f.user("alice", "1003")
	_, err := f.SetHuntGroup(ctx, store.HuntGroup{Name: "sales", Numbers: []string{"2000", "abc"}})
	f.must(err)
	for name, g := range map[string]store.HuntGroup{
		"alice":   {Name: "ALICE"},
		"1003":    {Name: "desk", Numbers: []string{"1003"}},
		"sales":   {Name: "desk", Numbers: []string{"Sales"}},
		"2000":    {Name: "desk", Numbers: []string{"2000"}},
		"itself":  {Name: "desk", Numbers: []string{"7", "7"}},
		"its own": {Name: "desk", Numbers: []string{"desk"}},
	} {
		if _, err := f.SetHuntGroup(ctx, g); !errors.Is(err, store.ErrConflict) || !strings.Contains(err.Error(), "is taken by") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, u := range []store.User{
		{Username: "Sales", Domain: "example.com"},
		{Username: "bob", Domain: "example.com", Numbers: []string{"2000"}},
		{Username: "bob", Domain: "example.org", Numbers: []string{"ABC"}},
	} {
		if _, err := f.AddUser(ctx, u, nil); !errors.Is(err, store.ErrConflict) || !strings.Contains(err.Error(), "hunt group sales") {
			t.Errorf("%s %v: %v", u.Username, u.Numbers, err)
		}
	}
	alice.Numbers = []string{"2000"}
	if _, err := f.UpdateUser(ctx, alice); !errors.Is(err, store.ErrConflict) {
		t.Errorf("alice took a number of sales: %v", err)
	}
	if _, _, err := f.ImportUsers(ctx, []store.User{{Username: "sales", Domain: "example.com"}}, make([]*store.Credential, 1)); !errors.Is(err, store.ErrConflict) {
		t.Errorf("an imported user took the name of sales: %v", err)
	}
	f.must(f.RemoveHuntGroup(ctx, "sales"))
	f.user("sales", "2000")
	if problems, err := f.Verify(ctx, t.Output()); err != nil || problems != 0 {
		t.Errorf("%d problems, %v", problems, err)
	}
}

func testTrunks(t *testing.T, f *fixture) {
	ctx := t.Context()
	tr := store.Trunk{
		Name: "telco", Priority: 1, Username: "acct", Realm: "telco.example", Password: "hunter2 secret", Register: true, Expires: 300, SRTP: "prefer",
		Gateways: []store.Gateway{{Name: "a", Address: "192.0.2.1:5060", Transport: "udp", Weight: 3, Sources: []string{"192.0.2.0/24"}}},
		Networks: []string{"192.0.2.0/24"}, MaxCalls: 30, Prefixes: []string{"+86"}, Deny: []string{"+86900"},
		Numbers: store.NumberPlan{Country: "86", National: "0", Inward: []store.Inward{{Number: "+8610555*", To: "*"}}, Emergency: []string{"110"}},
	}
	tr, err := f.SetTrunk(ctx, tr)
	f.must(err)
	if tr.ID <= 0 || tr.Version != 1 || tr.Password != "hunter2 secret" {
		t.Errorf("added %+v", tr)
	}
	f.wantTrunks("added", tr)
	if b, err := json.Marshal(tr); err != nil || strings.Contains(string(b), "hunter2") {
		t.Errorf("the password is in JSON: %s, %v", b, err)
	}

	renamed := tr
	renamed.Name, renamed.Password = "main", ""
	renamed, err = f.SetTrunk(ctx, renamed)
	f.must(err)
	tr.Name, tr.Version = "main", 2
	if !reflect.DeepEqual(renamed, tr) {
		t.Errorf("renamed %+v, want %+v", renamed, tr)
	}
	f.wantTrunks("renamed, with its password", tr)
	tr.Password = "another"
	tr, err = f.SetTrunk(ctx, tr)
	f.must(err)
	f.wantTrunks("with a new password", tr)
	tr.Username = ""
	tr, err = f.SetTrunk(ctx, tr)
	f.must(err)
	if tr.Password != "" {
		t.Error("a trunk without a username has a password")
	}
	other, err := f.SetTrunk(ctx, store.Trunk{Name: "backup"})
	f.must(err)
	f.wantTrunks("two", other, tr)

	stale := tr
	stale.Version--
	for name, c := range map[string]struct {
		tr   store.Trunk
		want error
	}{
		"the same name":    {store.Trunk{Name: "main"}, store.ErrConflict},
		"another's name":   {store.Trunk{ID: other.ID, Version: other.Version, Name: "main"}, store.ErrConflict},
		"an old version":   {stale, store.ErrConflict},
		"one that is gone": {store.Trunk{ID: 999, Version: 1, Name: "gone"}, store.ErrNotFound},
		"one without name": {store.Trunk{}, store.ErrInvalid},
	} {
		if _, err := f.SetTrunk(ctx, c.tr); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	f.wantTrunks("after refused changes", other, tr)
	f.must(f.RemoveTrunk(ctx, tr.ID))
	if err := f.RemoveTrunk(ctx, tr.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("removed twice: %v", err)
	}
	f.wantTrunks("one left", other)
	if problems, err := f.Verify(ctx, t.Output()); err != nil || problems != 0 {
		t.Errorf("%d problems, %v", problems, err)
	}
}

func (f *fixture) wantTrunks(what string, want ...store.Trunk) {
	f.t.Helper()
	got, err := f.Trunks(f.t.Context())
	f.must(err)
	if !reflect.DeepEqual(got, want) {
		f.t.Errorf("%s: got\n%+v, want\n%+v", what, got, want)
	}
}
