package chat

import (
	"strings"
	"time"

	"github.com/sparkleim/sparkle/sip/payload"
)

// imdnType is the media type of receipts (RFC 5438).
const imdnType = "message/imdn+xml"

const nsReceipt = "urn:ietf:params:xml:ns:imdn" // RFC 5438 §11.1

// What a sender may ask for (RFC 5438 §6.2).
const (
	positiveDelivery = "positive-delivery"
	negativeDelivery = "negative-delivery"
)

// What receipts tell of.
const (
	aboutDelivery = "delivery"
	aboutDisplay  = "display"

	statusDisplayed = "displayed"
)

// receipt is an IMDN (RFC 5438 §7): what became of one message.
type receipt struct {
	MessageID string // the imdn.Message-ID, or the Call-ID of a bare MESSAGE
	About     string // aboutDelivery, aboutDisplay or "processing"
	Status    string // "delivered", "failed", statusDisplayed …
	At        time.Time
}

// displayed tells whether the message was shown to its reader.
func (r *receipt) displayed() bool { return r.About == aboutDisplay && r.Status == statusDisplayed }

// parseReceipt reads message/imdn+xml.
func parseReceipt(b []byte) (receipt, error) {
	root, err := payload.ParseXML(b, payload.Small)
	if err != nil {
		return receipt{}, err
	}
	r := receipt{MessageID: root.Child(nsReceipt, "message-id").Value()}
	if !root.Is(nsReceipt, "imdn") || r.MessageID == "" {
		return receipt{}, payload.ErrXML
	}
	r.At, _ = time.Parse(time.RFC3339, root.Child(nsReceipt, "datetime").Value()) // zero when it is no time
	for _, about := range []string{"delivery", "display", "processing"} {
		status := root.Child(nsReceipt, about+"-notification").Child(nsReceipt, "status")
		if status == nil || len(status.Kids) == 0 {
			continue
		}
		r.About, r.Status = about, status.Kids[0].Name.Local
		return r, nil
	}
	return receipt{}, payload.ErrXML
}

// bytes writes r as message/imdn+xml.
func (r receipt) bytes() []byte {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\r\n" + `<imdn xmlns="` + nsReceipt + `"><message-id>`)
	b.WriteString(payload.EscapeXML(r.MessageID))
	b.WriteString("</message-id><datetime>")
	b.WriteString(r.At.UTC().Format(time.RFC3339))
	b.WriteString("</datetime><" + r.About + "-notification><status><" + r.Status + "/></status></" + r.About + "-notification></imdn>\r\n")
	return []byte(b.String())
}

// wrap puts r into CPIM, as it answers a message that came in CPIM
// (RFC 5438 §7.2.1.1): same parties the other way round, no receipt for it.
func (r receipt) wrap(from, to, messageID string) []byte {
	body := r.bytes()
	c := cpim{
		headers: []field{
			{"From", "<" + from + ">"},
			{"To", "<" + to + ">"},
			{"DateTime", r.At.UTC().Format(time.RFC3339)},
			{"NS", "imdn <" + nsIMDN + ">"},
			{"imdn.Message-ID", messageID},
		},
		content: []field{
			{"Content-Type", imdnType},
			{"Content-Disposition", "notification"},
		},
		body: body,
	}
	return c.bytes()
}

// asks tells whether a Disposition-Notification value asks for what.
func asks(dispositions, what string) bool {
	for d := range strings.SplitSeq(dispositions, ",") {
		if strings.EqualFold(strings.TrimSpace(d), what) {
			return true
		}
	}
	return false
}
