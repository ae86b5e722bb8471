package dialog

import (
	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/wire"
)

// Incoming is a request of the peer.
type Incoming struct {
	*transaction.Incoming
	tx       *transaction.Server // nil for ACK
	ua       *UA
	dialog   *Dialog // nil outside of dialogs
	answered bool
}

// Reply answers without body.
func (in *Incoming) Reply(status int, reason string, hs ...sip.Header) {
	in.Answer(status, reason, Content{}, hs...)
}

// Answer answers. A 2xx to a re-INVITE is repeated until its ACK comes. Further
// final responses are ignored, and so is everything for an ACK.
func (in *Incoming) Answer(status int, reason string, c Content, hs ...sip.Header) {
	if in.tx == nil || in.answered {
		return
	}
	in.answered = status >= 200
	d := in.dialog
	if d == nil {
		_ = in.tx.Respond(in.ua.response(in.Request, "", status, reason, c, hs)) // a flow that broke needs no answer
		return
	}
	if status < 300 && (in.Method == sip.INVITE || in.Method == sip.UPDATE || in.Method == sip.REFER) {
		hs = append(hs, d.contactHeader())
		if status >= 200 && in.Method != sip.REFER {
			hs = append(hs, d.confirmTimer(in.Request)...)
		}
	}
	res := in.ua.response(in.Request, "", status, reason, c, hs)
	if in.answered {
		d.incomingOver(in)
	}
	if in.Method == sip.INVITE && status >= 200 && status < 300 {
		d.repeatUntilACK(in, res)
		return
	}
	_ = in.tx.Respond(res)
}

// response builds a response of ours. tag is put into To where the request has
// none and tag is not "".
func (u *UA) response(req *sip.Request, tag string, status int, reason string, c Content, hs []sip.Header) *sip.Response {
	all := make([]sip.Header, 0, len(hs)+len(c.Headers)+3)
	all = append(all, hs...)
	all = u.agent("Server", all)
	if status > 100 && status < 300 && req.Method != sip.BYE {
		all = append(all, wire.H("Allow", u.cfg.Allow))
	}
	if status >= 200 && status < 300 && (req.Method == sip.INVITE || req.Method == sip.UPDATE) {
		all = append(all, wire.H("Supported", "100rel, timer"))
	}
	all = append(all, c.Headers...)
	res := wire.NewResponse(req, status, reason, all...)
	if len(c.Body) > 0 {
		res.SetBody(c.Body)
	}
	if tag != "" && status > 100 {
		setToTag(res, wire.Header(req, "To"), tag)
	}
	return res
}

// setToTag writes our own tag in place of the one that was derived.
func setToTag(res *sip.Response, to, tag string) {
	for i, h := range res.Headers() {
		if h.Name() == "To" {
			res.Headers()[i] = wire.H("To", to+";tag="+tag)
			return
		}
	}
}
