package wire

import (
	"slices"
	"strconv"

	"github.com/emiago/sipgo/sip"
)

// Edit says how a forwarded request differs from the one received
// (RFC 3261 §16.6).
type Edit struct {
	URI         *sip.Uri     // new Request-URI; nil keeps it
	Via         string       // our Via value, put on top; "" for none
	RecordRoute []string     // values put before others, first = topmost
	Routes      []string     // the whole new route set, empty for none; nil leaves Route as it is
	Drop        []string     // names of headers to leave out (all values), in any case but not compact
	Add         []sip.Header // appended
	Body        []byte       // replaces the body when SetBody
	SetBody     bool
}

// Forward copies req with the edits and Max-Forwards decremented (70 when it
// had none, never below 0). Nothing in the copy can be changed through the
// original; header texts and body are shared, as nobody may change them.
func Forward(req *sip.Request, e Edit) *sip.Request {
	uri := &req.Recipient
	if e.URI != nil {
		uri = e.URI
	}
	out := &sip.Request{Method: req.Method, Recipient: cloneURI(uri)}
	out.SipVersion = version
	if e.SetBody {
		setBody(&out.MessageData, e.Body)
	} else {
		setBody(&out.MessageData, req.Body())
	}
	var stack [48]sip.Header
	out.PrependHeader(e.headers(stack[:0], req.Headers())...)
	return out
}

// headers appends the edited headers of a request to hs.
func (e *Edit) headers(hs, original []sip.Header) []sip.Header {
	if e.Via != "" {
		hs = append(hs, H("Via", e.Via))
	}
	for _, v := range e.RecordRoute {
		hs = append(hs, H("Record-Route", v))
	}
	for _, v := range e.Routes {
		hs = append(hs, H("Route", v))
	}
	hops := false
	for _, h := range original {
		switch name := h.Name(); {
		case name == "Max-Forwards":
			hops = true
			hs = append(hs, fewerHops(h))
		case name == "Route" && e.Routes != nil, e.drops(name):
		default:
			hs = append(hs, h)
		}
	}
	if !hops { // RFC 3261 §16.6 step 3
		hs = append(hs, newField("Max-Forwards", strconv.Itoa(hopsDefault)))
	}
	return append(hs, e.Add...)
}

func (e *Edit) drops(name string) bool {
	return slices.ContainsFunc(e.Drop, func(d string) bool { return sameName(name, d) })
}

// fewerHops returns Max-Forwards decremented.
func fewerHops(h sip.Header) sip.Header {
	n, ok := digits(h.Value(), maxHops)
	if !ok {
		n = hopsDefault + 1
	}
	return newField("Max-Forwards", strconv.Itoa(max(n-1, 0)))
}

// ForwardResponse copies res without its topmost Via value (RFC 3261 §16.7
// step 3). nil when no Via is left.
func ForwardResponse(res *sip.Response) *sip.Response {
	var stack [48]sip.Header
	headers, left, topmost := stack[:0], false, true
	for _, h := range res.Headers() {
		if h.Name() != "Via" {
			headers = append(headers, h)
			continue
		}
		if topmost {
			topmost = false
			_, rest := cutValue(h.Value())
			if rest = trim(rest); rest == "" {
				continue
			}
			h = newField("Via", rest)
		}
		left = true
		headers = append(headers, h)
	}
	if !left {
		return nil
	}
	out := &sip.Response{StatusCode: res.StatusCode, Reason: res.Reason}
	out.SipVersion = version
	setBody(&out.MessageData, res.Body())
	out.PrependHeader(headers...)
	return out
}
