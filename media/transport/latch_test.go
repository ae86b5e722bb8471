package transport

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

// The cast: the peer's media and signalling, and somebody who sprays packets.
var (
	peer      = netip.MustParseAddrPort("203.0.113.10:4000")
	peerOther = netip.MustParseAddrPort("203.0.113.10:4444") // another port of its host
	private   = netip.MustParseAddrPort("192.168.1.10:4000") // as it knows itself behind its NAT
	shared    = netip.MustParseAddrPort("100.64.0.10:4000")  // the same behind a carrier's
	nat       = netip.MustParseAddrPort("203.0.113.20:5000") // as the world knows it
	natOther  = netip.MustParseAddrPort("203.0.113.20:5555")
	roaming   = netip.MustParseAddrPort("203.0.113.30:6000") // in another network
	attacker  = netip.MustParseAddrPort("198.51.100.66:6666")
	attacker2 = netip.MustParseAddrPort("198.51.100.77:7777")
	inside    = netip.MustParseAddrPort("127.0.0.1:8080")
	anywhere  = netip.MustParseAddrPort("0.0.0.0:4000")
	nowhere   = netip.AddrPort{}
)

// everywhere is what a relay allows by default.
func everywhere(a netip.Addr) bool {
	return a.IsGlobalUnicast() && !a.IsLoopback()
}

// header is of an RTP packet.
func header(pt byte, seq uint16, ssrc uint32) []byte {
	h := make([]byte, 12)
	h[0], h[1] = 0x80, pt
	binary.BigEndian.PutUint16(h[2:], seq)
	binary.BigEndian.PutUint32(h[8:], ssrc)
	return h
}

// happening is something that a latch sees, and what it makes of it.
type happening struct {
	at   time.Duration
	what byte // 'p' plain packet, 'a' authenticated packet, 'n' nomination, 'c' check, 'u' update: SDP and signalling
	from netip.AddrPort
	seq  uint16         // of the packet; the priority of a nomination
	ok   bool           // it is the peer's, or it was taken
	to   netip.AddrPort // where to send afterwards; nowhere: to nobody
}

