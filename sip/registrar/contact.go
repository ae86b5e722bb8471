package registrar

import (
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// contact is one value of the Contact header of a REGISTER. Its strings share
// memory with the message.
type contact struct {
	text     string // the URI as written
	uri      sip.Uri
	params   []byte // header parameters that are kept, ";name=value…"
	instance string // +sip.instance without angle brackets, "" without
	regID    int
	q        int
	expires  time.Duration // 0 removes the binding
	device   *store.Device // once it is known
	name     string        // of the device, as the store knows it; until then
}

// badContact refuses a Contact with a reason.
func badContact(status int, why string) *server.Error {
	return &server.Error{Status: status, Warning: why}
}

// parseContact reads one Contact value that is not "*". expires is what the
// Expires header says.
func (g *Registrar) parseContact(v string, expires time.Duration) (contact, error) {
	c := contact{q: 1000, expires: expires}
	na, err := wire.ParseNameAddr(v)
	if err != nil {
		return c, badContact(400, "the Contact cannot be read")
	}
	c.text, c.uri = uriText(v), na.URI
	if err := g.checkURI(&c); err != nil {
		return c, err
	}
	for _, p := range na.Params {
		if err := c.param(p.K, p.V); err != nil {
			return c, err
		}
	}
	if c.instance == "" {
		c.regID = 0 // RFC 5626 §6: a reg-id means nothing without an instance
	}
	if c.expires, err = g.lifetime(c.expires); err != nil {
		return c, err
	}
	return c, nil
}

// checkURI refuses what we cannot send to, or should not.
func (g *Registrar) checkURI(c *contact) error {
	switch {
	case !strings.EqualFold(c.uri.Scheme, "sip") && !strings.EqualFold(c.uri.Scheme, "sips"):
		return badContact(400, "the Contact must be a SIP URI") // RFC 4475 §3.3.5
	case c.uri.Host == "" || c.text == "":
		return badContact(400, "the Contact has no host")
	case c.uri.Port == 0 && g.serves(c.uri.Host), g.cfg.Own(c.uri.Host, c.uri.Port):
		return badContact(403, "the Contact points to this server")
	}
	return nil
}

// param takes one header parameter.
func (c *contact) param(name, value string) (err error) {
	switch name {
	case "expires":
		if seconds, ok := parseSeconds(value); ok { // RFC 3261 §20.10: malformed counts as absent
			c.expires = seconds
		}
	case "q":
		if c.q, err = parseQ(value); err != nil {
			return badContact(400, "the q of the Contact is no number from 0 to 1")
		}
	case "reg-id":
		id, err := strconv.ParseInt(value, 10, 32)
		if err != nil || id < 1 { // RFC 5626 §4.2: 1 to 2^31-1
			return badContact(400, "the reg-id of the Contact is no positive number")
		}
		c.regID = int(id)
	case "+sip.instance":
		c.instance = strings.TrimSuffix(strings.TrimPrefix(value, "<"), ">")
		if !isInstance(c.instance) {
			return badContact(400, "the +sip.instance of the Contact is no URN")
		}
	case "pub-gruu", "temp-gruu", "temp-gruu-cookie": // RFC 5627 §5.1: ours to say
	default:
		if c.params == nil {
			c.params = make([]byte, 0, 96)
		}
		c.params = appendParam(c.params, name, value)
	}
	return nil
}

// maxInstance bounds the name of a device, in bytes.
const maxInstance = 256

// isInstance tells whether s may name a device. RFC 5626 §4.1 wants a URN; what
// matters is that it can be quoted, and that it is not how the store names
// devices that have no instance.
func isInstance(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' {
			return false
		}
	}
	return s != "" && len(s) <= maxInstance && !strings.HasPrefix(s, contactInstance)
}

// lifetime applies the limits (RFC 3261 §10.3 step 7).
func (g *Registrar) lifetime(asked time.Duration) (time.Duration, error) {
	switch {
	case asked == 0:
		return 0, nil
	case asked < g.cfg.MinExpires && asked < time.Hour:
		least := strconv.Itoa(int(g.cfg.MinExpires / time.Second))
		return 0, &server.Error{Status: 423, Headers: []sip.Header{wire.H("Min-Expires", least)}}
	}
	return min(asked, g.cfg.MaxExpires), nil
}

// uriText returns the URI of a Contact value as it was written. In the form
// without angle brackets a "?" belongs to nobody (RFC 3261 §20.10, RFC 4475
// §3.3.6): it gives "".
func uriText(v string) string {
	if open := angle(v); open >= 0 {
		text, _, _ := strings.Cut(v[open+1:], ">")
		return strings.TrimSpace(text)
	}
	text, _, _ := strings.Cut(v, ";")
	if strings.ContainsAny(text, "?,") {
		return ""
	}
	return strings.TrimSpace(text)
}

// angle is the place of the first "<" outside a quoted string, -1 without one.
func angle(v string) int {
	quoted := false
	for i := 0; i < len(v); i++ {
		switch {
		case v[i] == '\\' && quoted:
			i++
		case v[i] == '"':
			quoted = !quoted
		case v[i] == '<' && !quoted:
			return i
		}
	}
	return -1
}

// appendParam writes ;name=value, quoted where it is not a token.
func appendParam(b []byte, name, value string) []byte {
	b = append(b, ';')
	b = append(b, name...)
	if value == "" {
		return b
	}
	b = append(b, '=')
	if isToken(value) {
		return append(b, value...)
	}
	b = append(b, '"')
	for i := 0; i < len(value); i++ {
		if value[i] == '"' || value[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, value[i])
	}
	return append(b, '"')
}

// isToken tells whether s needs no quotes (RFC 3261 §25.1).
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			continue
		}
		if strings.IndexByte("-.!%*_+`'~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// parseSeconds reads a delta-seconds; more than 32 bits count as the most.
func parseSeconds(s string) (time.Duration, bool) {
	s = strings.TrimSpace(s)
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		n = 1<<32 - 1 // RFC 3261 §20.19
	}
	return time.Duration(n) * time.Second, true
}

// parseQ reads a qvalue as thousandths (RFC 3261 §25.1).
func parseQ(s string) (int, error) {
	whole, fraction, _ := strings.Cut(s, ".")
	if len(fraction) > 3 || whole != "0" && whole != "1" && (whole != "" || fraction == "") {
		return 0, strconv.ErrSyntax
	}
	n := 0
	for _, digit := range []byte((fraction + "000")[:3]) {
		if digit < '0' || digit > '9' {
			return 0, strconv.ErrSyntax
		}
		n = 10*n + int(digit-'0')
	}
	if whole == "1" {
		n += 1000
	}
	if n > 1000 {
		return 0, strconv.ErrRange
	}
	return n, nil
}
