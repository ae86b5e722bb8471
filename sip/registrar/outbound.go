package registrar

import (
	"strconv"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/wire"
)

// checkOutbound decides whether reg is an outbound registration (RFC 5626 §6)
// and whether it may be one. Without outbound a reg-id means nothing.
func (reg *registration) checkOutbound() error {
	flows, bound := 0, 0
	for i := range reg.contacts {
		c := &reg.contacts[i]
		if c.expires > 0 {
			bound++
		}
		if c.regID > 0 {
			flows++
		}
	}
	if !reg.outbound {
		for i := range reg.contacts {
			reg.contacts[i].regID = 0
		}
		return nil
	}
	reg.outbound = flows > 0
	switch {
	case flows > 0 && bound > 1: // a registration is for one flow
		return badContact(400, "a Contact with reg-id must be the only one")
	case flows > 0 && !reg.firstHopKeepsFlow():
		return &server.Error{Status: 439, Reason: "First Hop Lacks Outbound Support"}
	}
	return nil
}

// firstHopKeepsFlow tells whether we, or the edge proxy that the request came
// through, can send requests back over the flow that the client opened.
func (reg *registration) firstHopKeepsFlow() bool {
	if len(wire.Values(reg.req, "Via")) < 2 {
		return true
	}
	if len(reg.path) == 0 {
		return false
	}
	edge, err := wire.ParseNameAddr(reg.path[len(reg.path)-1]) // RFC 5626 §6: the first to have added itself
	if err != nil {
		return false
	}
	_, ob := wire.URIParam(&edge.URI, "ob")
	return ob
}

// outboundHeaders tell the client that its flow is kept, and how often it
// should show that it is alive (RFC 5626 §5.4, §6).
func (g *Registrar) outboundHeaders(hs []sip.Header) []sip.Header {
	timer := strconv.Itoa(int(g.cfg.FlowTimer / time.Second))
	return append(hs, wire.H("Require", "outbound"), wire.H("Flow-Timer", timer))
}
