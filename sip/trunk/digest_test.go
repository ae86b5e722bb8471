package trunk

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// proves tells whether a request carries the right answer to a challenge, as a
// carrier computes it (RFC 7616 §3.4.1).
func proves(req *sip.Request, username, password string) bool {
	value := or(wire.Header(req, "Authorization"), wire.Header(req, "Proxy-Authorization"))
	p := map[string]string{}
	for _, part := range strings.Split(strings.TrimPrefix(value, "Digest "), ", ") {
		name, text, _ := strings.Cut(part, "=")
		p[name] = strings.Trim(text, `"`)
	}
	hash := func(s string) string { b := md5.Sum([]byte(s)); return hex.EncodeToString(b[:]) }
	if p["algorithm"] == "SHA-256" {
		hash = func(s string) string { b := sha256.Sum256([]byte(s)); return hex.EncodeToString(b[:]) }
	}
	kd := ":" + p["nonce"] + ":"
	if p["qop"] != "" {
		kd += p["nc"] + ":" + p["cnonce"] + ":" + p["qop"] + ":"
	}
	want := hash(hash(username+":"+p["realm"]+":"+password) + kd + hash(string(req.Method)+":"+p["uri"]))
	return value != "" && p["username"] == username && p["response"] == want && p["uri"] == wire.URIString(&req.Recipient)
}

func TestDigest(t *testing.T) {
	const uri = "sip:+4989@c.example.net"
	challenge := func(lines ...string) *sip.Response {
		res := sip.NewResponse(401, "Unauthorized")
		for _, l := range lines {
			name, value, _ := strings.Cut(l, ": ")
			res.AppendHeader(wire.H(name, value))
		}
		return res
	}
	for _, c := range []struct {
		name  string
		realm string // configured
		lines []string
		want  string // beginning of the answer and what it must contain, "" none
	}{
		{"MD5", "c", []string{`WWW-Authenticate: Digest realm="c", nonce="n", qop="auth"`}, "Authorization algorithm=MD5, qop=auth, nc=00000001"},
		{"a proxy", "c", []string{`Proxy-Authenticate: Digest realm="c", nonce="n", qop="auth,auth-int", algorithm=md5`}, "Proxy-Authorization algorithm=MD5, qop=auth"},
		{"the better of two", "c", []string{`WWW-Authenticate: Digest realm="c", nonce="n", qop="auth", algorithm=MD5`,
			`WWW-Authenticate: Digest realm="c", nonce="m", qop="auth", algorithm=SHA-256`}, "Authorization algorithm=SHA-256"},
		{"without qop", "c", []string{`WWW-Authenticate: Digest realm="c", nonce="n", opaque="o\"p"`}, `Authorization opaque="o\"p"`},
		{"any realm of the gateway", "", []string{`WWW-Authenticate: Digest realm="what", nonce="n"`}, `Authorization realm="what"`},
		{"another realm", "c", []string{`WWW-Authenticate: Digest realm="evil", nonce="n"`}, ""},
		{"our realm among others", "c", []string{`WWW-Authenticate: Digest realm="evil", nonce="n"`, `WWW-Authenticate: Digest realm="c", nonce="m"`}, `Authorization nonce="m"`},
		{"an algorithm we lack", "", []string{`WWW-Authenticate: Digest realm="c", nonce="n", algorithm=MD5-sess`}, ""},
		{"a protection we lack", "", []string{`WWW-Authenticate: Digest realm="c", nonce="n", qop="auth-int"`}, ""},
		{"another scheme", "", []string{`WWW-Authenticate: Basic realm="c"`}, ""},
		{"nonsense", "", []string{`WWW-Authenticate: Digest realm="c", nonce="n`}, ""},
		{"no nonce", "", []string{`WWW-Authenticate: Digest realm="c"`}, ""},
		{"no challenge", "", nil, ""},
	} {
		d := &digest{username: "u", password: "p", realm: c.realm}
		if hs := d.authorize(nil, "INVITE", uri); hs != nil {
			t.Errorf("%s: %v before any challenge", c.name, hs)
		}
		hs := d.authorize(challenge(c.lines...), "INVITE", uri)
		if c.want == "" || hs == nil {
			if hs != nil || c.want != "" {
				t.Errorf("%s: answered %v", c.name, hs)
			}
			continue
		}
		header, part, _ := strings.Cut(c.want, " ")
		if hs[0].Name() != header || !strings.Contains(hs[0].Value(), part) {
			t.Errorf("%s: %s: %s", c.name, hs[0].Name(), hs[0].Value())
		}
		to, _ := wire.ParseURI(uri)
		if req := wire.NewRequest("INVITE", to, nil, hs...); !proves(req, "u", "p") {
			t.Errorf("%s: the answer is wrong: %s", c.name, hs[0].Value())
		}
		again := d.authorize(nil, "BYE", uri)
		if again == nil || strings.Contains(part, "qop") && !strings.Contains(again[0].Value(), "nc=00000002") {
			t.Errorf("%s: the nonce is not used again: %v", c.name, again)
		}
		third := d.authorize(challenge(c.lines...), "INVITE", uri)
		if third == nil || strings.Contains(part, "qop") && !strings.Contains(third[0].Value(), "nc=00000003") {
			t.Errorf("%s: the same nonce was counted anew: %v", c.name, third)
		}
	}
	if hs := (&digest{}).authorize(challenge(`WWW-Authenticate: Digest realm="c", nonce="n"`), "INVITE", uri); hs != nil {
		t.Errorf("answered without a username: %v", hs)
	}
}

