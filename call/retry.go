package call

import (
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/wire"
)

// A device that refuses an offer is asked again with another one. For the device
// that is the same INVITE once more, which it has to turn away while it remembers
// the first (RFC 3261 §8.2.2.2: 482). So the sequence numbers of the caller's
// requests are ahead by one at that device with each time it was asked, and back
// again in what it answers.

// retry is what is known of a device that has been asked before.
type retry struct {
	refused refusals
	times   uint32
}

// nothing is what a device refused that is asked again for another reason.
const nothing refusals = 0

// otherManner tells whom to ask again after an offer was refused, nil when nothing
// else can be offered. c.mu is held.
func (c *call) otherManner(b *branch) *registrar.Target {
	if b.kind == (deviceKind{}) || c.content.sdp == nil {
		return nil // a carrier says what it takes; without an offer nothing was refused
	}
	again := c.again(b, nothing.with(b.manner))
	profile := c.service.profile(again.Flow, again.ICE)
	if _, ok := c.service.habits.choose(b.kind, &profile, isBrowser(again.Flow), c.retries[c.firstOf(again)].refused); !ok {
		return nil
	}
	return again
}

// again prepares to ask the device of a branch once more. c.mu is held.
func (c *call) again(b *branch, refused refusals) *registrar.Target {
	if c.retries == nil {
		c.retries = make(map[*registrar.Target]retry)
	}
	first := c.firstOf(b.target)
	r := c.retries[first]
	c.retries[first] = retry{r.refused | refused, r.times + 1}
	return b.target
}

// firstOf finds the target under which the retries of a device are kept.
func (c *call) firstOf(t *registrar.Target) *registrar.Target {
	for first := range c.retries {
		if first.User == t.User && first.Device.ID == t.Device.ID && wire.EqualURI(&first.Contact, &t.Contact) {
			return first
		}
	}
	return t
}

// shiftRequest writes the sequence numbers of a request of the caller as the
// device has to see them. rack is the value of RAck of a PRACK.
func (b *branch) shiftRequest(e *wire.Edit, method sip.RequestMethod, cseq uint32, rack string) {
	if b.shift == 0 {
		return
	}
	drop := append(e.Drop[:len(e.Drop):len(e.Drop)], "CSeq")
	e.Add = append(e.Add, cseqHeader(cseq+b.shift, method))
	if f := strings.Fields(rack); len(f) == 3 { // RFC 3262 §7.2
		if n, err := strconv.ParseUint(f[1], 10, 32); err == nil {
			drop = append(drop, "RAck")
			e.Add = append(e.Add, wire.H("RAck", f[0]+" "+strconv.FormatUint(n+uint64(b.shift), 10)+" "+f[2]))
		}
	}
	e.Drop = drop
}

// shiftResponse puts the caller's number back.
func (b *branch) shiftResponse(res *sip.Response, method sip.RequestMethod, cseq uint32) {
	if b.shift == 0 {
		return
	}
	for i, h := range res.Headers() {
		if h.Name() == "CSeq" {
			res.Headers()[i] = cseqHeader(cseq, method)
			return
		}
	}
}

func cseqHeader(n uint32, method sip.RequestMethod) sip.Header {
	return wire.H("CSeq", strconv.FormatUint(uint64(n), 10)+" "+string(method))
}
