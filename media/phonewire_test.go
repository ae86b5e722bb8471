package media_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
	"github.com/pion/stun/v4"
)

const patience = time.Minute // of a test that waits for what must come

// line is one m-line of a phone.
type line struct {
	phone          *phone
	kind           string
	index          int
	media, control *wire
	codecs         []codec
	direction      string
	extra          []string // attributes
	stopped        bool
	offered        []sdes
	answering      *sdes // ours in the answer that we give
	inUse          [2]string
	number         uint8 // that we send
	remote         netip.AddrPort
	remoteControl  netip.AddrPort
	ssrc           uint32
	sequence       uint16
	timestamp      uint32

	mu      sync.Mutex
	heard   []rtp.Packet
	reports []rtcp.Packet
	opaque  [][]byte
	arrived chan struct{}
}

// wire is a socket of a phone, shared by the lines of a bundle.
type wire struct {
	phone   *phone
	conn    *net.UDPConn
	lines   []*line
	flights chan []byte // DTLS to be read
	checked chan struct{}
	started bool
	peer    string // the relay's ufrag, and
	pwd     string
	ready   chan struct{} // closed when keys are there
	bad     atomic.Int64  // packets that did not verify

	taken      int        // datagrams that came to conn
	mu         sync.Mutex // of the lines as far as they change what is read, and
	seal, open *srtp.Context
}

// openPair opens an even port and the odd one above it.
func openPair(p *phone) (media, control *wire) {
	for range 200 {
		a, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.address, 0)))
		if err != nil {
			p.Fatal(err)
		}
		at := a.LocalAddr().(*net.UDPAddr).AddrPort()
		if at.Port()%2 == 0 {
			b, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.address, at.Port()+1)))
			if err == nil {
				return newWire(p, a), newWire(p, b)
			}
		}
		a.Close()
	}
	p.Fatal("no pair of ports")
	return nil, nil
}

func newWire(p *phone, conn *net.UDPConn) *wire {
	w := &wire{phone: p, flights: make(chan []byte, 64), checked: make(chan struct{}, 1), ready: make(chan struct{})}
	w.use(conn)
	return w
}

// use makes a socket that of the wire. What comes to the one before is still read.
func (w *wire) use(conn *net.UDPConn) {
	w.mu.Lock()
	w.conn, w.taken = conn, 0
	w.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.read(conn)
	}()
	w.phone.Cleanup(func() {
		conn.Close()
		<-done
	})
}

// move gives a wire another port, as a NAT that forgot it does.
func (w *wire) move() {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(w.phone.address, 0)))
	if err != nil {
		w.phone.Fatal(err)
	}
	w.use(conn)
}

// reached tells whether anything has come to the socket of the wire.
func (w *wire) reached() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.taken > 0
}

func (w *wire) port() int { return w.conn.LocalAddr().(*net.UDPAddr).Port }

func (w *wire) read(conn *net.UDPConn) {
	for {
		b := make([]byte, 2048)
		n, _, err := conn.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		w.mu.Lock()
		w.take(b[:n])
		if conn == w.conn {
			w.taken++
		}
		w.mu.Unlock()
	}
}

// take tells datagrams apart (RFC 7983).
func (w *wire) take(b []byte) {
	switch {
	case len(b) == 0:
	case w.isOpaque():
		w.lines[0].hear(func(l *line) { l.opaque = append(l.opaque, b) })
	case b[0] < 4:
		select {
		case w.checked <- struct{}{}:
		default:
		}
	case b[0] >= 20 && b[0] < 64:
		select {
		case w.flights <- b:
		default:
		}
	case b[0]>>6 == 2 && len(b) >= 2 && b[1] >= 192 && b[1] <= 223:
		w.readControl(b)
	case b[0]>>6 == 2:
		w.readMedia(b)
	default: // ZRTP
		w.lines[0].hear(func(l *line) { l.opaque = append(l.opaque, b) })
	}
}

func (w *wire) isOpaque() bool { return len(w.lines) == 1 && w.lines[0].kind == "image" }

func (w *wire) readMedia(b []byte) {
	var err error
	if w.open != nil {
		b, err = w.open.DecryptRTP(nil, b, nil)
	} else if w.isSecure() {
		err = errors.New("before the keys")
	}
	var p rtp.Packet
	if err != nil || p.Unmarshal(b) != nil {
		w.bad.Add(1)
		return
	}
	for _, l := range w.lines {
		if len(w.lines) == 1 || slices.ContainsFunc(l.codecs, func(c codec) bool { return c.number == p.PayloadType }) {
			l.hear(func(l *line) { l.heard = append(l.heard, p) })
			return
		}
	}
}

