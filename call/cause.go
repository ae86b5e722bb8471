package call

import (
	"strconv"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/wire"
)

// Causes of ITU-T Q.850 that we set ourselves.
const (
	causeNormal    = 16  // normal call clearing
	causeTemporary = 41  // temporary failure
	causeTimer     = 102 // recovery on timer expiry
)

// causeOf is the Q.850 cause that a final status stands for (RFC 3398 §8.2.6.1).
func causeOf(status int) int {
	switch status {
	case 400, 481, 500, 503:
		return causeTemporary
	case 401, 402, 403, 407, 603:
		return 21 // call rejected
	case 404, 604:
		return 1 // unallocated number
	case 405:
		return 63 // service or option unavailable
	case 406, 415, 501:
		return 79 // service or option not implemented
	case 408, 504:
		return causeTimer
	case 410:
		return 22 // number changed
	case 413, 414, 416, 420, 421, 423, 505, 513:
		return 127 // interworking
	case 480:
		return 18 // no user responding
	case 482, 483:
		return 25 // exchange routing error
	case 484:
		return 28 // invalid number format
	case 485:
		return 1
	case 486, 600:
		return 17 // user busy
	case 488, 606:
		return 65 // bearer capability not implemented
	case 502:
		return 38 // network out of order
	case 487:
		return causeNormal // the caller changed his mind
	}
	switch {
	case status < 300:
		return causeNormal
	case status < 400:
		return 23 // redirection to new destination
	case status < 500:
		return 31 // normal, unspecified
	}
	return causeTemporary
}

// reasonOf reads the Q.850 cause and the text of a message's Reason header
// (RFC 3326); 0 when it has none. A SIP cause there counts as its Q.850 one.
func reasonOf(m sip.Message) (cause int, text string) {
	for v := range wire.All(m, "Reason") {
		for c := range wire.Causes(v) {
			switch {
			case c.Protocol == "Q.850" && c.Cause < 128:
				return c.Cause, c.Text
			case c.Protocol == "SIP" && c.Cause >= 200 && c.Cause < 700 && cause == 0:
				cause, text = causeOf(c.Cause), c.Text
			}
		}
	}
	return cause, text
}

// reasonHeader is the Reason of a BYE of ours.
func reasonHeader(cause int, text string) sip.Header {
	return wire.H("Reason", "Q.850;cause="+strconv.Itoa(cause)+";text="+wire.QuoteString(text))
}
