package media_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// flavour is how a phone does media.
type flavour struct {
	name   string
	proto  string   // of its offers
	suites []string // a=crypto of its offers, and what it takes
	dtls   bool
	ice    bool
	mux    bool // rtcp-mux
	bundle bool
	waits  bool // answers setup:passive: we send the ClientHello
}

var (
	plainPhone = flavour{name: "plain", proto: "RTP/AVP"}
	sdesPhone  = flavour{name: "sdes", proto: "RTP/SAVP", suites: []string{"AES_CM_128_HMAC_SHA1_80"}}
	gcmPhone   = flavour{name: "gcm", proto: "RTP/SAVP", suites: []string{"AEAD_AES_128_GCM"}}
	osrtpPhone = flavour{name: "osrtp", proto: "RTP/AVP", suites: []string{"AES_CM_128_HMAC_SHA1_80"}}
	dtlsPhone  = flavour{name: "dtls", proto: "UDP/TLS/RTP/SAVPF", dtls: true}
	openPhone  = flavour{name: "plain-ice", proto: "RTP/AVP", ice: true}
	icePhone   = flavour{name: "dtls-ice", proto: "UDP/TLS/RTP/SAVPF", dtls: true, ice: true}
	webPhone   = flavour{name: "web", proto: "UDP/TLS/RTP/SAVPF", dtls: true, ice: true, mux: true, bundle: true}
)

// phone is the media side of a user agent with sockets, keys and a parser of
// its own: it makes and answers offers and keeps what reaches it.
type phone struct {
	testing.TB
	flavour
	address    netip.Addr
	lines      []*line
	version    int
	cert       tls.Certificate
	ufrag, pwd string
}

// newPhone makes a phone with one line for each kind ("audio", "video", "image").
func newPhone(t testing.TB, f flavour, kinds ...string) *phone {
	return newPhoneAt(t, f, netip.MustParseAddr("127.0.0.1"), kinds...)
}

func newPhoneAt(t testing.TB, f flavour, address netip.Addr, kinds ...string) *phone {
	p := &phone{TB: t, flavour: f, address: address, ufrag: random(4), pwd: random(18)}
	if f.dtls {
		p.cert = certificate(t)
	}
	for _, kind := range kinds {
		p.addLine(kind)
	}
	return p
}

func (p *phone) addLine(kind string) *line {
	l := &line{phone: p, kind: kind, index: len(p.lines), direction: "sendrecv", arrived: make(chan struct{}, 1)}
	l.ssrc, l.sequence = uint32(0x1000*(len(p.lines)+1)), 100
	switch kind {
	case "audio":
		l.codecs = []codec{{0, "PCMU/8000"}, {8, "PCMA/8000"}, {96, "opus/48000/2"}, {101, "telephone-event/8000"}}
	case "video":
		l.codecs = []codec{{96, "VP8/90000"}}
		if p.bundle { // payload numbers are shared (RFC 9143 §9.1)
			l.codecs = []codec{{100, "VP8/90000"}}
		}
	}
	if p.bundle && len(p.lines) > 0 {
		l.media, l.control = p.lines[0].media, p.lines[0].control
	} else {
		l.media, l.control = openPair(p)
	}
	for _, suite := range p.suites {
		l.offered = append(l.offered, newSDES(len(l.offered)+1, suite))
	}
	p.lines = append(p.lines, l)
	return l
}

// rekey makes fresh keys for the next offer.
func (p *phone) rekey() {
	for _, l := range p.lines {
		for i, c := range l.offered {
			l.offered[i] = newSDES(c.tag, c.suite)
		}
	}
}

// offer describes the phone for an INVITE.
func (p *phone) offer() []byte {
	for _, l := range p.lines {
		l.answering = nil
	}
	return p.describe(nil)
}

