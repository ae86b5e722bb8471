package trunk

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/wire"
)

// digest answers the challenges of one gateway (RFC 7616, RFC 8760). It belongs
// to what we send to that gateway and to nobody else: a challenge that comes from
// another realm or another peer is never answered. It is safe for concurrent use.
type digest struct {
	username, password string
	realm              string // "": any of this gateway

	mu    sync.Mutex
	last  challenge // empty before the first
	count uint32    // how often its nonce was used
}

// challenge is what we need of WWW-Authenticate or Proxy-Authenticate.
type challenge struct {
	header                               string // that answers it
	realm, nonce, opaque, algorithm, qop string
}

// authorize is what dialog.Call.Authorize wants. In advance it uses the last
// nonce again. nil: there is no answer.
func (d *digest) authorize(res *sip.Response, method, uri string) []sip.Header {
	if d.username == "" {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if res != nil {
		c, ok := d.choose(res)
		if !ok {
			return nil
		}
		if c.nonce != d.last.nonce {
			d.count = 0
		}
		d.last = c
	}
	if d.last.nonce == "" {
		return nil
	}
	d.count++
	return []sip.Header{wire.H(d.last.header, d.answer(method, uri))}
}

// choose takes the best challenge that may be answered.
func (d *digest) choose(res *sip.Response) (best challenge, ok bool) {
	for name, header := range map[string]string{
		"WWW-Authenticate": "Authorization", "Proxy-Authenticate": "Proxy-Authorization",
	} {
		for value := range wire.All(res, name) {
			c, usable := parseChallenge(value)
			c.header = header
			if !usable || d.realm != "" && c.realm != d.realm {
				continue
			}
			if !ok || c.algorithm == "SHA-256" && best.algorithm != "SHA-256" { // RFC 8760 §2.4
				best, ok = c, true
			}
		}
	}
	return best, ok
}

// parseChallenge reads one challenge. usable is false for other schemes,
// algorithms and protections than we have.
func parseChallenge(value string) (c challenge, usable bool) {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(value), " ")
	if !strings.EqualFold(scheme, "Digest") {
		return c, false
	}
	c.algorithm = "MD5"
	offered := false
	for rest != "" {
		var name, text string
		name, text, rest = cutAuthParam(rest)
		switch strings.ToLower(name) {
		case "realm":
			c.realm = text
		case "nonce":
			c.nonce = text
		case "opaque":
			c.opaque = text
		case "algorithm":
			c.algorithm = strings.ToUpper(text)
		case "qop":
			offered = true
			for q := range strings.SplitSeq(text, ",") {
				if strings.EqualFold(strings.TrimSpace(q), "auth") {
					c.qop = "auth"
				}
			}
		}
	}
	known := c.algorithm == "MD5" || c.algorithm == "SHA-256"
	return c, known && c.nonce != "" && offered == (c.qop == "auth")
}

// cutAuthParam cuts name=value or name="value" off a list.
func cutAuthParam(s string) (name, value, rest string) {
	s = strings.TrimLeft(s, " \t,")
	name, s, ok := strings.Cut(s, "=")
	if !ok {
		return "", "", ""
	}
	name, s = strings.TrimSpace(name), strings.TrimLeft(s, " \t")
	if !strings.HasPrefix(s, `"`) {
		value, rest, _ = strings.Cut(s, ",")
		return name, strings.TrimSpace(value), rest
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return name, wire.Unquote(s[:i+1]), s[i+1:]
		}
	}
	return "", "", "" // the quote does not end
}

// answer makes the credentials for a request (RFC 7616 §3.4).
func (d *digest) answer(method, uri string) string {
	c := &d.last
	hash := func(s string) string { sum := md5.Sum([]byte(s)); return hex.EncodeToString(sum[:]) }
	if c.algorithm == "SHA-256" {
		hash = func(s string) string { sum := sha256.Sum256([]byte(s)); return hex.EncodeToString(sum[:]) }
	}
	a1 := hash(d.username + ":" + c.realm + ":" + d.password)
	a2 := hash(method + ":" + uri)
	var b strings.Builder
	fmt.Fprintf(&b, "Digest username=%s, realm=%s, nonce=%s, uri=%s, algorithm=%s",
		wire.QuoteString(d.username), wire.QuoteString(c.realm), wire.QuoteString(c.nonce), wire.QuoteString(uri), c.algorithm)
	if c.qop == "" { // RFC 2069: what old gateways ask for
		fmt.Fprintf(&b, `, response="%s"`, hash(a1+":"+c.nonce+":"+a2))
	} else {
		nc, cnonce := fmt.Sprintf("%08x", d.count), rand.Text()
		fmt.Fprintf(&b, `, qop=auth, nc=%s, cnonce="%s", response="%s"`, nc, cnonce,
			hash(a1+":"+c.nonce+":"+nc+":"+cnonce+":"+c.qop+":"+a2))
	}
	if c.opaque != "" {
		b.WriteString(", opaque=" + wire.QuoteString(c.opaque))
	}
	return b.String()
}
