package proxy

import (
	"slices"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// initial makes c forward a request that is outside of dialogs.
func (c *responseContext) initial(hash string, breadth int) {
	c.hash, c.breadth, c.leftOut = hash, breadth, c.proxy.leftOutFirst
	if c.r.Trusted {
		c.leftOut = c.proxy.leftOutTrusted
	}
	c.fork.gone = sip.StatusTemporarilyUnavailable
	c.add = append(make([]sip.Header, 0, 2), c.proxy.fullBreadth)
	c.add = appendAsserted(c.add, c.r)
	c.add = c.proxy.appendForeignCredentials(c.add, c.r)
	if makesDialog(c.r.Method) {
		c.recordRoute = c.proxy.recordRoute(c.r.Flow, c.r.Sender.User, c.r.CallID)
	}
}

// aim gives c targets behind those that it has. It fails when they are more at a
// time than there may be. The caller holds c.mu, or nobody else knows of c yet.
func (c *responseContext) aim(set []candidate) *server.Error {
	add := c.add
	if len(c.branches) > 0 {
		add = slices.Clone(add) // the others are read while this is written
	}
	var room [2]forkBranch
	steps := room[:0]
	for i, b := range c.grow(len(set)) {
		t := &set[i]
		b.hop, b.target, b.add = t.hop, t.target, add
		steps = append(steps, forkBranch{group: t.group, after: t.after})
	}
	c.fork.add(steps)
	switch w := widest(steps); {
	case w > c.breadth:
		return errBreadth()
	case w > 0:
		add[0] = c.proxy.breadthHeader(max(1, min(c.breadth, c.proxy.cfg.MaxBreadth)/w))
	}
	return nil
}

// inDialog makes c forward to the other side of a dialog.
func (c *responseContext) inDialog(h hop, d *dialogRoute) {
	c.fork.gone, c.leftOut = statusFlowFailed, c.proxy.leftOut
	c.fork.branches = append(c.fork.branches, forkBranch{after: -1})
	b := c.grow(1)[0]
	b.hop = h
	b.path = routesAfter(h, d.rest)
	b.add = c.proxy.appendForeignCredentials(nil, c.r)
	// RFC 6665 §4.4.1: the first NOTIFY may make the dialog before the 200 does
	if c.r.Method == sip.NOTIFY {
		c.recordRoute = c.proxy.recordRoute(c.r.Flow, d.from.user, c.r.CallID)
	}
}

// makesDialog tells for which requests we stay in the path. REFER and NOTIFY
// make dialogs as SUBSCRIBE does (RFC 6665).
func makesDialog(m sip.RequestMethod) bool {
	return m == sip.INVITE || m == sip.SUBSCRIBE || m == sip.REFER || m == sip.NOTIFY
}

// request makes the copy for one target (RFC 3261 §16.6, by its steps; step 3,
// Max-Forwards, is part of [wire.Forward]). It fails when the watcher does not
// want it.
func (c *responseContext) request(b *branch) (*sip.Request, *server.Error) {
	p := c.proxy
	e := wire.Edit{
		URI:  &b.uri,    // step 2
		Drop: c.leftOut, // step 5 and identity.go
		Add:  b.add,
	}
	if c.recordRoute != "" { // step 4; RFC 5658: the callee's side on top
		e.RecordRoute = []string{p.recordRoute(b.flow, b.user, c.r.CallID), c.recordRoute}
	}
	e.Routes = b.path // step 6; RFC 3327 §5.2: Path becomes Route
	if e.Routes == nil {
		e.Routes = []string{} // preloaded ones are not followed
	}
	var room [64]byte
	e.Via = p.via(b.flow, append(wire.AppendBranch(room[:0]), c.hash...)) // step 8
	return forward(c.r, e, c.watcher, b.index, b.target)
}

// forward makes the copy of r that goes to a branch, with what the watcher, which
// may be nil, changes.
func forward(r *server.Request, e wire.Edit, w Watcher, branch int, t *registrar.Target) (*sip.Request, *server.Error) {
	if w == nil {
		return wire.Forward(r.Request, e), nil
	}
	watched := e // on the heap
	watched.Add = slices.Clip(e.Add)
	if err := w.Request(branch, t, &watched); err != nil {
		return nil, err
	}
	return wire.Forward(r.Request, watched), nil
}

// forwardACK sends an ACK to a 2xx on, unless the watcher keeps it.
func (p *Proxy) forwardACK(r *server.Request, h hop, rest []string, w Watcher) {
	var room [64]byte
	e := wire.Edit{
		URI:    &h.uri,
		Drop:   p.leftOut,
		Routes: routesAfter(h, rest),
		Via:    p.via(h.flow, wire.AppendBranch(room[:0])),
	}
	ack, err := forward(r, e, w, 0, nil)
	if err != nil {
		return
	}
	p.metrics.forwarded.Inc()
	// A flow that broke is no news to anybody: the 2xx is sent again.
	_ = p.cfg.Transactions.SendACK(ack, h.flow)
}

// routesAfter is the route set behind us: what the request brought, or the Path
// of a device that was looked up anew. Never nil.
func routesAfter(h hop, rest []string) []string {
	switch {
	case len(rest) > 0:
		return rest
	case h.path != nil:
		return h.path
	}
	return []string{}
}

// via is our Via value for a request that goes out by f.
func (p *Proxy) via(f *transport.Flow, branch []byte) string {
	var room [128]byte
	b := append(room[:0], "SIP/2.0/"...)
	b = append(append(b, f.Transport...), ' ')
	b = p.appendSentBy(b, f)
	if !f.Reliable() {
		b = append(b, ";rport"...) // RFC 3581
	}
	return string(append(append(b, ";branch="...), branch...))
}

// recordRoute is our Record-Route value for the side at the end of f.
func (p *Proxy) recordRoute(f *transport.Flow, u store.UserID, callID string) string {
	var room [256]byte
	b := append(room[:0], "<sip:"...)
	b = append(p.tokens.appendToken(b, f, u, callID), '@')
	b = append(p.appendSentBy(b, f), ";transport="...)
	b = append(b, uriTransport(f)...)
	return string(append(b, ";lr>"...))
}

// uriTransport is the transport parameter of a URI: RFC 7118 §5.2.3 knows only
// ws, TLS below it or not.
func uriTransport(f *transport.Flow) string {
	switch f.Transport {
	case transport.UDP:
		return "udp"
	case transport.TCP:
		return "tcp"
	case transport.TLS:
		return "tls"
	}
	return "ws"
}

// appendSentBy appends the host:port by which the peer of f reaches us.
func (p *Proxy) appendSentBy(b []byte, f *transport.Flow) []byte {
	host, port := p.cfg.Flows.Local(f)
	if strings.Contains(host, ":") { // RFC 3261 §25.1: IPv6reference
		b = append(append(append(b, '['), host...), ']')
	} else {
		b = append(b, host...)
	}
	return strconv.AppendInt(append(b, ':'), int64(port), 10)
}
