package rtp

import (
	"testing"

	"github.com/pion/rtcp"
)

// What a packet costs in each machine; the relay as a whole is measured elsewhere.

func BenchmarkCheck(b *testing.B) {
	p := packet(1, 2, 3, 0, make([]byte, 160)...)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := Check(p); !ok {
			b.Fatal("no packet")
		}
	}
}

func BenchmarkRewrite(b *testing.B) {
	for name, resend := range map[string]bool{"voice": false, "resend": true} {
		b.Run(name, func(b *testing.B) {
			r := NewRewriter(Audio, resend)
			p := packet(1, 2, 3, 0, make([]byte, 160)...)
			at, seq := second, uint16(0)
			b.ReportAllocs()
			for b.Loop() {
				SetSSRC(p, 1)
				SetSequence(p, seq)
				if r.Rewrite(p, 12, pcmu, at) != Pass {
					b.Fatal("dropped")
				}
				seq++
				at += 20 * ms
			}
		})
	}
}

func BenchmarkReceive(b *testing.B) {
	var r Receiver
	p := packet(1, 2, 3, 0, make([]byte, 160)...)
	at, seq := second, uint16(0)
	b.ReportAllocs()
	for b.Loop() {
		SetSequence(p, seq)
		SetTimestamp(p, uint32(seq)*160)
		if !r.Receive(p, 12, pcmu, at) {
			b.Fatal("refused")
		}
		seq++
		at += 20 * ms
	}
}

func BenchmarkReport(b *testing.B) {
	s, peer := newSide(), newSide()
	v := voice{ssrc: 1}
	for range 5 {
		p := v.next(1)
		s.out.Rewrite(p, 12, pcmu, second)
		peer.in.Receive(p, 12, pcmu, second)
	}
	buffer := make([]byte, 0, 256)
	now := 2 * second
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := peer.reports.Read(s.reports.Append(buffer, now, nil), now); !ok {
			b.Fatal("not understood")
		}
		now += 5 * second
	}
}

func BenchmarkTranslate(b *testing.B) {
	to, from := NewRewriter(Video, true), NewRewriter(Video, true)
	p := packet(0xA, 1000, 0, 96)
	to.Rewrite(p, 12, vp8, second)
	nack, err := rtcp.Marshal([]rtcp.Packet{&rtcp.TransportLayerNack{
		MediaSSRC: to.SSRC(), Nacks: []rtcp.NackPair{{PacketID: Sequence(p)}},
	}})
	if err != nil {
		b.Fatal(err)
	}
	asker, asked := NewFeedback(to, 0), NewFeedback(from, all)
	buffer := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		if len(asker.Translate(buffer, nack, asked, second)) == 0 {
			b.Fatal("nothing passed")
		}
	}
}