func (w *wire) isSecure() bool { return w.phone.dtls || w.lines[0].inUse != [2]string{} }

func (w *wire) readControl(b []byte) {
	var err error
	if w.open != nil {
		b, err = w.open.DecryptRTCP(nil, b, nil)
	}
	packets, err2 := rtcp.Unmarshal(b)
	if err != nil || err2 != nil {
		w.bad.Add(1)
		return
	}
	for _, l := range w.lines {
		l.hear(func(l *line) { l.reports = append(l.reports, packets...) })
	}
}

func (l *line) hear(f func(*line)) {
	l.mu.Lock()
	f(l)
	l.mu.Unlock()
	select {
	case l.arrived <- struct{}{}:
	default:
	}
}

// await waits until enough holds; it fails the test when it never does.
func (l *line) await(what string, enough func() bool) {
	l.phone.Helper()
	deadline := time.After(patience)
	for {
		l.mu.Lock()
		ok := enough()
		l.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-l.arrived:
		case <-deadline:
			l.mu.Lock()
			defer l.mu.Unlock()
			l.phone.Fatalf("%s %s: %s never came: %d packets, %d reports, %d opaque, %d bad", l.phone.name, l.kind, what,
				len(l.heard), len(l.reports), len(l.opaque), l.media.bad.Load())
		}
	}
}

// count is how many media packets were heard.
func (l *line) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.heard)
}

// take reads the section of an offer or of the answer to ours.
func (l *line) take(s section, answer bool) {
	for _, w := range l.wires() {
		w.mu.Lock()
		defer w.mu.Unlock()
	}
	l.remote = netip.AddrPortFrom(s.address, uint16(s.port))
	l.remoteControl = netip.AddrPortFrom(s.address, uint16(s.port)+1)
	if at := s.value("rtcp"); at != "" {
		var port uint16
		fmt.Sscan(at, &port)
		l.remoteControl = netip.AddrPortFrom(s.address, port)
	}
	if l.phone.mux && s.has("rtcp-mux") {
		l.control, l.remoteControl = l.media, l.remote
	}
	if codecs := l.answered(s); len(codecs) > 0 {
		l.number = codecs[0].number
		l.codecs = codecs
	}
	for _, w := range l.wires() {
		if !slices.Contains(w.lines, l) {
			w.lines = append(w.lines, l)
		}
	}
	for _, v := range s.attributes["crypto"] {
		if l.takeCrypto(v, answer) {
			break
		}
	}
}

// wires are the sockets in use.
func (l *line) wires() []*wire {
	if l.media == l.control {
		return []*wire{l.media}
	}
	return []*wire{l.media, l.control}
}

func (l *line) takeCrypto(value string, answer bool) bool {
	theirs, ok := parseSDES(value)
	if !ok || !slices.Contains(l.phone.suites, theirs.suite) {
		return false
	}
	var ours sdes
	if answer {
		i := slices.IndexFunc(l.offered, func(c sdes) bool { return c.tag == theirs.tag })
		if i < 0 || l.offered[i].suite != theirs.suite {
			l.phone.Fatalf("answered a=crypto:%d that was not offered", theirs.tag)
		}
		ours = l.offered[i]
	} else {
		ours = newSDES(theirs.tag, theirs.suite)
		if l.answering != nil && l.answering.suite == theirs.suite {
			ours.key = l.answering.key
		}
		l.answering = &ours
	}
	l.rekey(ours, theirs)
	return true
}

// rekey makes contexts of what changed: the others keep their roll-over counter.
func (l *line) rekey(ours, theirs sdes) {
	profile := srtp.ProtectionProfileAes128CmHmacSha1_80
	if theirs.suite == "AEAD_AES_128_GCM" {
		profile = srtp.ProtectionProfileAeadAes128Gcm
	}
	n := sdesLengths[theirs.suite][0]
	for _, w := range l.wires() {
		if k := string(ours.key); l.inUse[0] != k {
			w.seal = l.context(ours.key[:n], ours.key[n:], profile)
		}
		if k := string(theirs.key); l.inUse[1] != k {
			w.open = l.context(theirs.key[:n], theirs.key[n:], profile)
		}
	}
	l.inUse = [2]string{string(ours.key), string(theirs.key)}
}