// describe writes a description: an offer when nothing is answered.
func (p *phone) describe(answered []section) []byte {
	family := "IP4"
	if p.address.Is6() {
		family = "IP6"
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	p.version++
	line("v=0\r\no=phone 4711 %d IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0", p.version, family, p.address, family, p.address)
	if p.bundle {
		var mids []string
		for _, l := range p.lines {
			mids = append(mids, strconv.Itoa(l.index))
		}
		line("a=group:BUNDLE %s", strings.Join(mids, " "))
	}
	for i, l := range p.lines {
		var to *section
		if answered != nil {
			to = &answered[i]
		}
		l.describe(line, to)
	}
	return []byte(b.String())
}

// answer takes an offer and answers it.
func (p *phone) answer(offer []byte) []byte {
	sections := parse(offer)
	p.bundle = p.bundle && sections[0].session["group"] != nil
	for len(p.lines) < len(sections) {
		p.addLine(sections[len(p.lines)].kind)
	}
	for i, l := range p.lines {
		l.take(sections[i], false)
	}
	text := p.describe(sections)
	for i, l := range p.lines {
		l.start(sections[i], false)
	}
	return text
}

// accept takes the answer to the phone's offer.
func (p *phone) accept(answer []byte) {
	sections := parse(answer)
	if len(sections) != len(p.lines) {
		p.Fatalf("%d m-lines answered with %d:\n%s", len(p.lines), len(sections), answer)
	}
	for i, l := range p.lines {
		l.take(sections[i], true)
		l.start(sections[i], true)
	}
}

// codec is a payload number and its a=rtpmap.
type codec struct {
	number uint8
	name   string
}

// sdes is one a=crypto line.
type sdes struct {
	tag   int
	suite string
	key   []byte // master key and salt
}

var sdesLengths = map[string][2]int{"AES_CM_128_HMAC_SHA1_80": {16, 14}, "AEAD_AES_128_GCM": {16, 12}}

func newSDES(tag int, suite string) sdes {
	key := make([]byte, sdesLengths[suite][0]+sdesLengths[suite][1])
	rand.Read(key)
	return sdes{tag, suite, key}
}

func (c sdes) String() string {
	return fmt.Sprintf("%d %s inline:%s", c.tag, c.suite, base64.StdEncoding.EncodeToString(c.key))
}

func parseSDES(value string) (c sdes, ok bool) {
	tag, rest, _ := strings.Cut(value, " ")
	suite, params, _ := strings.Cut(rest, " ")
	inline, _, _ := strings.Cut(strings.TrimPrefix(params, "inline:"), "|")
	key, err := base64.StdEncoding.DecodeString(inline)
	c.tag, _ = strconv.Atoi(tag)
	c.suite, c.key = suite, key
	return c, err == nil && sdesLengths[suite] != [2]int{}
}

// section is an m-line as a phone reads it, with what the session level says.
type section struct {
	kind, proto string
	port        int
	numbers     []uint8
	address     netip.Addr
	attributes  map[string][]string
	session     map[string][]string
}

// value is the first value of an attribute, of the session when the m-line has none.
func (s section) value(name string) string {
	for _, values := range [][]string{s.attributes[name], s.session[name]} {
		if len(values) > 0 {
			return values[0]
		}
	}
	return ""
}

func (s section) has(name string) bool { return s.attributes[name] != nil || s.session[name] != nil }

// parse reads what our side wrote; it trusts it to be well formed.
func parse(text []byte) []section {
	session := map[string][]string{}
	var address netip.Addr
	var sections []section
	for text := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimRight(text, "\r\n"), "=")
		switch key {
		case "m":
			f := strings.Fields(value)
			port, _ := strconv.Atoi(f[1])
			s := section{kind: f[0], port: port, proto: f[2], address: address, attributes: map[string][]string{}, session: session}
			for _, n := range f[3:] {
				number, _ := strconv.ParseUint(n, 10, 8)
				s.numbers = append(s.numbers, uint8(number))
			}
			sections = append(sections, s)
		case "c":
			a := netip.MustParseAddr(strings.Fields(value)[2])
			if len(sections) == 0 {
				address = a
			} else {
				sections[len(sections)-1].address = a
			}
		case "a":
			name, v, _ := strings.Cut(value, ":")
			into := session
			if len(sections) > 0 {
				into = sections[len(sections)-1].attributes
			}
			into[name] = append(into[name], v)
		}
	}
	return sections
}

// names are the encodings of a section by payload number.
func (s section) names() map[uint8]string {
	names := map[uint8]string{0: "PCMU/8000", 8: "PCMA/8000"}
	for _, v := range s.attributes["rtpmap"] {
		number, name, _ := strings.Cut(v, " ")
		n, _ := strconv.Atoi(number)
		names[uint8(n)] = name
	}
	return names
}

// describe writes the m-line: an answer to to, an offer when it is nil.
func (l *line) describe(line func(string, ...any), to *section) {
	proto, codecs, cryptos := l.phone.proto, l.codecs, l.offered
	if to != nil {
		proto, codecs, cryptos = to.proto, l.answered(*to), nil
		if l.answering != nil {
			cryptos = []sdes{*l.answering}
		}
	}
	port := l.media.port()
	if to != nil && to.port == 0 || l.stopped {
		port = 0
	}
	if l.kind == "image" {
		line("m=image %d udptl t38\r\na=T38FaxVersion:0", port)
		return
	}
	var numbers strings.Builder
	for _, c := range codecs {
		fmt.Fprintf(&numbers, " %d", c.number)
	}
	line("m=%s %d %s%s", l.kind, port, proto, numbers.String())
	for _, c := range codecs {
		line("a=rtpmap:%d %s", c.number, c.name)
	}
	if l.kind == "video" {
		line("a=rtcp-fb:* nack pli")
	}
	for _, c := range cryptos {
		line("a=crypto:%s", c)
	}
	for _, a := range l.extra {
		line("a=%s", a)
	}
	line("a=%s\r\na=mid:%d", l.direction, l.index)
	if l.phone.mux && (to == nil || to.has("rtcp-mux")) {
		line("a=rtcp-mux")
	} else if l.control.port() != l.media.port()+1 {
		line("a=rtcp:%d", l.control.port())
	}
	if l.phone.dtls {
		setup := "actpass"
		switch {
		case to != nil && l.phone.waits:
			setup = "passive"
		case to != nil:
			setup = "active"
		}
		line("a=setup:%s\r\na=fingerprint:%s", setup, fingerprint(l.phone.cert))
	}
	if l.phone.ice {
		line("a=ice-ufrag:%s\r\na=ice-pwd:%s", l.phone.ufrag, l.phone.pwd)
		line("a=candidate:1 1 UDP 2130706431 %s %d typ host", l.phone.address, l.media.port())
		if !l.phone.mux {
			line("a=candidate:1 2 UDP 2130706430 %s %d typ host", l.phone.address, l.control.port())
		}
	}
}

// answered are the codecs of an offer that the phone does, with the offer's numbers.
func (l *line) answered(to section) (codecs []codec) {
	names := to.names()
	for _, n := range to.numbers {
		if slices.ContainsFunc(l.codecs, func(c codec) bool { return strings.EqualFold(c.name, names[n]) }) {
			codecs = append(codecs, codec{n, names[n]})
		}
	}
	return codecs
}

func random(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

func certificate(t testing.TB) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "phone"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func fingerprint(c tls.Certificate) string {
	sum := sha256.Sum256(c.Certificate[0])
	parts := make([]string, len(sum))
	for i, b := range sum {
		parts[i] = fmt.Sprintf("%02X", b)
	}
	return "sha-256 " + strings.Join(parts, ":")
}
