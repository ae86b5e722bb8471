package sqldb

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// cpuTime is the processor time of this process so far.
func cpuTime(t testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// load is traffic between users of a store: chat over pairs, each message
// delivered to two devices.
type load struct {
	db    *DB
	pairs int
	n     int
}

// message is the n-th of the load; its deduplication key is as random as a
// Call-ID is.
func (l *load) message() *store.NewMessage {
	l.n++
	pair := store.UserID(rand.IntN(l.pairs))
	m := &store.NewMessage{
		Kind: store.KindText, From: 2*pair + 1, To: 2*pair + 2, FromDevice: store.DeviceID(2*pair + 1),
		CallID: fmt.Sprintf("%016x@192.0.2.1", rand.Uint64()), ContentType: "text/plain",
		Body: []byte("今天下午三点在三楼会议室开会，请大家准时参加"), TraceID: "0123456789abcdef", Source: "tls 192.0.2.1:50000 Phone/1.0",
	}
	m.Text = string(m.Body)
	binary.BigEndian.PutUint64(m.Dedup[:], rand.Uint64())
	binary.BigEndian.PutUint64(m.Dedup[8:], uint64(l.n))
	return m
}

// send appends n messages with up to batch under way, and delivers each to two
// devices.
func (l *load) send(t testing.TB, n, batch int) {
	room := make(chan struct{}, batch)
	var all sync.WaitGroup
	all.Add(n)
	for range n {
		room <- struct{}{}
		m := l.message()
		l.db.Append(m, func(a store.Accepted, err error) {
			if err != nil {
				t.Error(err)
			}
			for _, d := range []store.DeviceID{store.DeviceID(m.To), 1_000_000 + store.DeviceID(m.To)} {
				l.db.Delivered(a.Conversation, a.Seq, store.Delivery{GID: a.GID, Device: d, Status: 200, Rendering: "original", At: a.At})
			}
			<-room
			all.Done()
		})
	}
	all.Wait()
}

// BenchmarkAppend shows the processor time of a message that is accepted
// durably and delivered to two devices.
func BenchmarkAppend(b *testing.B) {
	for _, batch := range []int{1, 16, 64, 128} {
		b.Run(fmt.Sprint(batch), func(b *testing.B) {
			l := &load{db: openTest(b, Config{}), pairs: 1000}
			l.send(b, 2000, 128)
			b.ResetTimer()
			before := cpuTime(b)
			l.send(b, b.N, batch)
			b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

// BenchmarkPendingNone is the question of each REGISTER: 1,000 conversations
// and nothing new.
func BenchmarkPendingNone(b *testing.B) {
	db := openTest(b, Config{})
	var all sync.WaitGroup
	for peer := range 1000 {
		all.Add(1)
		db.Append(&store.NewMessage{Kind: store.KindText, From: store.UserID(peer + 2), To: 1}, func(a store.Accepted, err error) {
			db.Delivered(a.Conversation, a.Seq, store.Delivery{GID: a.GID, Device: 1, Status: 200, At: a.At})
			all.Done()
		})
	}
	all.Wait()
	ask := func() {
		if ms, err := db.Pending(b.Context(), 1, 1, 10); err != nil || len(ms) != 0 {
			b.Fatal(len(ms), err)
		}
	}
	b.Run("after a restart", func(b *testing.B) {
		for b.Loop() {
			db.activity.reset()
			clear(db.activity.marks)
			ask()
		}
	})
	b.Run("known", func(b *testing.B) {
		for b.Loop() {
			ask()
		}
	})
}

// TestGrowth compares the cost of accepting and of a page in a store of 10,000
// and in one of 1,000,000 messages, turn by turn, because the machine may be
// busy with other things. It takes a minute, so it runs when SPARKLE_GROWTH is
// set.
func TestGrowth(t *testing.T) {
	if os.Getenv("SPARKLE_GROWTH") == "" {
		t.Skip("set SPARKLE_GROWTH=1 to grow a store to 1,000,000 messages")
	}
	const pairs, turns = 1000, 9
	small := &load{db: openTest(t, Config{}), pairs: pairs}
	large := &load{db: openTest(t, Config{}), pairs: pairs}
	for _, l := range []*load{small, large} {
		l.db.background() // no index: it is made at idle times, and BenchmarkIndex shows its cost
	}
	small.send(t, 10_000, 128)
	large.send(t, 1_000_000, 128)
	var accept, page [2][]time.Duration
	for range turns {
		for i, l := range []*load{small, large} {
			a, p := l.costs(t)
			accept[i], page[i] = append(accept[i], a), append(page[i], p)
		}
	}
	for what, costs := range map[string][2][]time.Duration{"accept": accept, "page": page} {
		low, high := median(costs[0]), median(costs[1])
		t.Logf("%s: %v at %d messages, %v at %d: %.2f times", what, low, small.n, high, large.n, float64(high)/float64(low))
		if high > low*13/10 {
			t.Errorf("%s grows by more than 1.3", what)
		}
	}
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// costs measures the processor time of an accepted message and the median time
// of a page of 10 messages.
func (l *load) costs(t *testing.T) (accept, page time.Duration) {
	const messages, pages = 4000, 200
	before := cpuTime(t)
	l.send(t, messages, 64)
	accept = (cpuTime(t) - before) / messages
	var times []time.Duration
	for range pages {
		pair := store.UserID(rand.IntN(l.pairs))
		start := time.Now()
		ms, err := l.db.Page(t.Context(), 2*pair+1, 2*pair+2, 0, 5)
		if err != nil || len(ms) == 0 {
			t.Fatal(len(ms), err)
		}
		times = append(times, time.Since(start))
	}
	return accept, median(times)
}

// BenchmarkPendingGroups is the question of each REGISTER of somebody in 100
// groups with nothing new.
func BenchmarkPendingGroups(b *testing.B) {
	db := openTest(b, Config{})
	groups := manyGroups(b, db, 100)
	for _, g := range groups {
		done := make(chan struct{})
		db.Append(&store.NewMessage{Kind: store.KindText, From: 2, Group: g}, func(a store.Accepted, _ error) {
			db.Delivered(a.Conversation, a.Seq, store.Delivery{GID: a.GID, Device: 1, Status: 200, At: a.At})
			close(done)
		})
		<-done
	}
	for b.Loop() {
		if ms, err := db.Pending(b.Context(), 1, 1, 10); err != nil || len(ms) != 0 {
			b.Fatal(len(ms), err)
		}
	}
}

// BenchmarkPendingPage is a device that comes back to a page of messages from
// some conversations.
func BenchmarkPendingPage(b *testing.B) {
	db := openTest(b, Config{})
	texts := make([]string, 112)
	sendAll(b, db, texts)
	for b.Loop() {
		if ms, err := db.Pending(b.Context(), 1, 9, 16); err != nil || len(ms) != 16 {
			b.Fatal(len(ms), err)
		}
	}
}

// BenchmarkGroupDeliveries shows the processor time of a delivery to one of 500
// devices in each of two groups, when each group says 25 messages a second and
// what is relaxed is written after a fifth of a second.
func BenchmarkGroupDeliveries(b *testing.B) {
	const devices, messages = 500, 5
	db := openTest(b, Config{})
	seq, gid := int64(0), int64(0)
	before := cpuTime(b)
	b.ResetTimer()
	for b.Loop() {
		for range messages {
			seq++
			for group := range store.ConversationID(2) {
				gid++
				for d := range store.DeviceID(devices) {
					db.Delivered(group+1, seq, store.Delivery{GID: gid, Device: d + 1, Status: 200, Rendering: "original", At: time.UnixMilli(gid)})
				}
			}
		}
		flush(b, db)
	}
	b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/float64(b.N*devices*messages*2), "cpu-ns/delivery")
}

// flush has what is relaxed written now, and waits for it.
func flush(t testing.TB, db *DB) {
	for {
		db.relaxed.mu.Lock()
		waiting, writing := db.relaxed.waiting.len(), db.relaxed.writing != nil
		if waiting > 0 {
			db.relaxed.since = time.Now().Add(-relaxedWait)
		}
		db.relaxed.mu.Unlock()
		if waiting == 0 && !writing {
			return
		}
		db.writer.signal()
		time.Sleep(time.Millisecond)
	}
}

// BenchmarkAccept compares what it costs to accept a message between two and one
// to a group of 500.
func BenchmarkAccept(b *testing.B) {
	db := openTest(b, Config{})
	var users []store.UserID
	for i := range 500 {
		u, err := db.AddUser(b.Context(), store.User{Username: fmt.Sprint("u", i), Domain: "d"}, nil)
		if err != nil {
			b.Fatal(err)
		}
		users = append(users, u.ID)
	}
	g := makeGroup(b, db, users...)
	l := &load{db: db, pairs: 250}
	for _, c := range []struct {
		name string
		to   func(*store.NewMessage)
	}{
		{"two", func(*store.NewMessage) {}},
		{"group", func(m *store.NewMessage) { m.To, m.Group = 0, g.ID }},
	} {
		b.Run(c.name, func(b *testing.B) {
			before := cpuTime(b)
			room := make(chan struct{}, 64)
			for range b.N {
				room <- struct{}{}
				m := l.message()
				c.to(m)
				db.Append(m, func(_ store.Accepted, err error) {
					if err != nil {
						b.Error(err)
					}
					<-room
				})
			}
			for range cap(room) {
				room <- struct{}{}
			}
			b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/float64(b.N)/1000, "cpu-µs/op")
		})
	}
}

// TestListGrowth measures the first page of a list of 1,000 conversations and a
// catch-up in an archive of 1,000,000 messages: half of the conversations are
// groups, and nothing of the newest 200,000 messages was read. It takes a minute,
// so it runs when SPARKLE_GROWTH is set, to 1 or to another number of messages.
func TestListGrowth(t *testing.T) {
	if os.Getenv("SPARKLE_GROWTH") == "" {
		t.Skip("set SPARKLE_GROWTH=1 to grow a store to 1,000,000 messages")
	}
	const conversations, me = 1000, store.UserID(1)
	messages, err := strconv.Atoi(os.Getenv("SPARKLE_GROWTH"))
	if err != nil || messages <= 1 {
		messages = 1_000_000
	}
	db := openTest(t, Config{})
	db.background() // no index, as in TestGrowth
	groups := manyGroups(t, db, conversations/2)
	l := &load{db: db, pairs: conversations}
	room := make(chan struct{}, 128)
	send := func(i int) {
		room <- struct{}{}
		m := l.message()
		if c := rand.IntN(conversations); c%2 == 0 {
			m.From, m.To, m.Group = 2, 0, groups[c/2]
		} else {
			m.From, m.To = store.UserID(c+10), me
		}
		db.Append(m, func(a store.Accepted, err error) {
			if err != nil {
				t.Error(err)
			}
			if i < messages*8/10 {
				db.ReadUpTo(me, a.Conversation, a.Seq)
			}
			<-room
		})
	}
	settle := func() {
		for range cap(room) {
			room <- struct{}{}
		}
		for range cap(room) {
			<-room
		}
	}
	for i := range messages {
		send(i)
	}
	settle()
	stamp := db.SyncStamp()
	for i := range 20 {
		send(messages + i)
	}
	settle()
	measure := func(what string, limit time.Duration, read func() (rows int, err error)) {
		const turns = 20
		before, n := cpuTime(t), 0
		for range turns {
			rows, err := read()
			if err != nil {
				t.Fatal(err)
			}
			n = rows
		}
		took := (cpuTime(t) - before) / turns
		t.Logf("%s: %v for %d rows", what, took, n)
		if took > limit {
			t.Errorf("%s takes more than %v", what, limit)
		}
	}
	measure("the first page", 20*time.Millisecond, func() (int, error) {
		rows, err := db.ListConversations(t.Context(), me, nil, 50)
		return len(rows), err
	})
	measure("20 messages later", 10*time.Millisecond, func() (int, error) {
		page, err := db.SyncConversations(t.Context(), me, stamp, 50)
		return len(page.Rows), err
	})
	measure("nothing new", time.Millisecond, func() (int, error) {
		page, err := db.SyncConversations(t.Context(), me, db.SyncStamp(), 50)
		return len(page.Rows), err
	})
	measure("a page of everything", 20*time.Millisecond, func() (int, error) {
		page, err := db.SyncConversations(t.Context(), me, 0, 50)
		return len(page.Rows), err
	})
}

// manyGroups makes groups of which the first user is a member.
func manyGroups(t testing.TB, db *DB, n int) []store.GroupID {
	u, err := db.AddUser(t.Context(), store.User{Username: "me", Domain: "d"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var ids []store.GroupID
	for i := range n {
		added, _, err := db.AddGroup(t.Context(), store.GroupChange{
			Group:  store.Group{Name: fmt.Sprint("g", i), Domain: "d"},
			Set:    []store.Member{{User: u.ID, Role: store.RoleMember}},
			Events: []store.GroupEvent{{Version: 1, Action: "create"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, added.Group.ID)
	}
	return ids
}