// TestLatch tells who is believed, one story a case.
func TestLatch(t *testing.T) {
	ms := time.Millisecond
	for _, c := range []struct {
		name      string
		kind      LatchKind
		sdp       netip.AddrPort
		signalled netip.Addr
		story     []happening
	}{
		{"carrier: its SDP and nobody else", Strict, peer, peer.Addr(), []happening{
			{0, 'p', attacker, 1, false, peer},
			{10 * ms, 'p', peer, 1, true, peer},
			{20 * ms, 'p', attacker, 2, false, peer},
			{9000 * ms, 'p', roaming, 2, false, peer},
			{9020 * ms, 'p', peer, 2, true, peer},
		}},
		{"carrier: it sends from another port, but listens where its SDP says", Strict, peer, nat.Addr(), []happening{
			{0, 'p', peerOther, 1, true, peer},
			{20 * ms, 'p', nat, 1, false, peer}, // where its signalling comes from means nothing
			{6000 * ms, 'p', peer, 2, false, peer},
			{6020 * ms, 'p', peerOther, 2, true, peer},
		}},
		{"carrier: a new answer names another gateway", Strict, peer, peer.Addr(), []happening{
			{0, 'p', peer, 1, true, peer},
			{20 * ms, 'u', roaming, 0, true, roaming},
			{40 * ms, 'p', peer, 2, false, roaming},
			{60 * ms, 'p', roaming, 3, true, roaming},
		}},
		{"user: its SDP is true, the spray comes first", Learn, peer, peer.Addr(), []happening{
			{0, 'p', attacker, 1, false, peer},
			{1 * ms, 'p', attacker, 2, false, peer},
			{2 * ms, 'p', attacker, 3, false, peer},
			{3 * ms, 'p', attacker, 4, false, peer},
			{700 * ms, 'p', attacker, 5, false, peer},
			{710 * ms, 'p', peer, 1, true, peer},
			{720 * ms, 'p', attacker, 6, false, peer},
		}},
		{"user: behind NAT, known by its signalling", Learn, private, nat.Addr(), []happening{
			{0, 'p', attacker, 1, false, nowhere},
			{10 * ms, 'p', nat, 1, true, nat},
			{20 * ms, 'p', natOther, 9, false, nat}, // no better than what is there
			{30 * ms, 'p', attacker, 2, false, nat},
			{9000 * ms, 'p', attacker, 3, false, nat},
			{9010 * ms, 'p', nat, 2, true, nat},
		}},
		{"user: a better source within five seconds", Learn, peer, nat.Addr(), []happening{
			{0, 'p', nat, 1, true, nat},
			{1000 * ms, 'p', peerOther, 1, true, peerOther},
			{2000 * ms, 'p', peer, 1, true, peer},
			{3000 * ms, 'p', nat, 1, false, peer},
		}},
		{"user: a better source after five seconds", Learn, peer, nat.Addr(), []happening{
			{0, 'p', nat, 1, true, nat},
			{5001 * ms, 'p', peer, 1, false, nat},
		}},
		{"user: from a third address, with nobody better in sight", Learn, private, nat.Addr(), []happening{
			{0, 'p', roaming, 1, false, nowhere},
			{200 * ms, 'p', roaming, 2, false, nowhere},
			{400 * ms, 'p', roaming, 3, false, nowhere},
			{520 * ms, 'p', roaming, 4, true, roaming},
			{540 * ms, 'p', attacker, 5, false, roaming},
			{9000 * ms, 'p', roaming, 5, true, roaming},
		}},
		{"user: an address that is unspecified", Learn, anywhere, nat.Addr(), []happening{
			{0, 'p', nat, 1, true, nat},
		}},
		{"user: behind the NAT of a carrier", Learn, shared, nat.Addr(), []happening{
			{0, 'p', nat, 1, true, nat},
		}},
		{"user: behind the same NAT as we", Learn, private, private.Addr(), []happening{
			{0, 'p', attacker, 1, false, private},
			{10 * ms, 'p', private, 1, true, private},
		}},
		{"user: a stranger without a sequence", Learn, private, nat.Addr(), []happening{
			{0, 'p', attacker, 1, false, nowhere},
			{300 * ms, 'p', attacker, 3, false, nowhere},
			{600 * ms, 'p', attacker, 5, false, nowhere},
			{900 * ms, 'p', attacker, 7, false, nowhere},
			{1200 * ms, 'p', attacker, 9, false, nowhere},
		}},
		{"user: strangers that take turns", Learn, private, nat.Addr(), []happening{
			{0, 'p', attacker, 1, false, nowhere},
			{300 * ms, 'p', attacker2, 2, false, nowhere},
			{600 * ms, 'p', attacker, 2, false, nowhere},
			{900 * ms, 'p', attacker2, 3, false, nowhere},
			{1200 * ms, 'p', attacker, 3, false, nowhere},
			{1500 * ms, 'p', attacker2, 4, false, nowhere},
		}},
		{"user: a stranger that came while it rang leaves at any time", Learn, private, nat.Addr(), []happening{
			{0, 'p', attacker, 1, false, nowhere},
			{200 * ms, 'p', attacker, 2, false, nowhere},
			{400 * ms, 'p', attacker, 3, false, nowhere},
			{600 * ms, 'p', attacker, 4, true, attacker},
			{20000 * ms, 'p', nat, 1, true, nat},
			{20020 * ms, 'p', attacker, 5, false, nat},
		}},
		{"user: a re-INVITE from another network with the same SDP", Learn, private, nat.Addr(), []happening{
			{0, 'p', nat, 1, true, nat},
			{9000 * ms, 'u', private, 0, true, nat},
			{9020 * ms, 'p', attacker, 2, false, nat},
			{9040 * ms, 'p', roaming, 2, true, roaming},
		}},
		{"nobody may point the relay at itself", Learn, inside, nat.Addr(), []happening{
			{0, 'p', inside, 1, false, nowhere},
			{10 * ms, 'p', nat, 1, true, nat},
		}},
		{"nobody may point the relay at itself, by keys either", Proven, inside, nat.Addr(), []happening{
			{0, 'a', inside, 1, false, nowhere},
		}},
		{"keys: the first proof latches", Proven, private, nat.Addr(), []happening{
			{0, 'p', nat, 1, false, nowhere}, // a plain packet proves nothing
			{10 * ms, 'a', natOther, 1, true, natOther},
			{20 * ms, 'p', natOther, 2, false, natOther},
		}},
		{"keys: it moves after two packets and half a second of silence", Proven, peer, peer.Addr(), []happening{
			{0, 'a', peer, 1, true, peer},
			{100 * ms, 'a', roaming, 2, true, peer},
			{200 * ms, 'a', roaming, 3, true, peer},
			{499 * ms, 'a', roaming, 4, true, peer},
			{500 * ms, 'a', roaming, 5, true, roaming},
		}},
		{"keys: one caught packet sent from elsewhere moves nothing", Proven, peer, peer.Addr(), []happening{
			{0, 'a', peer, 1, true, peer},
			{2000 * ms, 'a', attacker, 2, true, peer},
			{2020 * ms, 'a', peer, 3, true, peer},
			{4000 * ms, 'a', attacker, 4, true, peer},
			{4020 * ms, 'a', attacker2, 5, true, peer},
			{4040 * ms, 'a', attacker, 6, true, peer},
			{4060 * ms, 'a', peer, 7, true, peer},
			{4080 * ms, 'a', attacker, 8, true, peer},
			{4100 * ms, 'a', attacker, 9, true, peer},
		}},
		{"ICE: only who was nominated", Nominated, peer, peer.Addr(), []happening{
			{0, 'p', peer, 1, false, nowhere},
			{5 * ms, 'c', peer, 1, false, nowhere},
			{10 * ms, 'a', peer, 1, true, nowhere},
			{20 * ms, 'n', nat, 100, true, nat},
			{30 * ms, 'p', nat, 2, true, nat},
			{40 * ms, 'p', peer, 3, false, nat},
			{50 * ms, 'n', inside, 900, false, nat},
		}},
		{"ICE: of many the best, until it is not wanted any more", Nominated, peer, peer.Addr(), []happening{
			{0, 'n', nat, 100, true, nat},
			{10 * ms, 'n', roaming, 200, true, roaming},
			{20 * ms, 'n', nat, 100, false, roaming},
			{900 * ms, 'n', roaming, 200, true, roaming},
			{1100 * ms, 'n', nat, 100, false, roaming},
			{1900 * ms, 'n', nat, 100, true, nat},
		}},
		{"ICE: keys move who was nominated, and a nomination of any priority moves him back", Nominated, peer, peer.Addr(), []happening{
			{0, 'n', nat, 100, true, nat},
			{400 * ms, 'a', nat, 1, true, nat},
			{500 * ms, 'a', roaming, 2, true, nat},
			{600 * ms, 'a', roaming, 3, true, nat},
			{620 * ms, 'p', roaming, 4, false, nat},
			{899 * ms, 'a', roaming, 5, true, nat},
			{900 * ms, 'a', roaming, 6, true, roaming},
			{950 * ms, 'p', nat, 7, false, roaming},
			{960 * ms, 'n', natOther, 7, true, natOther},
		}},
		{"ICE: keys move nobody who checks or speaks", Nominated, peer, peer.Addr(), []happening{
			{0, 'n', nat, 100, true, nat},
			{1000 * ms, 'a', attacker, 1, true, nat}, // a packet that it caught
			{1400 * ms, 'c', nat, 1, false, nat},
			{1500 * ms, 'a', attacker, 2, true, nat},
			{1600 * ms, 'a', attacker, 3, true, nat},
			{1700 * ms, 'a', nat, 4, true, nat},
			{2100 * ms, 'a', attacker, 5, true, nat},
			{9000 * ms, 'a', inside, 6, true, nat},
			{9020 * ms, 'a', inside, 7, true, nat},
		}},
		{"ICE: a check moves who has been silent for long", Nominated, peer, peer.Addr(), []happening{
			{0, 'n', nat, 100, true, nat},
			{100 * ms, 'c', roaming, 1, false, nat}, // another pair that works
			{5000 * ms, 'p', nat, 1, true, nat},
			{5020 * ms, 'p', attacker, 2, false, nat},
			{19999 * ms, 'c', roaming, 1, false, nat},
			{20000 * ms, 'p', attacker, 3, false, nat},
			{20010 * ms, 'c', inside, 1, false, nat},
			{20020 * ms, 'c', roaming, 1, true, roaming},
			{20040 * ms, 'p', roaming, 4, true, roaming},
			{20060 * ms, 'p', nat, 5, false, roaming},
		}},
		{"no kind but ICE is nominated or checked", Proven, peer, peer.Addr(), []happening{
			{0, 'n', nat, 100, false, peer},
			{10 * ms, 'a', peer, 1, true, peer},
			{60000 * ms, 'c', nat, 1, false, peer},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := NewLatch(c.kind, c.sdp, c.signalled, everywhere)
			for _, h := range c.story {
				at, ok := int64(time.Hour+h.at), true
				switch h.what {
				case 'p':
					ok = l.Candidate(h.from, header(8, h.seq, 1), at)
				case 'a':
					l.Authenticated(h.from, at)
					ok = h.ok
				case 'n':
					ok = l.Nominate(h.from, uint32(h.seq), at)
				case 'c':
					ok = l.Checked(h.from, at)
				case 'u':
					l.Update(h.from, roaming.Addr())
				}
				if ok != h.ok {
					t.Errorf("%v: %c from %v: %v, want %v", h.at, h.what, h.from, ok, h.ok)
				}
				if l.remote != h.to {
					t.Errorf("%v: after %c from %v it sends to %v, want %v", h.at, h.what, h.from, l.remote, h.to)
				}
			}
		})
	}
}

