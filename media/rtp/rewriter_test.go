package rtp

import (
	"math/rand/v2"
	"testing"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// A call rings at two branches. The first plays early media, the second answers
// and is transferred to a third party, all with SSRCs and numbers of their own
// (two even with the same SSRC). The caller sees one stream.
func TestOneStreamThroughForkAndTransfer(t *testing.T) {
	r := NewRewriter(Audio, false)
	at := second
	var last *rtp.Packet
	talk := func(v voice, pause int64) {
		t.Helper()
		for i := range 50 {
			wait := 20 * ms
			if i == 0 {
				wait = pause
			}
			at += wait
			got := mustPass(t, r, v.next(byte(i)), pcmu, at)
			if got.Marker != (i == 0) {
				t.Fatalf("packet %d: marker %v; a talkspurt begins with the source, and only then", i, got.Marker)
			}
			if last != nil {
				ticks := uint32(wait / ms * 8)
				if got.SSRC != last.SSRC || got.SequenceNumber != last.SequenceNumber+1 || got.Timestamp != last.Timestamp+ticks {
					t.Fatalf("packet %d: ssrc %x seq %d ts %d after ssrc %x seq %d ts %d, want steps of 1 and %d",
						i, got.SSRC, got.SequenceNumber, got.Timestamp, last.SSRC, last.SequenceNumber, last.Timestamp, ticks)
				}
			}
			last = &got
		}
	}
	talk(voice{ssrc: 0xAAAA, seq: 65530, ts: 4294960000}, 0)
	r.Switch()
	talk(voice{ssrc: 0xBBBB, seq: 7, ts: 1}, 100*ms)
	r.Switch()
	talk(voice{ssrc: 0xBBBB, seq: 7, ts: 1}, 30*ms)      // by chance the SSRC of the party before
	talk(voice{ssrc: 0xCCCC, seq: 30000, ts: 99}, 40*ms) // the phone began anew, nobody said so
}

// Seventy thousand packets, wrapped twice on the way in, in the disorder of a
// bad network: each keeps its distance to the others.
func TestLongStreamKeepsOrderAndGaps(t *testing.T) {
	r := NewRewriter(Audio, false)
	v := voice{ssrc: 1, seq: 65000, ts: 4294967000}
	first := mustPass(t, r, v.next(), pcmu, second)
	shift := first.SequenceNumber - 65000
	random := rand.New(rand.NewPCG(1, 2))
	seen := map[uint16]int{}
	for sent := 1; sent < 70_000; {
		batch := make([][]byte, 0, 8)
		for range 8 {
			b := v.next()
			if random.IntN(50) != 0 { // 2 % are lost
				batch = append(batch, b)
			}
			sent++
		}
		random.Shuffle(len(batch), func(i, j int) { batch[i], batch[j] = batch[j], batch[i] })
		for _, b := range batch {
			in := read(t, b)
			out := mustPass(t, r, b, pcmu, second+int64(sent)*20*ms)
			if out.SequenceNumber != in.SequenceNumber+shift || out.Timestamp-first.Timestamp != in.Timestamp-4294967000 {
				t.Fatalf("packet %d: %d became %d, ts %d became %d", sent, in.SequenceNumber, out.SequenceNumber, in.Timestamp, out.Timestamp)
			}
			if before, again := seen[out.SequenceNumber]; again && sent-before < 60_000 {
				t.Fatalf("number %d twice within %d packets", out.SequenceNumber, sent-before)
			}
			seen[out.SequenceNumber] = sent
		}
	}
	if packets, _ := r.Sent(); packets < 68_000 {
		t.Fatalf("%d packets were sent", packets)
	}
}

// Whatever comes in, no number of an SSRC goes out with two contents, and the
// roll-over counter that SRTP guesses is the right one.
func TestNoTwoContentsUnderOneNumber(t *testing.T) {
	for _, resend := range []bool{false, true} {
		random := rand.New(rand.NewPCG(3, 4))
		r := NewRewriter(Video, resend)
		var highest, packets int64
		sent := map[int64]string{}
		v := voice{ssrc: 5, pt: 96}
		at := second
		for range 200_000 {
			at += int64(random.IntN(40)) * ms
			b := v.next(byte(random.Uint32()), byte(random.Uint32()))
			switch random.IntN(100) {
			case 0:
				v.ssrc = random.Uint32N(4)
			case 1:
				v.seq = uint16(random.Uint32())
			case 2:
				r.Switch()
			case 3, 4, 5:
				v.seq -= uint16(random.Uint32N(1000))
			case 6, 7:
				v.seq += uint16(random.Uint32N(5000))
			case 8, 9:
				v.seq--
			}
			out, verdict := rewrite(t, r, b, vp8, at)
			if verdict != Pass {
				continue
			}
			packets++
			seq := Sequence(out)
			if len(sent) == 0 {
				highest = int64(seq)
			}
			index := highest + int64(int16(seq-uint16(highest))) // RFC 3711 §3.3.1
			highest = max(highest, index)
			content := string(out[12:])
			if before, twice := sent[index]; twice && (before != content || !resend) {
				t.Fatalf("resend %v: number %d carried %x and then %x", resend, index, before, content)
			}
			sent[index] = content
		}
		if packets < 100_000 {
			t.Fatalf("only %d packets passed: the test tests nothing", packets)
		}
	}
}

// Through real SRTP: whatever the sources did, the phone can decrypt everything
// that reaches it over a line that loses and disorders, past the roll-over of
// the numbers and with the first packets lost.
func TestThroughSRTP(t *testing.T) {
	const profile = srtp.ProtectionProfileAeadAes128Gcm
	key, salt := make([]byte, 16), make([]byte, 12)
	encrypt, err := srtp.CreateContext(key, salt, profile)
	if err != nil {
		t.Fatal(err)
	}
	decrypt, err := srtp.CreateContext(key, salt, profile, srtp.SRTPReplayProtection(256))
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(7, 8))
	r := NewRewriter(Audio, false)
	v := voice{ssrc: 1, seq: 65_500}
	var line [][]byte
	received := 0
	for i := range 150_000 {
		if i%10_000 == 9_999 { // a transfer, a restart, another SSRC, in turn
			v.seq = uint16(random.Uint32())
			switch i / 10_000 % 3 {
			case 0:
				r.Switch()
			case 1:
				v.ssrc++
			}
		}
		out, verdict := rewrite(t, r, v.next(byte(i), byte(i>>8)), pcmu, second+int64(i)*20*ms)
		if verdict != Pass {
			continue
		}
		secret, err := encrypt.EncryptRTP(nil, out, nil)
		if err != nil {
			t.Fatal(err)
		}
		if i > 20 && random.IntN(20) != 0 {
			line = append(line, secret)
		}
		if len(line) == 6 {
			random.Shuffle(len(line), func(i, j int) { line[i], line[j] = line[j], line[i] })
			for _, b := range line {
				if _, err := decrypt.DecryptRTP(nil, b, nil); err != nil {
					t.Fatalf("packet %d, number %d: %v", i, Sequence(b), err)
				}
				received++
			}
			line = line[:0]
		}
	}
	if received < 140_000 {
		t.Errorf("only %d packets arrived", received)
	}
}

