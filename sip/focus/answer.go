package focus

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
)

// allow are the methods of a group's address; MESSAGE and SUBSCRIBE are served by
// others.
const allow = "INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE, REFER, SUBSCRIBE, INFO, UPDATE"

const listType = "application/resource-lists+xml"

func notAllowed() error {
	return &server.Error{Status: 405, Headers: []sip.Header{wire.H("Allow", allow)}}
}

// inSIP is what an error means in SIP, where it does not go without saying.
func inSIP(err error) error {
	if d, ok := errors.AsType[*group.Denied](err); ok {
		return &server.Error{Status: 403, Warning: d.Text}
	}
	return err
}

// abilities tell what can be done with an address (RFC 3261 §11.2, RFC 4579 §5).
func (s *Service) abilities(uri string) []sip.Header {
	return []sip.Header{
		wire.H("Contact", contactOf(uri)),
		wire.H("Allow", allow),
		wire.H("Accept", listType+", message/cpim, text/plain"),
		wire.H("Accept-Encoding", "deflate"),
		wire.H("Supported", "recipient-list-invite, recipient-list-subscribe, norefersub"),
		wire.H("Allow-Events", "conference"),
	}
}

// contactOf is the Contact of the focus (RFC 4579 §5.1). The text tells clients
// that the conference is a room and no call.
func contactOf(uri string) string { return "<" + uri + ">;isfocus;text" }

// agree answers an INVITE with 200 in the dialog that it makes, or is in. Our side
// of the route stands in Record-Route: clients would ask DNS for the domain.
func (s *Service) agree(r *server.Request, g *group.Snapshot, tag string) {
	res := wire.NewResponse(r.Request, 200, "")
	if r.ToTag == "" {
		to := wire.Header(r.Request, "To")
		res.RemoveHeader("To")
		res.AppendHeader(wire.H("To", to+";tag="+tag))
		res.AppendHeader(wire.H("Record-Route", s.route(r.Flow)))
	}
	res.AppendHeader(wire.H("Contact", contactOf(g.URI())))
	res.AppendHeader(wire.H("Allow", allow))
	r.Respond(res)
	if !r.Flow.Reliable() {
		s.answers.repeat(r.CallID, tag, func() { r.Respond(res) })
	}
}

// route is our own address as the peer of a flow reaches it.
func (s *Service) route(f *transport.Flow) string {
	host, port := s.cfg.Flows.Local(f)
	by := strings.ToLower(f.Transport)
	if by == "wss" { // RFC 7118 §5.2.3: URIs know only ws, TLS below it or not
		by = "ws"
	}
	return "<sip:" + net.JoinHostPort(host, strconv.Itoa(port)) + ";transport=" + by + ";lr>"
}

// The intervals at which a 2xx is repeated (RFC 3261 §13.3.1.4).
const (
	t1 = 500 * time.Millisecond
	t2 = 4 * time.Second
)

// answers are the 2xx of ours that wait for their ACK, over UDP: nobody else
// repeats them.
type answers struct {
	mu      sync.Mutex
	waiting map[string]*time.Timer
	closed  bool
}

// maxAnswers bounds them. The others are sent once.
const maxAnswers = 10_000

// repeat sends an answer again until it is acknowledged, or 64*T1 are over.
func (a *answers) repeat(callID, tag string, again func()) {
	key := callID + "\x00" + tag
	end := time.Now().Add(64 * t1)
	a.after(key, t1, t1, end, again)
}

func (a *answers) after(key string, wait, interval time.Duration, end time.Time, again func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed || len(a.waiting) >= maxAnswers {
		return
	}
	if a.waiting == nil {
		a.waiting = map[string]*time.Timer{}
	}
	var timer *time.Timer
	timer = time.AfterFunc(wait, func() {
		a.mu.Lock()
		current := a.waiting[key] == timer
		if current {
			delete(a.waiting, key)
		}
		a.mu.Unlock()
		if current && time.Now().Before(end) {
			again()
			next := min(2*interval, t2)
			a.after(key, next, next, end, again)
		}
	})
	a.waiting[key] = timer
}

// acknowledged takes an ACK.
func (a *answers) acknowledged(callID, tag string) {
	key := callID + "\x00" + tag
	a.mu.Lock()
	defer a.mu.Unlock()
	if timer := a.waiting[key]; timer != nil {
		timer.Stop()
		delete(a.waiting, key)
	}
}

func (a *answers) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	for _, timer := range a.waiting {
		timer.Stop()
	}
	a.waiting = nil
}
