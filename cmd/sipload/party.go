//go:build linux

package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
	"golang.org/x/sys/unix"
)

// Audio as G.711 sends it: 20 ms and 160 bytes a packet.
const (
	packetTime     = 20 * time.Millisecond
	packetsPerCall = 100 // and second, to and fro
	payloadSize    = 160
	rtpHeaderSize  = 12
)

// party is one end of a call: a socket that sends one audio stream, counts what
// comes back and, of one packet in timedPackets, measures how long it was under way.
type party struct {
	socket *socket
	to     *unix.SockaddrInet4
	header rtp.Header

	suite   string // of a=crypto; "" for plain RTP
	key     []byte // what it sends with
	out, in *srtp.Context
	next    int // which packet comes next, modulo timedPackets
}

const timedPackets = 16

// The two suites of the comparison: with one on each side no relay can pass the
// ciphertext through.
const (
	suite80 = "AES_CM_128_HMAC_SHA1_80"
	suite32 = "AES_CM_128_HMAC_SHA1_32"
)

var profiles = map[string]srtp.ProtectionProfile{
	suite80: srtp.ProtectionProfileAes128CmHmacSha1_80,
	suite32: srtp.ProtectionProfileAes128CmHmacSha1_32,
}

// newParty opens a socket; suite "" makes it one of plain RTP.
func newParty(suite string) (*party, error) {
	s, err := openSocket()
	if err != nil {
		return nil, err
	}
	ssrc := randomSSRC()
	p := &party{socket: s, suite: suite, header: rtp.Header{Version: 2, SSRC: ssrc}, next: int(ssrc % timedPackets)}
	if suite != "" {
		p.key = make([]byte, 30)
		rand.Read(p.key)
		if p.out, err = newContext(suite, p.key); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func closeParties(parties []*party) {
	for _, p := range parties {
		p.socket.close()
	}
}

func randomSSRC() uint32 {
	var b [4]byte
	rand.Read(b[:])
	return binary.BigEndian.Uint32(b[:])
}

func newContext(suite string, key []byte) (*srtp.Context, error) {
	return srtp.CreateContext(key[:16], key[16:30], profiles[suite])
}

// describe is the party's session description, tagged for the line it answers.
func (p *party) describe(tag string) string {
	proto, crypto := "RTP/AVP", ""
	if p.suite != "" {
		proto = "RTP/SAVP"
		crypto = "a=crypto:" + tag + " " + p.suite + " inline:" + base64.StdEncoding.EncodeToString(p.key) + "\r\n"
	}
	return fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %d %s 0\r\na=rtpmap:0 PCMU/8000\r\n%sa=sendrecv\r\n", p.socket.port, proto, crypto)
}

// errOtherSecurity refuses an offer of SRTP to a plain party, or the other way.
var errOtherSecurity = errors.New("the offer is not what this party speaks")

// take reads the relay's description: where to send, and the key it sends with.
// It returns the tag of the a=crypto line that was taken.
func (p *party) take(description string) (tag string, err error) {
	host, port, proto := "", "", ""
	found := p.suite == ""
	for line := range strings.Lines(description) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "c=IN IP4 "):
			host = line[len("c=IN IP4 "):]
		case strings.HasPrefix(line, "m=audio "):
			f := strings.Fields(line)
			port, proto = f[1], f[2]
		case strings.HasPrefix(line, "a=crypto:") && !found:
			f := strings.Fields(line[len("a=crypto:"):])
			if len(f) < 3 || f[1] != p.suite {
				continue
			}
			inline, _, _ := strings.Cut(strings.TrimPrefix(f[2], "inline:"), "|")
			key, err := base64.StdEncoding.DecodeString(inline)
			if err != nil || len(key) != 30 {
				return "", fmt.Errorf("key of %s is not usable", p.suite)
			}
			if p.in, err = newContext(p.suite, key); err != nil {
				return "", err
			}
			tag, found = f[0], true
		}
	}
	if !found || (proto == "RTP/AVP") != (p.suite == "") {
		return "", errOtherSecurity
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || !addr.Is4() {
		return "", fmt.Errorf("c= line: %q is no IPv4 address", host)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	p.to = &unix.SockaddrInet4{Addr: addr.As4(), Port: int(n)}
	return tag, err
}

// send sends the next packet, with the time in it.
func (p *party) send(buf []byte) bool {
	p.header.SequenceNumber++
	p.header.Timestamp += payloadSize
	n, _ := p.header.MarshalTo(buf) // 12 of at least 256 bytes
	packet := buf[:n+payloadSize]
	clear(packet[n:])
	binary.BigEndian.PutUint64(packet[n:], uint64(time.Now().UnixNano()))
	if p.out != nil {
		var err error
		if packet, err = p.out.EncryptRTP(buf[:0:len(buf)], packet, &p.header); err != nil {
			return false
		}
	}
	return unix.Sendto(p.socket.fd, packet, 0, p.to) == nil
}

// arrival is what a socket had for a party.
type arrival int

const (
	nothing arrival = iota
	other           // RTCP
	audio
)

// receive takes the next packet from the socket; delay is how long it was under
// way from this process to this socket, 0: not measured.
func (p *party) receive(buf []byte) (kind arrival, delay time.Duration) {
	timed := p.next == 0
	var n int
	var at int64
	var ok bool
	if timed {
		n, at, ok = p.socket.receiveTimed(buf)
	} else {
		n, ok = p.socket.receive(buf)
	}
	switch {
	case !ok:
		return nothing, 0
	case n < rtpHeaderSize+payloadSize || buf[1]&0x7f >= 64 && buf[1]&0x7f < 96:
		return other, 0
	}
	p.next = (p.next + 1) % timedPackets
	if timed {
		delay = p.delay(buf[:n], at)
	}
	return audio, delay
}

// delay is from the time in a packet until at, 0 when either is missing.
func (p *party) delay(packet []byte, at int64) time.Duration {
	if p.in != nil {
		var err error
		if packet, err = p.in.DecryptRTP(nil, packet, nil); err != nil {
			return 0
		}
	}
	return max(0, time.Duration(at-int64(binary.BigEndian.Uint64(packet[rtpHeaderSize:]))))
}
