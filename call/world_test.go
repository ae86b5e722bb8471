package call

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/media"
	"github.com/sparkleim/sparkle/sip/auth"
	"github.com/sparkleim/sparkle/sip/dialog"
	"github.com/sparkleim/sparkle/sip/proxy"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// world is a server with phones around it: real transactions, the real chain and
// proxy, a relay that only writes down what it is asked to do, and flows that end
// in a phone instead of a socket.
type world struct {
	t       testing.TB
	layer   *transaction.Layer
	service *Service
	relay   *fakeRelay
	records *fakeRecords
	phones  map[string]*phone
	flows   map[uint64]*phone
	targets map[string][]registrar.Target // by user name
	agent   *dialog.Agent
	plugged map[uint64]*transport.Flow // of agents
}

func (w *world) Attach(f *transport.Flow) { w.plugged[f.ID] = f }
func (w *world) Detach(f *transport.Flow) { delete(w.plugged, f.ID) }

func newWorld(t testing.TB, change ...func(*Config)) *world {
	w := &world{t: t, layer: transaction.New(transaction.Config{}), relay: &fakeRelay{}, records: &fakeRecords{},
		phones: map[string]*phone{}, flows: map[uint64]*phone{}, targets: map[string][]registrar.Target{},
		plugged: map[uint64]*transport.Flow{}}
	p, err := proxy.New(proxy.Config{Transactions: w.layer, Flows: w, Locations: w,
		Domains: []string{"example.com"}, Secret: []byte("a secret of the test")})
	if err != nil {
		t.Fatal(err)
	}
	if w.agent, err = dialog.NewAgent(dialog.AgentConfig{Name: "click", Server: w.layer, Stack: w}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.agent.Close)
	c := Config{Proxy: p, Agent: w.agent, Language: "en", Relay: w.relay, Records: w.records, SRTP: media.Require, Domains: []string{"example.com"}}
	for _, f := range change {
		f(&c)
	}
	w.service = New(c)
	t.Cleanup(w.service.Close)
	t.Cleanup(w.layer.Close)
	w.layer.Serve(server.New(server.Config{Domains: []string{"example.com", "192.0.2.1"}, Auth: w,
		Proxy: p, InDialog: p, Calls: w.service, Rate: -1,
		Trusted: func(f *transport.Flow) bool { return w.service.Trusted(f) || w.flows[f.ID].account == "border" }}))
	return w
}

// inWorld runs a test in fake time, with alice, bob and carol on TLS.
func inWorld(t *testing.T, test func(w *world), change ...func(*Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, change...)
		for _, name := range []string{"alice", "bob", "carol"} {
			w.phone(name, "tls")
		}
		test(w)
		w.idle()
	})
}

// Check trusts every flow to be its phone's.
func (w *world) Check(f *transport.Flow, _ *sip.Request, _ *wire.Core, _ bool, _ func(auth.Result)) (auth.Result, bool) {
	p := w.flows[f.ID]
	return auth.Result{Verdict: auth.Proven, Identity: auth.Identity{User: p.user, Username: p.account, Domain: "example.com"}}, true
}

func (w *world) Flow(id uint64) (*transport.Flow, bool) {
	p, ok := w.flows[id]
	if agent := w.plugged[id]; agent != nil {
		return agent, true
	}
	if !ok || !p.flow.Alive() {
		return nil, false
	}
	return p.flow, true
}

func (w *world) UDPFlow(_, remote netip.AddrPort) (*transport.Flow, error) {
	for _, p := range w.flows {
		if p.flow.Remote == remote {
			return p.flow, nil
		}
	}
	return nil, transport.ErrClosed
}

func (w *world) Local(f *transport.Flow) (string, int) { return "192.0.2.1", int(f.Local.Port()) }

func (w *world) Resolve(u *sip.Uri, _ func(registrar.Resolved)) (registrar.Resolved, bool) {
	targets, found := w.targets[u.User]
	return registrar.Resolved{Found: found, Targets: targets,
		User: store.User{ID: store.UserID(u.User[0]), Username: u.User, Domain: "example.com"}}, true
}

func (w *world) ByContact(u *sip.Uri) (registrar.Target, bool) {
	for _, all := range w.targets {
		for _, t := range all {
			if wire.EqualURI(&t.Contact, u) {
				return t, true
			}
		}
	}
	return registrar.Target{}, false
}