func (l *line) context(key, salt []byte, profile srtp.ProtectionProfile) *srtp.Context {
	c, err := srtp.CreateContext(key, salt, profile, srtp.SRTPReplayProtection(128), srtp.SRTCPReplayProtection(128))
	if err != nil {
		l.phone.Fatal(err)
	}
	return c
}

// start begins connectivity checks and handshakes, as far as the phone does them.
func (l *line) start(s section, answer bool) {
	if !l.phone.dtls && !l.phone.ice || s.port == 0 {
		return
	}
	client := s.value("setup") != "active" && (answer || !l.phone.waits)
	for _, w := range l.wires() {
		remote := l.remote
		if w == l.control {
			remote = l.remoteControl
		}
		switch {
		case !w.started:
			w.started, w.peer, w.pwd = true, s.value("ice-ufrag"), s.value("ice-pwd")
			go w.connect(remote, s, client)
		case l.phone.ice && w.peer != s.value("ice-ufrag"):
			w.peer, w.pwd = s.value("ice-ufrag"), s.value("ice-pwd")
			if !w.check(remote) {
				l.phone.Fatal("no answer to connectivity checks after a restart of ICE")
			}
		}
	}
}

func (w *wire) connect(remote netip.AddrPort, s section, client bool) {
	if w.phone.ice && !w.check(remote) {
		return
	}
	if !w.phone.dtls {
		close(w.ready)
		return
	}
	if err := w.handshake(remote, strings.ToUpper(s.value("fingerprint")), client); err != nil {
		w.phone.Log("handshake:", err)
	}
}

// check nominates the only pair (RFC 8445 §7.2).
func (w *wire) check(remote netip.AddrPort) bool {
	for range 50 {
		w.conn.WriteToUDPAddrPort(nomination(w.phone, w.peer+":"+w.phone.ufrag, w.pwd), remote)
		select {
		case <-w.checked:
			return true
		case <-time.After(200 * time.Millisecond):
		}
	}
	return false
}

// nomination is the check of a user with a password.
func nomination(t testing.TB, user, pwd string) []byte {
	m, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.NewUsername(user),
		stun.RawAttribute{Type: stun.AttrPriority, Value: []byte{0x6e, 0, 0, 1}},
		stun.RawAttribute{Type: stun.AttrICEControlling, Value: make([]byte, 8)},
		stun.RawAttribute{Type: stun.AttrUseCandidate},
		stun.NewShortTermIntegrity(pwd), stun.Fingerprint)
	if err != nil {
		t.Error(err)
		return nil
	}
	return m.Raw
}

// reborn gives the phone another certificate, for the next offer or answer.
func (p *phone) reborn() {
	p.cert = certificate(p)
	for _, l := range p.lines {
		for _, w := range l.wires() {
			w.mu.Lock()
			close(w.flights)
			w.flights, w.ready, w.started = make(chan []byte, 64), make(chan struct{}), false
			w.seal, w.open = nil, nil
			w.mu.Unlock()
		}
	}
}

func (w *wire) handshake(remote netip.AddrPort, wanted string, client bool) error {
	options := []dtls.Option{
		dtls.WithCertificates(w.phone.cert),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80),
		dtls.WithInsecureSkipVerify(true),
		dtls.WithFlightInterval(100 * time.Millisecond),
		dtls.WithVerifyPeerCertificate(func(raw [][]byte, _ [][]*x509.Certificate) error {
			if !strings.EqualFold(fingerprint(tls.Certificate{Certificate: raw}), wanted) {
				return errors.New("wrong fingerprint")
			}
			return nil
		}),
	}
	conn, err := w.associate(&flightConn{w, w.flights, remote}, net.UDPAddrFromAddrPort(remote), client, options)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		return err
	}
	return w.export(conn, client)
}

func (w *wire) associate(conn net.PacketConn, remote net.Addr, client bool, options []dtls.Option) (*dtls.Conn, error) {
	if client {
		all := make([]dtls.ClientOption, len(options))
		for i, o := range options {
			all[i] = o
		}
		return dtls.ClientWithOptions(conn, remote, all...)
	}
	all := []dtls.ServerOption{dtls.WithClientAuth(dtls.RequireAnyClientCert)}
	for _, o := range options {
		all = append(all, o)
	}
	return dtls.ServerWithOptions(conn, remote, all...)
}

