package siptest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing/synctest"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// Phone is a user agent with at most one dialog that does nothing by itself but
// acknowledge negative answers. Its bodies are whatever a test writes, as a rule
// short words instead of descriptions.
type Phone struct {
	Name    string // alice, or alice2 for another device of alice
	Account string // alice
	User    store.UserID
	Contact sip.Uri
	Flow    *transport.Flow
	Dialog  Dialog

	Got  map[string]*sip.Request // the last request of each method
	Last *sip.Response           // the last one that it took
	Sent *sip.Request            // the last one that it began a dialog with, or its re-INVITE

	world  *World
	broken atomic.Bool
	extra  []sip.Header

	mu    sync.Mutex // sends come from any goroutine
	inbox []sip.Message
}

// Dialog is what a phone knows of its dialog; a test may change it.
type Dialog struct {
	CallID, Local, Remote string // From and To as it writes them
	Target                sip.Uri
	Routes                []string
	CSeq                  int
}

func newPhone(w *World, name string) *Phone {
	account := strings.TrimRight(name, "0123456789")
	return &Phone{world: w, Name: name, Account: account, User: userID(account), Got: map[string]*sip.Request{}}
}

// Send is the server's side of the phone's flow: it fills the inbox.
func (p *Phone) Send(b []byte) error {
	if p.broken.Load() {
		return transport.ErrClosed
	}
	m, err := wire.Parse(b)
	if err != nil {
		p.world.t.Errorf("%s was sent something that is not SIP: %v\n%s", p.Name, err, b)
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inbox = append(p.inbox, m)
	return nil
}

// Open tells the server whether the flow is alive.
func (p *Phone) Open() bool { return !p.broken.Load() }

// Close ends the flow from the server's side.
func (p *Phone) Close(string) { p.broken.Store(true) }

// Transmit puts a message on the phone's flow, as the text that it is.
func (p *Phone) Transmit(m sip.Message) {
	again, err := wire.Parse(wire.Append(nil, m))
	if err != nil {
		p.world.t.Fatalf("%s sends something that is not SIP: %v\n%s", p.Name, err, wire.Append(nil, m))
	}
	if req, ok := again.(*sip.Request); ok {
		wire.Stamp(req, p.Flow.Remote)
	}
	p.world.Layer.Message(p.Flow, again)
}

// Add puts header fields, one a line, into what the phone sends next; empty lines
// add nothing.
func (p *Phone) Add(lines string) {
	for line := range strings.SplitSeq(lines, "\n") {
		name, value, ok := strings.Cut(line, ": ")
		switch {
		case ok:
			p.extra = append(p.extra, wire.H(name, value))
		case line != "":
			p.world.t.Fatalf("%s adds %q: write a header as \"Name: value\"", p.Name, line)
		}
	}
}

// Via is a Via value of the phone with a new branch.
func (p *Phone) Via() string {
	return fmt.Sprintf("SIP/2.0/%s 10.0.0.9:5060;rport;branch=%s", p.Flow.Transport, wire.NewBranch())
}

// New makes a request outside of a dialog, which begins with it anew.
func (p *Phone) New(method, uri, body string) *sip.Request {
	to, err := wire.ParseURI(uri)
	if err != nil {
		p.world.t.Fatal(err)
	}
	p.Dialog = Dialog{CallID: wire.NewCallID(), CSeq: 1,
		Local: "<sip:" + p.Account + "@example.com>;tag=" + p.Name, Remote: "<" + uri + ">"}
	p.Sent = wire.NewRequest(method, to, []byte(body), p.headers("1 "+method, body)...)
	return p.Sent
}

// Request sends a request outside of a dialog.
func (p *Phone) Request(method, uri, body string) { p.Transmit(p.New(method, uri, body)) }

// InDialog sends a request inside the phone's dialog.
func (p *Phone) InDialog(method, body string) {
	d := &p.Dialog
	cseq := d.CSeq
	if method != "ACK" {
		d.CSeq++
		cseq = d.CSeq
	} else if p.Sent != nil { // RFC 3261 §13.2.2.4: the number of its INVITE
		fmt.Sscan(wire.Header(p.Sent, "CSeq"), &cseq)
	}
	hs := p.headers(fmt.Sprint(cseq, " ", method), body)
	for _, v := range d.Routes {
		hs = append(hs, wire.H("Route", v))
	}
	req := wire.NewRequest(method, d.Target, []byte(body), hs...)
	if method == "INVITE" {
		p.Sent = req
	}
	p.Transmit(req)
}

// headers of a request: its own, those of the dialog, and what was added.
func (p *Phone) headers(cseq, body string) []sip.Header {
	return append([]sip.Header{
		wire.H("Via", p.Via()), wire.H("From", p.Dialog.Local), wire.H("To", p.Dialog.Remote), wire.H("Call-ID", p.Dialog.CallID),
		wire.H("CSeq", cseq), wire.H("Max-Forwards", "70"), p.contactHeader(),
	}, p.added(body)...)
}

// added is what every message of the phone may have: its name, what a test added,
// and the type of a body.
func (p *Phone) added(body string) []sip.Header {
	hs := append([]sip.Header{wire.H("User-Agent", p.Name+" phone")}, p.extra...)
	p.extra = nil
	typed := slices.ContainsFunc(hs, func(h sip.Header) bool { return h.Name() == "Content-Type" })
	if body != "" && !typed {
		hs = append(hs, wire.H("Content-Type", "application/sdp"))
	}
	return hs
}

func (p *Phone) contactHeader() sip.Header {
	return wire.H("Contact", "<"+wire.URIString(&p.Contact)+">")
}

// Respond answers the last request of a method.
func (p *Phone) Respond(status int, method, body string) {
	req := p.Got[method]
	if req == nil {
		p.world.t.Fatalf("%s has no %s to answer", p.Name, method)
	}
	res := wire.NewResponse(req, status, "", p.added(body)...)
	res.SetBody([]byte(body))
	begins := !strings.Contains(wire.Header(req, "To"), "tag=")
	if status > 100 && begins {
		res.RemoveHeader("To")
		res.AppendHeader(wire.H("To", wire.Header(req, "To")+";tag="+p.Name))
	}
	if method == "INVITE" && status > 100 && status < 300 {
		d := &p.Dialog
		d.CallID, d.Local, d.Remote = wire.Header(req, "Call-ID"), wire.Header(res, "To"), wire.Header(res, "From")
		if begins {
			d.Routes = wire.Values(req, "Record-Route")
		}
		d.setTarget(req)
		res.AppendHeader(p.contactHeader())
	}
	p.Transmit(res)
}

// Cancel sends a CANCEL for the phone's INVITE.
func (p *Phone) Cancel() { p.Transmit(p.sameBranch("CANCEL", wire.Header(p.Sent, "To"))) }

// sameBranch makes what belongs to the transaction of the phone's INVITE (RFC 3261
// §9.1, §17.1.1.3).
func (p *Phone) sameBranch(method, to string) *sip.Request {
	cseq, _, _ := strings.Cut(wire.Header(p.Sent, "CSeq"), " ")
	hs := []sip.Header{wire.H("Via", wire.Header(p.Sent, "Via")), wire.H("From", wire.Header(p.Sent, "From")),
		wire.H("To", to), wire.H("Call-ID", wire.Header(p.Sent, "Call-ID")),
		wire.H("CSeq", cseq+" "+method), wire.H("Max-Forwards", "70")}
	for _, v := range wire.Values(p.Sent, "Route") {
		hs = append(hs, wire.H("Route", v))
	}
	return wire.NewRequest(method, p.Sent.Recipient, nil, hs...)
}

// Next takes the oldest message that the phone has got, nil when there is none. The
// phone learns nothing from it.
func (p *Phone) Next() sip.Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.inbox) == 0 {
		return nil
	}
	m := p.inbox[0]
	p.inbox = p.inbox[1:]
	return m
}

