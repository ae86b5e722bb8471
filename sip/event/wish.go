package event

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/payload"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/wire"
)

// wish is what a SUBSCRIBE asks for.
type wish struct {
	pkg     Package
	event   string // the Event header as NOTIFYs repeat it
	expires time.Duration
	list    []string // nil: the Request-URI alone
	told    map[string]int64
}

// wish reads a SUBSCRIBE.
func (n *Notifier) wish(req *sip.Request) (w wish, err error) {
	name, event := eventOf(wire.Header(req, "Event"))
	w.pkg, w.event = n.packages[name], event
	if w.pkg == nil { // RFC 6665 §4.2.1.1
		return w, &server.Error{Status: 489, Headers: []sip.Header{wire.H("Allow-Events", n.allow)}}
	}
	if w.expires, err = n.expiresOf(wire.Header(req, "Expires")); err != nil {
		return w, err
	}
	w.told = map[string]int64{}
	if asksForList(req) {
		w.list, w.told, err = listOf(req)
	}
	return w, err
}

// eventOf reads an Event header: the package, and the header with nothing but the
// id (RFC 6665 §8.2.1).
func eventOf(header string) (name, event string) {
	name, rest, _ := strings.Cut(header, ";")
	name = strings.TrimSpace(name)
	event = name
	for param := range strings.SplitSeq(rest, ";") {
		key, value, _ := strings.Cut(param, "=")
		if strings.EqualFold(strings.TrimSpace(key), "id") {
			event = name + ";id=" + strings.TrimSpace(value)
		}
	}
	return name, event
}

// expiresOf judges for how long (RFC 6665 §4.2.1.1); 0 is for now only.
func (n *Notifier) expiresOf(header string) (time.Duration, error) {
	if header == "" {
		return n.cfg.MaxExpires, nil
	}
	v, err := strconv.ParseUint(header, 10, 32)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, &server.Error{Status: 400, Warning: "Expires must be a number of seconds"}
	}
	d := min(time.Duration(v)*time.Second, n.cfg.MaxExpires)
	if v > 0 && d < n.cfg.MinExpires {
		return 0, &server.Error{Status: 423, Headers: []sip.Header{wire.H("Min-Expires", seconds(n.cfg.MinExpires))}}
	}
	return d, nil
}

// asksForList tells whether the body names the resources (RFC 5367 §3).
func asksForList(req *sip.Request) bool {
	return wire.Has(req, "Require", "recipient-list-subscribe") ||
		disposition(req) == "recipient-list" && len(req.Body()) > 0
}

func disposition(req *sip.Request) string {
	d, _, _ := strings.Cut(wire.Header(req, "Content-Disposition"), ";")
	return strings.ToLower(strings.TrimSpace(d))
}

// listOf reads the list in the body (RFC 5367 §4): the addresses, each once, and
// what their entries say the subscriber knows. No body is an empty list, as
// programs send it when they end. What is no SIP address is nothing that anybody
// could subscribe to, and left out.
func listOf(req *sip.Request) (list []string, told map[string]int64, err error) {
	list, told = []string{}, map[string]int64{}
	if len(req.Body()) == 0 {
		return list, told, nil
	}
	uris, err := urisOf(req)
	if err != nil {
		return nil, nil, err
	}
	seen := make(map[string]bool, len(uris))
	for _, text := range uris {
		uri, err := wire.ParseURI(text)
		if err != nil || uri.Scheme != "sip" && uri.Scheme != "sips" {
			continue
		}
		address := wire.AOR(&uri)
		if seen[address] {
			continue
		}
		seen[address] = true
		list = append(list, address)
		last, _ := wire.URIParam(&uri, "Last-Notify")
		if v, err := strconv.ParseInt(last, 10, 64); err == nil && v > 0 {
			told[address] = v
		}
	}
	return list, told, nil
}

// urisOf opens the body. What is wrong with it becomes an answer.
func urisOf(req *sip.Request) ([]string, error) {
	kind, _, _ := strings.Cut(wire.Header(req, "Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(kind), payload.ResourceLists) {
		return nil, &server.Error{Status: 415, Headers: []sip.Header{wire.H("Accept", payload.ResourceLists)}}
	}
	body, err := payload.Decode(wire.Header(req, "Content-Encoding"), req.Body())
	var uris []string
	if err == nil {
		uris, err = payload.ParseList(body, MaxEntries)
	}
	switch {
	case err == nil:
		return slices.Clip(uris), nil
	case errors.Is(err, payload.ErrEncoding):
		return nil, &server.Error{Status: 415, Headers: []sip.Header{wire.H("Accept-Encoding", "deflate")}}
	case errors.Is(err, payload.ErrListSize), errors.Is(err, payload.ErrInflatedSize):
		return nil, &server.Error{Status: 413, Warning: "the list is too long: at most " + strconv.Itoa(MaxEntries) + " entries"}
	}
	return nil, &server.Error{Status: 400, Warning: "the body is not a list of resources (application/resource-lists+xml)"}
}
