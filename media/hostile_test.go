package media_test

import (
	"bytes"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/sparkleim/sparkle/media"
)

// attacker is somebody on the network who is not of the call.
type attacker struct {
	t     testing.TB
	conn  *net.UDPConn
	heard atomic.Int64
}

// newAttacker listens on another address of the loopback network.
func newAttacker(t testing.TB) *attacker {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.66:0")))
	if err != nil {
		t.Fatal(err)
	}
	a := &attacker{t: t, conn: conn}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for b := make([]byte, 2048); ; {
			if _, _, err := conn.ReadFromUDPAddrPort(b); err != nil {
				return
			}
			a.heard.Add(1)
		}
	}()
	t.Cleanup(func() {
		conn.Close()
		<-done
		if n := a.heard.Load(); n > 0 {
			t.Errorf("%d packets reached the attacker", n)
		}
	})
	return a
}

func (a *attacker) send(to netip.AddrPort, b []byte) { a.conn.WriteToUDPAddrPort(b, to) }

// stream is n packets of a stream that nobody asked for.
func (a *attacker) stream(to netip.AddrPort, number uint8, n int) {
	for i := range n {
		p := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: number, SequenceNumber: uint16(7000 + i),
			Timestamp: uint32(160 * i), SSRC: 0xbadbad}, Payload: bytes.Repeat([]byte{0xee}, 160)}
		b, err := p.Marshal()
		if err != nil {
			a.t.Fatal(err)
		}
		a.send(to, b)
	}
}

// TestInjection sends the media of a stranger to every port of calls of all
// kinds, before and after they talk.
func TestInjection(t *testing.T) {
	e := newEngine(t)
	for _, f := range []flavour{plainPhone, sdesPhone, gcmPhone, dtlsPhone, openPhone, icePhone} {
		t.Run(f.name, func(t *testing.T) {
			thief := newAttacker(t)
			c := newCall(t, e, newPhone(t, f, "audio"), newPhone(t, f))
			inject := func() {
				for _, l := range []*line{c.caller.lines[0], c.callee.lines[0]} {
					thief.stream(l.remote, l.number, 20)
					thief.stream(l.remoteControl, l.number, 20)
				}
			}
			inject()
			c.talk(10)
			inject()
			c.talk(10)
			for _, p := range []*phone{c.caller, c.callee} {
				if n := p.lines[0].count(); n != 20 {
					t.Errorf("%d packets heard, want the 20 of the other side", n)
				}
			}
		})
	}
}

// TestReplay sends what was caught on the way once more, from the peer's own
// address and from elsewhere, and with a changed bit.
func TestReplay(t *testing.T) {
	e := newEngine(t)
	for _, f := range []flavour{sdesPhone, gcmPhone} {
		t.Run(f.name, func(t *testing.T) {
			thief := newAttacker(t)
			c := newCall(t, e, newPhone(t, f, "audio"), newPhone(t, f))
			c.talk(5)
			from, to := c.caller.lines[0], c.callee.lines[0]
			caught := from.seal(from.next())
			from.media.conn.WriteToUDPAddrPort(caught, from.remote)
			to.await("the packet", func() bool { return len(to.heard) == 6 })
			c.silent(c.caller.lines[0], func() {
				for range 10 {
					thief.send(from.remote, caught)
					from.media.conn.WriteToUDPAddrPort(caught, from.remote)
				}
				forged := bytes.Clone(from.seal(from.next()))
				forged[len(forged)-1] ^= 1
				from.media.conn.WriteToUDPAddrPort(forged, from.remote)
			}, func() { c.speak(from, to, 5) })
			if n := to.count(); n != 11 {
				t.Errorf("%d packets heard, want 11", n)
			}
			dropped := c.a.Report()[0].Dropped
			if dropped["replay"] != 20 || dropped["wrong_tag"] != 1 {
				t.Errorf("dropped %v", dropped)
			}
		})
	}
}

