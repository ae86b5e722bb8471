package chat

import (
	"testing"
	"time"
	"unsafe"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/auth"
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

	raw := "MESSAGE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.1;branch=z9hG4bKx\r\nMax-Forwards: 70\r\n" +
		"From: <sip:alice@example.com>;tag=abc\r\nTo: <sip:bob@example.com>\r\nCall-ID: call\r\nCSeq: 2 MESSAGE\r\n" +
		"User-Agent: test\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
	msg, err := wire.Parse([]byte(raw))
	if err != nil {
		tb.Fatal(err)
	}
	req := msg.(*sip.Request)
	core, werr := wire.Examine(req)
	if werr != nil {
		tb.Fatal(werr)
	}
	ok := wire.NewResponse(req, 200, "")
	in := &transaction.Incoming{Request: req, Core: core, Flow: flowOf(101)}
	return func() {
		r := server.Request{Incoming: in, Sender: auth.Identity{User: alice.ID, Username: "alice", Domain: "example.com"}, TraceID: "trace"}
		sub := read(&r)
		sub.answerer = noAnswer{}
		s.receive(sub)
		q.on(nil, ok, nil)
	}
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
