package e2e

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
	"github.com/sparkleim/sparkle/cmd/sipload/agent"
)

// speaker is an agent with a voice: it says its name in every packet and counts
// what it hears. It believes nothing of what it gets but the session
// descriptions.
type speaker struct {
	*agent.Agent
	ip        string
	secure    bool // it offers and wants SDES
	rtp, rtcp *net.UDPConn
	key       []byte

	mu        sync.Mutex
	invited   func(m *agent.Message) // sees every INVITE before it is answered
	out, in   *srtp.Context
	inKey     string
	to        netip.AddrPort // of the relay; RTCP goes to the next port
	header    rtp.Header
	word      string // what it says, once, instead of its name
	direction string
	heard     map[string]int      // by what was said
	numbers   map[uint32][]uint16 // sequence numbers that were heard, by SSRC
	unclear   int                 // packets that its key does not open
	sent      [][]byte            // as they were on the wire
	keys      []string            // of both sides, as descriptions have them
	offers    []string            // every description that came
}

const suite = "AES_CM_128_HMAC_SHA1_80"

// newSpeaker registers a user's phone that talks with SRTP, or without.
func (s *server) newSpeaker(t *testing.T, user, transport string, secure bool) *speaker {
	t.Helper()
	p := giveVoice(t, s.agent(t, user, transport), "127.0.0.1", secure)
	if _, err := p.Register(short(t), 600); err != nil {
		t.Fatal(err)
	}
	return p
}

// giveVoice makes a speaker of an agent, whose media is at an address of this
// computer.
func giveVoice(t *testing.T, a *agent.Agent, ip string, secure bool) *speaker {
	t.Helper()
	p := &speaker{Agent: a, ip: ip, secure: secure, direction: "sendrecv", heard: map[string]int{}, numbers: map[uint32][]uint16{}}
	p.rtp, p.rtcp = portPair(t, ip)
	p.header = rtp.Header{Version: 2, SSRC: binary.BigEndian.Uint32(random(4)), SequenceNumber: 1000}
	if secure {
		p.key = random(30)
		p.keys = []string{base64.StdEncoding.EncodeToString(p.key)}
		p.out = p.context(t, p.key)
	}
	p.Handle(p.request)
	go p.listen()
	return p
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func (p *speaker) context(t *testing.T, key []byte) *srtp.Context {
	c, err := srtp.CreateContext(key[:16], key[16:], srtp.ProtectionProfileAes128CmHmacSha1_80)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// portPair opens an even port and the next one.
func portPair(t *testing.T, ip string) (even, odd *net.UDPConn) {
	t.Helper()
	for range 100 {
		var err error
		if even, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(ip)}); err != nil {
			t.Fatal(err)
		}
		port := even.LocalAddr().(*net.UDPAddr).Port
		if port%2 == 0 {
			if odd, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(ip), Port: port + 1}); err == nil {
				even.SetReadBuffer(1 << 20)
				t.Cleanup(func() { even.Close(); odd.Close() })
				return even, odd
			}
		}
		even.Close()
	}
	t.Fatal("no pair of ports")
	return nil, nil
}

func portOf(c *net.UDPConn) int { return c.LocalAddr().(*net.UDPAddr).Port }

// describe is the speaker's session description.
func (p *speaker) describe(proto, tag string) string {
	crypto := ""
	if p.secure {
		crypto = "a=crypto:" + tag + " " + suite + " inline:" + base64.StdEncoding.EncodeToString(p.key) + "\r\n"
	}
	return fmt.Sprintf("v=0\r\no=- 1 %d IN IP4 %s\r\ns=-\r\nc=IN IP4 %[2]s\r\nt=0 0\r\nm=audio %d %s 0\r\na=rtpmap:0 PCMU/8000\r\n%sa=%s\r\n",
		time.Now().UnixNano(), p.ip, portOf(p.rtp), proto, crypto, p.direction)
}

// offer is the description for an INVITE.
func (p *speaker) offer() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.secure {
		return p.describe("RTP/SAVP", "1")
	}
	return p.describe("RTP/AVP", "")
}

var (
	audioLine  = regexp.MustCompile(`(?m)^m=audio (\d+) (\S+) `)
	cryptoLine = regexp.MustCompile(`(?m)^a=crypto:(\d+) (\S+) inline:([^|\s]+)`)
)

// take reads a description of the relay; tag is that of the key which was taken.
func (p *speaker) take(text string) (proto, tag string, err error) {
	m := audioLine.FindStringSubmatch(text)
	if m == nil {
		return "", "", errors.New("no audio")
	}
	port, _ := strconv.Atoi(m[1])
	p.mu.Lock()
	defer p.mu.Unlock()
	p.offers = append(p.offers, text)
	p.to = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port))
	for _, c := range cryptoLine.FindAllStringSubmatch(text, -1) {
		p.keys = append(p.keys, c[3])
		if !p.secure || c[2] != suite || tag != "" {
			continue
		}
		tag = c[1]
		if c[3] == p.inKey {
			continue // the roll-over counter goes on
		}
		key, err := base64.StdEncoding.DecodeString(c[3])
		if err != nil || len(key) != 30 {
			return "", "", errors.New("a key of another length")
		}
		p.inKey = c[3]
		if p.in, err = srtp.CreateContext(key[:16], key[16:], srtp.ProtectionProfileAes128CmHmacSha1_80); err != nil {
			return "", "", err
		}
	}
	if p.secure && tag == "" || !p.secure && m[2] != "RTP/AVP" {
		return "", "", errors.New("other keys are wanted")
	}
	return m[2], tag, nil
}