// TestLatchSpray is RTP bleed: somebody floods the port through all of a call.
func TestLatchSpray(t *testing.T) {
	for _, c := range []struct {
		name     string
		kind     LatchKind
		sdp      netip.AddrPort
		injected int // packets of the attacker that pass at most
	}{
		{"user", Learn, peer, 0},
		{"user behind NAT", Learn, private, 0},
		{"carrier", Strict, peer, 0},
		{"keys", Proven, peer, 0},
		{"ICE", Nominated, peer, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := NewLatch(c.kind, c.sdp, peer.Addr(), everywhere)
			injected, lost := 0, 0
			for i := range uint16(20000) { // 20 s, a packet of the attacker a ms
				at := int64(time.Hour) + int64(i)*int64(time.Millisecond)
				if l.Candidate(attacker, header(0, i, 7), at) {
					injected++
				}
				if i == 100 {
					l.Nominate(peer, 1, at)
				}
				if i%20 == 19 && i > 100 { // it answers a little later
					if c.kind == Proven {
						l.Authenticated(peer, at)
					} else if !l.Candidate(peer, header(0, i/20, 1), at) {
						lost++
					}
				}
				if to, ok := l.Remote(at); ok && to == attacker {
					t.Fatalf("packet %d goes to the attacker", i)
				}
			}
			if injected > c.injected || lost > 0 {
				t.Errorf("%d packets injected, %d of the peer lost", injected, lost)
			}
		})
	}
}

