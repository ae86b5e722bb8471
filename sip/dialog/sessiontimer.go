package dialog

import (
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/wire"
)

// Session intervals in seconds (RFC 4028 §4 and §5).
const (
	defaultExpires = 1800
	maxExpires     = 86400
	minSE          = "90"
	leastExpires   = 90
)

// timer is the session timer of one dialog (RFC 4028). Each side of a
// back-to-back user agent has its own.
type timer struct {
	interval  time.Duration
	refresher bool // we are
	clock     *time.Timer
}

func (t *timer) stop() {
	if t.clock != nil {
		t.clock.Stop()
	}
}

// sessionExpires reads a Session-Expires header; 0 when there is none.
func sessionExpires(m sip.Message) (seconds int, refresher string) {
	value, params, _ := strings.Cut(wire.Header(m, "Session-Expires"), ";")
	n, err := strconv.Atoi(strings.TrimSpace(value))
	if err != nil || n <= 0 {
		return 0, ""
	}
	for p := range strings.SplitSeq(params, ";") {
		name, v, _ := strings.Cut(p, "=")
		if strings.EqualFold(strings.TrimSpace(name), "refresher") {
			refresher = strings.ToLower(strings.TrimSpace(v))
		}
	}
	return min(n, maxExpires), refresher
}

// tooBrief tells whether a request asks for an interval below the minimum.
func tooBrief(req *sip.Request) bool {
	n, _ := sessionExpires(req)
	return n > 0 && n < leastExpires && wire.Has(req, "Supported", "timer")
}

// confirmTimer starts the timer for a request of the peer that we accept, and
// returns what the 2xx says about it (RFC 4028 §9).
func (d *Dialog) confirmTimer(req *sip.Request) []sip.Header {
	knows := wire.Has(req, "Supported", "timer") || wire.Has(req, "Require", "timer")
	seconds, refresher := sessionExpires(req)
	asked := seconds > 0
	if !asked {
		seconds = defaultExpires
	}
	switch {
	case !knows:
		refresher = "uas"
	case refresher != "uas":
		refresher = "uac"
	}
	d.schedule(seconds, refresher == "uas")
	if !knows && !asked {
		return nil // we refresh, and the peer need not know why
	}
	hs := []sip.Header{wire.H("Session-Expires", strconv.Itoa(seconds)+";refresher="+refresher)}
	if refresher == "uac" {
		hs = append(hs, wire.H("Require", "timer"))
	}
	return hs
}

// startTimer starts the timer after a 2xx to a request of ours (RFC 4028 §7.2).
// A peer without session timers is asked by us whether it is still there.
func (d *Dialog) startTimer(res *sip.Response) {
	seconds, refresher := sessionExpires(res)
	if seconds == 0 {
		seconds, refresher = defaultExpires, "uac"
	}
	d.schedule(max(seconds, leastExpires), refresher != "uas")
}

// schedule starts the clock: to refresh after half of the interval, or to end the
// session shortly before it is over (RFC 4028 §10).
func (d *Dialog) schedule(seconds int, refresher bool) {
	t := &d.timer
	t.stop()
	t.interval, t.refresher = time.Duration(seconds)*time.Second, refresher
	if refresher {
		t.clock = d.s.strand.After(t.interval/2, d.refresh)
		return
	}
	t.clock = d.s.strand.After(t.interval-min(32*time.Second, t.interval/3), d.expired)
}

// expired ends a session that the peer should have refreshed.
func (d *Dialog) expired() {
	if d.s.phase != answered || d.s.chosen != d {
		return
	}
	d.bye(`SIP;cause=408;text="session timer"`)
	d.s.ended(d, End{Cause: "session timer"})
}

// refresh asks the peer whether it is still there: by UPDATE without a body, or
// by the offer that it knows.
func (d *Dialog) refresh() {
	if d.s.phase != answered || d.s.chosen != d {
		return
	}
	hs := wire.H("Session-Expires", strconv.Itoa(int(d.timer.interval/time.Second))+";refresher=uac")
	method, content := "UPDATE", Content{}
	if !d.updates {
		method, content = "INVITE", d.description
	}
	d.Send(method, content, func(res *sip.Response, err error) {
		if method == "INVITE" && res != nil && res.StatusCode < 300 {
			d.Ack(Content{})
		}
		if err != nil || res.StatusCode >= 300 { // another request is under way, or it was refused: soon again
			d.timer.stop()
			d.timer.clock = d.s.strand.After(10*time.Second, d.refresh)
		}
	}, hs)
}
