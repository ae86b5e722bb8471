package rtp

import (
	"bytes"
	"testing"
	"time"

	"github.com/pion/rtp"
)

const (
	ms     = int64(time.Millisecond)
	second = int64(time.Second)
)

// voice is 20 ms of G.711 of one source, again and again.
type voice struct {
	ssrc uint32
	seq  uint16
	ts   uint32
	pt   uint8
}

// next makes the packet with that content.
func (v *voice) next(content ...byte) []byte {
	b := packet(v.ssrc, v.seq, v.ts, v.pt, content...)
	v.seq++
	v.ts += 160
	return b
}

// packet makes any packet.
func packet(ssrc uint32, seq uint16, ts uint32, pt uint8, content ...byte) []byte {
	p := rtp.Packet{
		Header:  rtp.Header{Version: 2, PayloadType: pt, SequenceNumber: seq, Timestamp: ts, SSRC: ssrc},
		Payload: content,
	}
	b, err := p.Marshal()
	if err != nil {
		panic(err)
	}
	return b
}

// read is what the peer makes of a packet.
func read(t *testing.T, b []byte) rtp.Packet {
	t.Helper()
	var p rtp.Packet
	if err := p.Unmarshal(bytes.Clone(b)); err != nil {
		t.Fatalf("a packet that nobody can read: %v", err)
	}
	return p
}

// rewrite sends a packet through, nil when it is dropped.
func rewrite(t *testing.T, r *Rewriter, b []byte, p *Payload, at int64) ([]byte, Verdict) {
	t.Helper()
	header, ok := Check(b)
	if !ok {
		t.Fatal("the test made a packet that is none")
	}
	b = bytes.Clone(b)
	if v := r.Rewrite(b, header, p, at); v != Pass {
		return nil, v
	}
	return b, Pass
}

// mustPass is rewrite of a packet that has to pass.
func mustPass(t *testing.T, r *Rewriter, b []byte, p *Payload, at int64) rtp.Packet {
	t.Helper()
	b, v := rewrite(t, r, b, p, at)
	if v != Pass {
		t.Fatalf("dropped: %v", v)
	}
	return read(t, b)
}

var (
	pcmu   = &Payload{From: 0, To: 0, Rate: 8000}
	opus   = &Payload{From: 96, To: 111, Rate: 48000}
	vp8    = &Payload{From: 96, To: 97, Rate: 90000}
	digits = &Payload{From: 101, To: 110, Rate: 8000, ToRate: 48000, Event: true}
)
