package admin

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/store"
)

// syncDevice is a client: what it keeps are rows and a cursor.
type syncDevice struct {
	w     *meWorld
	user  string
	rows  map[int64]MyConversation
	since string
}

func (w *meWorld) device(user string) *syncDevice {
	return &syncDevice{w: w, user: user, rows: map[int64]MyConversation{}}
}

// page syncs once; it tells how many rows came and whether there are more.
func (d *syncDevice) page(limit int) (n int, more bool) {
	d.w.t.Helper()
	p := read200[SyncPage](d.w, d.user, fmt.Sprintf("/v1/me/sync?limit=%d&since=%s", limit, d.since))
	if d.since == "" {
		clear(d.rows)
	}
	for _, r := range p.Conversations {
		d.rows[r.ID] = r
	}
	d.since = p.Next
	return len(p.Conversations), p.More
}

func (d *syncDevice) sync(limit int) (n int) {
	d.w.t.Helper()
	for more := true; more; {
		var rows int
		rows, more = d.page(limit)
		n += rows
	}
	return n
}

// shown are the rows that a device shows.
func (d *syncDevice) shown() map[int64]MyConversation {
	shown := maps.Clone(d.rows)
	maps.DeleteFunc(shown, func(_ int64, r MyConversation) bool { return r.Hidden })
	return shown
}

// want compares a device with the list.
func (d *syncDevice) want(what string) {
	d.w.t.Helper()
	list := map[int64]MyConversation{}
	for cursor := ""; ; {
		page := read200[Page[MyConversation]](d.w, d.user, "/v1/me/conversations?limit=2"+cursor)
		for _, r := range page.Items {
			list[r.ID] = r
		}
		if page.Next == "" {
			break
		}
		cursor = "&cursor=" + page.Next
	}
	for id, r := range list {
		if got := d.rows[id]; !reflect.DeepEqual(got, r) {
			got, _ := json.Marshal(got)
			is, _ := json.Marshal(r)
			d.w.t.Errorf("%s: conversation %d of %s\nhas %s\nis  %s", what, id, d.user, got, is)
		}
	}
	if len(d.shown()) != len(list) {
		d.w.t.Errorf("%s: %s shows %d conversations, the list has %d", what, d.user, len(d.shown()), len(list))
	}
}

