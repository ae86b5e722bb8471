package proxy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/sparkleim/sparkle/sip/auth"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// bed is a server with phones around it: real transactions, the real chain, and
// flows that end in a phone instead of a socket.
type bed struct {
	t       testing.TB
	layer   *transaction.Layer
	proxy   *Proxy
	phones  map[string]*phone
	flows   map[uint64]*phone
	targets map[string][]registrar.Target // by user name
	host    string                        // our address
	slow    bool                          // the registrar must ask the store first
}

func newBed(t testing.TB, change ...func(*Config)) *bed {
	b := &bed{t: t, host: "192.0.2.1", layer: transaction.New(transaction.Config{}),
		phones: map[string]*phone{}, flows: map[uint64]*phone{}, targets: map[string][]registrar.Target{}}
	c := Config{Transactions: b.layer, Flows: b, Locations: b,
		Domains: []string{"example.com"}, Secret: []byte("a secret of the test")}
	for _, f := range change {
		f(&c)
	}
	var err error
	if b.proxy, err = New(c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.layer.Close)
	b.layer.Serve(server.New(server.Config{Domains: []string{"example.com", "192.0.2.1"}, Auth: b, Proxy: b.proxy, InDialog: b.proxy, Rate: -1}))
	return b
}

// Check trusts every flow to be its phone's.
func (b *bed) Check(f *transport.Flow, _ *sip.Request, _ *wire.Core, _ bool, _ func(auth.Result)) (auth.Result, bool) {
	p := b.flows[f.ID]
	return auth.Result{Verdict: auth.Proven, Identity: auth.Identity{User: p.user, Username: p.account, Domain: "example.com"}}, true
}

func (b *bed) Flow(id uint64) (*transport.Flow, bool) {
	p, ok := b.flows[id]
	if !ok || !p.flow.Alive() {
		return nil, false
	}
	return p.flow, true
}

func (b *bed) UDPFlow(_, remote netip.AddrPort) (*transport.Flow, error) {
	for _, p := range b.flows {
		if p.flow.Remote == remote {
			return p.flow, nil
		}
	}
	return nil, transport.ErrClosed
}

func (b *bed) Local(f *transport.Flow) (string, int) { return b.host, int(f.Local.Port()) }

func (b *bed) Resolve(u *sip.Uri, resume func(registrar.Resolved)) (registrar.Resolved, bool) {
	if b.slow {
		go resume(b.resolve(u))
		return registrar.Resolved{}, false
	}
	return b.resolve(u), true
}

func (b *bed) resolve(u *sip.Uri) registrar.Resolved {
	targets, found := b.targets[u.User]
	if gr, ok := wire.URIParam(u, "gr"); ok {
		targets = slices.DeleteFunc(slices.Clone(targets), func(t registrar.Target) bool { return t.Instance != gr })
	}
	return registrar.Resolved{Found: found, Targets: targets, Disabled: u.User == "mallory"}
}

func (b *bed) ByContact(u *sip.Uri) (registrar.Target, bool) {
	for _, all := range b.targets {
		for _, t := range all {
			if wire.EqualURI(&t.Contact, u) {
				return t, true
			}
		}
	}
	return registrar.Target{}, false
}

func (b *bed) ByFlow(f *transport.Flow) (here []registrar.Target) {
	for _, all := range b.targets {
		for _, t := range all {
			if t.Flow != nil && t.Flow.ID == f.ID {
				here = append(here, t)
			}
		}
	}
	return here
}

// phone is a user agent with at most one dialog that does nothing by itself but
// acknowledge negative answers.
type phone struct {
	bed     *bed
	name    string // alice, or alice2 for another device of alice
	account string
	user    store.UserID
	contact sip.Uri
	flow    *transport.Flow
	broken  bool

	mu    sync.Mutex
	inbox []sip.Message

	got    map[string]*sip.Request // the last request of each method
	sent   *sip.Request            // our INVITE
	dialog struct {
		callID, local, remote string // From and To as we write them
		target                sip.Uri
		routes                []string
		cseq                  int
	}
}