func (w *world) ByFlow(f *transport.Flow) (here []registrar.Target) {
	for _, all := range w.targets {
		for _, t := range all {
			if t.Flow.ID == f.ID {
				here = append(here, t)
			}
		}
	}
	return here
}

// phone is a user agent with at most one dialog that does nothing by itself but
// acknowledge negative answers. Bodies are short words instead of descriptions.
type phone struct {
	world   *world
	name    string // alice, or alice2 for another device of alice
	account string
	user    store.UserID
	contact sip.Uri
	flow    *transport.Flow
	broken  bool
	extra   []sip.Header // put into what it sends next
	kind    string       // type of its next body, application/sdp when empty

	mu    sync.Mutex
	inbox []sip.Message

	got    map[string]*sip.Request
	last   *sip.Response
	sent   *sip.Request // our INVITE
	dialog struct {
		callID, local, remote string
		target                sip.Uri
		routes                []string
		cseq                  int
	}
}

func (p *phone) Send(b []byte) error {
	if p.broken {
		return transport.ErrClosed
	}
	m, err := wire.Parse(b)
	if err != nil {
		p.world.t.Errorf("%s was sent something that is not SIP: %v\n%s", p.name, err, b)
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inbox = append(p.inbox, m)
	return nil
}

func (p *phone) Open() bool   { return !p.broken }
func (p *phone) Close(string) { p.broken = true }

// phone connects a device over "tls", "udp" or "wss" and registers it.
func (w *world) phone(name, how string) *phone {
	account := strings.TrimRight(name, "0123456789")
	id := uint64(len(w.flows) + 1)
	port := uint16(40000 + id)
	p := &phone{world: w, name: name, account: account, got: map[string]*sip.Request{}, user: store.UserID(account[0])}
	local := uint16(5061)
	if how == "udp" {
		local = 5060
		id |= 1 << 63
	}
	p.flow = transport.NewFlow(&transport.Flow{ID: id, Transport: strings.ToUpper(how),
		Local:  netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), local),
		Remote: netip.AddrPortFrom(netip.MustParseAddr("198.51.100.1"), port)}, p)
	p.contact, _ = wire.ParseURI(fmt.Sprintf("sip:%s@198.51.100.1:%d;transport=%s", name, port, how))
	w.phones[name], w.flows[id] = p, p
	w.targets[account] = append(w.targets[account], registrar.Target{User: p.user, Contact: p.contact, Q: 1000, Flow: p.flow,
		Instance: "urn:uuid:" + name, Device: store.Device{ID: store.DeviceID(id), UserAgent: name + " phone"}})
	return p
}

func (p *phone) transmit(m sip.Message) {
	again, err := wire.Parse(wire.Append(nil, m))
	if err != nil {
		p.world.t.Fatalf("%s sends something that is not SIP: %v\n%s", p.name, err, wire.Append(nil, m))
	}
	if req, ok := again.(*sip.Request); ok {
		wire.Stamp(req, p.flow.Remote)
	}
	p.world.layer.Message(p.flow, again)
}

func (p *phone) headers(more ...sip.Header) []sip.Header {
	hs := append([]sip.Header{
		wire.H("Via", fmt.Sprintf("SIP/2.0/%s 10.0.0.9:5060;rport;branch=%s", p.flow.Transport, wire.NewBranch())),
		wire.H("From", p.dialog.local), wire.H("To", p.dialog.remote), wire.H("Call-ID", p.dialog.callID),
		wire.H("Max-Forwards", "70"), wire.H("User-Agent", p.name+" phone"),
		wire.H("Contact", "<"+wire.URIString(&p.contact)+">"),
	}, append(more, p.extra...)...)
	p.extra = nil
	return hs
}

// described adds the type of a body that is there.
func (p *phone) described(hs []sip.Header, body string) ([]sip.Header, []byte) {
	kind := cmp.Or(p.kind, "application/sdp")
	if p.kind = ""; body == "" {
		return hs, nil
	}
	return append(hs, wire.H("Content-Type", kind)), []byte(body)
}

// request sends a request outside of a dialog.
func (p *phone) request(method, uri, body string) {
	to, err := wire.ParseURI(uri)
	if err != nil {
		p.world.t.Fatal(err)
	}
	d := &p.dialog
	d.callID, d.cseq, d.routes = wire.NewCallID(), 1, nil
	d.local = "<sip:" + p.account + "@example.com>;tag=" + p.name
	d.remote = "<" + uri + ">"
	hs, text := p.described(p.headers(wire.H("CSeq", "1 "+method)), body)
	p.sent = wire.NewRequest(method, to, text, hs...)
	p.transmit(p.sent)
}

