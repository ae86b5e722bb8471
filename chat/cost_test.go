package chat

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/sip/auth"
	"github.com/sparkleim/sparkle/sip/focus"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// quick is an archive and a transaction layer that cost nothing.
type quick struct {
	memory
	gid int64
	on  func(*transaction.Client, *sip.Response, error)
}

func (q *quick) Append(_ *store.NewMessage, done func(store.Accepted, error)) {
	q.gid++
	done(store.Accepted{GID: q.gid, Conversation: 1, Seq: q.gid, At: time.Now()}, nil)
}

func (q *quick) Delivered(store.ConversationID, int64, store.Delivery) {}

func (q *quick) Send(_ *sip.Request, _ *transport.Flow, on func(*transaction.Client, *sip.Response, error)) *transaction.Client {
	q.on = on
	return nil
}

type noAnswer struct{}

func (noAnswer) Reply(int, string, ...sip.Header) {}
func (noAnswer) ReplyError(err error)             { panic(err) }

// BenchmarkMessage is what chat itself adds to a MESSAGE between two phones:
// read, check, look up, build the request out, take its 200.
func BenchmarkMessage(b *testing.B) {
	send := correspondence(b)
	b.ReportAllocs()
	for b.Loop() {
		send()
	}
}

func TestMessageAllocatesLittle(t *testing.T) {
	if n := testing.AllocsPerRun(100, correspondence(t)); n > 38 { // 33, and 35 under the race detector
		t.Errorf("%v allocations a message", n)
	}
}

// correspondence returns what sends one message between two phones.
func correspondence(tb testing.TB) (send func()) {
	q := &quick{}
	p := &people{users: map[string]store.User{}, targets: map[store.UserID][]registrar.Target{}}
	alice, bob := p.add("alice", "Alice"), p.add("bob", "Bob")
	for _, u := range []store.User{alice, bob} {
		d := store.DeviceID(u.ID*100 + 1)
		p.put(registrar.Target{User: u.ID, Device: store.Device{ID: d, User: u.ID}, Flow: flowOf(d), Contact: sip.Uri{Scheme: "sip", User: u.Username, Host: "192.0.2.1"}})
	}
	s := New(Config{Archive: q, Users: p, Locations: p, Transactions: q, Flows: p, Domain: "example.com"})
	tb.Cleanup(s.Close)
	d := s.devices.find(bob.ID, 201)
	d.queue.more, d.started = false, true

	in := incoming(tb, "bob", "text/plain", "hello")
	ok := wire.NewResponse(in.Request, 200, "")
	return func() {
		r := server.Request{Incoming: in, Sender: auth.Identity{User: alice.ID, Username: "alice", Domain: "example.com"}, TraceID: "trace"}
		sub := read(&r)
		sub.answerer = noAnswer{}
		s.receive(sub)
		q.on(nil, ok, nil)
	}
}

// BenchmarkGroupMessage is what chat adds to a MESSAGE into a group of 500, half
// of them in the room: the cost of one device stands beside BenchmarkMessage,
// which is accepting and one delivery.
func BenchmarkGroupMessage(b *testing.B) {
	const members = 500
	send := assembly(b, members)
	b.ReportAllocs()
	for b.Loop() {
		send()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(members-1), "ns/device")
}

// TestGroupDeliveryAllocatesLess: what is the same for all devices is done
// once.
func TestGroupDeliveryAllocatesLess(t *testing.T) {
	const members = 200
	one := testing.AllocsPerRun(50, correspondence(t))
	all := testing.AllocsPerRun(20, assembly(t, members))
	if n := all / (members - 1); n > one {
		t.Errorf("%v allocations a device, %v for a message between two", n, one)
	}
}

// collector is quick for many: it keeps what is to be answered.
type collector struct {
	quick
	left atomic.Int64
	all  chan struct{}
	mu   sync.Mutex
	on   []func(*transaction.Client, *sip.Response, error)
}

func (c *collector) Send(_ *sip.Request, _ *transport.Flow, on func(*transaction.Client, *sip.Response, error)) *transaction.Client {
	c.mu.Lock()
	c.on = append(c.on, on)
	c.mu.Unlock()
	if c.left.Add(-1) == 0 {
		c.all <- struct{}{}
	}
	return nil
}

// half of the devices of a group are in its room.
type half struct{}

func (half) Standing(_ store.GroupID, d *store.Device) focus.Standing {
	if d.User%2 == 0 {
		return focus.Inside
	}
	return focus.Outside
}

