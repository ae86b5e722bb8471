package chat

import (
	"github.com/sparkleim/sparkle/store"
)

// Names of renderings as they stand in the trace of a message
// ([store.Delivery]).
const (
	asOriginal  = "original"
	asText      = "text"
	asCopy      = "copy"     // text, of what the user sent from another device
	asUndated   = "undated"  // the original without a CPIM DateTime that Linphone misreads
	asInflated  = "inflated" // the original without its Content-Encoding
	asWrapped   = "wrapped"  // in the CPIM that rooms need
	skipReceipt = "skipped: receipt"
	skipOwn     = "skipped: own"
	skipRoster  = "skipped: roster" // the device shows by itself what a notice tells
	skipEmpty   = "skipped: empty"
	skipExpired = "skipped: expired"
)

// rendering is one message as one device gets it.
type rendering struct {
	name        string
	skip        bool // nothing is sent
	contentType string
	encoding    string
	body        []byte
	positive    bool     // the sender asked to be told of the delivery
	negative    bool     // the sender asked to be told of a failure
	room        *address // of what is of a group, nil between two
}

// original tells whether the device gets what the sender wrote, in his form.
func (r *rendering) original() bool { return r.name != asText && r.name != asCopy }

// render makes of m what a device of that ability can show. own says that m was
// written by the user of the device; forceText forbids everything but text.
func (w *words) render(m *store.Message, a ability, own, forceText bool) *rendering {
	c, err := openContent(m.ContentType, m.Encoding, m.Body)
	if err != nil { // it was checked when it was accepted; an import may differ
		return &rendering{name: asOriginal, contentType: m.ContentType, encoding: m.Encoding, body: m.Body}
	}
	outer, _ := mediaType(m.ContentType)
	bare := outer == plainType && c.params["charset"] == "" // there is no plainer form
	shown := (bare || !forceText) && a.showsContent(outer, &c)
	switch {
	case own && m.Kind == store.KindReceipt:
		return &rendering{name: skipOwn, skip: true}
	case own:
		return plainText(asCopy, w.me, w.text(&c, true), &c)
	case m.Kind == store.KindReceipt && !shown:
		return &rendering{name: skipReceipt, skip: true}
	case shown:
		return asItIs(m, a, &c)
	}
	return plainText(asText, "", w.text(&c, true), &c)
}

// asItIs keeps the original, but for what the device is known to trip over.
func asItIs(m *store.Message, a ability, c *content) *rendering {
	r := &rendering{name: asOriginal, contentType: m.ContentType, encoding: m.Encoding, body: m.Body}
	r.positive, r.negative = c.asks(positiveDelivery), c.asks(negativeDelivery)
	switch {
	case a.linphone && c.cpim != nil && c.cpim.january():
		r.name, r.encoding, r.body = asUndated, "", c.cpim.without("DateTime").bytes()
	case !a.linphone && m.Encoding != "": // RFC 3261 §20.12: only for who said it understands it
		r.name, r.encoding, r.body = asInflated, "", c.body
		if c.cpim != nil {
			r.body = c.cpim.bytes()
		}
	}
	return r
}

// plainText is a rendering as text/plain.
func plainText(name, prefix, text string, c *content) *rendering {
	if text == "" {
		return &rendering{name: skipEmpty, skip: true}
	}
	return &rendering{
		name:        name,
		contentType: "text/plain;charset=UTF-8",
		body:        []byte(prefix + text),
		positive:    c.asks(positiveDelivery),
		negative:    c.asks(negativeDelivery),
	}
}