// inDialog sends a request inside the phone's dialog.
func (p *phone) inDialog(method, body string) {
	d := &p.dialog
	cseq := d.cseq
	if method == "ACK" {
		cseq = d.cseq
		if p.sent != nil {
			fmt.Sscan(wire.Header(p.sent, "CSeq"), &cseq)
		}
	} else {
		d.cseq++
		cseq = d.cseq
	}
	hs := p.headers(wire.H("CSeq", fmt.Sprint(cseq, " ", method)))
	for _, v := range d.routes {
		hs = append(hs, wire.H("Route", v))
	}
	hs, text := p.described(hs, body)
	req := wire.NewRequest(method, d.target, text, hs...)
	if method == "INVITE" {
		p.sent = req
	}
	p.transmit(req)
}

// respond answers the last request of a method.
func (p *phone) respond(status int, method, body string) {
	req := p.got[method]
	if req == nil {
		p.world.t.Fatalf("%s has no %s to answer", p.name, method)
	}
	hs := append([]sip.Header{wire.H("User-Agent", p.name+" phone")}, p.extra...)
	p.extra = nil
	hs, text := p.described(hs, body)
	res := wire.NewResponse(req, status, "", hs...)
	res.SetBody(text)
	if status > 100 && !strings.Contains(wire.Header(req, "To"), "tag=") {
		res.RemoveHeader("To")
		res.AppendHeader(wire.H("To", wire.Header(req, "To")+";tag="+p.name))
	}
	if method == "INVITE" && status > 100 && status < 300 {
		d := &p.dialog
		d.callID, d.local, d.remote = wire.Header(req, "Call-ID"), wire.Header(res, "To"), wire.Header(res, "From")
		if !strings.Contains(wire.Header(req, "To"), "tag=") {
			d.routes = wire.Values(req, "Record-Route")
		}
		p.setTarget(req)
		res.AppendHeader(wire.H("Contact", "<"+wire.URIString(&p.contact)+">"))
	}
	p.transmit(res)
}

func (p *phone) setTarget(m sip.Message) {
	if na, err := wire.ParseNameAddr(wire.Header(m, "Contact")); err == nil {
		p.dialog.target = na.URI
	}
}

func (p *phone) sameBranch(method, to string) *sip.Request {
	cseq, _, _ := strings.Cut(wire.Header(p.sent, "CSeq"), " ")
	hs := []sip.Header{wire.H("Via", wire.Header(p.sent, "Via")), wire.H("From", wire.Header(p.sent, "From")),
		wire.H("To", to), wire.H("Call-ID", wire.Header(p.sent, "Call-ID")),
		wire.H("CSeq", cseq+" "+method), wire.H("Max-Forwards", "70")}
	for _, v := range wire.Values(p.sent, "Route") {
		hs = append(hs, wire.H("Route", v))
	}
	return wire.NewRequest(method, p.sent.Recipient, nil, hs...)
}

// next takes the oldest message that the phone has got, nil when there is none.
func (p *phone) next() sip.Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.inbox) == 0 {
		return nil
	}
	m := p.inbox[0]
	p.inbox = p.inbox[1:]
	return m
}

// take reads one message as a phone does: "INVITE (body)" or "200 INVITE (body)".
func (p *phone) take() string {
	m := p.next()
	what := ""
	switch m := m.(type) {
	case nil:
		return ""
	case *sip.Request:
		p.got[string(m.Method)] = m
		what = string(m.Method)
	case *sip.Response:
		p.last = m
		_, method, _ := strings.Cut(wire.Header(m, "CSeq"), " ")
		if method == "INVITE" && m.StatusCode > 100 && m.StatusCode < 300 {
			p.dialog.remote = wire.Header(m, "To")
			p.setTarget(m)
			if wire.Header(p.sent, "Route") == "" {
				p.dialog.routes = wire.Values(m, "Record-Route")
				slices.Reverse(p.dialog.routes)
			}
		}
		if method == "INVITE" && m.StatusCode >= 300 {
			p.transmit(p.sameBranch("ACK", wire.Header(m, "To")))
		}
		what = fmt.Sprint(m.StatusCode, " ", method)
	}
	if body := string(m.Body()); body != "" {
		what += " (" + body + ")"
	}
	if (wire.Header(m, "Content-Type") != "") != (len(m.Body()) > 0) {
		p.world.t.Errorf("%s got a body without type or a type without body:\n%s", p.name, wire.Append(nil, m))
	}
	return what
}