// TestLatchReflection sends towards an address that never answers.
func TestLatchReflection(t *testing.T) {
	begin := int64(time.Hour)
	send := func(l *Latch, every time.Duration) (sent int) {
		for at := begin; at < begin+int64(10*time.Second); at += int64(every) {
			if _, ok := l.Remote(at); ok {
				sent++
			}
		}
		return sent
	}
	for _, kind := range []LatchKind{Proven, Strict, Learn} {
		if n := send(NewLatch(kind, peer, nat.Addr(), everywhere), time.Millisecond); n != 50 {
			t.Errorf("kind %d: %d packets went to somebody who did not answer, want 50", kind, n)
		}
		if n := send(NewLatch(kind, peer, nat.Addr(), everywhere), 100*time.Millisecond); n != 11 {
			t.Errorf("kind %d: %d packets went to somebody who did not answer, want those of 1 s", kind, n)
		}
		if n := send(NewLatch(kind, peer, peer.Addr(), everywhere), time.Second); n != 10 {
			t.Errorf("kind %d: only %d of 10 packets went to where the signalling comes from", kind, n)
		}
	}
	again := NewLatch(Strict, peer, nat.Addr(), everywhere)
	send(again, time.Millisecond)
	again.Update(peer, nat.Addr())
	if n := send(again, time.Millisecond); n != 0 {
		t.Errorf("an offer that changes nothing allows %d packets more", n)
	}
	again.Candidate(peerOther, header(0, 1, 1), begin)
	if n := send(again, time.Second); n != 10 {
		t.Errorf("only %d of 10 packets went to a host that answered", n)
	}
}

