package call

import (
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/wire"
)

// Two devices may answer before either hears of the other. The caller then has two
// dialogs, acknowledges both and ends one of them, as a rule the later (RFC 3261
// §13.2.2.4). Which one is his business: the device that answered first has the
// media, the other one is its rival, and when the dialog of the first ends while
// the rival's lives, the call goes on there.

// rivalry is what is known of a device that answered after another one.
type rivalry struct {
	ready     bool          // its media waits for the dialog of the first to end
	told      bool          // the caller was told its own answer, and not that of the first
	confirmed bool          // the caller has acknowledged its 2xx
	over      bool          // its dialog has ended, and that of the other device has the call
	lasts     time.Duration // its session without a refresh, 0: for ever
	agent     string        // the program of the device
}

// allowsRivals tells whether a second answer can be made use of: it needs an offer
// of the caller that more than one can answer. An agent of ours chooses by itself.
func (c *call) allowsRivals() bool { return c.half == whole && c.content.sdp != nil }

// audible tells whether the media of the call is for the dialog with b to change.
// c.mu is held.
func (c *call) audible(b *branch) bool { return c.answered == nil || c.answered == b }

// aside is what a request means in a dialog whose device has not got the media: it
// changes nothing, and one with a new offer may come again when the other dialog
// has ended.
func aside(v verb, method sip.RequestMethod) verb {
	switch {
	case method == sip.ACK && v != pass:
		return strip
	case method == sip.INVITE, v != pass && v != strip:
		return glare
	}
	return v
}

// alsoAnswered is a 2xx of a device after that of another one. second tells that it
// is another dialog with the same one, which has no media. c.mu is held.
func (c *call) alsoAnswered(b *branch, res *sip.Response, content *body, second bool) {
	lasts := c.timer.agreed(res)
	if !second && c.allowsRivals() {
		c.prepareRival(b, res, content)
		b.rivalry.lasts = lasts
	}
	told := c.answered.told[caller]
	if !second && b.rivalry.ready {
		told = b.told[caller]
	}
	setBody(res, content.with(told))
}

// prepareRival takes the answer of a device that another one forestalled, as far as
// that changes nothing for the caller. c.mu is held.
func (c *call) prepareRival(b *branch, res *sip.Response, content *body) {
	if b.rivalry.ready || b.speaks != "" && b.speaks != b.tag {
		return // repeated, or of another phone behind the target than the one that spoke until now
	}
	b.speaks = b.tag
	switch b.x.step(message{from: callee, method: sip.INVITE, cseq: c.cseq, status: res.StatusCode, sdp: content.sdp != nil}) {
	case answer:
		if b.leg.TakeAnswer(content.sdp) != nil {
			return
		}
	case pass, repeated: // it answered while it rang
	default:
		return
	}
	told, err := c.caller.leg.PreviewAnswer(b.leg)
	if err != nil { // it takes what the first did not
		told = c.answered.told[caller]
	}
	b.told[caller] = told
	b.rivalry = rivalry{ready: true, told: err == nil, agent: agentOf(res)}
}

// rival is a device that the call can go on with after b, nil for none. Who has not
// acknowledged its answer has not seen that there is another dialog. c.mu is held.
func (c *call) rival(b *branch) *branch {
	for _, other := range c.branches {
		if other != nil && other != b && other.rivalry.ready && other.rivalry.confirmed && !other.rivalry.over {
			return other
		}
	}
	return nil
}

// bye is the end of the dialog with b. c.mu is held; then is called without.
func (c *call) bye(r *server.Request, b *branch, from side) (then func()) {
	next := c.rival(b)
	switch {
	case b != c.answered:
		if b.rivalry.ready { // otherwise it is another one's dialog, for the caller to end
			c.drop(b)
		}
	case next == nil:
		return func() { c.hungUp(r, from) }
	default:
		c.together(func() { c.moveTo(next) })
	}
	return nil
}

// drop forgets one of two devices that answered. c.mu is held.
func (c *call) drop(b *branch) {
	b.rivalry.over = true
	b.leg.Close()
	c.attemptEnded(b, sip.StatusRequestTerminated, "another device has the call")
}

// moveTo goes on with a device in the place of the one that answered first. c.mu is
// held.
func (c *call) moveTo(b *branch) {
	c.drop(c.answered)
	c.answered = b
	c.caller.leg.Rollback() // what the first dialog did not come to an end with
	if b.rivalry.told {
		// It fails when the first device has offered something since: what was agreed
		// with it holds until the caller says more.
		_, _ = c.caller.leg.MakeAnswer(b.leg)
	}
	c.connect(b)
	c.refreshed(b.rivalry.lasts)
	c.takenBy(b, b.rivalry.agent)
	c.attemptEnded(b, sip.StatusOK, wire.Reason(sip.StatusOK))
	c.service.cfg.Records.SaveCall(c.copyRecord())
}
