package auth

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

const realm = "example.com"

// accounts is a store of credentials that counts what it is asked.
type accounts struct {
	mu    sync.Mutex
	by    map[string]store.Credential
	asked []string
	delay time.Duration
	err   error
}

func (s *accounts) Credential(_ context.Context, username, realm string) (store.Credential, error) {
	time.Sleep(s.delay)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, username)
	if s.err != nil {
		return store.Credential{}, s.err
	}
	c, ok := s.by[username+"@"+realm]
	if !ok {
		return c, fmt.Errorf("credential of %s: %w", username, store.ErrNotFound)
	}
	return c, nil
}

func (s *accounts) SetCredential(_ context.Context, c store.Credential) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.by[c.Username+"@"+c.Realm] = c
	return nil
}

// world is an Authenticator with alice (password "wonder"), bob ("builder") and
// carol, who is disabled ("carol").
type world struct {
	*Authenticator
	t     testing.TB
	store *accounts
}

func newWorld(t testing.TB, change func(*Config)) *world {
	s := &accounts{by: make(map[string]store.Credential)}
	for i, name := range []string{"alice", "bob", "carol"} {
		password := []string{"wonder", "builder", "carol"}[i]
		c := HashPassword(store.UserID(i+1), name, realm, password, true)
		c.Disabled = name == "carol"
		s.SetCredential(context.Background(), c)
	}
	cfg := Config{Realm: realm, Credentials: s}
	if change != nil {
		change(&cfg)
	}
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &world{a, t, s}
}

// flow makes a flow from an address.
func flow(name, from string) *transport.Flow {
	return transport.NewFlow(&transport.Flow{ID: 1, Transport: name, Remote: netip.MustParseAddrPort(from)}, link{})
}

// link is a network on which nothing is sent.
type link struct{}

func (link) Send([]byte) error { return nil }
func (link) Open() bool        { return true }
func (link) Close(string)      {}

// request makes a request from alice, with the given headers.
func request(t testing.TB, method, uri, from string, hs ...sip.Header) (*sip.Request, *wire.Core) {
	u, err := wire.ParseURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	hs = append([]sip.Header{
		wire.H("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"), wire.H("Max-Forwards", "70"),
		wire.H("From", "<sip:"+from+">;tag=1"), wire.H("To", "<sip:"+from+">"),
		wire.H("Call-ID", "c1"), wire.H("CSeq", "1 "+method),
	}, hs...)
	req := wire.NewRequest(method, u, nil, hs...)
	core, e := wire.Examine(req)
	if e != nil {
		t.Fatal(e)
	}
	return req, &core
}

// check waits for the result.
func (w *world) check(f *transport.Flow, req *sip.Request, core *wire.Core, proxy bool) Result {
	later := make(chan Result, 1)
	r, ok := w.Check(f, req, core, proxy, func(r Result) { later <- r })
	if !ok {
		r = <-later
	}
	return r
}

// answer is what a phone answers to a challenge.
type answer struct {
	username, password, realm, nonce, uri, method, algorithm, qop, nc, cnonce string
}

// newAnswer is what alice's phone answers to nonce for a REGISTER.
func newAnswer(nonce string) answer {
	return answer{"alice", "wonder", realm, nonce, "sip:" + realm, "REGISTER", SHA256, "auth", "00000001", "c0ffee"}
}

func (a answer) String() string {
	h := func(s string) string {
		if a.algorithm == SHA256 {
			sum := sha256.Sum256([]byte(s))
			return hex.EncodeToString(sum[:])
		}
		sum := md5.Sum([]byte(s))
		return hex.EncodeToString(sum[:])
	}
	ha1, ha2 := h(a.username+":"+a.realm+":"+a.password), h(a.method+":"+a.uri)
	response := h(ha1 + ":" + a.nonce + ":" + a.nc + ":" + a.cnonce + ":" + a.qop + ":" + ha2)
	extra := fmt.Sprintf(`, qop=%s, nc=%s, cnonce="%s"`, a.qop, a.nc, a.cnonce)
	if a.qop == "" { // RFC 2069
		response, extra = h(ha1+":"+a.nonce+":"+ha2), ""
	}
	return fmt.Sprintf(`Digest username="%s", realm="%s", nonce="%s", uri="%s", algorithm=%s, response="%s"%s`,
		a.username, a.realm, a.nonce, a.uri, a.algorithm, response, extra)
}

