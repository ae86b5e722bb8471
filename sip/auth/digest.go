package auth

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// The algorithms that are offered (RFC 8760 §2.1). A "-sess" variant and
// SHA-512-256 are not: no softphone asks for them.
const (
	SHA256 = "SHA-256"
	MD5    = "MD5"
)

// maxUsername bounds what is looked up and remembered, in bytes.
const maxUsername = 256

// Why credentials cannot be used, whoever sent them.
var (
	errNotDigest = errors.New("not Digest credentials")
	errMalformed = errors.New("malformed Digest credentials")
)

// credentials are the parameters of an Authorization or Proxy-Authorization
// header (RFC 7616 §3.4), quoting undone. They share memory with the header.
type credentials struct {
	username, realm, nonce, uri, response string
	algorithm, cnonce, qop, nc            string
}

// parseCredentials reads one header value.
func parseCredentials(s string) (credentials, error) {
	var c credentials
	scheme, rest, _ := strings.Cut(strings.TrimLeft(s, " \t"), " ")
	if !strings.EqualFold(scheme, "Digest") {
		return c, errNotDigest
	}
	for {
		for rest != "" && (isBlank(rest[0]) || rest[0] == ',') {
			rest = rest[1:]
		}
		if rest == "" {
			return c, nil
		}
		name, value, tail, ok := cutParam(rest)
		if !ok {
			return c, errMalformed
		}
		if field := c.field(name); field != nil {
			if *field != "" { // a second value could mean two things to two readers
				return c, errMalformed
			}
			*field = value
		}
		rest = tail
	}
}

// field is where the parameter of that name is kept, nil for those that do not
// matter (opaque, extensions).
func (c *credentials) field(name string) *string {
	switch strings.ToLower(name) {
	case "username":
		return &c.username
	case "realm":
		return &c.realm
	case "nonce":
		return &c.nonce
	case "uri":
		return &c.uri
	case "response":
		return &c.response
	case "algorithm":
		return &c.algorithm
	case "cnonce":
		return &c.cnonce
	case "qop":
		return &c.qop
	case "nc":
		return &c.nc
	}
	return nil
}

// cutParam cuts name=value off s. Whether a value is quoted is not held
// against anybody: phones quote qop and nc, and forget to quote others.
func cutParam(s string) (name, value, tail string, ok bool) {
	end := 0
	for end < len(s) && !endsToken(s[end]) {
		end++
	}
	name, s = s[:end], trimBlanks(s[end:])
	if name == "" || s == "" || s[0] != '=' {
		return "", "", "", false
	}
	s = trimBlanks(s[1:])
	if s == "" || s[0] != '"' {
		for end = 0; end < len(s) && !isBlank(s[end]) && s[end] != ','; end++ {
			if s[end] == '"' {
				return "", "", "", false
			}
		}
		return name, s[:end], s[end:], true
	}
	return cutQuoted(name, s)
}

