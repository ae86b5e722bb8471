package auth

import (
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/sip/wire"
)

// TestResponseRFC7616 is the example of RFC 7616 §3.9.1.
func TestResponseRFC7616(t *testing.T) {
	const common = `Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html",` +
		` nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001,` +
		` cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth,` +
		` opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS", `
	c := HashPassword(1, "Mufasa", "http-auth@example.org", "Circle of Life", true)
	ha1 := &hashes{md5: [16]byte(c.MD5), sha256: [32]byte(c.SHA256)}
	for _, rest := range []string{
		`algorithm=MD5, response="8ca523f5e9506fed4657c9700eebdbec"`,
		`response="8ca523f5e9506fed4657c9700eebdbec"`,
		`algorithm=SHA-256, response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"`,
	} {
		got, err := parseCredentials(common + rest)
		if err != nil {
			t.Fatal(err)
		}
		if !got.responds("GET", ha1) {
			t.Errorf("%s: refused", rest)
		}
		if got.responds("PUT", ha1) {
			t.Errorf("%s: accepted for another method", rest)
		}
	}
}

func TestHashPassword(t *testing.T) {
	c := HashPassword(7, "alice", "example.com", "secret", false)
	if c.MD5 != nil || len(c.SHA256) != 32 || c.User != 7 || c.Username != "alice" || c.Realm != "example.com" {
		t.Errorf("%+v", c)
	}
}

func TestParseCredentials(t *testing.T) {
	for _, test := range []struct {
		in   string
		want credentials
		err  error
	}{
		{in: `Digest username="a", realm="b"`, want: credentials{username: "a", realm: "b"}},
		{in: `digest USERNAME = "a" ,realm=b,`, want: credentials{username: "a", realm: "b"}},
		{in: `Digest username="a\"\\b, c", qop="auth", nc="00000001"`, want: credentials{username: `a"\b, c`, qop: "auth", nc: "00000001"}},
		{in: `Digest username="张三"`, want: credentials{username: "张三"}},
		{in: `Digest `, want: credentials{}},
		{in: `Basic dXNlcjpwYXNz`, err: errNotDigest},
		{in: ``, err: errNotDigest},
		{in: `Digest username="a", username="b"`, err: errMalformed},
		{in: `Digest username="a`, err: errMalformed},
		{in: `Digest username="a\`, err: errMalformed},
		{in: `Digest username`, err: errMalformed},
		{in: `Digest ="a"`, err: errMalformed},
		{in: `Digest a b="c"`, err: errMalformed},
		{in: `Digest username=a"b`, err: errMalformed},
	} {
		got, err := parseCredentials(test.in)
		if err != test.err || err == nil && got != test.want {
			t.Errorf("%s:\n got %+v, %v\nwant %+v, %v", test.in, got, err, test.want, test.err)
		}
	}
}

func TestSameTarget(t *testing.T) {
	for _, test := range []struct {
		digest, request string
		want            bool
	}{
		{"sip:example.com", "sip:example.com", true},
		{"sip:example.com", "sip:example.com:5061;transport=tls", true},
		{"sip:EXAMPLE.com;transport=tls", "sip:example.com", true},
		{"sips:bob@example.com", "sip:bob@example.com", true},
		{"sip:bob@example.com", "sip:alice@example.com", false},
		{"sip:bob@example.org", "sip:bob@example.com", false},
		{"sip:bob@[2001:db8::1]:5060", "sip:bob@[2001:db8::1]", true},
		{"tel:+8610", "sip:+8610@example.com", false},
		{"urn:service:sos", "urn:service:sos", true},
		{"urn:service:sos", "urn:service:fire", false},
		{"", "sip:example.com", false},
		{"/index.html", "sip:example.com", false},
	} {
		u, err := wire.ParseURI(test.request)
		if err != nil {
			t.Fatal(err)
		}
		if got := sameTarget(test.digest, wire.NewRequest("REGISTER", u, nil)); got != test.want {
			t.Errorf("%s for %s: %v", test.digest, test.request, got)
		}
	}
}

// FuzzCredentials: whatever comes, parsing ends, and what it finds was there.
func FuzzCredentials(f *testing.F) {
	f.Add(`Digest username="a\"b", realm="r", nonce="n", uri="sip:x", response="00", algorithm=MD5, cnonce="c", nc=00000001, qop=auth`)
	f.Add(`Digest username="a", username="b"`)
	f.Add("Digest a=\"\\\",=,,b=\tc")
	f.Fuzz(func(t *testing.T, in string) {
		c, err := parseCredentials(in)
		if err != nil {
			return
		}
		for _, v := range []string{c.username, c.realm, c.nonce, c.uri, c.response, c.algorithm, c.cnonce, c.qop, c.nc} {
			if len(v) > len(in) || !strings.Contains(in, v) && !strings.Contains(in, `\`) {
				t.Errorf("%q was not in %q", v, in)
			}
		}
	})
}
