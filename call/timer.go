package call

import (
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/wire"
)

// Session timers (RFC 4028), as a proxy has its part in them: it asks for one
// where nobody else does, watches the refreshes, and ends a call that nobody
// refreshes any more.

const (
	minSessionExpires = 90 * time.Second // RFC 4028 §4
	refreshGrace      = 10 * time.Second // for a refresh that is on its way when the time is up
)

// statusTooSmall is 422 Session Interval Too Small (RFC 4028 §6).
const statusTooSmall = 422

// sessionTimer is what an INVITE says about its timer.
type sessionTimer struct {
	expires   time.Duration // of Session-Expires, 0: none
	least     time.Duration // of Min-SE
	supported bool          // by the caller
	inserted  time.Duration // what we asked for in its place, 0: nothing
}

// readTimer reads the INVITE of a caller. An error refuses a timer that is too
// short, where the caller can choose a longer one (RFC 4028 §8.1).
func readTimer(req *sip.Request, ours time.Duration) (t sessionTimer, err *server.Error) {
	t.expires = seconds(wire.Header(req, "Session-Expires"))
	t.least = max(seconds(wire.Header(req, "Min-SE")), minSessionExpires)
	t.supported = wire.Has(req, "Supported", "timer") || wire.Has(req, "Require", "timer")
	if t.expires == 0 {
		t.inserted = max(ours, t.least)
		return t, nil
	}
	if t.expires < minSessionExpires && t.supported {
		return t, &server.Error{Status: statusTooSmall, Headers: []sip.Header{minSE()}}
	}
	return t, nil
}

func minSE() sip.Header { return wire.H("Min-SE", formatSeconds(minSessionExpires)) }

// seconds reads the delta-seconds at the beginning of a value, 0 when there are
// none.
func seconds(value string) time.Duration {
	if value == "" {
		return 0 // most
	}
	number, _, _ := strings.Cut(value, ";")
	n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

func formatSeconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }

// ask appends to an INVITE what asks its device for a session timer.
func (t *sessionTimer) ask(hs []sip.Header) []sip.Header {
	if t.inserted == 0 {
		return hs
	}
	return append(hs, wire.H("Session-Expires", formatSeconds(t.inserted))) // RFC 4028 §8.1
}

// agreed reads a 2xx to the INVITE: how long the session lasts without a
// refresh, 0 for ever. When the device has no timers and the caller has, the
// caller is made the refresher (RFC 4028 §8.2).
func (t *sessionTimer) agreed(res *sip.Response) time.Duration {
	if d := seconds(wire.Header(res, "Session-Expires")); d > 0 {
		return d
	}
	want := max(t.expires, t.inserted)
	if !t.supported || want == 0 {
		return 0
	}
	res.AppendHeader(wire.H("Session-Expires", formatSeconds(want)+";refresher=uac"))
	res.AppendHeader(wire.H("Require", "timer"))
	return want
}
