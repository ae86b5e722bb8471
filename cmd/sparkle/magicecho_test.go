package main

import (
	"bytes"
	"cmp"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/media/sdp"
	"github.com/sparkleim/sparkle/media/secure"
)

// talker has a call with echo, whose answers give it keys.
type talker struct {
	conn *net.UDPConn
	key  secure.Crypto
	in   *secure.Inbound
	out  *secure.Outbound
	seq  byte
}

// offer has video too, and more formats than one.
func (p *talker) offer(t *testing.T, direction string) *echoOffer {
	t.Helper()
	text := fmt.Sprintf("v=0\r\nc=IN IP4 127.0.0.1\r\nm=video 9 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\nm=audio %d RTP/AVP 8 0 101\r\n"+
		"a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=%s\r\n", p.conn.LocalAddr().(*net.UDPAddr).Port, direction)
	if p.key.Suite != secure.NoSuite {
		text += "a=crypto:" + p.key.Value() + "\r\n"
	}
	offer, err := parseEchoOffer([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return offer
}

// read takes the key of the first answer.
func (p *talker) read(t *testing.T, answer []byte) {
	t.Helper()
	d, err := sdp.Parse(answer)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range d.Media[1].Lines {
		if name, value := l.Attribute(); name == "crypto" {
			theirs, _ := secure.ParseCrypto(value)
			if theirs.Tag != p.key.Tag {
				t.Errorf("the answer has tag %d, want %d", theirs.Tag, p.key.Tag)
			}
			p.in, _ = secure.NewInbound(theirs.Suite, theirs.Key, nil)
			p.out, _ = secure.NewOutbound(p.key.Suite, p.key.Key, nil)
		}
	}
}

// say sends a packet and tells what comes back. Where nothing should, it waits only so
// long that something would have come.
func (p *talker) say(t *testing.T, c *echoCall, echoes bool) (said, heard []byte) {
	t.Helper()
	p.seq++
	said = append([]byte{0x80, 8, 0, p.seq, 0, 0, 0, p.seq, 1, 2, 3, 4}, "sound"...)
	packet, room := slices.Clone(said), make([]byte, 200)
	if p.out != nil {
		packet, _ = p.out.RTP(packet)
	}
	p.conn.WriteToUDPAddrPort(packet, c.local)
	wait := 200 * time.Millisecond
	if echoes {
		wait = 20 * time.Second
	}
	p.conn.SetReadDeadline(time.Now().Add(wait))
	n, err := p.conn.Read(room)
	if err != nil {
		return said, nil
	}
	heard = room[:n]
	if p.in != nil {
		if heard, err = p.in.RTP(heard); err != nil {
			t.Errorf("what came back cannot be read: %v", err)
		}
	}
	return said, heard
}

// What comes back is what was said, under the keys of offer and answer, and still
// so after the call was held, with the same keys.
func TestEchoCall(t *testing.T) {
	for _, suite := range []secure.Suite{secure.NoSuite, secure.AES_CM_128_HMAC_SHA1_80, secure.AEAD_AES_256_GCM} {
		t.Run(cmp.Or(suite.String(), "plain"), func(t *testing.T) {
			conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			p := &talker{conn: conn, key: secure.Crypto{Tag: 3, Suite: suite, Key: secure.NewKey(suite)}}
			c, err := openEchoCall(net.IPv4(127, 0, 0, 1), p.offer(t, "sendrecv"))
			if err != nil {
				t.Fatal(err)
			}
			defer c.conn.Close()
			go c.echo()
			answer := c.answer(p.offer(t, "sendrecv"))
			wantIn(t, string(answer), "m=video 0 RTP/AVP 96\r\n", "RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n", "a=sendrecv\r\n")
			if bytes.Contains(answer, []byte("telephone-event")) {
				t.Errorf("a format that is not taken is described:\n%s", answer)
			}
			p.read(t, answer)
			for _, step := range []struct {
				offer, answer string
				echoes        bool
			}{{"sendrecv", "sendrecv", true}, {"sendonly", "recvonly", false}, {"inactive", "inactive", false}, {"sendrecv", "sendrecv", true}} {
				if err := c.agree(p.offer(t, step.offer)); err != nil {
					t.Fatal(err)
				}
				wantIn(t, string(c.answer(p.offer(t, step.offer))), "a="+step.answer+"\r\n")
				if said, heard := p.say(t, c, step.echoes); step.echoes != bytes.Equal(said, heard) || !step.echoes && heard != nil {
					t.Errorf("%s: said %x, heard %x", step.offer, said, heard)
				}
			}
		})
	}
}

func TestEchoRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"no offer":       "",
		"no audio":       "v=0\r\nc=IN IP4 127.0.0.1\r\nm=video 4000 RTP/AVP 96\r\n",
		"refused audio":  "v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 0 RTP/AVP 0\r\n",
		"no address":     "v=0\r\nm=audio 4000 RTP/AVP 0\r\n",
		"a name":         "v=0\r\nc=IN IP4 example.com\r\nm=audio 4000 RTP/AVP 0\r\n",
		"DTLS":           "v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 4000 UDP/TLS/RTP/SAVP 0\r\n",
		"an unknown key": "v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/SAVP 0\r\na=crypto:1 F8_128_HMAC_SHA1_80 inline:" + strings.Repeat("A", 40) + "\r\n",
	} {
		offer, err := parseEchoOffer([]byte(text))
		if err == nil {
			_, err = offer.sound(nil)
		}
		if err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