// register sends alice's REGISTER with these credentials over f.
func (w *world) register(f *transport.Flow, a fmt.Stringer) Result {
	req, core := request(w.t, "REGISTER", "sip:"+realm, "alice@"+realm, wire.H("Authorization", a.String()))
	return w.check(f, req, core, false)
}

var nonceParam = regexp.MustCompile(`nonce="([^"]+)"`)

// challenged returns the nonce of a challenge to a request without credentials.
func (w *world) challenged(f *transport.Flow) string {
	w.t.Helper()
	req, core := request(w.t, "REGISTER", "sip:"+realm, "alice@"+realm)
	r := w.check(f, req, core, false)
	if r.Verdict != Challenge {
		w.t.Fatalf("no challenge: %+v", r)
	}
	return nonceParam.FindStringSubmatch(r.Headers[0].Value())[1]
}

func stale(r Result) bool {
	return len(r.Headers) > 0 && strings.Contains(r.Headers[0].Value(), "stale=true")
}

// TestChallenge: RFC 8760 §2.4, one header an algorithm, the best first.
func TestChallenge(t *testing.T) {
	for _, test := range []struct {
		algorithms []string
		agent      string
		want       []string
	}{
		{nil, "Linphone/5.3", []string{"SHA-256", "MD5"}},
		{[]string{"MD5", "SHA-256"}, "", []string{"MD5", "SHA-256"}},
		{[]string{"SHA-256"}, "baresip v1.0.0", []string{"SHA-256"}},
		{nil, "baresip v1.0.0 (x86_64/linux)", []string{"MD5"}},
	} {
		w := newWorld(t, func(c *Config) { c.Algorithms = test.algorithms })
		for _, proxy := range []bool{false, true} {
			req, core := request(t, "MESSAGE", "sip:bob@"+realm, "alice@"+realm, wire.H("User-Agent", test.agent))
			r := w.check(flow("UDP", "192.0.2.1:5060"), req, core, proxy)
			status, name := 401, "WWW-Authenticate"
			if proxy {
				status, name = 407, "Proxy-Authenticate"
			}
			if r.Verdict != Challenge || r.Status != status || len(r.Headers) != len(test.want) {
				t.Fatalf("%+v", r)
			}
			for i, h := range r.Headers {
				want := regexp.MustCompile(`^Digest realm="example.com", nonce="[\w-]{43}", algorithm=` + test.want[i] + `, qop="auth"$`)
				if h.Name() != name || !want.MatchString(h.Value()) {
					t.Errorf("%s: %s", h.Name(), h.Value())
				}
			}
		}
	}
}

