package wire

import (
	"slices"

	"github.com/emiago/sipgo/sip"
)

// NewRequest makes a request with the given start line and headers (no
// Content-Length: [Append] writes it).
func NewRequest(method string, uri sip.Uri, body []byte, hs ...sip.Header) *sip.Request {
	req := &sip.Request{Method: sip.RequestMethod(method), Recipient: cloneURI(&uri)}
	req.SipVersion = version
	setBody(&req.MessageData, body)
	req.PrependHeader(hs...)
	return req
}

// NewResponse answers req (RFC 3261 §8.2.6): Via, From, To, Call-ID and CSeq
// copied as text, To gets a tag derived from the request (the same for a
// retransmission, and for a CANCEL and its INVITE) when it has none and
// status > 100; Record-Route is copied to 101–299 of a request that makes a
// dialog, Timestamp to 100. reason "" means the standard phrase.
func NewResponse(req *sip.Request, status int, reason string, hs ...sip.Header) *sip.Response {
	if reason == "" {
		reason = Reason(status)
	}
	res := &sip.Response{StatusCode: status, Reason: clean(reason)}
	res.SipVersion = version
	var stack [24]sip.Header
	headers := stack[:0]
	recordRoute := status > 100 && status < 300 && makesDialog(req.Method)
	for _, h := range req.Headers() {
		switch h.Name() {
		case "Via", "From", "Call-ID", "CSeq":
			headers = append(headers, h)
		case "To":
			if status > 100 {
				h = withTag(req, h)
			}
			headers = append(headers, h)
		case "Record-Route": // RFC 3261 §12.1.1
			if recordRoute {
				headers = append(headers, h)
			}
		case "Timestamp": // RFC 3261 §8.2.6.1
			if status == sip.StatusTrying {
				headers = append(headers, h)
			}
		}
	}
	res.PrependHeader(append(headers, hs...)...)
	return res
}

// ReplaceBody gives a response that was just received or made, and that nobody
// else has seen, a body of the type that it tells; none takes it away.
func ReplaceBody(res *sip.Response, body []byte) {
	res.SetBody(body)
	res.RemoveHeader("Content-Length")
}

// makesDialog tells whether a 2xx to method may establish a dialog
// (RFC 3261 §12.1, RFC 6665 §4.1, RFC 3515).
func makesDialog(method sip.RequestMethod) bool {
	switch method {
	case sip.INVITE, sip.SUBSCRIBE, sip.NOTIFY, sip.REFER:
		return true
	}
	return false
}

// withTag returns the To header with a tag.
func withTag(req *sip.Request, to sip.Header) sip.Header {
	if _, ok := findParam(to.Value(), "tag"); ok {
		return to
	}
	tag := stableTag(req)
	return newField("To", to.Value()+";tag="+string(tag[:]))
}

// cloneURI copies u so that adding a parameter to one does not show in the other.
func cloneURI(u *sip.Uri) sip.Uri {
	c := *u
	c.UriParams = slices.Clone(u.UriParams)
	c.Headers = slices.Clone(u.Headers)
	return c
}