// TestForgedGoodbye sends RTCP that is not encrypted: it has no effect and is no
// reason to end anything.
func TestForgedGoodbye(t *testing.T) {
	e := newEngine(t)
	thief := newAttacker(t)
	c := newCall(t, e, newPhone(t, sdesPhone, "audio"), newPhone(t, sdesPhone))
	c.talk(5)
	bye, err := rtcp.Marshal([]rtcp.Packet{
		&rtcp.ReceiverReport{SSRC: c.caller.lines[0].ssrc}, &rtcp.Goodbye{Sources: []uint32{c.caller.lines[0].ssrc}},
	})
	if err != nil {
		t.Fatal(err)
	}
	l := c.caller.lines[0]
	thief.send(l.remoteControl, bye)
	thief.send(l.remote, bye)
	l.control.conn.WriteToUDPAddrPort(bye, l.remoteControl) // as a phone does at its end
	c.talk(5)
}

// TestGarbage floods every port of a call with everything that fits a datagram.
func TestGarbage(t *testing.T) {
	n := 100_000
	if testing.Short() {
		n = 5_000
	}
	e := newEngine(t)
	thief := newAttacker(t)
	c := newCall(t, e, newPhone(t, sdesPhone, "audio", "video"), newPhone(t, plainPhone))
	c.talk(5)
	random := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, 1500)
	for i := range n {
		for j := 0; j < 64; j += 8 {
			v := random.Uint64()
			for k := range 8 {
				b[j+k] = byte(v >> (8 * k))
			}
		}
		b[0] = [...]byte{b[0], 0x80, 0x90, 0, 0x16, 0x10}[i%6]
		l := [...]*line{c.caller.lines[0], c.callee.lines[0], c.caller.lines[1], c.callee.lines[1]}[i%4]
		to := l.remote
		if i%8 > 3 {
			to = l.remoteControl
		}
		thief.send(to, b[:random.IntN(200)])
		if i%1000 == 0 {
			c.talk(1) // and lets the relay catch up
		}
	}
	c.talk(5)
	if ev := c.events.await(t, media.EventAttack); ev.Text == "" {
		t.Error("an attack without a text")
	}
}

// TestMoves lets a phone change its address, as behind a NAT that forgot it: who
// has the keys is followed, who sends what he caught, made up or guessed is not.
func TestMoves(t *testing.T) {
	e := newEngine(t)
	for _, f := range []flavour{gcmPhone, icePhone, webPhone} {
		t.Run(f.name, func(t *testing.T) {
			thief := newAttacker(t)
			c := newCall(t, e, newPhone(t, f, "audio"), newPhone(t, gcmPhone))
			c.talk(5)
			from, to := c.caller.lines[0], c.callee.lines[0]
			spray := func() {
				caught := from.seal(from.next())
				before := to.count()
				from.media.conn.WriteToUDPAddrPort(caught, from.remote)
				to.await("the packet", func() bool { return len(to.heard) > before })
				thief.send(from.remote, caught)
				thief.stream(from.remote, from.number, 2)
				thief.send(from.remote, nomination(t, from.media.peer+":"+c.caller.ufrag, "a guess of the password"))
			}
			spray()
			caught := from.seal(from.next())
			pace := time.NewTicker(20 * time.Millisecond)
			defer pace.Stop()
			for range 30 { // while the phone is silent, as long as it takes to move
				<-pace.C
				thief.send(from.remote, caught)
				c.speak(to, from, 1)
			}
			from.media.move()
			for begun := time.Now(); !from.media.reached(); <-pace.C {
				if time.Since(begun) > patience {
					t.Fatal("the relay never followed")
				}
				spray()
				c.speak(to, from, 1) // to the old address or the new one
			}
			c.talk(5)
		})
	}
}

// TestMovesNotByPlainPackets lets a phone with ICE and without keys change its
// address: its packets prove nothing, wherever they come from, its nomination does.
func TestMovesNotByPlainPackets(t *testing.T) {
	c := newCall(t, newEngine(t), newPhone(t, openPhone, "audio"), newPhone(t, plainPhone))
	c.talk(5)
	from, to := c.caller.lines[0], c.callee.lines[0]
	from.media.move()
	pace := time.NewTicker(20 * time.Millisecond)
	defer pace.Stop()
	c.silent(to, func() {
		for range 30 {
			<-pace.C
			from.send(1)
			c.speak(to, from, 1)
		}
	}, func() {})
	if from.media.reached() {
		t.Error("packets that prove nothing moved the relay")
	}
	if !from.media.check(from.remote) {
		t.Fatal("no answer to a nomination from the new address")
	}
	c.talk(5)
}
