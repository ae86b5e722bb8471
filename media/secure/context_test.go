package secure

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// pair makes both ends of one direction.
func pair(t testing.TB, suite Suite) (*Outbound, *Inbound) {
	t.Helper()
	key := NewKey(suite)
	out, err := NewOutbound(suite, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	in, err := NewInbound(suite, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out, in
}

func protect(t testing.TB, out *Outbound, plain []byte) []byte {
	t.Helper()
	b, err := out.RTP(bytes.Clone(plain))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRollOver sends 70,000 packets and more through a network that loses some,
// exchanges others and repeats others: each that comes is read once, over two
// ends of the sequence numbers.
func TestRollOver(t *testing.T) {
	for _, network := range []struct {
		name            string
		lost, displaced int // of a thousand packets; how many places at most
	}{
		{"good", 0, 0},
		{"with loss", 200, 0},
		{"with exchanges", 0, 100},
		{"with both", 200, 100},
	} {
		t.Run(network.name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(3, 4))
			out, in := pair(t, AEAD_AES_128_GCM)
			type sent struct {
				plain, packet []byte
				place         int
			}
			var way []sent
			seq := uint16(60000)
			for i := range 140_000 {
				plain := rtpPacket(7, seq, 3)
				seq++
				packet := protect(t, out, plain)
				if random.IntN(1000) < network.lost {
					continue
				}
				place := i
				if network.displaced > 0 && random.IntN(10) == 0 && i > 200 {
					place += random.IntN(network.displaced)
				}
				way = append(way, sent{plain, packet, place})
			}
			slices.SortStableFunc(way, func(a, b sent) int { return a.place - b.place })
			for i, s := range way {
				again := bytes.Clone(s.packet)
				got, err := in.RTP(s.packet)
				if err != nil || !bytes.Equal(got, s.plain) {
					t.Fatalf("packet %d: %v", i, err)
				}
				if _, err := in.RTP(again); !errors.Is(err, ErrReplay) {
					t.Fatalf("packet %d once more: %v", i, err)
				}
			}
		})
	}
}

// TestReplayOfLongAgo: a packet does not come back, in the window or out of it.
func TestReplayOfLongAgo(t *testing.T) {
	out, in := pair(t, AES_CM_128_HMAC_SHA1_80)
	first := protect(t, out, rtpPacket(7, 1, 20))
	if _, err := in.RTP(bytes.Clone(first)); err != nil {
		t.Fatal(err)
	}
	for seq := uint16(2); seq < 70; seq++ {
		if _, err := in.RTP(protect(t, out, rtpPacket(7, seq, 20))); err != nil {
			t.Fatal(err)
		}
		if _, err := in.RTP(bytes.Clone(first)); !errors.Is(err, ErrReplay) {
			t.Fatalf("the first packet again, %d later: %v", seq, err)
		}
	}
	for seq := uint16(70); seq < 30000; seq += 100 {
		if _, err := in.RTP(protect(t, out, rtpPacket(7, seq, 20))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := in.RTP(bytes.Clone(first)); !errors.Is(err, ErrReplay) {
		t.Fatalf("the first packet again, out of the window: %v", err)
	}
}

// TestBadPackets changes every byte of packets, and cuts them everywhere: none is
// read, none is remembered, none costs an allocation, and the good one is read
// after all.
func TestBadPackets(t *testing.T) {
	for suite := range suites {
		t.Run(suite.String(), func(t *testing.T) {
			out, in := pair(t, suite)
			good := protect(t, out, rtpPacket(7, 9, 40))
			goodRTCP, err := out.RTCP(rtcpPacket(7, 40))
			if err != nil {
				t.Fatal(err)
			}
			for name, c := range map[string]struct {
				packet []byte
				read   func([]byte) ([]byte, error)
			}{"RTP": {good, in.RTP}, "RTCP": {goodRTCP, in.RTCP}} {
				for i := range c.packet {
					bad := bytes.Clone(c.packet)
					bad[i] ^= 1 << (i % 8)
					if _, err := c.read(bad); err == nil {
						t.Fatalf("%s with byte %d changed was read", name, i)
					}
					bad = bytes.Clone(c.packet[:i])
					if _, err := c.read(bad); err == nil {
						t.Fatalf("%s of %d bytes was read", name, i)
					}
				}
				bad := bytes.Clone(c.packet)
				bad[len(bad)-5] ^= 1 // of the tag, or of the tag's end for GCM
				buffer := make([]byte, len(bad))
				if n := testing.AllocsPerRun(100, func() { c.read(buffer[:copy(buffer, bad)]) }); n != 0 { // it fails
					t.Errorf("a bad %s packet allocates %v times", name, n)
				}
				if len(in.rtp.list)+len(in.rtcp.list) > 1 {
					t.Errorf("a bad %s packet is remembered", name)
				}
				if _, err := c.read(bytes.Clone(c.packet)); err != nil {
					t.Errorf("the good %s packet: %v", name, err)
				}
			}
		})
	}
}

// TestMKI: the identifier is not under the tag of every suite, and still must be
// the one that was agreed.
func TestMKI(t *testing.T) {
	for suite := range suites {
		key := NewKey(suite)
		out, err := NewOutbound(suite, key, []byte{1, 2})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			mki  []byte
			want error
		}{{[]byte{1, 3}, ErrAuthentication}, {nil, ErrAuthentication}, {[]byte{1, 2}, nil}} {
			in, err := NewInbound(suite, key, c.mki)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := in.RTP(protect(t, out, rtpPacket(7, 1, 40))); !errors.Is(err, c.want) {
				t.Errorf("%v: RTP with MKI %v: %v", suite, c.mki, err)
			}
			report, err := out.RTCP(rtcpPacket(7, 40))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := in.RTCP(report); !errors.Is(err, c.want) {
				t.Errorf("%v: RTCP with MKI %v: %v", suite, c.mki, err)
			}
		}
	}
}

// TestErrors names the reason of each.
func TestErrors(t *testing.T) {
	out, in := pair(t, AES_CM_128_HMAC_SHA1_80)
	packet := protect(t, out, rtpPacket(7, 9, 40))
	foreign, _ := pair(t, AES_CM_128_HMAC_SHA1_80)
	report, err := out.RTCP(rtcpPacket(7, 20))
	if err != nil {
		t.Fatal(err)
	}
	clear := bytes.Clone(report)
	clear[len(clear)-14] &^= 0x80 // the E bit
	for _, c := range []struct {
		name   string
		read   func([]byte) ([]byte, error)
		packet []byte
		want   error
	}{
		{"another key", in.RTP, protect(t, foreign, rtpPacket(7, 9, 40)), ErrAuthentication},
		{"plain RTP", in.RTP, rtpPacket(7, 9, 40), ErrAuthentication},
		{"nothing", in.RTP, nil, ErrShort},
		{"a header", in.RTP, rtpPacket(7, 9, 0), ErrShort},
		{"an extension that is longer than the packet", in.RTP, append([]byte{0x90, 11: 7, 14: 0xff}, make([]byte, 40)...), ErrShort},
		{"the packet", in.RTP, bytes.Clone(packet), nil},
		{"the packet again", in.RTP, bytes.Clone(packet), ErrReplay},
		{"plain RTCP", in.RTCP, rtcpPacket(7, 20), ErrAuthentication},
		{"a short report", in.RTCP, rtcpPacket(7, 0), ErrShort},
		{"a report that says it is not encrypted", in.RTCP, clear, ErrAuthentication},
		{"the report", in.RTCP, bytes.Clone(report), nil},
		{"the report again", in.RTCP, bytes.Clone(report), ErrReplay},
		{"nothing to send", out.RTP, nil, ErrShort},
		{"no report to send", out.RTCP, []byte{0x80, 201, 0, 0}, ErrShort},
	} {
		if _, err := c.read(c.packet); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// TestSources: sixteen SSRCs are enough for a leg. Those that nobody
// authenticated take no place.
func TestSources(t *testing.T) {
	out, in := pair(t, AEAD_AES_128_GCM)
	forger, _ := pair(t, AEAD_AES_128_GCM)
	for ssrc := range uint32(1000) {
		forger.rtp = sources{}
		if _, err := in.RTP(protect(t, forger, rtpPacket(ssrc, 1, 20))); !errors.Is(err, ErrAuthentication) {
			t.Fatalf("forged SSRC %d: %v", ssrc, err)
		}
	}
	for ssrc := range uint32(maxSources) {
		if _, err := in.RTP(protect(t, out, rtpPacket(ssrc, 1, 20))); err != nil {
			t.Fatalf("SSRC %d: %v", ssrc, err)
		}
	}
	if _, err := out.RTP(rtpPacket(99, 1, 20)); !errors.Is(err, ErrSources) {
		t.Errorf("one SSRC more, out: %v", err)
	}
	out.rtp = sources{}
	if _, err := in.RTP(protect(t, out, rtpPacket(99, 1, 20))); !errors.Is(err, ErrSources) {
		t.Errorf("one SSRC more, in: %v", err)
	}
	if _, err := in.RTP(protect(t, out, rtpPacket(3, 2, 20))); err != nil {
		t.Errorf("one of those that are known: %v", err)
	}
}

// TestExhausted: a key ends before a counter comes again.
func TestExhausted(t *testing.T) {
	out, in := pair(t, AES_CM_128_HMAC_SHA1_80)
	last := uint64(1<<31 - 2)
	out.rtcp.list = []source{{ssrc: 7, highest: last}}
	report, err := out.RTCP(rtcpPacket(7, 20))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.RTCP(report); err != nil {
		t.Errorf("the last report: %v", err)
	}
	if _, err := out.RTCP(rtcpPacket(7, 20)); !errors.Is(err, ErrExhausted) {
		t.Errorf("one more report: %v", err)
	}
	out.rtp.list = []source{{ssrc: 7, highest: 1<<48 - 1}}
	if _, err := out.RTP(rtpPacket(7, 0, 20)); !errors.Is(err, ErrExhausted) {
		t.Errorf("one more packet: %v", err)
	}
}

// TestInPlace: a buffer with room is used and nothing is allocated, for audio.
func TestInPlace(t *testing.T) {
	for suite := range suites {
		t.Run(suite.String(), func(t *testing.T) {
			out, in := pair(t, suite)
			plain, report := rtpPacket(7, 0, 252), rtcpPacket(7, 100)
			buffer := make([]byte, 1500)
			seq := uint16(0)
			check := func(b []byte, err error, want []byte) {
				if err != nil || &b[0] != &buffer[0] || want != nil && !bytes.Equal(b, want) {
					t.Fatalf("not in place, or not the same: %v", err)
				}
			}
			round := func() {
				seq++
				binary.BigEndian.PutUint16(plain[2:], seq)
				b, err := out.RTP(buffer[:copy(buffer, plain)])
				check(b, err, nil)
				b, err = in.RTP(b)
				check(b, err, plain)
				b, err = out.RTCP(buffer[:copy(buffer, report)])
				check(b, err, nil)
				b, err = in.RTCP(b)
				check(b, err, report)
			}
			round() // the source is new
			if n := testing.AllocsPerRun(1000, round); n != 0 {
				t.Errorf("%v allocations a packet", n)
			}
		})
	}
}

// TestGrowth: what the documentation says of it is enough for every suite.
func TestGrowth(t *testing.T) {
	for suite := range suites {
		out, err := NewOutbound(suite, NewKey(suite), make([]byte, maxMKI))
		if err != nil {
			t.Fatal(err)
		}
		if out.rtpGrowth > 32 || out.rtcpGrowth > 36 {
			t.Errorf("%v: RTP grows by %d, RTCP by %d bytes", suite, out.rtpGrowth, out.rtcpGrowth)
		}
	}
}

// TestWrongKeys: a key must be one of the suite.
func TestWrongKeys(t *testing.T) {
	for _, c := range []struct {
		suite Suite
		key   Key
		mki   []byte
	}{
		{NoSuite, NewKey(NoSuite), nil},
		{AES_CM_128_HMAC_SHA1_80, Key{}, nil},
		{AES_CM_128_HMAC_SHA1_80, NewKey(AEAD_AES_128_GCM), nil},
		{AES_CM_128_HMAC_SHA1_80, NewKey(AES_CM_128_HMAC_SHA1_80), make([]byte, maxMKI+1)},
	} {
		if _, err := NewInbound(c.suite, c.key, c.mki); err == nil {
			t.Errorf("%v: in", c.suite)
		}
		if _, err := NewOutbound(c.suite, c.key, c.mki); err == nil {
			t.Errorf("%v: out", c.suite)
		}
	}
}

// FuzzInbound: nothing that comes without our keys is read, whatever it looks like.
func FuzzInbound(f *testing.F) {
	f.Add(rtpPacket(7, 1, 40))
	f.Add(rtcpPacket(7, 40))
	f.Add([]byte{0x9f, 11: 7, 80: 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		for suite := range suites {
			_, in := pair(t, suite)
			if _, err := in.RTP(bytes.Clone(b)); err == nil {
				t.Fatal("RTP was read")
			}
			if _, err := in.RTCP(bytes.Clone(b)); err == nil {
				t.Fatal("RTCP was read")
			}
		}
	})
}
