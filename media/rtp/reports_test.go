package rtp

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtcp"
)

// side is one end of a line: what it receives, sends and reports.
type side struct {
	in      Receiver
	out     *Rewriter
	reports *Reports
}

func newSide() *side {
	s := &side{out: NewRewriter(Audio, false)}
	s.reports = NewReports(NewCNAME(), &s.in, s.out)
	return s
}

// send sends one packet of v to the other end; nil other: it is lost.
func (s *side) send(t *testing.T, v *voice, other *side, at, delay int64) {
	t.Helper()
	b, verdict := rewrite(t, s.out, v.next(1, 2, 3), pcmu, at)
	if verdict != Pass {
		t.Fatal(verdict)
	}
	if other != nil {
		receive(t, &other.in, b, at+delay)
	}
}

// decode is what another implementation reads in a compound.
func decode(t *testing.T, b []byte) []rtcp.Packet {
	t.Helper()
	packets, err := rtcp.Unmarshal(bytes.Clone(b))
	if err != nil {
		t.Fatalf("nobody can read %x: %v", b, err)
	}
	return packets
}

func encode(t *testing.T, packets ...rtcp.Packet) []byte {
	t.Helper()
	b, err := rtcp.Marshal(packets)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Two ends talk over a line of 40 ms each way that loses every tenth packet of
// one direction; both learn it.
func TestReportsOfACall(t *testing.T) {
	const delay = 40 * ms
	a, b := newSide(), newSide()
	talkA, talkB := voice{ssrc: 1}, voice{ssrc: 2, seq: 500}
	at, reports := second, 0
	for i := range 3000 { // a minute
		at += 20 * ms
		to := b
		if i%10 == 5 {
			to = nil
		}
		a.send(t, &talkA, to, at, delay)
		b.send(t, &talkB, a, at, delay)
		for _, ends := range [][2]*side{{a, b}, {b, a}} {
			if from, to := ends[0], ends[1]; from.reports.Due(at) {
				reports++
				packet := from.reports.Append(nil, at, nil)
				if len(packet) > 256 {
					t.Fatalf("a report of %d bytes", len(packet))
				}
				if _, ok := to.reports.Read(packet, at+delay); !ok {
					t.Fatalf("not understood: %x", packet)
				}
			}
		}
	}
	if reports < 20 || reports > 45 {
		t.Errorf("%d reports in a minute of two ends", reports)
	}
	for name, s := range map[string]*side{"a": a, "b": b} {
		if trip := s.reports.Remote().RoundTrip; trip < 79*time.Millisecond || trip > 81*time.Millisecond {
			t.Errorf("%s: round trip %v", name, trip)
		}
	}
	if r := a.reports.Remote(); math.Abs(r.Fraction-0.1) > 0.02 || r.Lost < 250 || r.Lost > 300 {
		t.Errorf("a's loss as b sees it: %+v", r)
	}
	if r := b.reports.Remote(); r.Lost != 0 || r.Fraction != 0 {
		t.Errorf("b's loss as a sees it: %+v", r)
	}
}

// What a report looks like to others.
func TestReportOnTheWire(t *testing.T) {
	s, peer := newSide(), newSide()
	v, w := voice{ssrc: 1}, voice{ssrc: 2}
	for i := range int64(10) {
		s.send(t, &v, nil, second+i*20*ms, 0)
		if i != 4 {
			peer.send(t, &w, s, second+i*20*ms, 0)
		} else {
			peer.send(t, &w, nil, second+i*20*ms, 0)
		}
	}
	packets := decode(t, s.reports.Goodbye([]byte{}, 2*second, nil))
	sr := packets[0].(*rtcp.SenderReport)
	if sr.SSRC != s.out.SSRC() || sr.PacketCount != 10 || sr.OctetCount != 30 || sr.NTPTime != 2<<32 || len(sr.Reports) != 1 {
		t.Errorf("%+v", sr)
	}
	if want := s.out.lastTS + (1000-180)*8; sr.RTPTime != want {
		t.Errorf("timestamp %d, want %d", sr.RTPTime, want)
	}
	block := sr.Reports[0]
	if block.SSRC != peer.out.SSRC() || block.TotalLost != 1 || block.FractionLost != 25 || block.Delay != 0 ||
		uint16(block.LastSequenceNumber) != uint16(peer.out.sent.highest) {
		t.Errorf("%+v", block)
	}
	name := packets[1].(*rtcp.SourceDescription).Chunks[0]
	if name.Source != s.out.SSRC() || name.Items[0].Type != rtcp.SDESCNAME || len(name.Items[0].Text) != 16 {
		t.Errorf("%+v", name)
	}
	if bye := packets[2].(*rtcp.Goodbye); !slices.Equal(bye.Sources, []uint32{s.out.SSRC()}) {
		t.Errorf("%+v", bye)
	}

	// Nothing more is sent or received: two intervals later it is an empty RR.
	s.reports.Append(nil, 7*second, nil)
	quiet := decode(t, s.reports.Append(nil, 12*second, nil))
	if rr, ok := quiet[0].(*rtcp.ReceiverReport); !ok || rr.SSRC != s.out.SSRC() || len(rr.Reports) != 0 {
		t.Errorf("%+v", quiet[0])
	}
	if prefix := decode(t, s.reports.Prefix(nil)); len(prefix) != 2 {
		t.Errorf("%+v", prefix)
	}
}

// The clock of the sender goes through, so that voice and picture of it stay
// together whatever the relay's clock is.
func TestSendersClockGoesThrough(t *testing.T) {
	caller, callee := newSide(), newSide() // the relay's sides
	at := 100 * second
	v := voice{ssrc: 0xAA, ts: 5000}
	b := v.next()
	receive(t, &caller.in, b, at)
	out, _ := rewrite(t, callee.out, b, pcmu, at)
	shift := Timestamp(out) - 5000
	receive(t, &caller.in, v.next(), at)
	const ntp = uint64(0xE0000000_80000000)
	caller.reports.Read(encode(t, &rtcp.SenderReport{SSRC: 0xAA, NTPTime: ntp, RTPTime: 4000}), at)
	caller.reports.Read(encode(t, &rtcp.SenderReport{SSRC: 0xAA, RTPTime: 77}), at) // it has no wall clock
	at += 1500 * ms
	sr := decode(t, callee.reports.Append(nil, at, &caller.in))[0].(*rtcp.SenderReport)
	if sr.NTPTime != ntp+3<<31 || sr.RTPTime != 4000+shift+12_000 {
		t.Errorf("%x %d, want %x %d", sr.NTPTime, sr.RTPTime, ntp+3<<31, 4000+shift+12_000)
	}
	// And the caller gets back what it needs to measure its round trip.
	block := decode(t, caller.reports.Append(nil, at, &callee.in))[0].(*rtcp.ReceiverReport).Reports[0]
	if block.LastSenderReport != uint32(ntp>>16&0xFFFFFFFF) || block.Delay != 3<<15 {
		t.Errorf("%+v", block)
	}
}

// RFC 3550 §8.2: the peer happens to use our SSRC; we take another, once.
func TestCollision(t *testing.T) {
	s := newSide()
	v := voice{ssrc: 1}
	s.send(t, &v, nil, second, 0)
	old := s.out.SSRC()
	theirs := voice{ssrc: old}
	receive(t, &s.in, theirs.next(), second)
	packets := decode(t, s.reports.Append(nil, second, nil))
	if bye := packets[len(packets)-1].(*rtcp.Goodbye); bye.Sources[0] != old {
		t.Errorf("%+v", bye)
	}
	fresh := s.out.SSRC()
	if fresh == old {
		t.Fatal("the SSRC is still the same")
	}
	s.send(t, &v, nil, 2*second, 0)
	echo := voice{ssrc: fresh}
	receive(t, &s.in, echo.next(), 2*second)
	s.reports.Append(nil, 2*second, nil)
	if s.out.SSRC() != fresh {
		t.Error("it ran away from its own echo")
	}
}

// A receiver that sends nothing asks for the round trip (RFC 3611 §4.4, §4.5),
// and tells what it thinks of the voice (§4.7).
func TestExtendedReports(t *testing.T) {
	s := newSide()
	asked := encode(t, &rtcp.ExtendedReport{SenderSSRC: 7, Reports: []rtcp.ReportBlock{
		&rtcp.ReceiverReferenceTimeReportBlock{NTPTimestamp: 0x1111_22223333_4444},
		&rtcp.VoIPMetricsReportBlock{SSRC: s.out.SSRC(), MOSLQ: 42, MOSCQ: 127},
		&rtcp.VoIPMetricsReportBlock{SSRC: 12345, MOSLQ: 11, MOSCQ: 11},
	}})
	if _, ok := s.reports.Read(asked, second); !ok {
		t.Fatalf("not understood: %x", asked)
	}
	if mos := s.reports.Remote().MOS; mos != 4.2 {
		t.Errorf("MOS %v", mos)
	}
	packets := decode(t, s.reports.Append(nil, 2*second, nil))
	answer := packets[len(packets)-1].(*rtcp.ExtendedReport).Reports[0].(*rtcp.DLRRReportBlock).Reports
	if want := (rtcp.DLRRReport{SSRC: 7, LastRR: 0x22223333, DLRR: 1 << 16}); len(answer) != 1 || answer[0] != want {
		t.Errorf("%+v", answer)
	}
	if again := decode(t, s.reports.Append(nil, 3*second, nil)); len(again) != 2 {
		t.Errorf("answered twice: %+v", again)
	}
}

// RTCP that is cut anywhere, or lies about a length, changes nothing at all.
func TestMalformedHasNoEffect(t *testing.T) {
	s, peer := newSide(), newSide()
	v, w := voice{ssrc: 1}, voice{ssrc: 2}
	for i := range int64(5) {
		s.send(t, &v, peer, second+i*ms, 0)
		peer.send(t, &w, s, second+i*ms, 0)
	}
	peer.reports.Read(s.reports.Append(nil, 2*second, nil), 2*second)
	whole := peer.reports.Goodbye(nil, 3*second, nil)
	boundaries := map[int]bool{}
	for rest := whole; len(rest) > 0; {
		_, rest = next(rest)
		boundaries[len(whole)-len(rest)] = true
	}
	before, sources := *s.reports, s.in
	refused := func(name string, b []byte) {
		t.Helper()
		if heard, ok := s.reports.Read(b, 3*second); ok || heard != (Heard{}) || *s.reports != before || s.in != sources {
			t.Errorf("%s had an effect: %v %+v", name, ok, heard)
		}
	}
	for n := range whole {
		if !boundaries[n] {
			refused("cut", whole[:n])
		}
	}
	for name, change := range map[string]func(b []byte){
		"version 1":                  func(b []byte) { b[0] = 0x41 },
		"more blocks than there are": func(b []byte) { b[0] |= 0x1f },
		"length past the end":        func(b []byte) { b[2] = 1 },
		"length too short":           func(b []byte) { b[3] -= 3 },
		"not RTCP":                   func(b []byte) { b[1] = 96 },
		"padding in the first":       func(b []byte) { b[0] |= 0x20 },
		"padding without end":        func(b []byte) { b[len(b)-8] |= 0x20; b[len(b)-1] = 200 },
		"padding of three":           func(b []byte) { b[len(b)-8] |= 0x20; b[len(b)-1] = 3 },
		"BYE of 31 sources":          func(b []byte) { b[len(b)-8] |= 31 },
	} {
		b := bytes.Clone(whole)
		change(b)
		refused(name, b)
	}
	refused("nothing", nil)
	refused("XR whose block is longer", []byte{0x80, typeXR, 0, 2, 0, 0, 0, 1, blockReference, 0, 0, 2})
	refused("RTCP of an odd length", append(bytes.Clone(whole), 0x80, typeBYE))
	if heard, ok := s.reports.Read(whole, 4*second); !ok || !heard.Bye {
		t.Errorf("the whole of it was not understood: %+v %v", heard, ok)
	}
	if s.reports.Remote().RoundTrip != time.Second || s.in.count != 0 {
		t.Errorf("%+v, %d sources", s.reports.Remote(), s.in.count)
	}
}

// Times that nobody sent, and delays longer than the trip, give no round trip.
func TestImpossibleRoundTrips(t *testing.T) {
	s := newSide()
	v := voice{ssrc: 1}
	s.send(t, &v, nil, second, 0)
	s.reports.Append(nil, 2*second, nil)
	for name, block := range map[string]rtcp.ReceptionReport{
		"no report yet":     {},
		"of another time":   {LastSenderReport: 0x77777777, Delay: 1},
		"kept for too long": {LastSenderReport: 2 << 16, Delay: 5 << 16},
	} {
		block.SSRC = s.out.SSRC()
		if _, ok := s.reports.Read(encode(t, &rtcp.ReceiverReport{SSRC: 9, Reports: []rtcp.ReceptionReport{block}}), 3*second); !ok {
			t.Fatal("not understood")
		}
		if trip := s.reports.Remote().RoundTrip; trip != 0 {
			t.Errorf("%s: %v", name, trip)
		}
	}
	others := rtcp.ReceptionReport{SSRC: s.out.SSRC() + 1, FractionLost: 9, TotalLost: 9}
	s.reports.Read(encode(t, &rtcp.ReceiverReport{SSRC: 9, Reports: []rtcp.ReceptionReport{others}}), 3*second)
	if got := s.reports.Remote(); got != (Remote{}) {
		t.Errorf("a report about another stream: %+v", got)
	}
	// Lost may be negative when packets came twice (RFC 3550 §6.4.1).
	twice := encode(t, &rtcp.ReceiverReport{SSRC: 9, Reports: []rtcp.ReceptionReport{{SSRC: s.out.SSRC()}}})
	binary.BigEndian.PutUint32(twice[12:], 0x00FFFFFE)
	s.reports.Read(twice, 3*second)
	if lost := s.reports.Remote().Lost; lost != 0 {
		t.Errorf("lost %d", lost)
	}
}

// RFC 3550 §6.3.1: at random, 4.1 s in the mean.
func TestInterval(t *testing.T) {
	sum := time.Duration(0)
	for range 10_000 {
		d := time.Duration(interval())
		if d < 2*time.Second || d > 6200*time.Millisecond {
			t.Fatal(d)
		}
		sum += d
	}
	if mean := sum / 10_000; mean < 4*time.Second || mean > 4200*time.Millisecond {
		t.Errorf("mean %v", mean)
	}
}

// FuzzControl: whatever comes as RTCP, nothing breaks, and what is passed on
// another implementation can read.
func FuzzControl(f *testing.F) {
	for _, p := range []rtcp.Packet{
		&rtcp.SenderReport{SSRC: 2, Reports: []rtcp.ReceptionReport{{SSRC: 1}}},
		&rtcp.Goodbye{Sources: []uint32{2}, Reason: "over"},
		&rtcp.PictureLossIndication{SenderSSRC: 2, MediaSSRC: 1},
		&rtcp.FullIntraRequest{SenderSSRC: 2, FIR: []rtcp.FIREntry{{SSRC: 1, SequenceNumber: 3}}},
		&rtcp.TransportLayerNack{SenderSSRC: 2, MediaSSRC: 1, Nacks: []rtcp.NackPair{{PacketID: 100, LostPackets: 5}}},
		&rtcp.ReceiverEstimatedMaximumBitrate{SenderSSRC: 2, Bitrate: 1e6, SSRCs: []uint32{1}},
		&rtcp.ExtendedReport{SenderSSRC: 2, Reports: []rtcp.ReportBlock{&rtcp.ReceiverReferenceTimeReportBlock{NTPTimestamp: 5}}},
	} {
		b, err := p.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add(limits(formatTMMBN, 2, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := newSide()
		s.out.ssrc, s.out.source, s.out.fresh = 1, 0xAA, false
		s.out.base, s.out.sent.highest, s.out.payload = 50, 200, vp8
		receive(t, &s.in, packet(2, 1, 1, 0), second)
		before := *s.reports
		heard, ok := s.reports.Read(b, second)
		if !ok && (heard != Heard{} || before != *s.reports) {
			t.Fatal("malformed, and yet it had an effect")
		}
		if again := s.reports.Append(nil, 2*second, nil); !wellFormed(again) {
			t.Fatalf("our own report is malformed: %x", again)
		}
		from := NewFeedback(s.out, 0)
		passed := from.Translate(nil, b, NewFeedback(NewRewriter(Video, true), ^Kinds(0)), second)
		if len(passed) > 0 {
			if heard.Feedback == 0 || !wellFormed(passed) {
				t.Fatalf("%x became %x", b, passed)
			}
			decode(t, passed)
		}
	})
}
