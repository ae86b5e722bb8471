package dialog

import (
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/wire"
)

// Content is a body with the header fields that describe it. The zero value is no
// body.
type Content struct {
	Headers []sip.Header
	Body    []byte
}

// SDP is a session description.
func SDP(b []byte) Content {
	return Content{[]sip.Header{wire.H("Content-Type", "application/sdp")}, b}
}

// ContentOf is what a message carries. The body is shared.
func ContentOf(m sip.Message) Content {
	c := Content{Body: m.Body()}
	if len(c.Body) == 0 {
		return Content{}
	}
	for _, name := range [...]string{"Content-Type", "Content-Disposition", "Content-Encoding", "Content-Language", "MIME-Version"} {
		if v := wire.Header(m, name); v != "" {
			c.Headers = append(c.Headers, wire.H(name, v))
		}
	}
	return c
}

// isSDP tells whether m carries a session description, alone or among others.
func isSDP(m sip.Message) bool {
	t := strings.ToLower(wire.Header(m, "Content-Type"))
	return len(m.Body()) > 0 && (strings.HasPrefix(t, "application/sdp") || strings.HasPrefix(t, "multipart/"))
}
