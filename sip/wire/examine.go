package wire

import (
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Core is what every request or response is keyed and judged by.
type Core struct {
	Via         Via
	From, To    NameAddr
	FromTag     string
	ToTag       string
	CallID      string
	CSeq        uint32
	CSeqMethod  string
	MaxForwards int // of a request; 70 when the header is absent (RFC 2543 peers)
}

const (
	maxCSeq     = 1<<31 - 1 // RFC 3261 §8.1.1.5
	maxHops     = 255       // RFC 3261 §20.22
	hopsDefault = 70        // RFC 3261 §16.6 step 3
	magicCookie = "z9hG4bK" // RFC 3261 §8.1.1.7
)

// Examine reads the core of a request and applies RFC 3261 §8.2 and §16.3 and
// the verdicts of RFC 4475 that need no knowledge of who is asked: 400 for what
// is missing, doubled or malformed, 416 for the scheme of the Request-URI, 505
// for another version of SIP. The caller decides 405, 420, 501, and 483 when it
// would forward a request whose MaxForwards is 0.
//
// RFC 2543 requests, without tag and branch cookie, are accepted.
func Examine(req *sip.Request) (Core, *Error) {
	refuse := func(status int, reason string) (Core, *Error) {
		return Core{}, refusal(req, status, reason)
	}
	if !equalFold(req.SipVersion, version) {
		return refuse(sip.StatusVersionNotSupported, "Version Not Supported")
	}
	switch req.Recipient.Scheme {
	case "sip", "sips", "tel":
	default: // RFC 3261 §8.2.2.1, §16.3 step 2
		return refuse(statusUnsupportedURIScheme, "Unsupported URI Scheme")
	}
	// RFC 3261 §19.1.1: headers are not allowed in a Request-URI.
	if len(req.Recipient.Headers) > 0 {
		return refuse(sip.StatusBadRequest, "Headers in Request-URI")
	}
	f, err := collect(req.Headers())
	if err != nil {
		return refuse(sip.StatusBadRequest, err.Error())
	}
	var core Core
	if err = f.core(&core); err == nil {
		core.MaxForwards, err = f.maxForwards()
	}
	if err != nil {
		return refuse(sip.StatusBadRequest, err.Error())
	}
	if core.CSeqMethod != string(req.Method) {
		return refuse(sip.StatusBadRequest, "CSeq Method Mismatch")
	}
	if core.Via.Branch == magicCookie { // RFC 4475 §3.2.1
		return refuse(sip.StatusBadRequest, "Empty Branch")
	}
	return core, nil
}

// ExamineResponse does the same for a response; an error means: drop it.
func ExamineResponse(res *sip.Response) (Core, error) {
	f, err := collect(res.Headers())
	if err != nil {
		return Core{}, err
	}
	var core Core
	if err = f.core(&core); err != nil {
		return Core{}, err
	}
	return core, nil
}

// statusUnsupportedURIScheme has another name in sipgo.
const statusUnsupportedURIScheme = 416

// fields are the texts of the headers that a core is made of.
type fields struct {
	via, from, to, callID, cseq, hops string
}

// fault is the reason phrase of a 400, which tells the peer what to correct
// (RFC 3261 §21.4.1).
type fault string

func (f fault) Error() string { return string(f) }

const (
	noVia     fault = "Missing Via"
	noFrom    fault = "Missing From"
	noTo      fault = "Missing To"
	noCallID  fault = "Missing Call-ID"
	noCSeq    fault = "Missing CSeq"
	badVia    fault = "Bad Via"
	badFrom   fault = "Bad From"
	badTo     fault = "Bad To"
	badCallID fault = "Bad Call-ID"
	badCSeq   fault = "Bad CSeq"
	badHops   fault = "Bad Max-Forwards"
	manyVias  fault = "Too Many Via"
	repeated  fault = "Repeated Header"
)

// collect finds the fields and refuses headers that come twice and must not
// (RFC 4475 §3.3.8).
func collect(headers []sip.Header) (fields, error) {
	var f fields
	var others uint16 // a bit for each of once
	vias := 0
	for _, h := range headers {
		ok := true
		switch name := h.Name(); name {
		case "Via":
			if vias == 0 {
				f.via = h.Value()
			}
			vias += 1 + strings.Count(h.Value(), ",")
		case "From":
			ok = set(&f.from, h)
		case "To":
			ok = set(&f.to, h)
		case "Call-ID":
			ok = set(&f.callID, h)
		case "CSeq":
			ok = set(&f.cseq, h)
		case "Max-Forwards":
			ok = set(&f.hops, h)
		default:
			if bit := once(name); bit != 0 {
				ok = others&bit == 0
				others |= bit
			}
		}
		if !ok {
			return f, repeated
		}
	}
	if vias > MaxVias {
		return f, manyVias
	}
	return f, nil
}

// set keeps the value of a header that may come once. An empty value counts.
func set(field *string, h sip.Header) bool {
	if *field != "" {
		return false
	}
	if *field = h.Value(); *field == "" {
		*field = " "
	}
	return true
}

// once returns a bit for a header, beside those of the core, that two readers
// would read differently if it came twice.
func once(name string) uint16 {
	switch name {
	case "Content-Type":
		return 1 << 0
	case "Content-Disposition":
		return 1 << 1
	case "Expires":
		return 1 << 2
	case "Event":
		return 1 << 3
	case "Refer-To":
		return 1 << 4
	case "Replaces":
		return 1 << 5
	case "Subscription-State":
		return 1 << 6
	case "SIP-If-Match":
		return 1 << 7
	case "SIP-ETag":
		return 1 << 8
	case "Session-Expires":
		return 1 << 9
	case "Referred-By":
		return 1 << 10
	}
	return 0
}

// core parses the fields into c, which is empty.
func (f *fields) core(c *Core) error {
	if err := f.missing(); err != nil {
		return err
	}
	top, _ := cutValue(f.via)
	count := strings.Count(top, ";") + strings.Count(f.from, ";") + strings.Count(f.to, ";")
	room := paramRoom{make(sip.HeaderParams, 0, count)}
	if err := c.Via.parse(top, &room); err != nil {
		return badVia
	}
	if err := c.From.parse(f.from, &room); err != nil || c.From.URI.Wildcard {
		return badFrom
	}
	if err := c.To.parse(f.to, &room); err != nil || c.To.URI.Wildcard {
		return badTo
	}
	c.FromTag, _ = param(c.From.Params, "tag")
	c.ToTag, _ = param(c.To.Params, "tag")
	c.CallID = trim(f.callID)
	if c.CallID == "" || strings.ContainsAny(c.CallID, " \t") {
		return badCallID
	}
	var ok bool
	if c.CSeq, c.CSeqMethod, ok = parseCSeq(f.cseq); !ok {
		return badCSeq
	}
	return nil
}

// maxForwards is 70 for the RFC 2543 peers that do not send it.
func (f *fields) maxForwards() (int, error) {
	if f.hops == "" {
		return hopsDefault, nil
	}
	hops, ok := digits(f.hops, maxHops)
	if !ok {
		return 0, badHops
	}
	return hops, nil
}

// missing names the first field that every message must have (RFC 3261 §8.1.1).
func (f *fields) missing() error {
	switch "" {
	case f.via:
		return noVia
	case f.from:
		return noFrom
	case f.to:
		return noTo
	case f.callID:
		return noCallID
	case f.cseq:
		return noCSeq
	}
	return nil
}

// parseCSeq reads a sequence number and its method (RFC 3261 §20.16).
func parseCSeq(s string) (uint32, string, bool) {
	number, method := cutAt(s, ' ', '\t')
	n, ok := digits(number, maxCSeq)
	method = trim(method)
	return uint32(n), method, ok && tokens.contains(method)
}
