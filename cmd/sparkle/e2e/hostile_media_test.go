package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/sparkleim/sparkle/cmd/sipload/agent"
)

// thief is somebody on the network who is not of the call, on an address of
// loopback. Nothing may ever reach him.
type thief struct {
	conn  *net.UDPConn
	heard atomic.Int64
}

func newThief(t *testing.T, ip string) *thief {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(ip)})
	if err != nil {
		t.Fatal(err)
	}
	a := &thief{conn: conn}
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
			t.Errorf("%d packets reached the thief at %s", n, ip)
		}
	})
	return a
}

func (a *thief) send(port int, b []byte) {
	a.conn.WriteToUDPAddrPort(b, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port)))
}

// spray sends streams with right and wrong payload types and sources to every port
// of a range: what looks for calls to listen to, or to speak into ("RTP bleed").
func (a *thief) spray(t *testing.T, first, last int, ssrcs ...uint32) {
	for _, ssrc := range append(ssrcs, 0xbadbad) {
		for _, number := range []uint8{0, 8, 127} {
			for i := range 3 {
				p := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: number, SSRC: ssrc, SequenceNumber: uint16(1001 + i), Timestamp: uint32(160 * i)},
					Payload: fmt.Appendf(nil, "%-160s", "injected")}
				b, err := p.Marshal()
				if err != nil {
					t.Fatal(err)
				}
				for port := first; port <= last; port++ {
					a.send(port, b)
				}
			}
		}
	}
}