// gathering makes a group of users 1 and more, each with a device that has nothing
// waiting.
func gathering(tb testing.TB, c *collector, members int) (*Service, *group.Snapshot) {
	tb.Helper()
	p := &people{users: map[string]store.User{}, targets: map[store.UserID][]registrar.Target{}}
	db := newMemory(&journal{})
	tb.Cleanup(db.close)
	groups, err := group.New(tb.Context(), group.Config{Store: groupStore{db, p}, Domain: "example.com"})
	if err != nil {
		tb.Fatal(err)
	}
	s := New(Config{
		Archive: c, Users: p, Locations: p, Transactions: c, Flows: p, Groups: groups, Rooms: half{}, Domain: "example.com",
	})
	tb.Cleanup(s.Close)
	var ids []store.UserID
	for i := range members {
		u := p.add(fmt.Sprintf("user%d", i+1), fmt.Sprintf("User %d", i+1))
		d := store.DeviceID(u.ID*100 + 1)
		p.put(registrar.Target{
			User: u.ID, AOR: "sip:" + u.AOR(), Device: store.Device{ID: d, User: u.ID}, Flow: flowOf(d), GRUU: "sip:" + u.AOR() + ";gr=urn:uuid:1",
			Contact: sip.Uri{Scheme: "sip", User: u.Username, Host: "192.0.2.1"},
		})
		queue := s.devices.find(u.ID, d)
		queue.queue.more, queue.started = false, true
		ids = append(ids, u.ID)
	}
	g, err := groups.Create(tb.Context(), group.Actor{User: ids[0]}, store.Group{Name: "team", Subject: "Team"}, ids[1:])
	if err != nil {
		tb.Fatal(err)
	}
	s.fanouts.find(g.ID).seq.expected = 1
	return s, g
}

// fromFirst is what the first user has written.
func fromFirst(in *transaction.Incoming) *submission {
	sub := read(&server.Request{Incoming: in, Sender: auth.Identity{User: 1, Username: "user1", Domain: "example.com"}, TraceID: "trace"})
	sub.answerer = noAnswer{}
	return sub
}

// assembly returns what sends one message into a group and takes the 200 of each
// device of its members.
func assembly(tb testing.TB, members int) (send func()) {
	c := &collector{all: make(chan struct{}, 1)}
	s, _ := gathering(tb, c, members)
	in := incoming(tb, "team", cpimType, "From: <sip:user1@example.com>\r\nTo: <sip:team@example.com>\r\n\r\nContent-Type: text/plain\r\n\r\nhello")
	ok := wire.NewResponse(in.Request, 200, "")
	return func() {
		c.left.Store(int64(members - 1))
		s.receive(fromFirst(in))
		<-c.all
		for _, on := range c.on {
			on(nil, ok, nil)
		}
		c.on = c.on[:0]
	}
}

// BenchmarkAccept is a message that nobody gets yet: what it costs to take one
// does not grow with those it is for.
func BenchmarkAccept(b *testing.B) {
	for _, to := range []string{"nobody", "team"} {
		b.Run(to, func(b *testing.B) {
			s, g := gathering(b, &collector{}, 500)
			f := s.fanouts.find(g.ID)
			f.mu.Lock()
			f.busy = true // no worker takes it
			f.mu.Unlock()
			p := s.cfg.Locations.(*people)
			p.users["nobody"] = store.User{ID: 1000, Username: "nobody", Domain: "example.com"}
			in := incoming(b, to, "text/plain", "hello")
			b.ReportAllocs()
			for b.Loop() {
				s.receive(fromFirst(in))
			}
		})
	}
}

// incoming is a MESSAGE to a user part.
func incoming(tb testing.TB, to, contentType, body string) *transaction.Incoming {
	tb.Helper()
	raw := "MESSAGE sip:" + to + "@example.com SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.1;branch=z9hG4bKx\r\nMax-Forwards: 70\r\n" +
		"From: <sip:alice@example.com>;tag=abc\r\nTo: <sip:bob@example.com>\r\nCall-ID: call\r\nCSeq: 2 MESSAGE\r\n" +
		"User-Agent: test\r\nContent-Type: " + contentType + fmt.Sprintf("\r\nContent-Length: %d\r\n\r\n", len(body)) + body
	msg, err := wire.Parse([]byte(raw))
	if err != nil {
		tb.Fatal(err)
	}
	req := msg.(*sip.Request)
	core, werr := wire.Examine(req)
	if werr != nil {
		tb.Fatal(werr)
	}
	return &transaction.Incoming{Request: req, Core: core, Flow: flowOf(101)}
}

// TestIdleDeviceIsSmall: what chat keeps for each device that is connected.
func TestIdleDeviceIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(device{}); size > 448 {
		t.Errorf("%d bytes", size)
	}
	inWorld(t, func(w *world) {
		w.registers(201, "")
		w.says(101, "bob", "hello")
		if d := w.devices.find(2, 201); d.attempt.item != nil || d.queue.backlog != nil {
			t.Error("the last message is kept")
		}
	})
}