// before lets somebody see every INVITE before it is answered.
func (p *speaker) before(see func(*agent.Message)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.invited = see
}

// request answers what the server asks.
func (p *speaker) request(m *agent.Message) (status, body string) {
	switch {
	case m.Method() == "INVITE" && len(m.Body) == 0:
		return "200 OK", p.offer()
	case m.Method() != "INVITE" && m.Method() != "UPDATE", len(m.Body) == 0:
		return "200 OK", ""
	}
	offer := string(m.Body)
	proto, tag, err := p.take(offer)
	p.mu.Lock()
	invited := p.invited
	p.mu.Unlock()
	if invited != nil {
		invited(m)
	}
	if err != nil {
		return "488 Not Acceptable Here", ""
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.direction = "sendrecv"
	for own, other := range map[string]string{"recvonly": "sendonly", "sendonly": "recvonly", "inactive": "inactive"} {
		if strings.Contains(offer, "a="+other) {
			p.direction = own
		}
	}
	return "200 OK", p.describe(proto, tag)
}

// call calls a user, with the speaker's own offer.
func (p *speaker) call(t *testing.T, to string) *agent.Dialog {
	t.Helper()
	d, err := p.Agent.Call(short(t), to, p.offer())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.take(string(d.Answer)); err != nil {
		t.Fatalf("%v in the answer:\n%s", err, d.Answer)
	}
	return d
}

// again offers anew in a call: another direction, perhaps.
func (p *speaker) again(t *testing.T, d *agent.Dialog, direction string) {
	t.Helper()
	p.mu.Lock()
	p.direction = direction
	p.mu.Unlock()
	res, err := d.Do(short(t), &agent.Request{Method: "INVITE", ContentType: "application/sdp", Body: p.offer()})
	if err != nil || res.Status() != 200 {
		t.Fatalf("%s: %v %v", direction, res, err)
	}
	if _, _, err := p.take(string(res.Body)); err != nil {
		t.Fatal(err)
	}
}

// next is the next packet as it goes over the wire.
func (p *speaker) next() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.header.SequenceNumber++
	p.header.Timestamp += 160
	packet := rtp.Packet{Header: p.header, Payload: fmt.Appendf(nil, "%-160s", cmp.Or(p.word, p.User))}
	p.word = ""
	b, err := packet.Marshal()
	if err == nil && p.out != nil {
		b, err = p.out.EncryptRTP(nil, b, nil)
	}
	if err != nil {
		panic(err) // a header of our own
	}
	p.sent = append(p.sent, b)
	return b
}

// say sends n packets.
func (p *speaker) say(n int) {
	for range n {
		p.rtp.WriteToUDPAddrPort(p.next(), p.remote())
		time.Sleep(2 * time.Millisecond)
	}
}

func (p *speaker) remote() netip.AddrPort {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.to
}

// listen counts until the socket is closed.
func (p *speaker) listen() {
	b := make([]byte, 2048)
	for {
		n, _, err := p.rtp.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		if n < 12 || b[1]&0x7f >= 64 && b[1]&0x7f < 96 {
			continue // RTCP
		}
		p.hear(bytes.Clone(b[:n]))
	}
}

func (p *speaker) hear(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.in != nil {
		var err error
		if b, err = p.in.DecryptRTP(nil, b, nil); err != nil {
			p.unclear++
			return
		}
	}
	var packet rtp.Packet
	if err := packet.Unmarshal(b); err != nil {
		p.unclear++
		return
	}
	p.heard[strings.TrimSpace(string(packet.Payload))]++
	p.numbers[packet.SSRC] = append(p.numbers[packet.SSRC], packet.SequenceNumber)
}

// count is how many packets somebody was heard in.
func (p *speaker) count(name string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.heard[name]
}

// strange is how many packets came that the other side never sent.
func (p *speaker) strange(other string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.unclear
	for _, name := range slices.Collect(maps.Keys(p.heard)) {
		if name != other {
			n += p.heard[name]
		}
	}
	return n
}

// settle waits until all that one has said has come to the other.
func settle(t *testing.T, from, to *speaker) {
	t.Helper()
	from.mu.Lock()
	from.word = "over"
	from.mu.Unlock()
	before := to.count("over")
	from.say(1)
	eventually(t, limit, to.User+" hears the last of "+from.User, func() bool { return to.count("over") > before })
}

// talk lets two speak to each other, and fails when one is not heard.
func talk(t *testing.T, a, b *speaker) {
	t.Helper()
	hears := func(from, to *speaker) {
		before := to.count(from.User)
		eventually(t, limit, to.User+" hears "+from.User, func() bool {
			from.say(5)
			return to.count(from.User) >= before+10
		})
	}
	hears(a, b)
	hears(b, a)
}