// A peer that asks for a lost packet gets it a second time, and nothing else
// under its number.
func TestResend(t *testing.T) {
	r := NewRewriter(Video, true)
	first := packet(1, 100, 900, 96, 1, 2, 3)
	sent := mustPass(t, r, first, vp8, second)
	mustPass(t, r, packet(1, 101, 900, 96, 4), vp8, second)
	if again := mustPass(t, r, first, vp8, second); again.SequenceNumber != sent.SequenceNumber {
		t.Fatalf("%d came back as %d", sent.SequenceNumber, again.SequenceNumber)
	}
	if _, v := rewrite(t, r, packet(1, 100, 900, 96, 1, 2, 4), vp8, second); v != Repeated {
		t.Fatalf("other content under the same number: %v", v)
	}
	r.SetResend(false)
	if _, v := rewrite(t, r, first, vp8, second); v != Repeated {
		t.Fatalf("a duplicate where nobody asks for one: %v", v)
	}
}

// RFC 3550 A.1: one packet with a wild number is an accident, two in a row are a
// sender that began anew.
func TestLeaps(t *testing.T) {
	for name, leap := range map[string]uint16{"forward": 20_000, "back": 65_536 - 20_000, "barely": maxDropout, "a second back": 65_536 - windowSize} {
		t.Run(name, func(t *testing.T) {
			r := NewRewriter(Audio, false)
			last := mustPass(t, r, packet(1, 1000, 0, 0), pcmu, second)
			if _, v := rewrite(t, r, packet(1, 1000+leap, 0, 0), pcmu, second); v != Late {
				t.Fatalf("one stray packet: %v", v)
			}
			if got := mustPass(t, r, packet(1, 1001, 160, 0), pcmu, second+20*ms); got.SequenceNumber != last.SequenceNumber+1 {
				t.Fatal("the stray packet moved the stream")
			}
			rewrite(t, r, packet(1, 1001+leap, 5, 0), pcmu, second+40*ms)
			got := mustPass(t, r, packet(1, 1002+leap, 165, 0), pcmu, second+60*ms)
			if got.SequenceNumber != last.SequenceNumber+2 || got.Timestamp != last.Timestamp+3*160 {
				t.Fatalf("after the restart: seq %d ts %d, last were %d and %d", got.SequenceNumber, got.Timestamp, last.SequenceNumber+1, last.Timestamp+160)
			}
		})
	}
}

// What was on the way when the source changed has no number any more.
func TestLateComersOfBeforeTheChange(t *testing.T) {
	r := NewRewriter(Audio, false)
	mustPass(t, r, packet(1, 100, 0, 0), pcmu, second)
	mustPass(t, r, packet(2, 500, 0, 0), pcmu, 2*second)
	if _, v := rewrite(t, r, packet(2, 499, 0, 0), pcmu, 2*second); v != Late {
		t.Errorf("a packet from before the first of its source: %v", v)
	}
	if _, v := rewrite(t, r, packet(1, 101, 160, 0), pcmu, 2*second); v != OtherSource {
		t.Errorf("a packet of the source before: %v", v)
	}
}

