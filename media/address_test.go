package media_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/sparkleim/sparkle/media"
)

// TestLiedAddress names the address of a victim in the offer: it gets a second's
// worth of packets at most, and none when it is none of the carrier's.
func TestLiedAddress(t *testing.T) {
	e := newEngine(t)
	victim, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.77:0")))
	if err != nil {
		t.Fatal(err)
	}
	defer victim.Close()
	caller, callee := newPhone(t, plainPhone, "audio"), newPhone(t, plainPhone)
	c := &call{t: t, engine: e, caller: caller, callee: callee, session: e.NewSession(nil)}
	defer c.session.Close()
	c.a, c.b = c.session.NewLeg(caller.profile()), c.session.NewLeg(callee.profile())
	offer := bytes.ReplaceAll(caller.offer(), []byte("127.0.0.1"), []byte("127.0.0.77"))
	offer = bytes.ReplaceAll(offer, fmt.Appendf(nil, "audio %d", caller.lines[0].media.port()),
		fmt.Appendf(nil, "audio %d", victim.LocalAddr().(*net.UDPAddr).Port))
	if err := c.a.TakeOffer(offer); err != nil {
		t.Fatal(err)
	}
	made, err := c.b.MakeOffer(c.a)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.b.TakeAnswer(callee.answer(made)); err != nil {
		t.Fatal(err)
	}
	answer, err := c.a.MakeAnswer(c.b)
	if err != nil {
		t.Fatal(err)
	}
	c.session.Connect(c.a, c.b)
	c.settle()
	caller.accept(answer)

	callee.lines[0].send(200)
	c.settle()
	c.speak(caller.lines[0], callee.lines[0], 1) // who signals from there is the better source
	c.speak(callee.lines[0], caller.lines[0], 10)
	r := c.a.Report()[0]
	if got := r.PacketsSent - 10; got > 50 {
		t.Errorf("%d packets went to the victim", got)
	}
	if dropped := c.b.Report()[0].Dropped["not_ready"]; dropped < 150 {
		t.Errorf("%d packets were held back, want 150", dropped)
	}
}

// TestOwnPorts refuses a user who says that his media is where this program is; a
// phone on this host may use what is free of the range, and a carrier may lead a
// call back to us.
func TestOwnPorts(t *testing.T) {
	e := newEngine(t, func(c *media.Config) {
		c.Addresses = []media.Address{{Bind: loopback, Advertise: netip.MustParseAddr("203.0.113.5")}}
		c.FirstPort, c.LastPort, c.Reserved = 20000, 29999, []uint16{5060}
	})
	s := e.NewSession(nil)
	defer s.Close()
	made, err := s.NewLeg(plainPhone.profile()).MakeOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	open := parse(made)[0].port
	elsewhere := netip.MustParseAddr("198.51.100.7")
	for _, tt := range []struct {
		name    string
		peer    netip.Addr
		nat     bool
		at      string
		port    int
		refused bool
	}{
		{"open, on this host", loopback, true, "127.0.0.1", open, true},
		{"its RTCP port", loopback, true, "127.0.0.1", open + 1, true},
		{"free, on this host", loopback, true, "127.0.0.1", open ^ 2, false},
		{"another host of loopback", loopback, true, "127.0.0.2", open, false},
		{"reserved, on this host", loopback, true, "127.0.0.1", 5060, true},
		{"open, from elsewhere", elsewhere, true, "203.0.113.5", open, true},
		{"free, from elsewhere", elsewhere, true, "203.0.113.5", open ^ 2, true},
		{"reserved, from elsewhere", elsewhere, true, "203.0.113.5", 5060, true},
		{"beside the range", elsewhere, true, "203.0.113.5", 30000, false},
		{"another address", elsewhere, true, "203.0.113.6", open, false},
		{"back from a carrier", elsewhere, false, "203.0.113.5", open, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := plainPhone.profile()
			p.Peer, p.NAT = tt.peer, tt.nat
			offer := fmt.Appendf(nil, "v=0\r\nc=IN IP4 %s\r\nm=audio %d RTP/AVP 0\r\n", tt.at, tt.port)
			if err := s.NewLeg(p).TakeOffer(offer); tt.refused != errors.Is(err, media.ErrNotAcceptable) || !tt.refused && err != nil {
				t.Error(err)
			}
		})
	}
}

