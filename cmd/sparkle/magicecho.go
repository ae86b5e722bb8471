package main

import (
	"cmp"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/media/sdp"
	"github.com/sparkleim/sparkle/media/secure"
	"github.com/sparkleim/sparkle/sip/wire"
)

// mostEchoCalls bounds the calls that echo is in; for further ones it is busy.
const mostEchoCalls = 20

// echoCall is a call in which the caller hears himself: each packet of sound
// goes back as it came. The softphone's run loop owns it; its socket belongs to
// a goroutine of its own, which ends when the socket is closed.
type echoCall struct {
	conn    *net.UDPConn
	local   netip.AddrPort
	version int // of our description, RFC 3264 §8
	sound   atomic.Pointer[echoSound]
}

// echoSound is what an offer and its answer agreed.
type echoSound struct {
	remote       netip.AddrPort
	sends        bool          // false while we are held
	theirs, ours secure.Crypto // zero: the sound is not encrypted
	in           *secure.Inbound
	out          *secure.Outbound
}

// answerCall answers INVITE, the first of a call and those within it.
func (p *softphone) answerCall(req *sip.Request) {
	id := dialogID(req)
	c := p.calls[id]
	switch {
	case c == nil && tagOf(wire.Header(req, "To")) != "":
		p.reply(req, sip.StatusCallTransactionDoesNotExists)
		return
	case c == nil && len(p.calls) >= mostEchoCalls:
		p.reply(req, sip.StatusBusyHere)
		return
	}
	offer, err := parseEchoOffer(req.Body())
	if err == nil && c == nil {
		c, err = p.newEchoCall(offer)
	} else if err == nil {
		err = c.agree(offer)
	}
	if err != nil {
		p.log.Warn("echo cannot answer a call", "error", err)
		p.reply(req, sip.StatusNotAcceptableHere)
		return
	}
	p.calls[id] = c
	// The 200 is sent once: nothing is lost on this computer.
	res := wire.NewResponse(req, sip.StatusOK, "", wire.H("Contact", p.contact),
		wire.H("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE"), wire.H("Content-Type", "application/sdp"), wire.H("User-Agent", p.agent()))
	wire.ReplaceBody(res, c.answer(offer))
	p.write(res)
}

// newEchoCall opens a socket beside the softphone's and echoes from then on.
func (p *softphone) newEchoCall(offer *echoOffer) (*echoCall, error) {
	host, _, err := net.SplitHostPort(p.conn.LocalAddr().String())
	if err != nil {
		return nil, err
	}
	c, err := openEchoCall(net.ParseIP(host), offer)
	if err != nil {
		return nil, err
	}
	p.talking.Go(c.echo)
	return c, nil
}

func openEchoCall(at net.IP, offer *echoOffer) (*echoCall, error) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: at})
	if err != nil {
		return nil, err
	}
	c := &echoCall{conn: conn, local: unmapped(conn.LocalAddr().(*net.UDPAddr).AddrPort())}
	if err := c.agree(offer); err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

// agree makes an offer what holds from now on.
func (c *echoCall) agree(offer *echoOffer) error {
	sound, err := offer.sound(c.sound.Load())
	if err != nil {
		return err
	}
	c.sound.Store(sound)
	c.version++
	return nil
}

