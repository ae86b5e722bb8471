package rtp

import (
	"encoding/binary"
	"reflect"
	"testing"

	"github.com/pion/rtcp"
)

const all = PLI | SLI | RPSI | NACK | FIR | TMMBR | REMB

// line is a relay between a, whose SSRC is 0xA, and b, whose SSRC is 0xB: what
// each is sent, and what each asks.
type line struct {
	toA, toB     *Rewriter
	fromA, fromB *Feedback
}

func newLine(t *testing.T, allowedA Kinds) *line {
	t.Helper()
	l := &line{toA: NewRewriter(Video, true), toB: NewRewriter(Video, true)}
	for i := range uint16(20) {
		mustPass(t, l.toB, packet(0xA, 1000+i, 0, 96), vp8, second)
		mustPass(t, l.toA, packet(0xB, 7000+i, 0, 97), &Payload{From: 97, To: 96, Rate: 90000}, second)
	}
	l.fromA, l.fromB = NewFeedback(l.toA, allowedA), NewFeedback(l.toB, all)
	return l
}

// asks is what a reads when b sends those.
func (l *line) asks(t *testing.T, at int64, packets ...rtcp.Packet) []rtcp.Packet {
	t.Helper()
	b := l.fromB.Translate(nil, encode(t, packets...), l.fromA, at)
	if len(b) == 0 {
		return nil
	}
	return decode(t, b)
}

// limits makes a TMMBR or TMMBN of 1 Mbit/s; pion knows neither.
func limits(format uint8, sender uint32, about ...uint32) []byte {
	b := []byte{0x80 | format, typeRTPFB, 0, byte(2 + 2*len(about))}
	b = binary.BigEndian.AppendUint32(b, sender)
	b = binary.BigEndian.AppendUint32(b, 0)
	for _, ssrc := range about {
		b = binary.BigEndian.AppendUint32(b, ssrc)
		b = append(b, 0x0A, 0x12, 0x34, 0x28)
	}
	return b
}

// Every request reaches the sender in the sender's own numbers.
func TestRequestsAreTranslated(t *testing.T) {
	l := newLine(t, all)
	us, there := l.toB.SSRC(), l.toA.SSRC() // ours towards b, ours towards a
	out := func(in uint16) uint16 { return in + l.toB.shift }
	for name, c := range map[string]struct{ in, want rtcp.Packet }{
		"PLI": {
			&rtcp.PictureLossIndication{SenderSSRC: 0xB, MediaSSRC: us},
			&rtcp.PictureLossIndication{SenderSSRC: there, MediaSSRC: 0xA},
		},
		"SLI": {
			&rtcp.SliceLossIndication{SenderSSRC: 0xB, MediaSSRC: us, SLI: []rtcp.SLIEntry{{First: 3, Number: 4, Picture: 5}}},
			&rtcp.SliceLossIndication{SenderSSRC: there, MediaSSRC: 0xA, SLI: []rtcp.SLIEntry{{First: 3, Number: 4, Picture: 5}}},
		},
		"NACK": {
			&rtcp.TransportLayerNack{SenderSSRC: 0xB, MediaSSRC: us, Nacks: []rtcp.NackPair{{PacketID: out(1003), LostPackets: 0b1001}, {PacketID: out(1019)}}},
			&rtcp.TransportLayerNack{SenderSSRC: there, MediaSSRC: 0xA, Nacks: []rtcp.NackPair{{PacketID: 1003, LostPackets: 0b1001}, {PacketID: 1019}}},
		},
		"NACK across the change of source": {
			&rtcp.TransportLayerNack{SenderSSRC: 0xB, MediaSSRC: us, Nacks: []rtcp.NackPair{{PacketID: out(998), LostPackets: 0b1111}}},
			&rtcp.TransportLayerNack{SenderSSRC: there, MediaSSRC: 0xA, Nacks: []rtcp.NackPair{{PacketID: 1000, LostPackets: 0b11}}},
		},
		"REMB": {
			&rtcp.ReceiverEstimatedMaximumBitrate{SenderSSRC: 0xB, Bitrate: 1 << 20, SSRCs: []uint32{5, us}},
			&rtcp.ReceiverEstimatedMaximumBitrate{SenderSSRC: there, Bitrate: 1 << 20, SSRCs: []uint32{0xA}},
		},
	} {
		got := l.asks(t, second, c.in)
		if len(got) != 1 || !reflect.DeepEqual(got[0], c.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, c.want)
		}
	}
	if got := l.fromB.Translate(nil, limits(formatTMMBR, 0xB, 5, us), l.fromA, second); string(got) != string(limits(formatTMMBR, there, 0xA)) {
		t.Errorf("TMMBR: %x", got)
	}
	// The answer goes the other way: a says that we own its limit, b hears that it does.
	if got := l.fromA.Translate(nil, limits(formatTMMBN, 0xA, there), l.fromB, second); string(got) != string(limits(formatTMMBN, us, 0xB)) {
		t.Errorf("TMMBN: %x", got)
	}
	if got := l.fromA.Translate(nil, limits(formatTMMBN, 0xA), l.fromB, second); string(got) != string(limits(formatTMMBN, us)) {
		t.Errorf("empty TMMBN: %x", got)
	}
	rpsi := func(sender, media uint32, number byte) []byte {
		b := append([]byte{0x83, typePSFB, 0, 3}, binary.BigEndian.AppendUint32(nil, sender)...)
		return append(binary.BigEndian.AppendUint32(b, media), 0, number, 1, 2)
	}
	if got := l.fromB.Translate(nil, rpsi(0xB, us, 97), l.fromA, second); string(got) != string(rpsi(there, 0xA, 96)) {
		t.Errorf("RPSI: %x", got)
	}
	if got := l.fromB.Translate(nil, rpsi(0xB, us, 98), l.fromA, second); len(got) != 0 {
		t.Errorf("RPSI of another codec: %x", got)
	}
}