// link is the phone's end of its flow.
func (p *phone) Send(b []byte) error {
	if p.broken {
		return transport.ErrClosed
	}
	m, err := wire.Parse(b)
	if err != nil {
		p.bed.t.Errorf("%s was sent something that is not SIP: %v\n%s", p.name, err, b)
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inbox = append(p.inbox, m)
	return nil
}

func (p *phone) Open() bool   { return !p.broken }
func (p *phone) Close(string) { p.broken = true }

// phone connects a device. what says how, "tls q=500 gruu"; devices register
// unless it says "guest".
func (b *bed) phone(name, what string) *phone {
	words := strings.Fields(what)
	account := strings.TrimRight(name, "0123456789")
	id := uint64(len(b.flows) + 1)
	port := uint16(40000 + id)
	p := &phone{bed: b, name: name, account: account, got: map[string]*sip.Request{},
		user: store.UserID(account[0])}
	local, kind := uint16(5061), strings.ToUpper(words[0])
	if kind == "UDP" {
		local = 5060
		id |= 1 << 63
	}
	p.flow = transport.NewFlow(&transport.Flow{ID: id, Transport: kind,
		Local:  netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), local),
		Remote: netip.AddrPortFrom(netip.MustParseAddr("198.51.100.1"), port)}, p)
	p.contact, _ = wire.ParseURI(fmt.Sprintf("sip:%s@198.51.100.1:%d;transport=%s", name, port, words[0]))
	b.phones[name], b.flows[id] = p, p
	t := registrar.Target{User: p.user, Contact: p.contact, Q: 1000, Flow: p.flow, Instance: "urn:uuid:" + name}
	for _, w := range words[1:] {
		switch key, value, _ := strings.Cut(w, "="); key {
		case "guest":
			return p
		case "q":
			fmt.Sscan(value, &t.Q)
		case "path":
			t.Path = []string{value}
		case "instance":
			t.Instance = "urn:uuid:" + value
		case "gruu":
			t.GRUU = "sip:" + account + "@example.com;gr=" + t.Instance
			p.contact, _ = wire.ParseURI(t.GRUU)
		}
	}
	b.targets[account] = append(b.targets[account], t)
	return p
}

// reconnect gives a device a new flow and registers it there.
func (b *bed) reconnect(p *phone) {
	b.hangUp(p)
	again := b.phone(p.name, strings.ToLower(p.flow.Transport)+" guest")
	again.dialog, again.got, again.contact = p.dialog, p.got, p.contact
	for i, t := range b.targets[p.account] {
		if t.Flow == p.flow {
			b.targets[p.account][i].Flow = again.flow
		}
	}
}

func (b *bed) hangUp(p *phone) {
	p.broken = true
	b.layer.Closed(p.flow)
}

// transmit puts a message on the phone's flow.
func (p *phone) transmit(m sip.Message) {
	again, err := wire.Parse(wire.Append(nil, m))
	if err != nil {
		p.bed.t.Fatalf("%s sends something that is not SIP: %v\n%s", p.name, err, wire.Append(nil, m))
	}
	if req, ok := again.(*sip.Request); ok {
		wire.Stamp(req, p.flow.Remote)
	}
	p.bed.layer.Message(p.flow, again)
}

func (p *phone) via(branch string) sip.Header {
	return wire.H("Via", fmt.Sprintf("SIP/2.0/%s 10.0.0.9:5060;rport;branch=%s", p.flow.Transport, branch))
}

// request sends a request outside of a dialog.
func (p *phone) request(method, uri string, hs ...sip.Header) *sip.Request {
	to, err := wire.ParseURI(uri)
	if err != nil {
		p.bed.t.Fatal(err)
	}
	d := &p.dialog
	d.callID, d.cseq = wire.NewCallID(), 1
	d.local = "<sip:" + p.account + "@example.com>;tag=" + p.name
	d.remote = "<" + uri + ">"
	req := wire.NewRequest(method, to, []byte("v=0\r\n"), append([]sip.Header{
		p.via(wire.NewBranch()), wire.H("From", d.local), wire.H("To", d.remote), wire.H("Call-ID", d.callID),
		wire.H("CSeq", "1 "+method), wire.H("Max-Forwards", "70"), p.contactHeader(),
	}, hs...)...)
	p.sent = req
	p.transmit(req)
	return req
}

func (p *phone) contactHeader() sip.Header {
	return wire.H("Contact", "<"+wire.URIString(&p.contact)+">")
}

// inDialog sends a request inside the phone's dialog.
func (p *phone) inDialog(method string, hs ...sip.Header) {
	d := &p.dialog
	cseq := d.cseq
	if method != "ACK" {
		d.cseq++
		cseq = d.cseq
	}
	hs = append(hs, p.via(wire.NewBranch()), wire.H("From", d.local), wire.H("To", d.remote), wire.H("Call-ID", d.callID),
		wire.H("CSeq", fmt.Sprint(cseq, " ", method)), wire.H("Max-Forwards", "70"), p.contactHeader())
	for _, v := range d.routes {
		hs = append(hs, wire.H("Route", v))
	}
	req := wire.NewRequest(method, d.target, nil, hs...)
	if method != "ACK" {
		p.sent = req
	}
	p.transmit(req)
}

// respond answers the last request of a method.
func (p *phone) respond(status int, method string, hs ...sip.Header) {
	req := p.got[method]
	if req == nil {
		p.bed.t.Fatalf("%s has no %s to answer", p.name, method)
	}
	res := wire.NewResponse(req, status, "", hs...)
	if status > 100 && !strings.Contains(wire.Header(req, "To"), "tag=") {
		res.RemoveHeader("To")
		res.AppendHeader(wire.H("To", wire.Header(req, "To")+";tag="+p.name))
	}
	if method == "INVITE" && status > 100 && status < 300 {
		p.learn(req, res, wire.Header(res, "To"), wire.Header(res, "From"))
		res.AppendHeader(p.contactHeader())
	}
	p.transmit(res)
}

