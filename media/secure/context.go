package secure

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// transform is what a suite does to packets with its session keys. index is the
// packet index of RFC 3711 §3.3.1, or the SRTCP index with the E bit. All work in
// place; none checks lengths.
type transform interface {
	// protectRTP encrypts what follows the header and appends tag and MKI, for
	// which b has room.
	protectRTP(b []byte, header int, index uint64) []byte
	// unprotectRTP takes them away again and decrypts; false if one is wrong.
	unprotectRTP(b []byte, header int, index uint64) ([]byte, bool)
	protectRTCP(b []byte, index uint32) []byte
	unprotectRTCP(b []byte, index uint32) ([]byte, bool)
}

// direction is what contexts of both directions have.
type direction struct {
	transform
	rtp, rtcp sources
	// In bytes: what packets grow by, and how far from the end the SRTCP index is.
	rtpGrowth, rtcpGrowth, rtcpIndex int
}

func newDirection(s Suite, k Key, mki []byte) (c direction, err error) {
	if !k.fits(s) {
		return c, fmt.Errorf("secure: the key does not have the length that suite %q needs", s)
	}
	if len(mki) > maxMKI {
		return c, fmt.Errorf("secure: the MKI has %d bytes, more than %d", len(mki), maxMKI)
	}
	mki = slices.Clone(mki)
	c.rtpGrowth = s.tagLen() + len(mki)
	if s.aead() {
		c.rtcpGrowth = s.tagLen() + 4 + len(mki) // RFC 7714 §9.2
		c.rtcpIndex = 4 + len(mki)
		c.transform, err = newGCM(s, k, mki)
	} else {
		c.rtcpGrowth = 4 + len(mki) + rtcpTag // RFC 3711 §3.4
		c.rtcpIndex = c.rtcpGrowth
		c.transform, err = newCM(s, k, mki)
	}
	return c, err
}

// Inbound decrypts what one peer sends.
type Inbound struct{ direction }

// NewInbound makes the context of one direction of one stream. mki is what the
// peer puts into its packets; nil for none. It fails if the key is not one of
// the suite.
func NewInbound(s Suite, k Key, mki []byte) (*Inbound, error) {
	c, err := newDirection(s, k, mki)
	if err != nil {
		return nil, err
	}
	return &Inbound{c}, nil
}

// RTP verifies and decrypts a packet in place and returns the part of b that is
// left.
func (c *Inbound) RTP(b []byte) ([]byte, error) {
	header, ok := headerLen(b)
	if !ok || len(b) < header+c.rtpGrowth {
		return nil, ErrShort
	}
	s := c.rtp.find(binary.BigEndian.Uint32(b[8:]))
	if s == nil {
		return nil, ErrSources
	}
	index := s.estimate(binary.BigEndian.Uint16(b[2:]))
	if s.replayed(index) {
		return nil, ErrReplay
	}
	b, ok = c.unprotectRTP(b, header, index)
	if !ok {
		return nil, ErrAuthentication
	}
	c.rtp.receive(s, index)
	return b, nil
}

// RTCP verifies and decrypts a compound packet in place and returns the part of
// b that is left.
func (c *Inbound) RTCP(b []byte) ([]byte, error) {
	if len(b) < rtcpHeader+c.rtcpGrowth {
		return nil, ErrShort
	}
	s := c.rtcp.find(binary.BigEndian.Uint32(b[4:]))
	if s == nil {
		return nil, ErrSources
	}
	word := binary.BigEndian.Uint32(b[len(b)-c.rtcpIndex:])
	if word&encrypted == 0 { // UNENCRYPTED_SRTCP is nothing that we agree to
		return nil, ErrAuthentication
	}
	index := uint64(word &^ encrypted)
	if s.replayed(index) {
		return nil, ErrReplay
	}
	b, ok := c.unprotectRTCP(b, word)
	if !ok {
		return nil, ErrAuthentication
	}
	c.rtcp.receive(s, index)
	return b, nil
}

// Outbound encrypts what one peer gets. The caller sees to it that one SSRC
// never sends two different packets under one sequence number: their difference
// would be readable (RFC 3711 §9.1).
type Outbound struct{ direction }

// NewOutbound makes the context of one direction of one stream. mki is put into
// every packet; nil for none. It fails if the key is not one of the suite.
func NewOutbound(s Suite, k Key, mki []byte) (*Outbound, error) {
	c, err := newDirection(s, k, mki)
	if err != nil {
		return nil, err
	}
	return &Outbound{c}, nil
}

// RTP encrypts a packet, in place where cap(b) allows: it grows by 32 bytes at
// most.
func (c *Outbound) RTP(b []byte) ([]byte, error) {
	header, ok := headerLen(b)
	if !ok {
		return nil, ErrShort
	}
	s := c.rtp.find(binary.BigEndian.Uint32(b[8:]))
	if s == nil {
		return nil, ErrSources
	}
	index := s.estimate(binary.BigEndian.Uint16(b[2:]))
	if index >= 1<<48 { // RFC 3711 §9.2
		return nil, ErrExhausted
	}
	c.rtp.receive(s, index)
	return c.protectRTP(slices.Grow(b, c.rtpGrowth), header, index), nil
}

// RTCP encrypts a compound packet, in place where cap(b) allows: it grows by 36
// bytes at most.
func (c *Outbound) RTCP(b []byte) ([]byte, error) {
	if len(b) < rtcpHeader {
		return nil, ErrShort
	}
	s := c.rtcp.find(binary.BigEndian.Uint32(b[4:]))
	if s == nil {
		return nil, ErrSources
	}
	index := s.highest + 1 // 0 is left out, as libsrtp does: nobody misses it
	if index >= 1<<31 {    // RFC 3711 §9.2
		return nil, ErrExhausted
	}
	c.rtcp.receive(s, index)
	return c.protectRTCP(slices.Grow(b, c.rtcpGrowth), uint32(index)|encrypted), nil
}

const (
	rtcpHeader = 8       // of a compound packet, what stays clear (RFC 3711 §3.4)
	rtcpTag    = 10      // of every suite with HMAC, also those with 4 bytes for RTP (RFC 4568 §6.2)
	encrypted  = 1 << 31 // the E bit beside the SRTCP index
	maxMKI     = 16      // bytes; RFC 4568 §6.1 allows 128, real ones have 1 or 4
)

// headerLen is the length of an RTP header with its CSRCs and its extension,
// which stay clear (RFC 3550 §5.1). ok is false if the packet ends before.
func headerLen(b []byte) (n int, ok bool) {
	if len(b) < 12 {
		return 0, false
	}
	n = 12 + 4*int(b[0]&0x0f)
	if b[0]&0x10 != 0 {
		if len(b) < n+4 {
			return 0, false
		}
		n += 4 + 4*int(binary.BigEndian.Uint16(b[n+2:]))
	}
	return n, len(b) >= n
}