// What is about somebody else, for congestion control, or not agreed stays here.
func TestWhatIsNotPassed(t *testing.T) {
	l := newLine(t, PLI)
	us := l.toB.SSRC()
	for name, in := range map[string]rtcp.Packet{
		"PLI of another stream":  &rtcp.PictureLossIndication{SenderSSRC: 0xB, MediaSSRC: us + 1},
		"FIR of another stream":  &rtcp.FullIntraRequest{SenderSSRC: 0xB, FIR: []rtcp.FIREntry{{SSRC: us + 1}}},
		"transport-cc":           &rtcp.TransportLayerCC{SenderSSRC: 0xB, MediaSSRC: us},
		"NACK, not agreed":       &rtcp.TransportLayerNack{SenderSSRC: 0xB, MediaSSRC: us, Nacks: []rtcp.NackPair{{PacketID: uint16(l.toB.sent.highest)}}},
		"REMB, not agreed":       &rtcp.ReceiverEstimatedMaximumBitrate{SenderSSRC: 0xB, Bitrate: 1e6, SSRCs: []uint32{us}},
		"a report":               &rtcp.ReceiverReport{SSRC: 0xB},
		"resynchronisation":      &rtcp.RapidResynchronizationRequest{SenderSSRC: 0xB, MediaSSRC: us},
		"application layer, odd": &rtcp.RawPacket{0x8f, typePSFB, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 'R', 'E', 'M', 'X'},
	} {
		if got := l.asks(t, second, in); got != nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	l.fromA.SetAllowed(all)
	for name, in := range map[string]rtcp.Packet{
		"REMB of another stream": &rtcp.ReceiverEstimatedMaximumBitrate{SenderSSRC: 0xB, Bitrate: 1e6, SSRCs: []uint32{us + 1}},
		"SLI of another stream":  &rtcp.SliceLossIndication{SenderSSRC: 0xB, MediaSSRC: us + 1, SLI: []rtcp.SLIEntry{{First: 1}}},
		"NACK of before":         &rtcp.TransportLayerNack{SenderSSRC: 0xB, MediaSSRC: us, Nacks: []rtcp.NackPair{{PacketID: uint16(l.toB.base - 2)}}},
		"NACK of what is to come": &rtcp.TransportLayerNack{SenderSSRC: 0xB, MediaSSRC: us,
			Nacks: []rtcp.NackPair{{PacketID: uint16(l.toB.sent.highest + 1)}}},
	} {
		if got := l.asks(t, second, in); got != nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := l.fromB.Translate(nil, limits(formatTMMBR, 0xB, us+1), l.fromA, second); len(got) != 0 {
		t.Errorf("TMMBR of another stream: %x", got)
	}
	silent := NewFeedback(NewRewriter(Video, false), all)
	if got := silent.Translate(nil, encode(t, &rtcp.PictureLossIndication{}), l.fromA, second); len(got) != 0 {
		t.Errorf("a request before anything was sent: %x", got)
	}
	l.fromA.SetAllowed(0)
	if got := l.asks(t, second, &rtcp.PictureLossIndication{MediaSSRC: us}); got != nil {
		t.Errorf("to a phone that knows no feedback: %+v", got)
	}
}

// RFC 5104 §4.3.1: each command is obeyed once, however often it is repeated and
// whoever gives it.
func TestIntraRequests(t *testing.T) {
	l := newLine(t, FIR)
	us := l.toB.SSRC()
	at := second
	fir := func(number uint8) *rtcp.FullIntraRequest {
		return &rtcp.FullIntraRequest{SenderSSRC: 0xB, FIR: []rtcp.FIREntry{{SSRC: 5}, {SSRC: us, SequenceNumber: number}}}
	}
	expect := func(what string, got []rtcp.Packet, number uint8) {
		t.Helper()
		want := &rtcp.FullIntraRequest{SenderSSRC: l.toA.SSRC(), FIR: []rtcp.FIREntry{{SSRC: 0xA, SequenceNumber: number}}}
		if len(got) != 1 || !reflect.DeepEqual(got[0], want) {
			t.Fatalf("%s: %+v, want command %d", what, got, number)
		}
		at += second
	}
	expect("first", l.asks(t, at, fir(200)), 1)
	expect("the same again", l.asks(t, at, fir(200)), 1)
	expect("the next", l.asks(t, at, fir(201)), 2)
	expect("PLI where only FIR is known", l.asks(t, at, &rtcp.PictureLossIndication{MediaSSRC: us}), 3)
	expect("our own", decode(t, l.fromA.Picture(nil, 0xA, at)), 4)
	expect("the old form of RFC 2032", l.asks(t, at, &rtcp.RawPacket{0x80, typeOldFIR, 0, 1, 0, 0, 0, 0xB}), 5)
	l.fromB = NewFeedback(l.toB, all) // another branch, whose numbers begin anywhere
	expect("another party", l.asks(t, at, fir(201)), 6)

	l.fromA.SetAllowed(PLI)
	if got := l.asks(t, at, fir(202)); len(got) != 1 || got[0].(*rtcp.PictureLossIndication).MediaSSRC != 0xA {
		t.Fatalf("FIR where only PLI is known: %+v", got)
	}
	if got := l.asks(t, at+100*ms, fir(203), &rtcp.PictureLossIndication{MediaSSRC: us}); got != nil {
		t.Fatalf("a picture is on its way, and yet: %+v", got)
	}
}

// Where packets pass untouched, numbers and SSRCs do, too.
func TestRequestsBetweenUntouchedSides(t *testing.T) {
	l := newLine(t, all)
	l.toA.SetUntouched(true)
	l.toB.SetUntouched(true)
	mustPass(t, l.toB, packet(0xA, 5, 0, 96), nil, second)
	mustPass(t, l.toA, packet(0xB, 6, 0, 96), nil, second)
	nack := &rtcp.TransportLayerNack{SenderSSRC: 0xB, MediaSSRC: 0xA, Nacks: []rtcp.NackPair{{PacketID: 4, LostPackets: 1}}}
	if got := l.asks(t, second, nack); len(got) != 1 || !reflect.DeepEqual(got[0], rtcp.Packet(nack)) {
		t.Errorf("%+v", got)
	}
}