// play runs a transcript, one step a line:
//
//	alice INVITE bob (A)      sends it to sip:bob@example.com with a description
//	bob gets INVITE (sdes A)  and nothing else came before it
//	bob 180                   answers the INVITE; "bob 200 BYE" another request
//	alice gets 200 INVITE (B)
//	alice ACK                 inside the dialog, as BYE, UPDATE (A2) …
//	alice CANCEL
//	alice adds Require: 100rel   to what it sends next
//	alice hangs up            its flow ends
//	wait 32s
//	quiet                     nobody has got anything more
//	media alice=bob           who is connected
func (w *world) play(script string) {
	w.t.Helper()
	for line := range strings.SplitSeq(script, "\n") {
		if line, _, _ = strings.Cut(strings.TrimSpace(line), "#"); line != "" {
			w.step(strings.TrimSpace(line))
		}
	}
}

func (w *world) step(line string) {
	w.t.Helper()
	words, body, _ := strings.Cut(line, " (")
	body = strings.TrimSuffix(body, ")")
	f := strings.Fields(words)
	switch f[0] {
	case "wait":
		d, err := time.ParseDuration(f[1])
		if err != nil {
			w.t.Fatal(err)
		}
		time.Sleep(d)
		synctest.Wait()
		return
	case "quiet":
		w.quiet(line)
		return
	case "media":
		if got := w.relay.connected(); got != strings.Join(f[1:], " ") {
			w.t.Fatalf("%s: connected is %q", line, got)
		}
		return
	}
	p := w.phones[f[0]]
	if p == nil {
		w.t.Fatalf("%q: no such phone", line)
	}
	switch what, rest := f[1], f[2:]; {
	case what == "gets":
		want := strings.Join(rest, " ")
		if body != "" {
			want += " (" + body + ")"
		}
		if got := p.take(); got != want {
			w.quiet(line)
			w.t.Fatalf("%q: got %q", line, got)
		}
	case what == "adds":
		name, value, _ := strings.Cut(strings.Join(rest, " "), ": ")
		p.extra = append(p.extra, wire.H(name, value))
	case what == "hangs":
		p.broken = true
		w.layer.Closed(p.flow)
	case what == "CANCEL":
		p.transmit(p.sameBranch("CANCEL", wire.Header(p.sent, "To")))
	case what[0] >= '1' && what[0] <= '6':
		method := "INVITE"
		if len(rest) > 0 {
			method = rest[0]
		}
		var status int
		fmt.Sscan(what, &status)
		p.respond(status, method, body)
	case len(rest) > 0:
		p.request(what, address(rest[0]), body)
	default:
		p.inDialog(what, body)
	}
	synctest.Wait()
}

func (w *world) quiet(line string) {
	w.t.Helper()
	for _, p := range w.phones {
		if m := p.next(); m != nil {
			w.t.Fatalf("%s: %s has got\n%s", line, p.name, wire.Append(nil, m))
		}
	}
}

// idle ends every call, waits until every timer has run out and checks that
// nothing is kept.
func (w *world) idle() {
	w.t.Helper()
	w.service.Drain(cancelled())
	time.Sleep(5 * time.Minute)
	synctest.Wait()
	if n := w.agent.Sessions(); n != 0 {
		w.t.Errorf("%d sessions of the agent are left", n)
	}
	if n := w.layer.Live(); n != 0 {
		w.t.Errorf("%d transactions are left", n)
	}
	w.service.mu.Lock()
	defer w.service.mu.Unlock()
	if len(w.service.byID)+len(w.service.byName)+len(w.service.made)+len(w.service.paying)+len(w.service.clicks) != 0 {
		w.t.Errorf("left: %v %v %v %v %v", w.service.byID, w.service.byName, w.service.made, w.service.paying, w.service.clicks)
	}
	for _, s := range w.relay.sessions {
		if !s.closed {
			w.t.Error("a session was not closed")
		}
	}
	for _, r := range w.records.last {
		if r.Ended == nil || r.Cause == 0 || r.Status == 0 || r.Reason == "" || r.EndedBy == "" {
			w.t.Errorf("the record stays open: %+v", r)
		}
	}
}