// TestDevicesAgree lets devices sync now and then, in pages, with answers that get
// lost, while people write, read and decide: in the end all have the same.
func TestDevicesAgree(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { devicesAgree(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func devicesAgree(t *testing.T, r *rand.Rand) {
	w := newMeWorld(t)
	names := []string{"alice", "bob", "zhangsan"}
	var devices []*syncDevice
	for i := range 7 {
		devices = append(devices, w.device(names[i%3]))
	}
	inClub := map[string]bool{"alice": true}
	for step := range 250 {
		name := names[r.IntN(3)]
		u := w.users[name].ID
		switch r.IntN(8) {
		case 0, 1:
			w.say(store.NewMessage{From: u, To: w.users[names[r.IntN(3)]].ID, Text: fmt.Sprint("step ", step)})
		case 2:
			if inClub[name] {
				w.say(store.NewMessage{From: u, Group: w.club, Text: fmt.Sprint("step ", step), Mentions: []store.UserID{store.UserID(r.IntN(4))}})
			}
		case 3:
			if name == "alice" {
				w.change(group.Rename{Subject: fmt.Sprint("Club ", step)})
			} else if inClub[name] = !inClub[name]; inClub[name] {
				w.change(group.Add{Users: []store.UserID{u}})
			} else {
				w.change(group.Remove{Users: []store.UserID{u}})
			}
		case 4:
			w.decideSomething(r, name)
		default:
			d := devices[r.IntN(len(devices))]
			before := *d
			before.rows = maps.Clone(d.rows)
			d.page(1 + r.IntN(3))
			if r.IntN(4) == 0 { // the answer is lost
				*d = before
			}
			if r.IntN(30) == 0 { // the device is set up anew
				d.since = ""
			}
		}
	}
	for i, d := range devices {
		d.sync(1 + i)
		d.want(fmt.Sprint("device ", i))
		if n := d.sync(10); n != 0 {
			t.Errorf("device %d got %d rows although nothing has changed", i, n)
		}
		if first := devices[i%3]; !reflect.DeepEqual(d.shown(), first.shown()) {
			t.Errorf("device %d and device %d of %s differ", i, i%3, d.user)
		}
	}
}

// decideSomething changes one of a user's conversations.
func (w *meWorld) decideSomething(r *rand.Rand, name string) {
	rows := read200[Page[MyConversation]](w, name, "/v1/me/conversations").Items
	if len(rows) == 0 {
		return
	}
	row := rows[r.IntN(len(rows))]
	path := fmt.Sprintf("/v1/me/conversations/%d", row.ID)
	if r.IntN(2) == 0 {
		ask200[MyConversation](w, name, http.MethodPut, path+"/read", fmt.Sprintf(`{"seq":%d}`, r.Int64N(row.HeadSeq+2)))
		return
	}
	changes := []string{`{"pinned":true}`, `{"pinned":false}`, `{"hidden":true}`, `{"mute":"all"}`, `{"labels":["a"]}`, `{"marked_unread":true}`, fmt.Sprintf(`{"cleared_seq":%d}`, row.HeadSeq/2)}
	ask200[MyConversation](w, name, http.MethodPatch, path, changes[r.IntN(len(changes))])
}

// TestMonthAway: what a device gets after a long time is what has changed, once.
func TestMonthAway(t *testing.T) {
	w := newMeWorld(t)
	phone, tablet := w.device("alice"), w.device("alice")
	phone.sync(50)
	tablet.sync(50)
	for i := range 500 {
		m := store.NewMessage{From: w.users["bob"].ID, To: w.users["alice"].ID, Text: fmt.Sprint(i)}
		if i%2 == 0 {
			m = store.NewMessage{From: w.users["alice"].ID, Group: w.club, Text: fmt.Sprint(i)}
		}
		w.say(m)
		if i%100 == 0 {
			tablet.sync(50)
		}
	}
	if n := phone.sync(1); n != 2 {
		t.Errorf("%d rows for 2 conversations that have changed", n)
	}
	tablet.sync(50)
	phone.want("the phone")
	tablet.want("the tablet")
}

func TestCursorOfAnother(t *testing.T) {
	w := newMeWorld(t)
	d := w.device("alice")
	d.page(1)
	inSnapshot := d.since
	d.sync(50)
	listed := read200[Page[MyConversation]](w, "alice", "/v1/me/conversations?limit=1").Next
	raw, err := base64.RawURLEncoding.DecodeString(d.since)
	w.must(err)
	future := cursor{kind: afterStamp, stamp: w.organisation.SyncStamp() + 1}
	foreign := map[string]string{
		"another key": (&cursor{kind: afterStamp}).sign([]byte("another"), 1), "another user": (&cursor{kind: afterStamp}).sign(w.SyncKey, 2),
		"the future": future.sign(w.SyncKey, 1), "of a list": listed, "short": d.since[:20], "long": d.since + "AAAA", "no base64": "!", "another way to write it": d.since[:len(d.since)-1] + "_",
	}
	for i := range raw {
		spoilt := slices.Clone(raw)
		spoilt[i] ^= 1
		foreign[fmt.Sprint("byte ", i)] = base64.RawURLEncoding.EncodeToString(spoilt)
	}
	for name, since := range foreign {
		r := w.ask("alice", "GET", "/v1/me/sync?since="+since, "")
		var p struct{ Code, Detail string }
		w.must(json.Unmarshal(r.Body.Bytes(), &p))
		if r.Code != http.StatusGone || p.Code != "resync" || p.Detail == "" || r.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s %s", name, r.Code, r.Header(), r.Body)
		}
	}
	for name, since := range map[string]string{"in the snapshot": inSnapshot, "after it": d.since} {
		if r := w.ask("alice", "GET", "/v1/me/sync?since="+since, ""); r.Code != http.StatusOK {
			t.Errorf("%s: %d %s", name, r.Code, r.Body)
		}
		if r := w.ask("bob", "GET", "/v1/me/sync?since="+since, ""); r.Code != http.StatusGone {
			t.Errorf("%s, by bob: %d", name, r.Code)
		}
	}
	if r := w.ask("alice", "GET", "/v1/me/conversations?cursor="+d.since, ""); r.Code != http.StatusGone {
		t.Errorf("a list with the cursor of a sync: %d", r.Code)
	}
}

// FuzzCursor: what a client sends is a cursor only if it is one that was signed, in
// the only way to write it.
func FuzzCursor(f *testing.F) {
	key := []byte("key")
	pinned := store.ConversationRow{Conversation: 7, Newest: 1 << 50, State: store.ConversationState{Pinned: new(noon)}}
	for _, c := range []cursor{{kind: afterStamp}, {kind: inSnapshot, stamp: 1 << 60, last: pinned}, {kind: inList, stamp: -1}} {
		f.Add(c.sign(key, 1))
	}
	f.Add("AQE")
	f.Fuzz(func(t *testing.T, s string) {
		if c, ok := readCursor(key, 1, s); ok && c.sign(key, 1) != s {
			t.Errorf("%q is taken for %+v, which is %q", s, c, c.sign(key, 1))
		}
		if _, ok := readCursor(key, 2, s); ok {
			t.Errorf("%q is good for everybody", s)
		}
	})
}

func TestCursorKeepsItsPlace(t *testing.T) {
	key := []byte("key")
	for _, pinned := range []*time.Time{nil, new(noon)} {
		want := cursor{kind: inSnapshot, stamp: 1 << 60, last: store.ConversationRow{Conversation: 1<<31 - 1, Newest: 1 << 62, State: store.ConversationState{Pinned: pinned}}}
		got, ok := readCursor(key, 3, want.sign(key, 3))
		if !ok || got.kind != want.kind || got.stamp != want.stamp || got.last.Conversation != want.last.Conversation || got.last.Newest != want.last.Newest ||
			(got.last.State.Pinned != nil) != (pinned != nil) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

// waiting begins a sync that waits, and returns when it does.
func (w *meWorld) waiting(user, since string) <-chan *httptest.ResponseRecorder {
	w.t.Helper()
	n := w.hub.listening.Load()
	answer := make(chan *httptest.ResponseRecorder, 1)
	go func() { answer <- w.ask(user, "GET", "/v1/me/sync?wait=30&since="+since, "") }()
	for w.hub.listening.Load() == n {
		runtime.Gosched()
	}
	return answer
}

func TestSyncWaits(t *testing.T) {
	w := newMeWorld(t)
	alice, eve := w.device("alice"), w.device("eve")
	alice.sync(50)
	eve.sync(50)
	nothing := w.waiting("eve", eve.since)
	for name, happen := range map[string]func(){
		"a message": func() { w.say(store.NewMessage{From: w.users["bob"].ID, To: 1, Text: "ping"}) },
		"a group":   func() { w.say(store.NewMessage{From: 1, Group: w.club, Text: "ping"}) },
		"on another device": func() {
			ask200[MyConversation](w, "alice", "PATCH", w.path("/v1/me/conversations/{ab}"), `{"pinned":true}`)
		},
		"what a phone reads": func() { w.organisation.ReadUpTo(1, w.convs["ab"], 3) },
	} {
		answer := w.waiting("alice", alice.since)
		happen()
		var p SyncPage
		r := <-answer
		w.must(json.Unmarshal(r.Body.Bytes(), &p))
		if r.Code != http.StatusOK || len(p.Conversations) != 1 || p.Next == alice.since {
			t.Errorf("%s: %d %s", name, r.Code, r.Body)
		}
		alice.since = p.Next
	}
	w.Forget(w.users["eve"].ID)
	if r := <-nothing; r.Code != http.StatusServiceUnavailable {
		t.Errorf("after her tokens ended: %d %s", r.Code, r.Body)
	}
	r := w.ask("alice", "GET", "/v1/me/sync?wait=1&since="+alice.since, "")
	var p SyncPage
	w.must(json.Unmarshal(r.Body.Bytes(), &p))
	if r.Code != http.StatusOK || len(p.Conversations) != 0 || p.More {
		t.Errorf("after a second without a change: %d %s", r.Code, r.Body)
	}
	w.Close()
	if r := w.ask("alice", "GET", "/v1/me/sync?wait=30&since="+alice.since, ""); r.Code != http.StatusServiceUnavailable {
		t.Errorf("of a server that ends: %d %s", r.Code, r.Body)
	}
}
