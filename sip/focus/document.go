package focus

import (
	"bytes"
	"cmp"
	"compress/zlib"
	"encoding/xml"
	"strconv"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/sip/event"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

const conferenceInfo = "application/conference-info+xml" // RFC 4575 §5

// deflateFrom is the size in bytes from which a document is sent compressed:
// clients that watch large groups inflate always.
const deflateFrom = 8 << 10

// writer writes a document about a group.
type writer struct {
	bytes.Buffer
	people *people
	group  *group.Snapshot
}

// full is the whole state of a group (RFC 4575 §4.4), the reader himself included:
// by that he learns what he is.
func (p *people) full(g *group.Snapshot, title string) event.Document {
	w := &writer{people: p, group: g}
	w.Grow(512 + 160*g.Size())
	w.open("full")
	w.describe(title)
	w.WriteString(`<users state="full">`)
	for _, m := range g.Members() {
		w.user(m, "full")
	}
	w.WriteString("</users>")
	return w.document()
}

// difference is what has become of a group: who came, changed and went, and its
// title when that is not "" (RFC 4575 §4.5).
func (p *people) difference(g *group.Snapshot, title string, touched []store.UserID, came map[store.UserID]bool) event.Document {
	w := &writer{people: p, group: g}
	w.open("partial")
	if title != "" {
		w.describe(title)
	}
	if len(touched) > 0 {
		w.WriteString(`<users state="partial">`)
		for _, u := range touched {
			m, is := g.Member(u)
			switch {
			case !is:
				w.gone(u)
			case came[u]:
				w.user(m, "full")
			default:
				w.user(m, "partial")
			}
		}
		w.WriteString("</users>")
	}
	return w.document()
}

func (w *writer) open(state string) {
	w.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<conference-info xmlns="urn:ietf:params:xml:ns:conference-info" entity="`)
	w.escape(w.group.URI())
	w.WriteString(`" state="` + state + `" version="` + strconv.FormatInt(w.group.Version, 10) + `">`)
}

func (w *writer) describe(title string) {
	w.WriteString("<conference-description><subject>")
	w.escape(title)
	w.WriteString("</subject>")
	if w.group.Kind == store.GroupPair {
		w.WriteString("<keywords>one-to-one</keywords>")
	}
	w.WriteString("</conference-description>")
}

func (w *writer) user(m store.Member, state string) {
	who, ok := w.people.find(m.User)
	if !ok {
		return
	}
	w.WriteString(`<user entity="`)
	w.escape(who.uri)
	w.WriteString(`" state="` + state + `">`)
	if name := cmp.Or(m.Nickname, who.name); name != "" {
		w.WriteString("<display-text>")
		w.escape(name)
		w.WriteString("</display-text>")
	}
	w.WriteString("<roles><entry>" + w.role(m) + "</entry></roles></user>")
}

// role is one of the two that clients know. A room of two has no ranks.
func (w *writer) role(m store.Member) string {
	if m.Role > store.RoleMember && w.group.Kind != store.GroupPair {
		return "admin"
	}
	return "participant"
}

func (w *writer) gone(u store.UserID) {
	if who, ok := w.people.find(u); ok {
		w.WriteString(`<user entity="`)
		w.escape(who.uri)
		w.WriteString(`" state="deleted"/>`)
	}
}

func (w *writer) escape(s string) { _ = xml.EscapeText(w, []byte(s)) } // a Buffer does not fail

// document ends the text.
func (w *writer) document() event.Document {
	w.WriteString("</conference-info>\n")
	d := event.Document{Type: conferenceInfo, Body: w.Bytes(), Resource: w.group.AOR(), Version: w.group.Version}
	if len(d.Body) < deflateFrom {
		return d
	}
	var small bytes.Buffer
	z := zlib.NewWriter(&small)
	_, _ = z.Write(d.Body) // a Buffer does not fail
	_ = z.Close()
	d.Body, d.Headers = small.Bytes(), []sip.Header{wire.H("Content-Encoding", "deflate")}
	return d
}
