package transport

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v4"
)

// everyone allows the loopback addresses of a test too.
func everyone(netip.Addr) bool { return true }

// Attributes of a check.
func priority(p uint32) stun.Setter {
	return stun.RawAttribute{Type: stun.AttrPriority, Value: binary.BigEndian.AppendUint32(nil, p)}
}

func role(controlling bool) stun.Setter {
	t := stun.AttrICEControlled
	if controlling {
		t = stun.AttrICEControlling
	}
	return stun.RawAttribute{Type: t, Value: []byte("tiebreak")}
}

var useCandidate = stun.RawAttribute{Type: stun.AttrUseCandidate}

// request makes a STUN message of setters.
func request(t testing.TB, setters ...stun.Setter) []byte {
	t.Helper()
	m, err := stun.Build(append([]stun.Setter{stun.TransactionID, stun.BindingRequest}, setters...)...)
	if err != nil {
		t.Fatal(err)
	}
	return m.Raw
}

// TestICE checks as a peer does and reads the answers.
func TestICE(t *testing.T) {
	const ufrag, pwd = "lite", "the password of the lite one"
	user, key := stun.NewUsername("lite:full"), stun.NewShortTermIntegrity(pwd)
	good := []stun.Setter{user, priority(7), role(true), key, stun.Fingerprint}
	wrongPrint := request(t, good...)
	wrongPrint[len(wrongPrint)-1] ^= 1
	appended := request(t, user, priority(7), role(true), key) // USE-CANDIDATE that the peer did not send
	appended = append(appended, 0, 0x25, 0, 0)
	binary.BigEndian.PutUint16(appended[2:], uint16(len(appended)-20))
	for _, c := range []struct {
		name      string
		check     []byte
		peer      string // known already
		answer    stun.ErrorCode
		nominated bool
		alive     bool
	}{
		{"a check", request(t, good...), "full", 200, false, true},
		{"a check before the answer", request(t, good...), "", 200, false, true},
		{"a check without fingerprint", request(t, user, priority(7), role(true), key), "full", 200, false, true},
		{"a nomination", request(t, user, priority(7), useCandidate, role(true), key, stun.Fingerprint), "full", 200, true, true},
		{"USE-CANDIDATE behind the integrity", appended, "full", 200, false, true},
		{"the peer wants us to control", request(t, user, useCandidate, role(false), key, stun.Fingerprint), "full", stun.CodeRoleConflict, false, true},
		{"an attribute that must be understood", request(t, user, useCandidate, stun.RawAttribute{Type: 0x7777}, key), "full", stun.CodeUnknownAttribute, false, true},
		{"the peer of another call", request(t, stun.NewUsername("lite:other"), priority(7), role(true), key, stun.Fingerprint), "full", 0, false, false},
		{"for somebody else", request(t, stun.NewUsername("other:full"), key, stun.Fingerprint), "full", 0, false, false},
		{"no separator", request(t, stun.NewUsername("lite"), key, stun.Fingerprint), "", 0, false, false},
		{"no user", request(t, key, stun.Fingerprint), "", 0, false, false},
		{"no integrity", request(t, user, useCandidate, stun.Fingerprint), "full", 0, false, false},
		{"another password", request(t, user, useCandidate, stun.NewShortTermIntegrity("guess"), stun.Fingerprint), "full", 0, false, false},
		{"a wrong fingerprint", wrongPrint, "full", 0, false, false},
		{"an indication", request(t, stun.NewType(stun.MethodBinding, stun.ClassIndication), user, key), "full", 0, false, false},
		{"a response", request(t, stun.BindingSuccess, user, key), "full", 0, false, false},
		{"another method", request(t, stun.NewType(stun.MethodAllocate, stun.ClassRequest), user, key), "full", 0, false, false},
		{"cut off", request(t, good...)[:40], "full", 0, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, start(t, Config{Loops: 1}).Loop(), loopback4, ignore, ignore).RTP
			p := newPhone(t, loopback4)
			l := NewLatch(Nominated, nowhere, loopback4, everyone)
			i := &ICE{ufrag: ufrag, pwd: pwd, peer: c.peer}
			id := bytes.Clone(c.check[8:20])
			size := len(c.check)
			nominated, alive := i.Check(s, l, bytes.Clone(c.check), p.addr(), 1)
			if nominated != c.nominated || alive != c.alive {
				t.Errorf("nominated %v, alive %v, want %v, %v", nominated, alive, c.nominated, c.alive)
			}
			if to, ok := l.Remote(2); ok != c.nominated || ok && to != p.addr() {
				t.Errorf("it sends to %v, %v", to, ok)
			}
			s.Send([]byte("end"), p.addr())
			if c.answer == 0 {
				p.expect("end")
				return
			}
			raw, _ := p.read()
			if len(raw) > size+24 {
				t.Errorf("an answer of %d bytes to %d is an amplifier", len(raw), size)
			}
			checkAnswer(t, raw, id, key, c.answer, p.addr())
			p.expect("end") // and nothing else before
		})
	}
}