// TestCheckDigest is the table of attacks: each line changes one thing in an
// answer that is right.
func TestCheckDigest(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*answer)
		want   Verdict
		asks   bool // whether the store may be asked
	}{
		"right":                 {func(a *answer) {}, Proven, true},
		"right with MD5":        {func(a *answer) { a.algorithm = MD5 }, Proven, true},
		"wrong password":        {func(a *answer) { a.password = "guess" }, Challenge, true},
		"unknown user":          {func(a *answer) { a.username = "nobody" }, Challenge, true},
		"disabled user":         {func(a *answer) { a.username, a.password = "carol", "carol" }, Challenge, true},
		"username in capitals":  {func(a *answer) { a.username = "Alice" }, Challenge, true},
		"another realm":         {func(a *answer) { a.realm = "example.org" }, Challenge, false},
		"realm in capitals":     {func(a *answer) { a.realm = "EXAMPLE.COM" }, Challenge, false},
		"realm in the username": {func(a *answer) { a.username = "alice:" + realm }, Challenge, true},
		"signed for INVITE":     {func(a *answer) { a.method = "INVITE" }, Challenge, true},
		"signed for elsewhere":  {func(a *answer) { a.uri = "sip:bob@" + realm }, Refused, false},
		"invented nonce":        {func(a *answer) { a.nonce = strings.Repeat("A", 43) }, Challenge, false},
		"no qop (RFC 2069)":     {func(a *answer) { a.qop = "" }, Refused, false},
		"qop=auth-int":          {func(a *answer) { a.qop = "auth-int" }, Refused, false},
		"short nc":              {func(a *answer) { a.nc = "1" }, Refused, false},
		"no cnonce":             {func(a *answer) { a.cnonce = "" }, Refused, false},
		"unknown algorithm":     {func(a *answer) { a.algorithm = "SHA-512-256" }, Challenge, false},
		"session algorithm":     {func(a *answer) { a.algorithm = "MD5-sess" }, Challenge, false},
		"64 kB username":        {func(a *answer) { a.username = strings.Repeat("a", 64<<10) }, Refused, false},
		"empty username":        {func(a *answer) { a.username = "" }, Refused, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			f := flow("UDP", "192.0.2.1:5060")
			a := newAnswer(w.challenged(f))
			test.change(&a)
			r := w.register(f, a)
			if r.Verdict != test.want || (r.Identity.AOR() == "alice@example.com") != (test.want == Proven) {
				t.Errorf("%+v", r)
			}
			if name == "invented nonce" && !stale(r) {
				t.Errorf("the phone would ask for another password: %+v", r)
			}
			if asked := len(w.store.asked) > 0; asked != test.asks {
				t.Errorf("the store was asked %q", w.store.asked)
			}
		})
	}
}

func TestMD5RefusedWhereNotOffered(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Algorithms = []string{SHA256} })
	f := flow("UDP", "192.0.2.1:5060")
	a := newAnswer(w.challenged(f))
	a.algorithm = MD5
	if r := w.register(f, a); r.Verdict != Challenge || len(w.store.asked) > 0 {
		t.Errorf("%+v", r)
	}
}

func TestUserWithoutMD5(t *testing.T) {
	w := newWorld(t, nil)
	w.store.SetCredential(context.Background(), HashPassword(1, "alice", realm, "wonder", false))
	f := flow("UDP", "192.0.2.1:5060")
	a := newAnswer(w.challenged(f))
	a.algorithm = MD5
	if r := w.register(f, a); r.Verdict != Challenge {
		t.Errorf("%+v", r)
	}
}

// TestReplay: credentials are good once.
func TestReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		f := flow("UDP", "192.0.2.1:5060")
		a := newAnswer(w.challenged(f))
		if r := w.register(f, a); r.Verdict != Proven {
			t.Fatalf("%+v", r)
		}
		if r := w.register(flow("UDP", "192.0.2.2:5060"), a); r.Verdict != Challenge || !stale(r) {
			t.Errorf("the same nonce count again: %+v", r)
		}
		if r := w.register(f, a); !r.Repeated {
			t.Errorf("the same nonce count again, in a copy: %+v", r)
		}
		a.nc = "00000002"
		if r := w.register(f, a); r.Verdict != Proven {
			t.Errorf("the next nonce count: %+v", r)
		}
		time.Sleep(6 * time.Minute)
		a.nc = "00000003"
		if r := w.register(f, a); r.Verdict != Challenge || !stale(r) {
			t.Errorf("an old nonce: %+v", r)
		}
	})
}