// learn makes the dialog of a phone that was called.
func (p *phone) learn(req *sip.Request, _ *sip.Response, local, remote string) {
	d := &p.dialog
	d.callID, d.local, d.remote = wire.Header(req, "Call-ID"), local, remote
	if !strings.Contains(wire.Header(req, "To"), "tag=") {
		d.routes = wire.Values(req, "Record-Route")
	}
	p.setTarget(req)
}

func (p *phone) setTarget(m sip.Message) {
	if na, err := wire.ParseNameAddr(wire.Header(m, "Contact")); err == nil {
		p.dialog.target = na.URI
	}
}

// cancel sends a CANCEL for the phone's INVITE.
func (p *phone) cancel() {
	p.transmit(p.sameBranch("CANCEL", wire.Header(p.sent, "To")))
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

// take reads one message as a phone does.
func (p *phone) take() string {
	switch m := p.next().(type) {
	case *sip.Request:
		p.got[string(m.Method)] = m
		return string(m.Method)
	case *sip.Response:
		_, method, _ := strings.Cut(wire.Header(m, "CSeq"), " ")
		if method == "INVITE" && m.StatusCode > 100 && m.StatusCode < 300 {
			p.dialog.remote = wire.Header(m, "To")
			p.setTarget(m)
			if wire.Header(p.sent, "Route") == "" { // RFC 3261 §12.2: a re-INVITE does not change the route set
				p.dialog.routes = wire.Values(m, "Record-Route")
				slices.Reverse(p.dialog.routes)
			}
		}
		if method == "INVITE" && m.StatusCode >= 300 {
			p.transmit(p.sameBranch("ACK", wire.Header(m, "To")))
		}
		return fmt.Sprint(m.StatusCode, " ", method)
	}
	return ""
}

// play runs a transcript, one step a line:
//
//	alice INVITE bob          sends it to sip:bob@example.com
//	bob gets INVITE           and nothing else came before it
//	bob 180                   answers the INVITE; "bob 200 BYE" another request
//	alice gets 200 INVITE
//	alice ACK                 inside the dialog, as BYE, UPDATE …
//	alice CANCEL
//	alice hangs up            its flow ends
//	bob reconnects            with a new flow, and registers
//	wait 32s
//	quiet                     nobody has got anything more
func (b *bed) play(script string) {
	b.t.Helper()
	for line := range strings.SplitSeq(script, "\n") {
		if line, _, _ = strings.Cut(strings.TrimSpace(line), "#"); line != "" {
			b.step(strings.TrimSpace(line))
		}
	}
}

func (b *bed) step(line string) {
	b.t.Helper()
	words := strings.Fields(line)
	switch words[0] {
	case "wait":
		d, err := time.ParseDuration(words[1])
		if err != nil {
			b.t.Fatal(err)
		}
		time.Sleep(d)
		synctest.Wait()
		return
	case "quiet":
		b.quiet(line)
		return
	}
	p := b.phones[words[0]]
	if p == nil {
		b.t.Fatalf("%q: no such phone", line)
	}
	switch what, rest := words[1], words[2:]; {
	case what == "gets":
		if got, want := p.take(), strings.Join(rest, " "); got != want {
			b.quiet(line)
			b.t.Fatalf("%q: got %q", line, got)
		}
	case what == "hangs":
		b.hangUp(p)
	case what == "reconnects":
		b.reconnect(p)
	case what == "CANCEL":
		p.cancel()
	case what[0] >= '1' && what[0] <= '6':
		method := "INVITE"
		if len(rest) > 0 {
			method = rest[0]
		}
		var status int
		fmt.Sscan(what, &status)
		p.respond(status, method)
	case len(rest) > 0:
		p.request(what, "sip:"+rest[0]+"@example.com")
	default:
		p.inDialog(what)
	}
	synctest.Wait()
}

func (b *bed) quiet(line string) {
	b.t.Helper()
	for _, p := range b.phones {
		if m := p.next(); m != nil {
			b.t.Fatalf("%s: %s has got\n%s", line, p.name, wire.Append(nil, m))
		}
	}
}

// idle waits until every timer has run out and checks that nothing is kept.
func (b *bed) idle() {
	b.t.Helper()
	time.Sleep(5 * time.Minute)
	synctest.Wait()
	if n := b.layer.Live(); n != 0 {
		b.t.Errorf("%d transactions are left", n)
	}
	if b.proxy.ringing.head != nil {
		b.t.Error("somebody still waits for Timer C")
	}
	if n := testutil.ToFloat64(b.proxy.metrics.open); n != 0 {
		b.t.Errorf("%v response contexts are open", n)
	}
}