// TestLatchControl tells whose RTCP is believed.
func TestLatchControl(t *testing.T) {
	sdp, next := netip.AddrPortFrom(private.Addr(), 4001), netip.AddrPortFrom(nat.Addr(), 5001)
	rtp := NewLatch(Learn, private, nat.Addr(), everywhere)
	rtcp := NewLatch(Learn, sdp, nat.Addr(), everywhere)
	if rtcp.Control(next, rtp) {
		t.Error("RTCP was believed before RTP told where the peer is")
	}
	rtp.Candidate(nat, header(0, 1, 1), 1)
	if rtcp.Control(attacker, rtp) || rtcp.Control(sdp, rtp) {
		t.Error("RTCP was believed from another host")
	}
	if !rtcp.Control(next, rtp) || rtcp.remote != next {
		t.Errorf("the peer's RTCP was not believed, it goes to %v", rtcp.remote)
	}
	if rtp.Control(attacker, rtp) || !rtp.Control(nat, rtp) || rtp.remote != nat {
		t.Error("with one port for both, RTCP is not told by the host")
	}

	silent := NewLatch(Strict, peer, nat.Addr(), everywhere) // it listens only
	reports := NewLatch(Strict, netip.AddrPortFrom(peer.Addr(), 4001), nat.Addr(), everywhere)
	reports.Control(peerOther, silent)
	if !silent.confirmed || reports.remote.Port() != 4001 {
		t.Error("a report of the host does not confirm it, or moved a carrier's port")
	}

	keys := NewLatch(Proven, peer, peer.Addr(), everywhere)
	if keys.Control(peer, keys) {
		t.Error("plain RTCP was believed beside SRTP")
	}
}

// FuzzLatch lets anything happen: a latch never sends to who is not allowed, nor
// to a stranger when it has a public address, and its memory does not grow.
func FuzzLatch(f *testing.F) {
	f.Add(byte(0), byte(0), []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Add(byte(2), byte(1), []byte{0x10, 1, 0x20, 2, 0x35, 3, 0x46, 4})
	f.Add(byte(3), byte(0), []byte{0x23, 0xff, 0x13, 0x80})
	addresses := []netip.AddrPort{peer, peerOther, private, nat, natOther, roaming, attacker, inside, anywhere, nowhere}
	f.Fuzz(func(t *testing.T, kind, sdp byte, story []byte) {
		k := LatchKind(kind % 4)
		named := addresses[int(sdp)%len(addresses)]
		l := NewLatch(k, named, nat.Addr(), everywhere)
		at := int64(time.Hour)
		for i := 0; i+1 < len(story); i += 2 {
			from := addresses[int(story[i]&15)%len(addresses)]
			at += int64(story[i+1]) * int64(4*time.Millisecond)
			before := l.source
			switch story[i] >> 4 % 7 {
			case 0, 1:
				ok := l.Candidate(from, header(0, uint16(i), 1), at)
				if ok && (k == Proven || k == Nominated && from != before || !everywhere(from.Addr())) {
					t.Fatalf("%v was believed", from)
				}
				if ok && k == Strict && from.Addr() != l.sdp.Addr() {
					t.Fatalf("a carrier was believed to be at %v", from)
				}
				if !ok && l.source != before {
					t.Fatal("a packet that was not believed moved the latch")
				}
			case 2:
				l.Authenticated(from, at)
				if k == Nominated && l.source.IsValid() && !before.IsValid() {
					t.Fatal("a packet took the place that ICE gives away")
				}
			case 3:
				l.Nominate(from, uint32(story[i+1]), at)
			case 4:
				l.Control(from, l)
			case 5:
				named = from
				l.Update(from, nat.Addr())
			case 6:
				if moved := l.Checked(from, at); moved != (l.source != before) || moved && (k != Nominated || !before.IsValid()) {
					t.Fatalf("a check from %v moved the latch from %v to %v", from, before, l.source)
				}
			}
			to, ok := l.Remote(at)
			if ok && (!everywhere(to.Addr()) || to.Port() == 0) {
				t.Fatalf("it sends to %v", to)
			}
			if public := everywhere(named.Addr()) && !named.Addr().IsPrivate(); ok && k == Learn && public && to.Addr() != named.Addr() && to.Addr() != nat.Addr() {
				t.Fatalf("it sends to %v, though %v was named", to, named)
			}
		}
	})
}