// goodbye is RTCP that says that a source has left.
func goodbye(t *testing.T, ssrc uint32) []byte {
	b, err := rtcp.Marshal([]rtcp.Packet{&rtcp.ReceiverReport{SSRC: ssrc}, &rtcp.Goodbye{Sources: []uint32{ssrc}}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// badReports are RTCP that is cut off, lies about its length, or says goodbye for
// another.
func badReports(t *testing.T, ssrc uint32) (list [][]byte) {
	bye := goodbye(t, ssrc)
	for n := range len(bye) {
		list = append(list, bye[:n])
	}
	long := bytes.Clone(bye)
	long[2], long[3] = 0xff, 0xff
	many := bytes.Clone(bye)
	many[0] |= 0x1f
	return append(list, bye, long, many, append(bytes.Clone(bye), 0))
}

// S13 of the security rows. Strangers spray every port of the relay before the
// answer, in the call and on hold, from other addresses and, once the parties are
// known, from the address of one of them; they repeat what they caught and forge
// what they did not. They hear nothing, nobody hears them, and the call goes on.
func TestSprayedCall(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		policy string
		secure bool
		most   int // packets of a stranger that a party may hear
	}{
		{"SRTP", "require", true, 0},
		{"plain RTP", "prefer", false, 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			settings := map[string]string{"srtp": fmt.Sprintf("%q", tt.policy)}
			first, last := mediaPorts(settings, 100)
			s := startOffice(t, settings)
			far := newThief(t, "127.0.0.66")
			alice, bob := s.newSpeaker(t, "alice", "tls", tt.secure), s.newSpeaker(t, "bob", "tls", tt.secure)
			known := []uint32{alice.header.SSRC, bob.header.SSRC}

			bob.before(func(*agent.Message) { far.spray(t, first, last, known...) })
			d := alice.call(t, "bob")
			bob.before(nil)
			far.spray(t, first, last, known...)
			talk(t, alice, bob)
			far.spray(t, first, last, known...)
			talk(t, alice, bob)

			near := newThief(t, "127.0.0.1") // as a neighbour behind the same NAT
			near.spray(t, first, last, known...)
			talk(t, alice, bob)
			alice.again(t, d, "sendonly")
			for _, a := range []*thief{far, near} {
				a.spray(t, first, last, known...)
			}
			alice.again(t, d, "sendrecv")
			talk(t, alice, bob)

			disturb(t, far, near, alice, bob)
			talk(t, alice, bob)
			drops := s.metric(t, "sparkle_media_drops_total")
			flood(t, far, first, last, 100_000, func() { talk(t, alice, bob) })
			eventually(t, limit, "the drops are counted", func() bool { return s.metric(t, "sparkle_media_drops_total") > drops+1000 })

			for _, ends := range [][2]*speaker{{alice, bob}, {bob, alice}} {
				if n := ends[0].strange(ends[1].User); n > tt.most {
					t.Errorf("%s hears %d packets of a stranger, want at most %d: %v", ends[0].User, n, tt.most, ends[0].heard)
				}
			}
			if tt.secure && s.metric(t, `sparkle_media_drops_total{reason="replay"}`) == 0 {
				t.Error("replays were not counted")
			}
			if tt.secure && s.metric(t, `sparkle_media_drops_total{reason="wrong_tag"}`) == 0 {
				t.Error("wrong tags were not counted")
			}
			eventually(t, limit, "an attack is counted", func() bool { return s.metric(t, `sparkle_media_events_total{kind="attack"}`) > 0 })
			s.wantInLog(t, "packets from elsewhere arrive at a call")
			if err := d.Bye(short(t)); err != nil {
				t.Error(err)
			}
			s.allReturned(t)
			if n := s.metric(t, "sparkle_media_failures_total"); n != 0 {
				t.Errorf("%v sessions failed", n)
			}
		})
	}
}

// A carrier's media is plain, and comes only from where it said: of a stranger not
// one packet is heard, be it before the carrier's first.
func TestSprayedTrunk(t *testing.T) {
	t.Parallel()
	settings := map[string]string{}
	first, last := mediaPorts(settings, 100)
	s := startOffice(t, settings)
	far, near := newThief(t, "127.0.0.66"), newThief(t, "127.0.0.1")
	outside := giveVoice(t, s.newGateway(t).Agent, "127.0.0.9", false)
	alice := s.newSpeaker(t, "alice", "tls", true)
	spray := func() {
		for _, a := range []*thief{far, near} {
			a.spray(t, first, last, alice.header.SSRC, outside.header.SSRC)
		}
	}
	outside.before(func(*agent.Message) { spray() })
	d := alice.call(t, "01012345678")
	outside.before(nil)
	spray()
	talk(t, alice, outside)
	spray()
	for _, b := range append(badReports(t, outside.header.SSRC), outside.sent[0]) {
		far.send(int(outside.remote().Port()), b)
		near.send(int(outside.remote().Port())+1, b)
	}
	alice.again(t, d, "sendonly")
	spray()
	alice.again(t, d, "sendrecv")
	talk(t, alice, outside)
	if n := alice.strange("carrier") + outside.strange("alice"); n > 0 {
		t.Errorf("%d packets of strangers were heard: %v %v", n, alice.heard, outside.heard)
	}
	if s.metric(t, `sparkle_media_drops_total{reason="wrong_source"}`) == 0 {
		t.Error("packets of strangers were not counted")
	}
	if err := d.Bye(short(t)); err != nil {
		t.Error(err)
	}
	s.allReturned(t)
	s.unharmed(t)
}

// disturb repeats, forges and cuts what the parties sent, from the thieves and
// through the parties' own sockets (which is what a forged address looks like).
func disturb(t *testing.T, far, near *thief, alice, bob *speaker) {
	for _, p := range []*speaker{alice, bob} {
		port := int(p.remote().Port())
		for _, b := range p.sent[max(0, len(p.sent)-20):] {
			wrong := bytes.Clone(b)
			wrong[len(wrong)-1] ^= 1
			for _, send := range []func(int, []byte){far.send, near.send, p.forged} {
				if p.secure { // without tags, what the peer's own address says is the peer's
					send(port, b)
					send(port, wrong)
				}
			}
			far.send(port, b)
			near.send(port, wrong)
		}
		for _, b := range badReports(t, p.header.SSRC) {
			for _, to := range []int{port, port + 1} {
				far.send(to, b)
				near.send(to, b)
			}
			p.rtcp.WriteToUDPAddrPort(b, netip.AddrPortFrom(p.remote().Addr(), uint16(port+1)))
		}
	}
	// A phone that restarts its stream has another SSRC and goes on anywhere.
	for range 4 {
		alice.mu.Lock()
		alice.header.SSRC++
		alice.header.SequenceNumber += 17_000
		alice.header.Timestamp += 1 << 30
		alice.mu.Unlock()
		talk(t, alice, bob)
	}
}

// forged sends from the speaker's own address what it did not mean to send.
func (p *speaker) forged(port int, b []byte) {
	p.rtp.WriteToUDPAddrPort(b, netip.AddrPortFrom(p.remote().Addr(), uint16(port)))
}

// flood sends n datagrams of noise to a range of ports, with pauses in which the
// call is looked after.
func flood(t *testing.T, a *thief, first, last, n int, meanwhile func()) {
	source := rand.NewChaCha8([32]byte([]byte(fmt.Sprintf("%32d", first))))
	b := make([]byte, 1400)
	source.Read(b)
	for i := range n {
		source.Read(b[:64])
		switch i % 5 { // RTP, RTCP, STUN, DTLS, anything
		case 0:
			b[0] = 0x80
		case 1:
			b[0], b[1] = 0x81, 200
		case 2:
			copy(b, "\x00\x01\x00\x08\x21\x12\xa4\x42")
		case 3:
			copy(b, "\x16\xfe\xff\x00\x00")
		}
		a.send(first+i%(last-first+1), b[:1+rand.IntN(200)])
		if i%20_000 == 0 {
			meanwhile()
		}
	}
	meanwhile()
}

// wantInLog waits until the server's log has a text.
func (s *server) wantInLog(t *testing.T, text string) {
	t.Helper()
	eventually(t, limit, "the log says: "+text, func() bool {
		b, err := os.ReadFile(s.log.Name())
		return err == nil && strings.Contains(string(b), text)
	})
}

// allReturned waits until no port, leg and session is in use.
func (s *server) allReturned(t *testing.T) {
	t.Helper()
	eventually(t, limit, "ports, legs and sessions are given back", func() bool {
		return s.metric(t, `sparkle_media_ports{state="used"}`) == 0 && s.metric(t, "sparkle_media_sessions") == 0 && s.metric(t, "sparkle_media_legs") == 0
	})
}