// Two SSRCs that talk at once do not alternate, but the one that is left is heard.
func TestTwoSourcesAtOnce(t *testing.T) {
	r := NewRewriter(Audio, false)
	one, two := voice{ssrc: 1}, voice{ssrc: 2, seq: 9000}
	at := second
	mustPass(t, r, one.next(), pcmu, at)
	changes, source := 0, uint32(1)
	for range 1000 {
		at += 20 * ms
		rewrite(t, r, one.next(), pcmu, at)
		rewrite(t, r, two.next(), pcmu, at)
		if now, _ := r.Source(); now != source {
			source = now
			changes++
		}
	}
	if changes > 1 {
		t.Fatalf("the source changed %d times in 20 s", changes)
	}
	other := &one
	if source == one.ssrc {
		other = &two
	}
	mustPass(t, r, other.next(), pcmu, at+quiet)
}

func TestPayloadNumbers(t *testing.T) {
	table := NewPayloads(Payload{From: 96, To: 111, Rate: 48000}, Payload{From: 96, To: 5}, Payload{From: 0, Rate: 8000}, Payload{From: 128}, Payload{From: 3, To: 200})
	r := NewRewriter(Audio, false)
	b := packet(1, 1, 1, 96, 1)
	SetMarker(b, true)
	got := mustPass(t, r, b, table.Lookup(96), second)
	if got.PayloadType != 111 || !got.Marker {
		t.Errorf("payload number %d, marker %v", got.PayloadType, got.Marker)
	}
	for _, unknown := range []uint8{3, 8, 127} {
		if _, v := rewrite(t, r, packet(1, 2, 1, unknown), table.Lookup(unknown), second); v != Unmapped {
			t.Errorf("%d: %v", unknown, v)
		}
	}
	if (*Payloads)(nil).Lookup(0) != nil {
		t.Error("a table that is not there knows a number")
	}
}

// Between equal plain sides nothing changes, so that ZRTP works from end to end;
// when one side becomes SRTP a stream of our own begins.
func TestUntouched(t *testing.T) {
	r := NewRewriter(Audio, false)
	own := r.SSRC()
	r.SetUntouched(true)
	v := voice{ssrc: 77, seq: 3, ts: 4, pt: 99}
	for range 3 {
		b := v.next(1, 2, 3)
		got, verdict := rewrite(t, r, b, nil, second)
		if verdict != Pass || string(got) != string(b) {
			t.Fatalf("%x became %x", b, got)
		}
	}
	if packets, octets := r.Sent(); packets != 3 || octets != 9 || r.SSRC() != 77 {
		t.Errorf("%d packets of %d bytes from %x", packets, octets, r.SSRC())
	}
	r.SetUntouched(false)
	if got := mustPass(t, r, v.next(), pcmu, second); got.SSRC != own {
		t.Errorf("SSRC %x, want our own %x", got.SSRC, own)
	}
}

// A key pressed beside Opus: telephone-event/8000 becomes telephone-event/48000,
// with the time of the voice around it.
func TestEventOnAnotherClock(t *testing.T) {
	r := NewRewriter(Audio, false)
	at := second
	last := mustPass(t, r, packet(1, 10, 48_000, 96, 1), opus, at)
	seq := uint16(11)
	var stamp uint32
	for i, duration := range []uint16{160, 320, 12_000, 12_000} {
		at += 20 * ms
		got := mustPass(t, r, packet(1, seq, 8_160, 101, 5, 10, byte(duration>>8), byte(duration)), digits, at)
		if i == 0 {
			stamp = got.Timestamp
		}
		scaled := min(int(duration)*6, 65_535)
		if got.PayloadType != 110 || got.Timestamp != stamp || int(got.Payload[2])<<8|int(got.Payload[3]) != scaled {
			t.Fatalf("packet %d: number %d, ts %d, payload %x, want duration %d", i, got.PayloadType, got.Timestamp, got.Payload, scaled)
		}
		seq++
	}
	if stamp != last.Timestamp+960 {
		t.Errorf("the event began at %d, the voice before it at %d", stamp, last.Timestamp)
	}
	voice := mustPass(t, r, packet(1, seq, 48_000+5*960, 96, 1), opus, at+20*ms)
	if voice.Timestamp != last.Timestamp+5*960 || voice.SequenceNumber != last.SequenceNumber+5 {
		t.Errorf("voice goes on at seq %d ts %d after seq %d ts %d", voice.SequenceNumber, voice.Timestamp, last.SequenceNumber, last.Timestamp)
	}
	second := mustPass(t, r, packet(1, seq+1, 8_160+800, 101, 6, 10, 0, 160), digits, at+40*ms)
	if second.Timestamp != voice.Timestamp+960 {
		t.Errorf("the second key is at %d, voice before it at %d", second.Timestamp, voice.Timestamp)
	}
	if _, v := rewrite(t, r, packet(1, seq-2, 8_160, 101, 5, 10, 0, 160), digits, at+40*ms); v != Late {
		t.Errorf("a packet of the first key after the second: %v", v)
	}
}