// Take reads one message as a phone does and says what it is: "INVITE (body)" or
// "200 INVITE (body)", without the brackets when it has no body, and nothing when
// there is no message.
func (p *Phone) Take() string {
	m := p.Next()
	what := ""
	switch m := m.(type) {
	case nil:
		return ""
	case *sip.Request:
		p.Got[string(m.Method)] = m
		what = string(m.Method)
	case *sip.Response:
		p.Last = m
		_, method, _ := strings.Cut(wire.Header(m, "CSeq"), " ")
		if method == "INVITE" || method == "SUBSCRIBE" && m.StatusCode < 300 {
			p.answered(m)
		}
		what = fmt.Sprint(m.StatusCode, " ", method)
	}
	if body := string(m.Body()); body != "" {
		what += " (" + body + ")"
	}
	if (wire.Header(m, "Content-Type") != "") != (len(m.Body()) > 0) {
		p.world.t.Errorf("%s got a body without type or a type without body:\n%s", p.Name, wire.Append(nil, m))
	}
	return what
}

// answered takes a response to the phone's INVITE, or a 2xx to its SUBSCRIBE.
func (p *Phone) answered(res *sip.Response) {
	switch {
	case res.StatusCode >= 300:
		p.Transmit(p.sameBranch("ACK", wire.Header(res, "To")))
	case res.StatusCode > 100:
		d := &p.Dialog
		d.Remote = wire.Header(res, "To")
		d.setTarget(res)
		if wire.Header(p.Sent, "Route") == "" { // RFC 3261 §12.2: a re-INVITE does not change the route set
			d.Routes = wire.Values(res, "Record-Route")
			slices.Reverse(d.Routes)
		}
	}
}

func (d *Dialog) setTarget(m sip.Message) {
	if na, err := wire.ParseNameAddr(wire.Header(m, "Contact")); err == nil {
		d.Target = na.URI
	}
}

// Want waits until nothing moves and checks the next message that the phone gets.
func (p *Phone) Want(what string) {
	p.world.t.Helper()
	synctest.Wait()
	if got := p.Take(); got != what {
		p.world.t.Fatalf("%s got %q, want %q", p.Name, got, what)
	}
}
