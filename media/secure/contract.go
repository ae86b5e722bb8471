package secure

import (
	"context"
	"errors"
	"net"
)

// Why a packet is dropped.
var (
	ErrAuthentication = errors.New("secure: the tag of the packet is wrong")
	ErrReplay         = errors.New("secure: the packet was received before")
	ErrShort          = errors.New("secure: the packet is too short")
	ErrSources        = errors.New("secure: too many SSRCs") // more than 16 on one leg
)

// Suite is an SRTP protection profile.
type Suite uint8

const (
	NoSuite Suite = iota
	AEAD_AES_128_GCM
	AEAD_AES_256_GCM
	AES_CM_128_HMAC_SHA1_80
	AES_CM_128_HMAC_SHA1_32
	AES_256_CM_HMAC_SHA1_80
	AES_256_CM_HMAC_SHA1_32
)

// String is the name of RFC 4568 §6.2, RFC 6188 and RFC 7714.
func (s Suite) String() string { panic("contract") }

// Key is a master key with its salt. It prints as "redacted".
type Key struct{ b []byte }

// NewKey makes a random key for a suite.
func NewKey(s Suite) Key { panic("contract") }

// Crypto is one a=crypto attribute that we can use.
type Crypto struct {
	Tag   int
	Suite Suite
	Key   Key
	MKI   []byte // nil: none
}

// ParseCrypto reads the value of a=crypto. ok is false for a suite, key
// parameter or session parameter that we do not do (UNENCRYPTED_*, F8 …): such
// a line is passed over, not an error.
func ParseCrypto(value string) (c Crypto, ok bool) { panic("contract") }

// Value is the value of a=crypto for c.
func (c Crypto) Value() string { panic("contract") }

// Inbound decrypts what one peer sends.
type Inbound struct{}

// NewInbound makes the context of one direction of one stream.
func NewInbound(s Suite, k Key, mki []byte) (*Inbound, error) { panic("contract") }

// RTP verifies and decrypts a packet in place and returns the part of b that is left.
func (c *Inbound) RTP(b []byte) ([]byte, error) { panic("contract") }

// RTCP does the same for SRTCP.
func (c *Inbound) RTCP(b []byte) ([]byte, error) { panic("contract") }

// Outbound encrypts what one peer gets.
type Outbound struct{}

// NewOutbound makes the context of one direction of one stream.
func NewOutbound(s Suite, k Key, mki []byte) (*Outbound, error) { panic("contract") }

// RTP encrypts a packet, in place where cap(b) allows (RTP grows by at most 32 bytes).
func (c *Outbound) RTP(b []byte) ([]byte, error) { panic("contract") }

// RTCP does the same for SRTCP.
func (c *Outbound) RTCP(b []byte) ([]byte, error) { panic("contract") }

// Identity is our DTLS certificate, one a process.
type Identity struct{}

// NewIdentity makes an ECDSA P-256 certificate.
func NewIdentity() (*Identity, error) { panic("contract") }

// Fingerprint is the value of a=fingerprint: "sha-256 AB:…".
func (i *Identity) Fingerprint() string { panic("contract") }

// Keys are what a handshake agreed.
type Keys struct {
	Suite           Suite
	Inbound, Output Key
}

// Handshake runs DTLS over conn until ctx ends. client: we send the ClientHello.
// fingerprints are the values the peer may have. It returns when keys are there;
// the association lives on (to answer repeated flights) until conn is closed.
func (i *Identity) Handshake(ctx context.Context, conn net.PacketConn, remote net.Addr, client bool, fingerprints []string) (Keys, error) {
	panic("contract")
}