// TestUnknownUserLooksLikeWrongPassword: the same answer, after the same number
// of questions to the store, at the first attempt and at the next ones.
func TestUnknownUserLooksLikeWrongPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *Config) { c.Ban.Failures = -1 })
		f := flow("UDP", "192.0.2.1:5060")
		w.register(f, newAnswer(w.challenged(f))) // alice is in the cache, and old there
		time.Sleep(time.Minute)
		shape := regexp.MustCompile(`nonce="[^"]+"`)
		attempt := func(username string) string {
			w.store.asked = nil
			a := newAnswer(w.challenged(f))
			a.username, a.password = username, "guess"
			r := w.register(f, a)
			synctest.Wait() // what was learnt is remembered
			text := fmt.Sprint(r.Verdict, r.Status, len(w.store.asked))
			for _, h := range r.Headers {
				text += shape.ReplaceAllString(h.Value(), "")
			}
			return text
		}
		for range 3 {
			want := attempt("nobody")
			for _, username := range []string{"alice", "bob", "carol", "nobody at all"} {
				if got := attempt(username); len(got) != len(want) || !strings.HasPrefix(got, fmt.Sprint(Challenge, 401)) {
					t.Errorf("%s: %s, nobody: %s", username, got, want)
				}
			}
			want = attempt("nobody")
			for _, username := range []string{"alice", "bob", "carol", "nobody at all"} {
				if got := attempt(username); got != want {
					t.Errorf("at once again, %s: %s, nobody: %s", username, got, want)
				}
			}
			time.Sleep(time.Minute)
		}
	})
}

func TestStoreUnavailable(t *testing.T) {
	w := newWorld(t, nil)
	w.store.err = store.ErrUnavailable
	f := flow("UDP", "192.0.2.1:5060")
	a := newAnswer(w.challenged(f))
	r := w.register(f, a)
	if r.Verdict != Refused || r.Status != 503 || r.Headers[0].Name() != "Retry-After" {
		t.Errorf("%+v", r)
	}
	w.store.err = nil
	if r := w.register(f, a); r.Verdict != Proven {
		t.Errorf("when it works again: %+v", r)
	}
}

// TestOtherCredentials: those for somebody else's realm are passed over.
func TestOtherCredentials(t *testing.T) {
	w := newWorld(t, nil)
	f := flow("UDP", "192.0.2.1:5060")
	other := newAnswer("x")
	other.realm = "carrier.example"
	mine := newAnswer(w.challenged(f))
	mine.method, mine.uri = "MESSAGE", "sip:bob@example.com"
	req, core := request(t, "MESSAGE", "sip:bob@"+realm, "alice@"+realm,
		wire.H("Proxy-Authorization", "Basic abc"), wire.H("Proxy-Authorization", other.String()), wire.H("Proxy-Authorization", mine.String()))
	if r := w.check(f, req, core, true); r.Verdict != Proven {
		t.Errorf("%+v", r)
	}
}

// TestFlow: a TLS flow that has proved an account stays proven for it, a TCP
// one never is.
func TestFlow(t *testing.T) {
	w := newWorld(t, nil)
	again := func(f *transport.Flow, from string) Result {
		req, core := request(t, "MESSAGE", "sip:bob@"+realm, from)
		return w.check(f, req, core, true)
	}
	for name, want := range map[string]Verdict{"TLS": Proven, "WSS": Proven, "TCP": Challenge, "UDP": Challenge, "WS": Challenge} {
		f := flow(name, "192.0.2.1:5060")
		if r := w.register(f, newAnswer(w.challenged(f))); r.Verdict != Proven {
			t.Fatalf("%s: %+v", name, r)
		}
		if r := again(f, "alice@"+realm); r.Verdict != want {
			t.Errorf("%s: %+v", name, r)
		}
		if r := again(f, "bob@"+realm); r.Verdict != Challenge {
			t.Errorf("%s, another account of the same phone: %+v", name, r)
		}
	}
}