// TestCarrierSourceIsStrict drops what does not come from where the carrier said.
func TestCarrierSourceIsStrict(t *testing.T) {
	e := newEngine(t)
	caller, callee := newPhone(t, sdesPhone, "audio"), newPhoneAt(t, plainPhone, netip.MustParseAddr("127.0.0.9"))
	carrier := media.Profile{SRTP: media.Forbid, Offer: media.Plain, Local: loopback, Peer: loopback,
		Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.9/32")}}
	c := &call{t: t, engine: e, caller: caller, callee: callee, session: e.NewSession(nil)}
	defer c.session.Close()
	c.a, c.b = c.session.NewLeg(caller.profile()), c.session.NewLeg(carrier)
	c.exchange(caller, callee, c.a, c.b)
	c.session.Connect(c.a, c.b)
	c.settle()
	c.talk(5)
	thief := newAttacker(t)
	c.silent(caller.lines[0], func() {
		thief.stream(callee.lines[0].remote, callee.lines[0].number, 300)
	}, func() { c.speak(caller.lines[0], callee.lines[0], 5) })
	c.talk(5)

	elsewhere := newPhone(t, plainPhone, "audio")
	leg := c.session.NewLeg(carrier)
	if _, err := leg.MakeOffer(c.a); err != nil {
		t.Fatal(err)
	}
	if err := leg.TakeAnswer(elsewhere.offer()); err == nil {
		t.Error("an answer from outside the carrier's networks was taken")
	}
}

// TestAdvertised tells the address outside of a 1:1 NAT, and binds that inside.
func TestAdvertised(t *testing.T) {
	outside := netip.MustParseAddr("203.0.113.5")
	e := newEngine(t, func(c *media.Config) { c.Addresses = []media.Address{{Bind: loopback, Advertise: outside}} })
	s := e.NewSession(nil)
	defer s.Close()
	offer, err := s.NewLeg(sdesPhone.profile()).MakeOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	if at := parse(offer)[0].address; at != outside {
		t.Errorf("told %v, want %v", at, outside)
	}
	if bytes.Contains(offer, []byte(loopback.String())) {
		t.Errorf("the inner address is told:\n%s", offer)
	}
}

// TestFamilyOfMedia answers media of IPv6 there, though the signalling is of IPv4.
func TestFamilyOfMedia(t *testing.T) {
	six := netip.IPv6Loopback()
	e := newEngine(t, func(c *media.Config) { c.Addresses = []media.Address{{Bind: loopback}, {Bind: six}} })
	c := newCall(t, e, newPhoneAt(t, sdesPhone, six, "audio"), newPhone(t, plainPhone))
	if at := c.caller.lines[0].remote.Addr(); at != six {
		t.Errorf("answered %v", at)
	}
	c.talk(5)
}

// TestExtensionsOfLegs lets header extensions pass that both phones agreed to under
// one number, and makes padding of others; a MID (RFC 9143 §15) is for the relay.
func TestExtensionsOfLegs(t *testing.T) {
	const (
		level = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
		mid   = "urn:ietf:params:rtp-hdrext:sdes:mid"
	)
	extmaps := func(uris ...string) (lines []string) {
		for i, uri := range uris {
			lines = append(lines, fmt.Sprint("extmap:", i+1, " ", uri))
		}
		return lines
	}
	for _, tt := range []struct {
		name       string
		callee     flavour
		from, to   []string // extensions of both, counted from 1
		level, mid bool     // what passes of those that the caller sends as 1 and 2
	}{
		{"both know it", webPhone, extmaps(level, mid), extmaps(level, mid), true, false},
		{"under another number", webPhone, extmaps(level, mid), extmaps(mid, level), false, false},
		{"only the caller does", webPhone, extmaps(level, mid), nil, false, false},
		{"only the callee does", webPhone, nil, extmaps(level, mid), false, false},
		{"a telephone", sdesPhone, extmaps(level, mid), nil, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newEngine(t)
			caller, callee := newPhone(t, webPhone, "audio", "video"), newPhone(t, tt.callee, "audio")
			caller.lines[0].extra, callee.lines[0].extra = tt.from, tt.to
			newCall(t, e, caller, callee)
			from, to := caller.lines[0], callee.lines[0]
			p := from.next()
			if err := errors.Join(p.SetExtension(1, []byte{0x85}), p.SetExtension(2, []byte("0")), p.SetExtension(3, []byte{1, 2})); err != nil {
				t.Fatal(err)
			}
			from.media.conn.WriteToUDPAddrPort(from.seal(p), from.remote)
			to.await("the packet", func() bool { return len(to.heard) == 1 })
			got := to.heard[0]
			if bytes.Equal(got.GetExtension(1), []byte{0x85}) != tt.level || (got.GetExtension(2) != nil) != tt.mid || got.GetExtension(3) != nil {
				t.Errorf("extensions %v", got.Extensions)
			}
			if !bytes.Equal(got.Payload, p.Payload) {
				t.Error("another payload arrived")
			}
		})
	}
}
