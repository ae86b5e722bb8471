package proxy

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"io"
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

	sealSize     = 10 // 80 bits
	maxTokenSize = 1 + 8 + 18 + 18 + sealSize
)

// sealer makes and opens tokens.
type sealer struct {
	run  uint64    // of this process: flow ids of another run mean nothing
	macs sync.Pool // hash.Hash keyed with the secret
}

func newSealer(secret []byte) *sealer {
	var run [8]byte
	rand.Read(run[:])
	return &sealer{
		run:  binary.BigEndian.Uint64(run[:]),
		macs: sync.Pool{New: func() any { return hmac.New(sha256.New, secret) }},
	}
}

// seal returns the token of the device of user u at the end of f.
func (s *sealer) seal(f *transport.Flow, u store.UserID, callID string) string {
	b := make([]byte, 0, maxTokenSize+sha256.Size-sealSize)
	switch {
	case f.Reliable():
		b = append(b, overConnection)
		b = binary.BigEndian.AppendUint64(b, uint64(u))
		b = binary.BigEndian.AppendUint64(b, s.run)
		b = binary.BigEndian.AppendUint64(b, f.ID)
	default:
		local, remote := f.Local.Addr().Unmap(), f.Remote.Addr().Unmap()
		kind := byte(overUDP4)
		if !local.Is4() || !remote.Is4() {
			kind = overUDP6
		}
		b = append(b, kind)
		b = binary.BigEndian.AppendUint64(b, uint64(u))
		b = appendAddrPort(b, kind, local, f.Local.Port())
		b = appendAddrPort(b, kind, remote, f.Remote.Port())
	}
	n := len(b)
	b = s.sum(b, b, callID)[:n+sealSize]
	return base64.RawURLEncoding.EncodeToString(b)
}

// open returns what a token says; ok is false when it is not ours or belongs to
// another Call-ID.
func (s *sealer) open(text, callID string) (t token, ok bool) {
	if len(text) > base64.RawURLEncoding.EncodedLen(maxTokenSize) {
		return token{}, false
	}
	var room [maxTokenSize]byte
	n, err := base64.RawURLEncoding.Strict().Decode(room[:], []byte(text))
	if err != nil || n <= 9+sealSize {
		return token{}, false
	}
	b, seal := room[:n-sealSize], room[n-sealSize:n]
	if !hmac.Equal(seal, s.sum(nil, b, callID)[:sealSize]) {
		return token{}, false
	}
	return s.read(b)
}

// read takes the fields out of a token whose seal is right.
func (s *sealer) read(b []byte) (t token, ok bool) {
	kind, rest := b[0], b[9:]
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

// sum appends the seal of a token to dst. The Call-ID comes last and the token
// has a known length for each kind, so no two pairs are sealed alike.
func (s *sealer) sum(dst, token []byte, callID string) []byte {
	mac := s.macs.Get().(hash.Hash)
	mac.Reset()
	mac.Write(token)
	io.WriteString(mac, callID)
	dst = mac.Sum(dst)
	s.macs.Put(mac)
	return dst
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