// TestSeveralAccountsOnOneFlow: one connection speaks for every account that
// proved itself on it.
func TestSeveralAccountsOnOneFlow(t *testing.T) {
	w := newWorld(t, nil)
	f := flow("TLS", "192.0.2.1:5060")
	for _, name := range []string{"alice", "bob"} {
		a := newAnswer(w.challenged(flow("TLS", "192.0.2.9:5060")))
		a.username, a.password = name, map[string]string{"alice": "wonder", "bob": "builder"}[name]
		req, core := request(t, "REGISTER", "sip:"+realm, name+"@"+realm, wire.H("Authorization", a.String()))
		if r := w.check(f, req, core, false); r.Verdict != Proven {
			t.Fatalf("%s: %+v", name, r)
		}
	}
	for _, name := range []string{"alice", "bob"} {
		req, core := request(t, "MESSAGE", "sip:x@"+realm, name+"@"+realm)
		if r := w.check(f, req, core, true); r.Verdict != Proven || r.Identity.Username != name {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// TestForget: a change of the credential ends what flows had proved.
func TestForget(t *testing.T) {
	w := newWorld(t, nil)
	f := flow("TLS", "192.0.2.1:5060")
	a := newAnswer(w.challenged(f))
	w.register(f, a)
	w.store.SetCredential(context.Background(), HashPassword(1, "alice", realm, "changed", true))
	w.Forget(1)
	b := newAnswer(w.challenged(f)) // fails unless it is challenged again
	if r := w.register(f, b); r.Verdict != Challenge {
		t.Errorf("the old password: %+v", r)
	}
	b.password = "changed"
	if r := w.register(f, b); r.Verdict != Proven {
		t.Errorf("the new password: %+v", r)
	}
	w.Forget(2)
	req, core := request(t, "MESSAGE", "sip:x@"+realm, "alice@"+realm)
	if r := w.check(f, req, core, true); r.Verdict != Proven {
		t.Errorf("a change of bob's ended alice's: %+v", r)
	}
}

// TestGuessingFromOneAddress: 500 users from one address are given up after 10.
func TestGuessingFromOneAddress(t *testing.T) {
	w := newWorld(t, nil)
	f := flow("UDP", "198.51.100.1:5060")
	nonce := w.challenged(f)
	proven := flow("TLS", "198.51.100.1:5061")
	w.register(proven, newAnswer(w.challenged(proven)))
	for i := range 500 {
		a := newAnswer(nonce)
		a.username = fmt.Sprint("user", i)
		want := Challenge
		if i >= 10 {
			want = Drop
		}
		if r := w.register(f, a); r.Verdict != want {
			t.Fatalf("attempt %d: %+v", i+1, r)
		}
	}
	if w.Admits(f.Remote.Addr()) || !w.Admits(netip.MustParseAddr("198.51.100.2")) {
		t.Error("the guesser must be turned away, his neighbour not")
	}
	if r := w.register(proven, newAnswer("")); r.Verdict != Proven {
		t.Errorf("alice, proven, at the same address: %+v", r)
	}
}

// TestGuessingOnProvenFlow: having an account is no licence to guess others.
func TestGuessingOnProvenFlow(t *testing.T) {
	w := newWorld(t, nil)
	f := flow("TLS", "198.51.100.1:5061")
	w.register(f, newAnswer(w.challenged(f)))
	nonce := w.challenged(flow("TLS", "192.0.2.1:5061"))
	for i := range 20 {
		a := newAnswer(nonce)
		a.username, a.password = "bob", fmt.Sprint(i)
		req, core := request(t, "REGISTER", "sip:"+realm, "bob@"+realm, wire.H("Authorization", a.String()))
		if r := w.check(f, req, core, false); (r.Verdict == Drop) != (i >= 10) {
			t.Fatalf("attempt %d: %+v", i+1, r)
		}
	}
	if r := w.register(f, newAnswer("")); r.Verdict != Proven {
		t.Errorf("her own account: %+v", r)
	}
}

// TestGuessingFromManyAddresses: one user guessed from 500 addresses is not
// locked out, and each address gets its 10 guesses.
func TestGuessingFromManyAddresses(t *testing.T) {
	w := newWorld(t, nil)
	nonce := w.challenged(flow("UDP", "192.0.2.1:5060"))
	for i := range 500 {
		f := flow("UDP", fmt.Sprintf("10.0.%d.%d:5060", i/250, i%250))
		for j := range 12 {
			a := newAnswer(nonce)
			a.password = fmt.Sprint(i, j)
			if r := w.register(f, a); (r.Verdict == Drop) != (j >= 10) {
				t.Fatalf("address %d, attempt %d: %+v", i, j+1, r)
			}
		}
	}
	f := flow("UDP", "192.0.2.1:5060")
	if r := w.register(f, newAnswer(w.challenged(f))); r.Verdict != Proven {
		t.Errorf("alice herself: %+v", r)
	}
}

// TestGoodPhonesBehindNAT: 200 phones at one address, one of them with an old
// password, and all the challenges that UDP brings.
func TestGoodPhonesBehindNAT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		for range 20 {
			for phone := range 200 {
				f := flow("UDP", fmt.Sprintf("203.0.113.1:%d", 10000+phone))
				a := newAnswer(w.challenged(f))
				want := Proven
				if phone == 7 {
					a.password, want = "old", Challenge
				}
				if r := w.register(f, a); r.Verdict != want {
					t.Fatalf("phone %d: %+v", phone, r)
				}
				time.Sleep(10 * time.Millisecond)
			}
		}
	})
}

