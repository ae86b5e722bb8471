package storetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/store"
)

// Run runs the suite. open returns an empty store, closed by the test's
// cleanup.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *fixture)
	}{
		{"users", testUsers},
		{"taken addresses", testTakenAddresses},
		{"import all or none", testImport},
		{"removed user", testRemoveUser},
		{"people", testPeople},
		{"credentials", testCredentials},
		{"devices", testDevices},
		{"bindings", testBindings},
		{"append", testAppend},
		{"invalid message", testInvalidMessage},
		{"duplicates at once", testDuplicates},
		{"dense seq under many writers", testDenseSeq},
		{"done in order", testDoneOrder},
		{"pending", testPending},
		{"pending over many conversations", testPendingOrder},
		{"receipts", testReceipts},
		{"cursors only move forward", testCursorMonotonic},
		{"new device begins at the present", testStartCursors},
		{"new device gets what nobody received", testStartUnreceived},
		{"deliveries", testDeliveries},
		{"deliveries in a row", testDeliverySpans},
		{"page", testPage},
		{"search", testSearch},
		{"search filters", testSearchFilters},
		{"export", testExport},
		{"groups", testGroups},
		{"conflicts about groups", testGroupConflicts},
		{"dissolved group", testDissolvedGroup},
		{"groups, users and hunt groups share names", testGroupNames},
		{"rooms and subscriptions", testRooms},
		{"units", testUnits},
		{"people of units from elsewhere", testUnitPush},
		{"messages of a group", testGroupMessages},
		{"what one sees of a group", testGroupWindows},
		{"history for a new member", testGroupHistory},
		{"replay for a new device", testReplay},
		{"many groups", testManyGroups},
		{"archive of a group", testGroupArchive},
		{"list of conversations", testList},
		{"state of conversations", testConversationState},
		{"unread and mentions", testUnread},
		{"sync of conversations", testSync},
		{"conversations of groups", testGroupConversations},
		{"hidden messages and stars", testHiddenAndStars},
		{"strangers to a conversation", testStrangers},
		{"search of a user", testViewerSearch},
		{"search of a user in a large archive", testViewerPaging},
		{"watchers", testWatch},
		{"calls", testCalls},
		{"calls found", testListCalls},
		{"calls left open", testOpenCalls},
		{"calls exported", testExportCalls},
		{"call settings and classes", testCallSettings},
		{"hunt groups", testHuntGroups},
		{"hunt groups and users share names", testHuntAddresses},
		{"trunks", testTrunks},
		{"audit", testAudit},
		{"tokens", testTokens},
		{"tokens of users", testUserTokens},
		{"secrets", testSecrets},
		{"verify and stats", testVerify},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := &fixture{Store: open(t), t: t}
			test.run(t, f)
			f.sound()
		})
	}
}

// fixture is a store with shortcuts that end the test when they fail.
type fixture struct {
	store.Store
	t *testing.T
}

// sound verifies what a test has left behind.
func (f *fixture) sound() {
	f.t.Helper()
	var report strings.Builder
	if problems, err := f.Verify(f.t.Context(), &report); err == nil && problems != 0 {
		f.t.Errorf("%d problems\n%s", problems, &report)
	}
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// user adds a user of example.com.
func (f *fixture) user(name string, numbers ...string) store.User {
	f.t.Helper()
	u, err := f.AddUser(f.t.Context(), store.User{Username: name, Domain: "example.com", DisplayName: "The " + name, Numbers: numbers}, nil)
	f.must(err)
	return u
}

// device makes a device and starts it.
func (f *fixture) device(u store.User, name string) store.Device {
	f.t.Helper()
	d, err := f.TouchDevice(f.t.Context(), store.Device{User: u.ID, Instance: "urn:uuid:" + name})
	f.must(err)
	f.must(f.StartCursors(f.t.Context(), u.ID, d.ID, 0))
	return d
}

// text is a message without a deduplication key.
func text(from, to store.UserID, s string) *store.NewMessage {
	return &store.NewMessage{Kind: store.KindText, From: from, To: to, ContentType: "text/plain", Body: []byte(s), Text: s}
}

func receipt(from, to store.UserID) *store.NewMessage {
	return &store.NewMessage{Kind: store.KindReceipt, From: from, To: to, ContentType: "message/imdn+xml", Body: []byte("<imdn/>")}
}

// append accepts a message and waits for it.
func (f *fixture) append(m *store.NewMessage) store.Accepted {
	f.t.Helper()
	a, err := f.tryAppend(m)
	f.must(err)
	return a
}

func (f *fixture) tryAppend(m *store.NewMessage) (store.Accepted, error) {
	type answer struct {
		a   store.Accepted
		err error
	}
	c := make(chan answer, 1)
	f.Append(m, func(a store.Accepted, err error) { c <- answer{a, err} })
	got := <-c
	return got.a, got.err
}

// pending returns the texts that wait for a device.
func (f *fixture) pending(d store.Device) []string {
	f.t.Helper()
	ms, err := f.Pending(f.t.Context(), d.User, d.ID, 1000)
	f.must(err)
	return bodies(ms)
}

func bodies(ms []store.Message) []string {
	var out []string
	for _, m := range ms {
		out = append(out, string(m.Body))
	}
	return out
}

// deliver tells that the device has received a.
func (f *fixture) deliver(d store.Device, a store.Accepted) {
	f.Delivered(a.Conversation, a.Seq, store.Delivery{GID: a.GID, Device: d.ID, Status: 200, Rendering: "original", At: a.At})
}

func (f *fixture) wantTexts(what string, got []string, want ...string) {
	f.t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		f.t.Errorf("%s: got %q, want %q", what, got, want)
	}
}