// checkAnswer reads an answer as the peer does.
func checkAnswer(t *testing.T, raw, id []byte, key stun.MessageIntegrity, want stun.ErrorCode, from netip.AddrPort) {
	t.Helper()
	m := &stun.Message{Raw: raw}
	if err := m.Decode(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(m.TransactionID[:], id) || key.Check(m) != nil || stun.Fingerprint.Check(m) != nil {
		t.Error("the answer does not prove itself")
	}
	if want == 200 {
		var mapped stun.XORMappedAddress
		if err := mapped.GetFrom(m); err != nil || m.Type != stun.BindingSuccess || mapped.String() != from.String() {
			t.Errorf("%v tells %v, %v, want %v", m.Type, mapped, err, from)
		}
		return
	}
	var code stun.ErrorCodeAttribute
	if err := code.GetFrom(m); err != nil || m.Type != stun.BindingError || code.Code != want {
		t.Errorf("%v tells %v, %v, want %d", m.Type, code, err, want)
	}
	if want == stun.CodeUnknownAttribute {
		var unknown stun.UnknownAttributes
		if err := unknown.GetFrom(m); err != nil || len(unknown) != 1 || unknown[0] != 0x7777 {
			t.Errorf("unknown are %v, %v", unknown, err)
		}
	}
}

// sampleRequest is that of RFC 5769 §2.1.
const sampleRequest = "\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae" +
	"\x80\x22\x00\x10STUN test client" +
	"\x00\x24\x00\x04\x6e\x00\x01\xff" +
	"\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36" +
	"\x00\x06\x00\x09evtj:h6vY   " +
	"\x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2" +
	"\x80\x28\x00\x04\xe5\x7a\x3b\xcf"

func TestICESample(t *testing.T) {
	i := &ICE{ufrag: "evtj", pwd: "VOkJxbRl1RmTxUk/WvJxBt", peer: "h6vY"}
	c, ok := i.parse([]byte(sampleRequest), NewLatch(Nominated, nowhere, peer.Addr(), everywhere), peer, 1)
	if !ok || c.priority != 0x6e0001ff || !c.controlled || c.nominates || len(c.unknown) != 0 {
		t.Errorf("read %+v, %v", c, ok)
	}
	if _, ok := i.parse([]byte(sampleRequest), NewLatch(Nominated, nowhere, peer.Addr(), everywhere), inside, 1); ok {
		t.Error("a check from an address that is not allowed was read")
	}
}

// TestICERate lets somebody who read our ufrag try passwords.
func TestICERate(t *testing.T) {
	i := &ICE{ufrag: "evtj", pwd: "VOkJxbRl1RmTxUk/WvJxBt"}
	l := NewLatch(Nominated, nowhere, peer.Addr(), everywhere)
	read := 0
	for ms := range int64(2000) {
		if _, ok := i.parse([]byte(sampleRequest), l, peer, int64(time.Hour)+ms*int64(time.Millisecond)); ok {
			read++
		}
	}
	if read != 2*checksPerSecond {
		t.Errorf("%d checks were read in two seconds", read)
	}
}

func TestICECredentials(t *testing.T) {
	a, b := NewICE(), NewICE()
	ufrag, pwd := a.Local()
	if len(ufrag) < 4 || len(pwd) < 22 || a.ufrag == b.ufrag || a.pwd == b.pwd {
		t.Errorf("weak credentials %s, %s and %s, %s", ufrag, pwd, b.ufrag, b.pwd)
	}
}

func TestClassify(t *testing.T) {
	long := func(head string) []byte { return append([]byte(head), make([]byte, 40)...) }
	for _, c := range []struct {
		name string
		b    []byte
		want Class
	}{
		{"STUN", []byte(sampleRequest), STUN},
		{"STUN without its cookie", long("\x00\x01\x00\x00\x21\x12\xa4\x43"), Unknown},
		{"STUN cut off", []byte(sampleRequest)[:19], Unknown},
		{"ZRTP", long("\x10\x00\x12\x34ZRTP"), ZRTP},
		{"not ZRTP", long("\x10\x00\x12\x34zrtp"), Unknown},
		{"DTLS ClientHello", long("\x16\xfe\xff\x00\x00\x00\x00\x00"), DTLS},
		{"DTLS cut off", []byte("\x16\xfe\xff\x00\x00\x00\x00\x00\x00"), Unknown},
		{"TURN channel", long("\x40\x00"), Unknown},
		{"RTP", long("\x80\x00"), RTP},
		{"RTP with marker", long("\x80\xe0"), RTP},
		{"RTP, payload type 127 with marker", long("\xbf\xff"), RTP},
		{"RTCP sender report", long("\x80\xc8"), RTCP},
		{"RTCP first and last", long("\x80\xc0"), RTCP},
		{"RTCP first and last", long("\x80\xdf"), RTCP},
		{"RTCP of 8 bytes", []byte("\x81\xcb\x00\x01abcd"), RTCP},
		{"RTP of 11 bytes", []byte("\x80\x00345678901"), Unknown},
		{"above RTP", long("\xc0\x00"), Unknown},
		{"nothing", nil, Unknown},
		{"keep-alive", []byte("\r\n\r\n"), Unknown},
	} {
		if got := Classify(c.b); got != c.want {
			t.Errorf("%s: class %d, want %d", c.name, got, c.want)
		}
	}
}

// FuzzCheck reads whatever comes: only what carries our integrity is a check.
func FuzzCheck(f *testing.F) {
	f.Add([]byte(sampleRequest))
	f.Add([]byte(sampleRequest)[:60])
	f.Add(request(f, stun.NewUsername("evtj:h6vY"), stun.NewShortTermIntegrity("guess"), stun.Fingerprint))
	f.Add([]byte("\x00\x01\x00\x0c\x21\x12\xa4\x42123456789012\x00\x06\x00\x05evtj:   \x00\x08\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if Classify(b) != STUN {
			return
		}
		i := &ICE{ufrag: "evtj", pwd: "VOkJxbRl1RmTxUk/WvJxBt"}
		l := NewLatch(Nominated, nowhere, peer.Addr(), everywhere)
		covered := min(len(b), len(sampleRequest)-32) // all before the integrity
		_, ok := i.parse(append(make([]byte, 0, len(b)+room), b...), l, peer, 1)
		if ok && !bytes.Equal(b[4:covered], []byte(sampleRequest)[4:covered]) {
			t.Errorf("a forged check was read: %x", b)
		}
	})
}