// TestOrder: requests that wait for one credential come back in their order.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		f := flow("UDP", "192.0.2.1:5060")
		nonce := w.challenged(f)
		w.store.delay = 10 * time.Millisecond
		var order []int
		for i := range 50 {
			a := newAnswer(nonce)
			a.nc = fmt.Sprintf("%08x", i+1)
			req, core := request(t, "REGISTER", "sip:"+realm, "alice@"+realm, wire.H("Authorization", a.String()))
			if _, ok := w.Check(f, req, core, false, func(r Result) { order = append(order, i) }); ok {
				order = append(order, i) // the credential is in the cache by now
			}
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if len(order) != 50 || !slices.IsSorted(order) || len(w.store.asked) > 3 {
			t.Errorf("order %v, the store was asked %d times", order, len(w.store.asked))
		}
	})
}

// TestCertificate: the user whom a verified client certificate names needs no
// password.
func TestCertificate(t *testing.T) {
	for name, test := range map[string]struct {
		leaf x509.Certificate
		want string
	}{
		"SAN":             {x509.Certificate{URIs: []*url.URL{{Scheme: "sip", Opaque: "alice@Example.com"}}}, "alice"},
		"SAN before CN":   {x509.Certificate{URIs: []*url.URL{{Scheme: "sips", Opaque: "bob@example.com"}}, Subject: pkix.Name{CommonName: "alice"}}, "bob"},
		"SAN of others":   {x509.Certificate{URIs: []*url.URL{{Scheme: "sip", Opaque: "alice@example.org"}, {Scheme: "https", Host: "example.com"}}}, ""},
		"SAN of a domain": {x509.Certificate{URIs: []*url.URL{{Scheme: "sip", Opaque: "example.com"}}}, ""},
		"CN":              {x509.Certificate{Subject: pkix.Name{CommonName: "alice"}}, "alice"},
		"CN with realm":   {x509.Certificate{Subject: pkix.Name{CommonName: "alice@example.com"}}, "alice"},
		"CN of others":    {x509.Certificate{Subject: pkix.Name{CommonName: "alice@example.org"}}, ""},
	} {
		if got := certificateUser(&test.leaf, realm); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	w := newWorld(t, nil)
	f := flow("TLS", "192.0.2.1:5060")
	for username, want := range map[string]Verdict{"alice": Proven, "carol": Challenge, "nobody": Challenge} {
		req, core := request(t, "MESSAGE", "sip:x@"+realm, username+"@"+realm)
		for range 2 { // from the store, from the cache
			later := make(chan Result, 1)
			r, ok := w.checkCertificate(&attempt{flow: f, req: req, core: core, resume: func(r Result) { later <- r }}, username)
			if !ok {
				r = <-later
			}
			if r.Verdict != want {
				t.Errorf("%s: %+v", username, r)
			}
		}
	}
}

func TestConfig(t *testing.T) {
	for name, c := range map[string]Config{
		"realm":     {},
		"quote":     {Realm: `a"b`},
		"algorithm": {Realm: realm, Algorithms: []string{"MD4"}},
		"digest":    {Realm: realm, Algorithms: []string{}},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if (Identity{}).AOR() != "" {
		t.Error("the zero Identity has an address")
	}
}

// signed is what the benchmarks check: requests of a known user, each with a
// nonce count of its own.
func signed(b *testing.B, w *world, f *transport.Flow, n int) []*sip.Request {
	nonce := w.challenged(f)
	reqs := make([]*sip.Request, n)
	for i := range reqs {
		a := newAnswer(nonce)
		a.nc = fmt.Sprintf("%08x", i+1)
		reqs[i], _ = request(b, "REGISTER", "sip:"+realm, "alice@"+realm, wire.H("Authorization", a.String()))
	}
	return reqs
}

// TestRepeated: an exact copy of a REGISTER over UDP is known as such while its
// nonce count is the last; everything that differs is a replay.
func TestRepeated(t *testing.T) {
	w := newWorld(t, nil)
	udp := flow("UDP", "192.0.2.1:5060")
	nonce := w.challenged(udp)
	send := func(f *transport.Flow, method, nc string, more ...sip.Header) Result {
		a := newAnswer(nonce)
		a.nc, a.method = nc, method
		req, core := request(t, method, "sip:"+realm, "alice@"+realm, append(more, wire.H("Authorization", a.String()))...)
		return w.check(f, req, core, false)
	}
	first := send(udp, "REGISTER", "00000001")
	if first.Verdict != Proven || first.Repeated {
		t.Fatalf("%+v", first)
	}
	for range 2 {
		if r := send(flow("UDP", "192.0.2.1:5060"), "REGISTER", "00000001"); r.Verdict != Proven || !r.Repeated || r.Identity != first.Identity {
			t.Errorf("a copy: %+v", r)
		}
	}
	if r := send(flow("UDP", "192.0.2.1:5061"), "REGISTER", "00000001"); r.Verdict != Challenge {
		t.Errorf("from another address: %+v", r)
	}
	if r := send(udp, "REGISTER", "00000001", wire.H("Contact", "<sip:mallory@192.0.2.66>")); r.Verdict != Challenge {
		t.Errorf("with another Contact: %+v", r)
	}
	if r := send(udp, "REGISTER", "00000002"); r.Verdict != Proven || r.Repeated {
		t.Errorf("the next one: %+v", r)
	}
	if r := send(udp, "REGISTER", "00000001"); r.Verdict != Challenge {
		t.Errorf("a copy that is late: %+v", r)
	}
	send(udp, "MESSAGE", "00000003")
	if r := send(udp, "MESSAGE", "00000003"); r.Verdict != Challenge {
		t.Errorf("a copy of another method: %+v", r)
	}
	tcp := flow("TCP", "192.0.2.1:5060")
	send(tcp, "REGISTER", "00000004")
	if r := send(tcp, "REGISTER", "00000004"); r.Verdict != Challenge {
		t.Errorf("a copy over a connection: %+v", r)
	}
}

func BenchmarkCheckDigest(b *testing.B) {
	w := newWorld(b, nil)
	f := flow("UDP", "192.0.2.1:5060")
	w.register(f, newAnswer(w.challenged(f)))
	reqs := signed(b, w, f, b.N)
	_, core := request(b, "REGISTER", "sip:"+realm, "alice@"+realm)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if r, ok := w.Check(f, reqs[i], core, false, nil); !ok || r.Verdict != Proven {
			b.Fatalf("%+v", r)
		}
	}
}

func BenchmarkCheckProvenFlow(b *testing.B) {
	w := newWorld(b, nil)
	f := flow("TLS", "192.0.2.1:5060")
	w.register(f, newAnswer(w.challenged(f)))
	req, core := request(b, "MESSAGE", "sip:bob@"+realm, "alice@"+realm)
	b.ReportAllocs()
	for b.Loop() {
		w.Check(f, req, core, true, nil)
	}
}

func BenchmarkChallenge(b *testing.B) {
	w := newWorld(b, nil)
	f := flow("UDP", "192.0.2.1:5060")
	req, core := request(b, "MESSAGE", "sip:bob@"+realm, "alice@"+realm)
	b.ReportAllocs()
	for b.Loop() {
		w.Check(f, req, core, true, nil)
	}
}
