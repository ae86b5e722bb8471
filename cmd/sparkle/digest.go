package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/auth"
)

// answerChallenge computes the Authorization of a REGISTER for a 401
// (RFC 7616 §3.4, RFC 8760 §2.4): the challenge with SHA-256.
func (p *softphone) answerChallenge(res *sip.Response) string {
	challenge := ""
	for _, h := range res.GetHeaders("WWW-Authenticate") {
		if strings.Contains(h.Value(), "SHA-256") {
			challenge = h.Value()
		}
	}
	realm, nonce := parameter(challenge, "realm"), parameter(challenge, "nonce")
	uri := "sip:" + p.domain
	const count, cnonce = "00000001", "sparkle"
	ha1 := hex.EncodeToString(auth.HashPassword(0, p.user.name, realm, p.password, false).SHA256)
	ha2 := hexSHA256("REGISTER:" + uri)
	response := hexSHA256(strings.Join([]string{ha1, nonce, count, cnonce, "auth", ha2}, ":"))
	return fmt.Sprintf(`Digest username=%q, realm=%q, nonce=%q, uri=%q, response=%q, algorithm=SHA-256, cnonce=%q, qop=auth, nc=%s`,
		p.user.name, realm, nonce, uri, response, cnonce, count)
}

func hexSHA256(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// parameter reads a quoted parameter of a challenge that our own server made.
func parameter(challenge, name string) string {
	_, rest, _ := strings.Cut(challenge, name+`="`)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}