// export derives the SRTP keys (RFC 5764 §4.2).
func (w *wire) export(conn *dtls.Conn, client bool) error {
	selected, _ := conn.SelectedSRTPProtectionProfile()
	profile, n, salt := srtp.ProtectionProfileAeadAes128Gcm, 16, 12
	if selected == dtls.SRTP_AES128_CM_HMAC_SHA1_80 {
		profile, salt = srtp.ProtectionProfileAes128CmHmacSha1_80, 14
	}
	state, ok := conn.ConnectionState()
	if !ok {
		return errors.New("no state")
	}
	b, err := state.ExportKeyingMaterial("EXTRACTOR-dtls_srtp", nil, 2*(n+salt))
	if err != nil {
		return err
	}
	ours, theirs := [2][]byte{b[:n], b[2*n : 2*n+salt]}, [2][]byte{b[n : 2*n], b[2*n+salt:]}
	if !client {
		ours, theirs = theirs, ours
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seal = w.lines[0].context(ours[0], ours[1], profile)
	w.open = w.lines[0].context(theirs[0], theirs[1], profile)
	close(w.ready)
	return nil
}

// flightConn is what DTLS reads and writes.
type flightConn struct {
	wire    *wire
	flights chan []byte
	remote  netip.AddrPort
}

func (c *flightConn) ReadFrom(b []byte) (int, net.Addr, error) {
	flight, ok := <-c.flights
	if !ok {
		return 0, nil, net.ErrClosed
	}
	return copy(b, flight), net.UDPAddrFromAddrPort(c.remote), nil
}

func (c *flightConn) WriteTo(b []byte, _ net.Addr) (int, error) {
	return c.wire.conn.WriteToUDPAddrPort(b, c.remote)
}
func (c *flightConn) Close() error                     { return nil }
func (c *flightConn) LocalAddr() net.Addr              { return c.wire.conn.LocalAddr() }
func (c *flightConn) SetDeadline(time.Time) error      { return nil }
func (c *flightConn) SetReadDeadline(time.Time) error  { return nil }
func (c *flightConn) SetWriteDeadline(time.Time) error { return nil }

// secured waits for the keys of all wires, or at least until they are found.
func (p *phone) secured() {
	p.Helper()
	if !p.dtls && !p.ice {
		return
	}
	for _, l := range p.lines {
		for _, w := range l.wires() {
			select {
			case <-w.ready:
			case <-time.After(patience):
				p.Fatalf("%s: no pair by ICE or no DTLS association on port %d", p.name, w.port())
			}
		}
	}
}

// next makes the next packet of the line, not encrypted.
func (l *line) next() *rtp.Packet {
	p := &rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: l.number, SequenceNumber: l.sequence,
		Timestamp: l.timestamp, SSRC: l.ssrc}, Payload: bytes.Repeat([]byte{byte(l.sequence)}, 160)}
	binary.BigEndian.PutUint16(p.Payload, l.sequence)
	l.sequence++
	l.timestamp += 160
	return p
}

// seal encrypts a packet as the line's keys demand.
func (l *line) seal(p *rtp.Packet) []byte {
	b, err := p.Marshal()
	if err != nil {
		l.phone.Fatal(err)
	}
	l.media.mu.Lock()
	defer l.media.mu.Unlock()
	if l.media.seal != nil {
		if b, err = l.media.seal.EncryptRTP(nil, b, nil); err != nil {
			l.phone.Fatal(err)
		}
	}
	return b
}

// send sends n packets and returns the sequence number of the first.
func (l *line) send(n int) uint16 {
	first := l.sequence
	for range n {
		l.media.conn.WriteToUDPAddrPort(l.seal(l.next()), l.remote)
	}
	return first
}

// report sends RTCP packets.
func (l *line) report(packets ...rtcp.Packet) {
	b, err := rtcp.Marshal(packets)
	if err != nil {
		l.phone.Fatal(err)
	}
	l.control.mu.Lock()
	if l.control.seal != nil {
		b, err = l.control.seal.EncryptRTCP(nil, b, nil)
	}
	l.control.mu.Unlock()
	if err != nil {
		l.phone.Fatal(err)
	}
	l.control.conn.WriteToUDPAddrPort(b, l.remoteControl)
}

// become changes what the line carries.
func (l *line) become(kind string) {
	l.media.mu.Lock()
	defer l.media.mu.Unlock()
	l.kind = kind
}