// C3: credentials go to the trunk's own realm at the trunk's own gateway, for
// every request there, and nowhere else.
func TestCredentials(t *testing.T) {
	tr := line("t", first)
	tr.Username, tr.Password, tr.Realm = "user1", "secret1", "carrier"
	guard := func(c *carrier, realm string) {
		c.answer = func(in *transaction.Incoming, tx *transaction.Server) {
			if !proves(in.Request, "user1", "secret1") {
				says(407, wire.H("Proxy-Authenticate", fmt.Sprintf(`Digest realm="%s", nonce="%s", qop="auth"`, realm, wire.NewTag())))(in, tx)
				return
			}
			c.picksUp(in, tx)
		}
	}
	story(t, "ours", []store.Trunk{tr}, func(t *testing.T, w *world) {
		c := w.carrier(first, "UDP")
		guard(c, "carrier")
		for _, invites := range []int{2, 3} { // the second call shows them in advance
			status := 0
			s := w.dial(user(), "+498912345", failing(&status))
			pass(3 * time.Second)
			if status != 200 || c.count("INVITE") != invites {
				t.Errorf("status %d after %d INVITEs", status, c.count("INVITE"))
			}
			s.Do(func() { s.HangUp("") })
			pass(time.Second)
			if !proves(c.last("BYE"), "user1", "secret1") {
				t.Error("BYE proves nothing")
			}
		}
	})
	story(t, "somebody else's", []store.Trunk{tr}, func(t *testing.T, w *world) {
		c := w.carrier(first, "UDP")
		guard(c, "evil")
		status := 0
		w.dial(user(), "+498912345", failing(&status))
		pass(3 * time.Second)
		if status != 503 || c.count("INVITE") != 1 || wire.Header(c.last("INVITE"), "Proxy-Authorization") != "" {
			t.Errorf("status %d after %d INVITEs", status, c.count("INVITE"))
		}
	})
}

func FuzzChallenge(f *testing.F) {
	f.Add(`Digest realm="c", nonce="n", qop="auth,auth-int", algorithm=SHA-256, stale=TRUE, opaque="\"`)
	f.Add(`digest nonce=,,,="`)
	f.Fuzz(func(t *testing.T, value string) {
		c, ok := parseChallenge(value)
		if !ok {
			return
		}
		d := &digest{username: "u", password: "p", last: c, count: 1}
		if strings.ContainsAny(wire.H("Authorization", d.answer("BYE", "sip:x@y")).Value(), "\r\n") {
			t.Fatalf("%q breaks out of its header", value)
		}
	})
}
