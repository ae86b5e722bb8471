package agent

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// challenge is what a server asked for (RFC 7616).
type challenge struct {
	header                               string // the header to answer with
	realm, nonce, opaque, algorithm, qop string
	count                                int
}

// authorize answers the first challenge of a response: the server's preferred
// one comes first (RFC 8760 §2.4).
func (a *Agent) authorize(r *Request, res *Message) (string, error) {
	c := challenge{header: "Authorization"}
	all := res.All("www-authenticate")
	if res.Status() == 407 {
		c.header, all = "Proxy-Authorization", res.All("proxy-authenticate")
	}
	if len(all) == 0 {
		return "", errors.New("challenged without a challenge")
	}
	text, ok := strings.CutPrefix(all[0], "Digest ")
	if !ok {
		return "", fmt.Errorf("unknown challenge %q", all[0])
	}
	c.realm, c.nonce, c.opaque = Param(text, "realm"), Param(text, "nonce"), Param(text, "opaque")
	c.algorithm, c.qop = Param(text, "algorithm"), Param(text, "qop")
	c.count = 1
	return c.answer(a.User, a.Password, r.Method, r.URI), nil
}

func (c *challenge) answer(user, password, method, uri string) string {
	sum := func(s string) string { d := md5.Sum([]byte(s)); return hex.EncodeToString(d[:]) }
	if strings.EqualFold(c.algorithm, "SHA-256") {
		sum = func(s string) string { d := sha256.Sum256([]byte(s)); return hex.EncodeToString(d[:]) }
	}
	ha1, ha2 := sum(user+":"+c.realm+":"+password), sum(method+":"+uri)
	out := fmt.Sprintf(`%s: Digest username="%s",realm="%s",nonce="%s",uri="%s"`, c.header, user, c.realm, c.nonce, uri)
	if c.algorithm != "" {
		out += ",algorithm=" + c.algorithm
	}
	if c.opaque != "" {
		out += `,opaque="` + c.opaque + `"`
	}
	if c.qop == "" {
		return out + `,response="` + sum(ha1+":"+c.nonce+":"+ha2) + `"`
	}
	nc, cnonce := fmt.Sprintf("%08x", c.count), NewID()
	return out + fmt.Sprintf(`,qop=auth,nc=%s,cnonce="%s",response="%s"`, nc, cnonce, sum(ha1+":"+c.nonce+":"+nc+":"+cnonce+":auth:"+ha2))
}