func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// answerTo is the direction of an answer (RFC 3264 §6.1).
var answerTo = map[string]string{"sendrecv": "sendrecv", "sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}

// echoOffer is an offer with sound.
type echoOffer struct {
	*sdp.Description
	audio int // index of the m-line that is taken
}

// parseEchoOffer fails when there is no sound to echo, also for an INVITE
// without an offer.
func parseEchoOffer(text []byte) (*echoOffer, error) {
	d, err := sdp.Parse(text)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(d.Media, func(m sdp.Media) bool { return strings.EqualFold(m.Kind, "audio") && m.Port != 0 })
	if i < 0 {
		return nil, errors.New("the offer has no audio")
	}
	return &echoOffer{d, i}, nil
}

// sound is where packets come from and go to, and how they are encrypted: by
// SDES or not at all. With the keys of known, which may be nil, its ciphers go on
// where they are.
func (o *echoOffer) sound(known *echoSound) (*echoSound, error) {
	m := &o.Media[o.audio]
	address, ok := sdp.ParseAddress(o.line(func(l sdp.Line) bool { return l.Type == 'c' }))
	if !ok {
		return nil, errors.New("the offer has no address")
	}
	s := &echoSound{remote: netip.AddrPortFrom(address, uint16(m.Port)), sends: o.direction() == "sendrecv"}
	for _, l := range m.Lines {
		name, value := l.Attribute()
		if crypto, ok := secure.ParseCrypto(value); ok && l.Type == 'a' && name == "crypto" {
			return s, s.encrypt(crypto, known)
		}
	}
	if strings.Contains(m.Proto, "SAVP") {
		return nil, errors.New("the offer has no SDES key that can be used")
	}
	return s, nil
}

// encrypt takes the peer's key and makes ours (RFC 4568 §5.1.2).
func (s *echoSound) encrypt(theirs secure.Crypto, known *echoSound) (err error) {
	if known != nil && known.theirs.Suite == theirs.Suite && known.theirs.Key.Equal(theirs.Key) {
		s.theirs, s.ours, s.in, s.out = known.theirs, known.ours, known.in, known.out
		s.ours.Tag = theirs.Tag
		return nil
	}
	s.theirs, s.ours = theirs, secure.Crypto{Tag: theirs.Tag, Suite: theirs.Suite, Key: secure.NewKey(theirs.Suite)}
	if s.in, err = secure.NewInbound(theirs.Suite, theirs.Key, theirs.MKI); err != nil {
		return err
	}
	s.out, err = secure.NewOutbound(s.ours.Suite, s.ours.Key, nil)
	return err
}

// line is the value of a line of the m-line, else of the session; "" when neither
// has it.
func (o *echoOffer) line(is func(sdp.Line) bool) string {
	for _, section := range [][]sdp.Line{o.Media[o.audio].Lines, o.Session} {
		if i := slices.IndexFunc(section, is); i >= 0 {
			return section[i].Value
		}
	}
	return ""
}

// direction is who sends, as the offer says (RFC 3264 §5.1).
func (o *echoOffer) direction() string {
	value := o.line(func(l sdp.Line) bool { return l.Type == 'a' && answerTo[l.Value] != "" })
	return cmp.Or(value, "sendrecv")
}

// answer describes our side: the first format of the chosen m-line, whatever it
// is, and no other m-line (RFC 3264 §6).
func (c *echoCall) answer(offer *echoOffer) []byte {
	var w sdp.Writer
	w.Line('v', "0")
	w.Line('o', "echo ", strconv.Itoa(int(c.local.Port())), " ", strconv.Itoa(c.version), " ", sdp.Address(c.local.Addr()))
	w.Line('s', "-")
	w.Connection(c.local.Addr())
	w.Line('t', "0 0")
	for i, m := range offer.Media {
		if i == offer.audio {
			c.answerAudio(&w, offer, m)
		} else {
			w.Media(m.Kind, 0, m.Proto, m.Formats)
		}
	}
	return w.Bytes()
}

func (c *echoCall) answerAudio(w *sdp.Writer, offer *echoOffer, m sdp.Media) {
	format, _, _ := strings.Cut(m.Formats, " ")
	w.Media(m.Kind, c.local.Port(), m.Proto, format)
	for _, l := range m.Lines {
		name, value := l.Attribute()
		if number, _, _ := strings.Cut(value, " "); number == format && (name == "rtpmap" || name == "fmtp") {
			w.Attribute(name, value)
		}
	}
	if ours := c.sound.Load().ours; ours.Suite != secure.NoSuite {
		w.Attribute("crypto", ours.Value())
	}
	w.Attribute(answerTo[offer.direction()])
}

// echo sends back what comes until the socket is closed.
func (c *echoCall) echo() {
	room := make([]byte, 2048)
	for {
		n, from, err := c.conn.ReadFromUDPAddrPort(room[:1600]) // encryption makes it longer
		if err != nil {
			return
		}
		sound := c.sound.Load()
		if unmapped(from) != sound.remote || !sound.sends {
			continue
		}
		if packet, err := sound.turn(room[:n]); err == nil {
			_, _ = c.conn.WriteToUDPAddrPort(packet, sound.remote)
		}
	}
}

// turn makes of a packet that came what goes back. Source and sequence number
// stay, so ours are as unique as the peer's (RFC 3711 §9.1).
func (s *echoSound) turn(packet []byte) (_ []byte, err error) {
	if s.in == nil {
		return packet, nil
	}
	if packet, err = s.in.RTP(packet); err != nil {
		return nil, err
	}
	return s.out.RTP(packet)
}

// hangUp ends a call, if there is one.
func (p *softphone) hangUp(id string) {
	if c := p.calls[id]; c != nil {
		c.conn.Close()
		delete(p.calls, id)
	}
}

// hangUpAll ends all calls and waits for their goroutines.
func (p *softphone) hangUpAll() {
	for id := range p.calls {
		p.hangUp(id)
	}
	p.talking.Wait()
}

// dialogID names a dialog that the other side began; there is one of ours in each.
func dialogID(req *sip.Request) string {
	return wire.Header(req, "Call-ID") + " " + tagOf(wire.Header(req, "From"))
}

func tagOf(value string) string {
	a, err := wire.ParseNameAddr(value)
	if err != nil {
		return ""
	}
	tag, _ := a.Param("tag")
	return tag
}