func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// fakeRelay notes who is connected with whom. A leg says what the other side
// said, with the keying before an offer: "sdes A". It refuses what begins with
// bad, and plain where SRTP is required; what begins with full finds no port.
type fakeRelay struct {
	sessions []*fakeSession
}

func (r *fakeRelay) NewSession(on func(media.Event)) Session {
	s := &fakeSession{on: on}
	r.sessions = append(r.sessions, s)
	return s
}

func (r *fakeRelay) connected() string {
	if len(r.sessions) == 0 {
		return ""
	}
	return r.sessions[len(r.sessions)-1].joined
}

type fakeSession struct {
	on     func(media.Event)
	joined string
	joins  int // how often anybody was connected
	closed bool
}

func (s *fakeSession) NewLeg(p media.Profile) Leg { return &fakeLeg{profile: p} }
func (s *fakeSession) Together(f func())          { f() }
func (s *fakeSession) Close()                     { s.closed = true }

func (s *fakeSession) Connect(a, b Leg) {
	s.joined = a.(*fakeLeg).said + "=" + b.(*fakeLeg).said
	s.joins++
}

type fakeLeg struct {
	profile media.Profile
	said    string
	before  string // what Rollback returns to
	pending bool
	closed  bool
}

var errClosedLeg = errors.New("the leg is closed")

func (l *fakeLeg) hear(sdp string) error {
	switch {
	case l.closed:
		return errClosedLeg
	case strings.HasPrefix(sdp, "malformed"):
		return fmt.Errorf("%w: line 1", media.ErrMalformed)
	case strings.HasPrefix(sdp, "bad"):
		return fmt.Errorf("%w: nothing in common", media.ErrNotAcceptable)
	case strings.HasPrefix(sdp, "plain") && l.profile.SRTP == media.Require:
		return fmt.Errorf("%w: not with that", media.ErrInsecure)
	}
	l.said = sdp
	return nil
}

func (l *fakeLeg) TakeOffer(sdp []byte) error {
	before := l.said
	err := l.hear(string(sdp))
	if err == nil {
		l.before, l.pending = before, true
	}
	return err
}

func (l *fakeLeg) TakeAnswer(sdp []byte) error { return l.hear(string(sdp)) }

func (l *fakeLeg) MakeOffer(from Leg) ([]byte, error) {
	if l.closed {
		return nil, errClosedLeg
	}
	said := "anything"
	if from != nil {
		said = from.(*fakeLeg).said
	}
	if strings.HasPrefix(said, "full") {
		return nil, fmt.Errorf("%w: allow more", media.ErrExhausted)
	}
	return []byte([...]string{"sdes ", "dtls ", "plain "}[l.profile.Offer] + said), nil
}

func (l *fakeLeg) MakeAnswer(from Leg) ([]byte, error) {
	if l.closed {
		return nil, errClosedLeg
	}
	l.pending = false
	return []byte(from.(*fakeLeg).said), nil
}

func (l *fakeLeg) Rollback() {
	if l.pending {
		l.said, l.pending = l.before, false
	}
}

func (l *fakeLeg) Keying() media.Keying {
	switch {
	case strings.HasPrefix(l.said, "plain"):
		return media.Plain
	case strings.HasPrefix(l.said, "dtls"):
		return media.DTLS
	}
	return media.SDES
}

func (l *fakeLeg) Close() { l.closed = true }

func (l *fakeLeg) Report() []media.StreamReport {
	return []media.StreamReport{{Kind: "audio", Codec: "opus/48000", PacketsReceived: 10, MOS: 4.4,
		Jitter: 1500 * time.Microsecond, Dropped: map[string]uint64{"late": 1, "early": 2}}}
}

// fakeRecords keeps records in memory.
type fakeRecords struct {
	mu    sync.Mutex
	ids   int64
	last  map[int64]store.CallRecord
	saved int
	open  []store.CallRecord
}

func (f *fakeRecords) NewCallID() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ids++
	return f.ids
}

func (f *fakeRecords) SaveCall(r *store.CallRecord) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last == nil {
		f.last = map[int64]store.CallRecord{}
	}
	f.last[r.ID] = *r
	f.saved++
}

func (f *fakeRecords) OpenCalls(context.Context) ([]store.CallRecord, error) { return f.open, nil }

// newest is the record that was opened last.
func (f *fakeRecords) newest() store.CallRecord {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last[f.ids]
}