// cutQuoted is cutParam behind name= where a quoted string begins.
func cutQuoted(name, s string) (_, value, tail string, ok bool) {
	end := 1
	for end < len(s) && s[end] != '"' {
		if s[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(s) {
		return "", "", "", false
	}
	return name, wire.Unquote(s[:end+1]), s[end+1:], true
}

// endsToken tells whether c cannot belong to the name of a parameter.
func endsToken(c byte) bool { return isBlank(c) || c == '=' || c == ',' || c == '"' }

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

func trimBlanks(s string) string {
	for s != "" && isBlank(s[0]) {
		s = s[1:]
	}
	return s
}

// usable applies the rules that need no secret: what was offered is what was
// answered, and nothing that is hashed is missing. Credentials without qop
// (RFC 2069) and with qop=auth-int are refused: the first can be replayed, the
// second was not offered.
func (c *credentials) usable(req *sip.Request) bool {
	return c.username != "" && len(c.username) <= maxUsername &&
		c.cnonce != "" && len(c.nc) == 8 && c.qop == "auth" &&
		sameTarget(c.uri, req)
}

// algorithmName is the algorithm that the response was computed with; MD5 when
// it is not named (RFC 7616 §3.4).
func (c *credentials) algorithmName() string {
	switch {
	case c.algorithm == "", strings.EqualFold(c.algorithm, MD5):
		return MD5
	case strings.EqualFold(c.algorithm, SHA256):
		return SHA256
	}
	return c.algorithm
}

// sameTarget tells whether the digest URI names what the request asks for
// (RFC 7616 §3.4.6). Parameters and port may differ: phones leave them out of
// one of the two, and proxies on the way add them. A URI without a user names
// the server, as some agents do for every request; a nonce count is good for
// one request anyway.
func sameTarget(uri string, req *sip.Request) bool {
	u := &req.Recipient
	scheme, rest, ok := strings.Cut(uri, ":")
	if !ok {
		return false
	}
	if raw := u.Raw(); raw != "" {
		return rest == raw && strings.EqualFold(scheme, u.Scheme)
	}
	if !strings.EqualFold(scheme, "sip") && !strings.EqualFold(scheme, "sips") {
		return false
	}
	user, host := "", rest
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		user, host = rest[:at], rest[at+1:]
	}
	if name, _, ok := strings.Cut(user, ":"); ok {
		user = name
	}
	if end := strings.IndexAny(host, ";?"); end >= 0 {
		host = host[:end]
	}
	if user == "" {
		return true
	}
	return user == u.User && strings.EqualFold(withoutPort(host), strings.Trim(u.Host, "[]"))
}

// withoutPort returns the host of host[:port], without brackets.
func withoutPort(host string) string {
	if v6, ok := strings.CutPrefix(host, "["); ok {
		v6, _, _ = strings.Cut(v6, "]")
		return v6
	}
	name, _, _ := strings.Cut(host, ":")
	return name
}

// responds tells, in time that does not depend on the answer, whether the
// response was computed from ha1 (RFC 7616 §3.4.1).
func (c *credentials) responds(method string, ha1 *hashes) bool {
	if c.algorithmName() == SHA256 {
		var want [2 * sha256.Size]byte
		responseSHA256(&want, c, method, &ha1.sha256)
		return subtle.ConstantTimeCompare(want[:], []byte(c.response)) == 1
	}
	var want [2 * md5.Size]byte
	responseMD5(&want, c, method, &ha1.md5)
	return subtle.ConstantTimeCompare(want[:], []byte(c.response)) == 1
}

// inputSize is the room for what is hashed that needs no heap.
const inputSize = 512

func responseSHA256(dst *[2 * sha256.Size]byte, c *credentials, method string, ha1 *[sha256.Size]byte) {
	var room [inputSize]byte
	ha2 := sha256.Sum256(appendA2(room[:0], method, c.uri))
	sum := sha256.Sum256(c.appendKD(room[:0], ha1[:], ha2[:]))
	hex.Encode(dst[:], sum[:])
}

func responseMD5(dst *[2 * md5.Size]byte, c *credentials, method string, ha1 *[md5.Size]byte) {
	var room [inputSize]byte
	ha2 := md5.Sum(appendA2(room[:0], method, c.uri))
	sum := md5.Sum(c.appendKD(room[:0], ha1[:], ha2[:]))
	hex.Encode(dst[:], sum[:])
}

// appendA2 is A2 for qop=auth (RFC 7616 §3.4.3).
func appendA2(b []byte, method, uri string) []byte {
	b = append(b, method...)
	b = append(b, ':')
	return append(b, uri...)
}

// appendKD is what the response is the hash of (RFC 7616 §3.4.1).
func (c *credentials) appendKD(b, ha1, ha2 []byte) []byte {
	b = hex.AppendEncode(b, ha1)
	for _, s := range [...]string{c.nonce, c.nc, c.cnonce, c.qop} {
		b = append(b, ':')
		b = append(b, s...)
	}
	b = append(b, ':')
	return hex.AppendEncode(b, ha2)
}

// hashes are the HA1 of one user.
type hashes struct {
	md5    [md5.Size]byte
	sha256 [sha256.Size]byte
}

// HashPassword makes the credential of a user: H(username:realm:password) in
// the algorithms that the user may answer with (RFC 7616 §3.4.2). With md5
// false, phones that know nothing better cannot sign in as this user.
func HashPassword(u store.UserID, username, realm, password string, md5too bool) store.Credential {
	a1 := []byte(username + ":" + realm + ":" + password)
	c := store.Credential{User: u, Username: username, Realm: realm}
	strong := sha256.Sum256(a1)
	c.SHA256 = strong[:]
	if md5too {
		weak := md5.Sum(a1)
		c.MD5 = weak[:]
	}
	return c
}

// challenges are the headers of a 401 or 407, one an algorithm, best first
// (RFC 8760 §2.4).
func challenges(name, realm string, nonce []byte, algorithms []string, stale bool) []sip.Header {
	hs := make([]sip.Header, len(algorithms))
	for i, algorithm := range algorithms {
		v := make([]byte, 0, 256)
		v = append(v, `Digest realm="`...)
		v = append(v, realm...)
		v = append(v, `", nonce="`...)
		v = append(v, nonce...)
		v = append(v, `", algorithm=`...)
		v = append(v, algorithm...)
		v = append(v, `, qop="auth"`...)
		if stale {
			v = append(v, `, stale=true`...)
		}
		hs[i] = wire.H(name, string(v))
	}
	return hs
}
