package media

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/sparkleim/sparkle/media/negotiate"
	"github.com/sparkleim/sparkle/media/rtp"
	"github.com/sparkleim/sparkle/media/secure"
	"github.com/sparkleim/sparkle/media/transport"
)

var (
	errClosed  = fmt.Errorf("%w: the leg is closed", ErrState)
	errNoPorts = fmt.Errorf("%w: an m-line has no ports", ErrState)
	errStrange = fmt.Errorf("%w: the other leg is not of this session", ErrState)
)

// change is what an answer means for one m-line.
type change struct {
	stream *stream
	link   *link // nil: the line has none any more
	plan   *negotiate.Stream
	old    *negotiate.Stream // nil: the line is new
	in     *secure.Inbound   // nil: as before
	out    *secure.Outbound
	ice    *transport.ICE
}

// commit makes what was agreed true. A line of which nothing changed keeps its
// ports, keys with their roll-over counters, associations and the address that
// was learned.
func (l *Leg) commit(next *negotiate.State) error {
	plan := next.Plan()
	changes, err := l.changes(plan)
	if err != nil {
		l.giveBack()
		return err
	}
	var steps []func()
	steps = append(steps, func() { l.apply(changes) })
	steps = append(steps, l.unused(plan)...)
	l.state, l.plan = next, plan
	for i := range l.lines {
		l.lines[i].fresh = false
	}
	l.session.urgent = l.session.urgent || shakes(plan)
	l.session.do(append(steps, l.join()...))
	return nil
}

// shakes tells whether there are handshakes in a plan, which we may have to begin.
func shakes(plan *negotiate.Plan) bool {
	return slices.ContainsFunc(plan.Streams, func(s negotiate.Stream) bool { return s.Active && s.Keying == negotiate.DTLS })
}

// changes compares a plan with the one before and makes what the new one needs.
// Nothing of the leg changes if it fails.
func (l *Leg) changes(plan *negotiate.Plan) ([]change, error) {
	for len(l.lines) < len(plan.Streams) {
		l.lines = append(l.lines, line{})
	}
	changes := make([]change, len(plan.Streams))
	for i := range plan.Streams {
		c := &changes[i]
		n := &l.lines[i]
		if n.stream == nil {
			n.stream = newStream(l, &plan.Streams[i])
		}
		c.stream, c.plan, c.ice = n.stream, &plan.Streams[i], n.ice
		if l.plan != nil && i < len(l.plan.Streams) {
			c.old = &l.plan.Streams[i]
		}
		if !c.plan.Active {
			continue
		}
		if c.link = l.lines[c.plan.Carrier].link; c.link == nil {
			return nil, errors.New("media: an m-line without ports was agreed on")
		}
		if err := c.rekey(); err != nil {
			return nil, err
		}
	}
	return changes, nil
}

// rekey makes the contexts of keys that are new (RFC 4568 §7.1.4): the others
// keep theirs, for their roll-over counters and what was received.
func (c *change) rekey() (err error) {
	if c.plan.Keying != negotiate.SDES || c.plan.Opaque {
		return nil
	}
	keyed := c.old != nil && c.old.Active && c.old.Keying == negotiate.SDES
	if in := c.plan.Inbound; !keyed || !same(c.old.Inbound, in) {
		if c.in, err = secure.NewInbound(in.Suite, in.Key, in.MKI); err != nil {
			return fmt.Errorf("%w: %w", ErrNotAcceptable, err)
		}
	}
	if out := c.plan.Outbound; !keyed || !same(c.old.Outbound, out) {
		if c.out, err = secure.NewOutbound(out.Suite, out.Key, out.MKI); err != nil {
			return fmt.Errorf("%w: %w", ErrNotAcceptable, err)
		}
	}
	return nil
}

// another tells whether the peer may be another device than before: a later
// answer to the same offer, or one that lost its memory.
func (c *change) another() bool {
	return c.old != nil && (c.in != nil || c.old.Remote != c.plan.Remote || !slices.Equal(c.old.Prints, c.plan.Prints))
}

func same(a, b secure.Crypto) bool {
	return a.Suite == b.Suite && a.Key.Equal(b.Key) && bytes.Equal(a.MKI, b.MKI)
}

// unused closes the ports of lines that were refused or are carried by those of
// another (RFC 9143 §7.3).
func (l *Leg) unused(plan *negotiate.Plan) (steps []func()) {
	used := make([]bool, len(l.lines))
	for _, s := range plan.Streams {
		if s.Active {
			used[s.Carrier] = true
		}
	}
	for i := range l.lines {
		if n := &l.lines[i]; n.link != nil && !used[i] {
			steps = append(steps, n.link.close)
			n.link, n.ice = nil, nil
		}
	}
	return steps
}

// apply is commit on the loop.
func (l *Leg) apply(changes []change) {
	for i := range changes {
		c := &changes[i]
		if i == len(l.streams) {
			l.streams = append(l.streams, c.stream)
		}
		if c.plan.Active && c.plan.Carrier == i {
			c.link.apply(c)
		}
		c.stream.apply(c)
	}
	l.session.enter(l)
	now := l.session.engine.network.Now()
	l.heard = now // by its signalling
	for _, k := range l.links {
		for _, p := range k.components() {
			p.greet(now)
		}
	}
}

// payloads is the table of what comes from one stream and goes to another.
func payloads(routes []negotiate.Route) *rtp.Payloads {
	list := make([]rtp.Payload, len(routes))
	for i, r := range routes {
		list[i] = rtp.Payload{
			From: r.From.Number, To: r.To.Number, Rate: uint32(r.From.Rate), ToRate: uint32(r.To.Rate), Event: r.From.Event(),
		}
	}
	return rtp.NewPayloads(list...)
}
