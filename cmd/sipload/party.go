package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// Audio as G.711 sends it: 20 ms and 160 bytes a packet.
const (
	packetTime    = 20 * time.Millisecond
	payloadSize   = 160
	rtpHeaderSize = 12
)

// party is one end of a call: a socket that sends one audio stream, counts what
// comes back and, of some, measures how long it was under way.
type party struct {
	conn   *net.UDPConn
	to     netip.AddrPort
	header rtp.Header

	suite   string // of a=crypto; "" for plain RTP
	key     []byte // what it sends with
	out, in *srtp.Context
	timed   bool // decrypt and measure

	sent     atomic.Uint64
	received atomic.Uint64
	mu       sync.Mutex
	delays   []time.Duration
}

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
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	conn.SetReadBuffer(1 << 20)
	p := &party{conn: conn, suite: suite, header: rtp.Header{Version: 2, SSRC: randomSSRC()}}
	if suite != "" {
		p.key = make([]byte, 30)
		rand.Read(p.key)
		if p.out, err = newContext(suite, p.key); err != nil {
			return nil, err
		}
	}
	return p, nil
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
	port := p.conn.LocalAddr().(*net.UDPAddr).Port
	return fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %d %s 0\r\na=rtpmap:0 PCMU/8000\r\n%sa=sendrecv\r\n", port, proto, crypto)
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
	if err != nil {
		return "", fmt.Errorf("c= line: %w", err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	p.to = netip.AddrPortFrom(addr, uint16(n))
	return tag, err
}

// send sends the next packet, with the time in it.
func (p *party) send(buf []byte) {
	p.header.SequenceNumber++
	p.header.Timestamp += payloadSize
	n, _ := p.header.MarshalTo(buf) // 12 of at least 256 bytes
	packet := buf[:n+payloadSize]
	clear(packet[n:])
	binary.BigEndian.PutUint64(packet[n:], uint64(time.Now().UnixNano()))
	if p.out != nil {
		var err error
		if packet, err = p.out.EncryptRTP(buf[:0:len(buf)], packet, &p.header); err != nil {
			return
		}
	}
	if _, err := p.conn.WriteToUDPAddrPort(packet, p.to); err == nil {
		p.sent.Add(1)
	}
}

// receive counts until the socket is closed.
func (p *party) receive() {
	buf := make([]byte, 2048)
	for {
		n, _, err := p.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		if n < rtpHeaderSize+payloadSize || buf[1]&0x7f >= 64 && buf[1]&0x7f < 96 {
			continue // RTCP
		}
		p.received.Add(1)
		if p.timed {
			p.time(buf[:n])
		}
	}
}

func (p *party) time(packet []byte) {
	if p.in != nil {
		var err error
		if packet, err = p.in.DecryptRTP(nil, packet, nil); err != nil {
			return
		}
	}
	at := int64(binary.BigEndian.Uint64(packet[rtpHeaderSize:]))
	p.mu.Lock()
	p.delays = append(p.delays, time.Duration(time.Now().UnixNano()-at))
	p.mu.Unlock()
}

// traffic is many parties that talk.
type traffic struct {
	parties []*party
	stop    chan struct{}
	done    sync.WaitGroup
}

// start lets everybody send 50 packets a second, evenly spread over the 20 ms.
func startTraffic(parties []*party) *traffic {
	t := &traffic{parties: parties, stop: make(chan struct{})}
	for i, p := range parties {
		p.timed = i%16 == 0
		t.done.Go(p.receive)
	}
	t.done.Go(t.pace)
	return t
}

func (t *traffic) pace() {
	const slots = 20
	buf := make([]byte, 256)
	start := time.Now()
	for slot := 0; ; slot++ {
		for i := slot % slots; i < len(t.parties); i += slots {
			t.parties[i].send(buf)
		}
		next := start.Add(time.Duration(slot+1) * packetTime / slots)
		select {
		case <-t.stop:
			return
		case <-time.After(time.Until(next)):
		}
	}
}

// counts is what was sent and received so far.
func (t *traffic) counts() (sent, received uint64) {
	for _, p := range t.parties {
		sent += p.sent.Load()
		received += p.received.Load()
	}
	return sent, received
}

// forget drops the delays so far.
func (t *traffic) forget() { t.delays() }

// delays are those since the last time, sorted.
func (t *traffic) delays() []time.Duration {
	var all []time.Duration
	for _, p := range t.parties {
		p.mu.Lock()
		all = append(all, p.delays...)
		p.delays = p.delays[:0]
		p.mu.Unlock()
	}
	slices.Sort(all)
	return all
}

// end stops sending and, when what is under way has come, receiving: it still
// counts.
func (t *traffic) end() {
	close(t.stop)
	time.Sleep(200 * time.Millisecond)
	for _, p := range t.parties {
		p.conn.Close()
	}
	t.done.Wait()
}
