//go:build !386 && !s390x && !portable

package transport

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// relayed hands what it gets to somebody.
type relayed struct {
	out *Socket
	to  netip.AddrPort
}

func (r *relayed) Packet(b []byte, _ netip.AddrPort, _ int64) { r.out.Send(b, r.to) }

// callsTo opens one side of calls, each of which relays to an address.
func callsTo(b *testing.B, l *Loop, calls int, to netip.AddrPort) []netip.AddrPort {
	var ports []netip.AddrPort
	for range calls {
		h := &relayed{to: to}
		in := open(b, l, loopback4, h.Packet, ignore)
		out := open(b, l, loopback4, ignore, ignore)
		l.Do(func() { h.out = out.RTP })
		ports = append(ports, in.RTP.Local())
	}
	return ports
}

// cpu is what the thread of a loop has used.
func cpu(l *Loop) (used time.Duration) {
	l.Do(func() {
		var u unix.Rusage
		if unix.Getrusage(unix.RUSAGE_THREAD, &u) == nil {
			used = time.Duration(unix.TimevalToNsec(u.Utime) + unix.TimevalToNsec(u.Stime))
		}
	})
	return used
}

// BenchmarkBurst relays one stream as fast as it can: the price of a packet
// without waking up for it. The system's delivery of what is sent is part of it.
func BenchmarkBurst(b *testing.B) {
	l := start(b, Config{Loops: 1}).Loop()
	p := newPhone(b, loopback4)
	port := callsTo(b, l, 1, p.addr())[0]
	packet := make([]byte, 172)
	before := cpu(l)
	b.ReportAllocs()
	for b.Loop() {
		const burst = 32
		for range burst {
			_, _ = p.WriteToUDPAddrPort(packet, port)
		}
		for range burst {
			_, _, _ = p.ReadFromUDPAddrPort(packet)
		}
	}
	b.ReportMetric(float64(cpu(l)-before)/float64(l.received.Load()), "cpu-ns/packet")
}

// BenchmarkVoice relays the packets of 200 calls, 20 in each ms: the price of a
// packet with all that waking up for it costs, and how late it is.
func BenchmarkVoice(b *testing.B) {
	const streams, every = 400, 20 * time.Millisecond
	l := start(b, Config{Loops: 1}).Loop()
	sink, source := newPhone(b, loopback4), newPhone(b, loopback4)
	_ = sink.SetReadBuffer(4 << 20) // its goroutine may have to wait
	ports := callsTo(b, l, streams, sink.addr())
	began := time.Now()
	delays := make(chan []time.Duration)
	go func() {
		var all []time.Duration
		packet := make([]byte, 2048)
		for range b.N {
			_ = sink.SetReadDeadline(time.Now().Add(time.Second))
			if _, _, err := sink.ReadFromUDPAddrPort(packet); err != nil {
				break
			}
			all = append(all, time.Since(began)-time.Duration(binary.BigEndian.Uint64(packet[12:])))
		}
		delays <- all
	}()
	before := cpu(l)
	packet := make([]byte, 172)
	for i := range b.N {
		if due := time.Duration(i) * every / streams; i%20 == 0 {
			time.Sleep(due - time.Since(began))
		}
		binary.BigEndian.PutUint64(packet[12:], uint64(time.Since(began)))
		_, _ = source.WriteToUDPAddrPort(packet, ports[i%streams])
	}
	all := <-delays
	slices.Sort(all)
	b.ReportMetric(float64(cpu(l)-before)/float64(b.N), "cpu-ns/packet")
	b.ReportMetric(float64(all[len(all)*99/100])/1e6, "p99-ms")
	b.ReportMetric(float64(b.N-len(all)), "lost")
}
