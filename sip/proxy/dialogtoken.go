package proxy

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"net/netip"
	"sync"

	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/store"
)

// token names one side of a dialog: the flow by which its device is reached,
// and whose device it is. It travels as the user part of our Record-Route
// values (RFC 5626 §5.3), sealed so that only we can have made it, for this
// Call-ID only.
type token struct {
	user          store.UserID   // 0 when unknown
	flow          uint64         // of a connection of this process; 0 for UDP and after a restart
	local, remote netip.AddrPort // of a UDP flow
}

// The form of a token: the kind, the user, and where the flow is; then the seal.
const (
	overConnection = 'c' // run (8), flow id (8)
	overUDP4       = '4' // local address and port (6), remote (6)
	overUDP6       = '6' // the same with 18 each

	tokenHead    = 1 + 8
	sealSize     = 10 // 80 bits
	maxTokenSize = tokenHead + 18 + 18 + sealSize
)

// sealer makes and opens tokens.
type sealer struct {
	run  uint64    // of this process: flow ids of another run mean nothing
	pads sync.Pool // *pad
}

// pad is what one sealing needs, kept for the next: the keyed hash, and room for
// what goes through it.
type pad struct {
	mac  hash.Hash
	text []byte // of a token
	in   []byte // sealed: a token and the Call-ID
	sum  []byte
}

func newSealer(secret []byte) *sealer {
	var run [8]byte
	rand.Read(run[:])
	s := &sealer{run: binary.BigEndian.Uint64(run[:])}
	s.pads.New = func() any { return &pad{mac: hmac.New(sha256.New, secret)} }
	return s
}

// appendToken appends the token of the device of user u at the end of f.
func (s *sealer) appendToken(dst []byte, f *transport.Flow, u store.UserID, callID string) []byte {
	p := s.pads.Get().(*pad)
	defer s.pads.Put(p)
	b := s.write(p.text[:0], f, u)
	b = append(b, p.seal(b, callID)...)
	p.text = b
	return base64.RawURLEncoding.AppendEncode(dst, b)
}

// write appends the fields of a token to b.
func (s *sealer) write(b []byte, f *transport.Flow, u store.UserID) []byte {
	if f.Reliable() {
		b = append(b, overConnection)
		b = binary.BigEndian.AppendUint64(b, uint64(u))
		b = binary.BigEndian.AppendUint64(b, s.run)
		return binary.BigEndian.AppendUint64(b, f.ID)
	}
	local, remote := f.Local.Addr().Unmap(), f.Remote.Addr().Unmap()
	kind := byte(overUDP4)
	if !local.Is4() || !remote.Is4() {
		kind = overUDP6
	}
	b = append(b, kind)
	b = binary.BigEndian.AppendUint64(b, uint64(u))
	b = appendAddrPort(b, kind, local, f.Local.Port())
	return appendAddrPort(b, kind, remote, f.Remote.Port())
}

// open returns what a token says; ok is false when it is not ours or belongs to
// another Call-ID.
func (s *sealer) open(text, callID string) (t token, ok bool) {
	if len(text) > base64.RawURLEncoding.EncodedLen(maxTokenSize) {
		return token{}, false
	}
	p := s.pads.Get().(*pad)
	defer s.pads.Put(p)
	p.in = append(p.in[:0], text...)
	b, err := base64.RawURLEncoding.Strict().AppendDecode(p.text[:0], p.in)
	p.text = b
	if err != nil || len(b) <= tokenHead+sealSize {
		return token{}, false
	}
	fields := len(b) - sealSize
	if !hmac.Equal(b[fields:], p.seal(b[:fields], callID)) {
		return token{}, false
	}
	return s.read(b[:fields])
}

// seal returns the seal of a token's fields, valid until the next one. Their
// length follows from the first of them, so no two pairs are sealed alike.
func (p *pad) seal(fields []byte, callID string) []byte {
	p.in = append(append(p.in[:0], fields...), callID...)
	p.mac.Reset()
	p.mac.Write(p.in)
	p.sum = p.mac.Sum(p.sum[:0])
	return p.sum[:sealSize]
}

// read takes the fields out of a token whose seal is right.
func (s *sealer) read(b []byte) (t token, ok bool) {
	kind, rest := b[0], b[tokenHead:]
	t.user = store.UserID(binary.BigEndian.Uint64(b[1:]))
	switch {
	case kind == overConnection && len(rest) == 16:
		if binary.BigEndian.Uint64(rest) == s.run {
			t.flow = binary.BigEndian.Uint64(rest[8:])
		}
	case kind == overUDP4 && len(rest) == 12, kind == overUDP6 && len(rest) == 36:
		t.local = addrPort(rest[:len(rest)/2])
		t.remote = addrPort(rest[len(rest)/2:])
	default:
		return token{}, false
	}
	return t, true
}

func appendAddrPort(b []byte, kind byte, a netip.Addr, port uint16) []byte {
	if kind == overUDP4 {
		a4 := a.As4()
		b = append(b, a4[:]...)
	} else {
		a16 := a.As16()
		b = append(b, a16[:]...)
	}
	return binary.BigEndian.AppendUint16(b, port)
}

func addrPort(b []byte) netip.AddrPort {
	a, _ := netip.AddrFromSlice(b[:len(b)-2]) // 4 or 16 bytes
	return netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(b[len(b)-2:]))
}
