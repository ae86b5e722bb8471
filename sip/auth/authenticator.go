package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
	"github.com/sparkleim/sparkle/store/cache"
)

// Config of an Authenticator.
type Config struct {
	// Realm is the primary domain; it is hashed into every credential.
	Realm string
	// Algorithms that are offered, best first; nil means SHA-256, then MD5.
	Algorithms []string
	// SingleChallenge lists the beginnings of User-Agent values that give up
	// when they are offered an algorithm they do not know, instead of ignoring
	// it (RFC 8760 §2.4), in whatever order. They are offered MD5 alone, when
	// MD5 is offered at all. nil means baresip before version 2.
	SingleChallenge []string
	// NonceLifetime is how long a challenge may be answered; 0 means 5 minutes.
	NonceLifetime time.Duration
	// NonceCounts bounds the nonces whose use is remembered (about 100 bytes
	// each); 0 means 262144.
	NonceCounts int
	// Secret keys nonces and the hashes of users who do not exist, 32 bytes.
	// nil makes one for this run.
	Secret []byte
	// Ban says when an address is dropped.
	Ban BanPolicy

	Credentials store.Credentials
	Log         *slog.Logger          // nil for none
	Metrics     prometheus.Registerer // nil for none
}

// Verdict of Check.
type Verdict int

const (
	Proven    Verdict = iota // Identity is set
	Challenge                // answer Status (401 or 407) with Headers
	Refused                  // answer Status (400, 503)
	Drop                     // banned: no answer
)

// Result is what Check found.
type Result struct {
	Verdict  Verdict
	Identity Identity
	// Repeated: this is an exact copy, from the same address, of a REGISTER over
	// UDP that was proven before, and the last to use its nonce. It is good for
	// hearing the answer again and for nothing else.
	Repeated bool
	Status   int
	Headers  []sip.Header
}

// Authenticator checks requests. It does not block: credentials come from a
// cache that is filled in the background (see Check).
type Authenticator struct {
	cfg        Config
	log        *slog.Logger
	nonces     *nonceMint
	counts     *nonceCounts
	bans       *bans
	changes    changes
	secrets    *cache.Cache[string, secret]
	unknownKey []byte
	seed       maphash.Seed
	metrics    *metrics
}

// New makes an Authenticator. The error names the setting that is wrong.
func New(cfg Config) (*Authenticator, error) {
	if cfg.Realm == "" || strings.ContainsAny(cfg.Realm, "\"\\\r\n") {
		return nil, fmt.Errorf("auth: realm %q: want the primary domain", cfg.Realm)
	}
	if cfg.Algorithms == nil {
		cfg.Algorithms = []string{SHA256, MD5}
	}
	for _, name := range cfg.Algorithms {
		if name != SHA256 && name != MD5 {
			return nil, fmt.Errorf("auth: algorithm %q: want %s or %s", name, SHA256, MD5)
		}
	}
	if len(cfg.Algorithms) == 0 {
		return nil, errors.New("auth: no digest algorithm: nobody could sign in")
	}
	if cfg.SingleChallenge == nil {
		cfg.SingleChallenge = []string{"baresip v0.", "baresip v1."}
	}
	if cfg.NonceLifetime == 0 {
		cfg.NonceLifetime = 5 * time.Minute
	}
	if cfg.NonceCounts == 0 {
		cfg.NonceCounts = 1 << 18
	}
	if len(cfg.Secret) == 0 {
		cfg.Secret = make([]byte, sha256.Size)
		rand.Read(cfg.Secret)
	}
	a := &Authenticator{
		cfg: cfg, log: cfg.Log,
		nonces:     newNonceMint(derive(cfg.Secret, "nonce"), cfg.Realm, cfg.NonceLifetime),
		counts:     newNonceCounts(cfg.NonceCounts, cfg.NonceLifetime),
		bans:       newBans(cfg.Ban),
		unknownKey: derive(cfg.Secret, "unknown user"),
		seed:       maphash.MakeSeed(),
		metrics:    newMetrics(cfg.Metrics),
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	a.secrets = a.newCache()
	return a, nil
}

// derive makes the key for one purpose out of the secret.
func derive(secret []byte, purpose string) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(purpose))
	return mac.Sum(nil)
}

// attempt is one request on its way through Check.
type attempt struct {
	flow   *transport.Flow
	req    *sip.Request
	core   *wire.Core
	proxy  bool
	resume func(Result)

	creds  credentials
	nonce  nonceID
	issued time.Time
}

// Check authenticates a request. proxy selects 407/Proxy-Authorization instead
// of 401/Authorization (RFC 3261 §22.2, §22.3). When the store must be asked,
// resume is called later, on another goroutine, with the result, and ok is
// false; requests of one user come back in the order in which they went. With
// resume nil Check waits for the store, and ok is true.
func (a *Authenticator) Check(f *transport.Flow, req *sip.Request, core *wire.Core, proxy bool, resume func(Result)) (r Result, ok bool) {
	if id, ok := a.proven(f, &core.From); ok {
		a.metrics.proven.Inc()
		return Result{Verdict: Proven, Identity: id}, true
	}
	// A proven flow is heard for whom it has proved, not for guesses at others.
	if !a.Admits(f.Remote.Addr()) {
		a.metrics.dropped.Inc()
		return Result{Verdict: Drop}, true
	}
	t := attempt{flow: f, req: req, core: core, proxy: proxy, resume: resume}
	if username := a.certified(f); username != "" {
		return a.checkCertificate(&t, username)
	}
	found, err := a.credentialsOf(&t)
	switch {
	case err != nil:
		return Result{Verdict: Refused, Status: 400}, true
	case !found:
		return a.challenge(&t, false), true
	}
	return a.checkDigest(&t)
}

// credentialsOf finds the credentials that are for our realm: a request may
// carry others, for other proxies (RFC 3261 §22.3). Where a phone answered
// several of our challenges the first counts.
func (a *Authenticator) credentialsOf(t *attempt) (found bool, err error) {
	name := "Authorization"
	if t.proxy {
		name = "Proxy-Authorization"
	}
	for v := range wire.All(t.req, name) {
		c, err := parseCredentials(v)
		if errors.Is(err, errNotDigest) {
			continue
		}
		if err != nil {
			return false, err
		}
		if c.realm == a.cfg.Realm {
			t.creds = c
			return true, nil
		}
	}
	return false, nil
}

// checkDigest applies, in this order, what costs least: form, algorithm,
// nonce; then the credential, from the cache or from the store.
func (a *Authenticator) checkDigest(t *attempt) (r Result, ok bool) {
	if !t.creds.usable(t.req) {
		a.metrics.refused.Inc()
		return Result{Verdict: Refused, Status: 400}, true
	}
	if !slices.Contains(a.cfg.Algorithms, t.creds.algorithmName()) {
		return a.challenge(t, false), true
	}
	var good bool
	if t.nonce, t.issued, good = a.nonces.open(t.creds.nonce); !good {
		// RFC 7616 §3.3, stale: the password was not looked at, so the phone
		// must not ask its user for another one.
		return a.challenge(t, true), true
	}
	username := t.creds.username
	if e, ok := a.secrets.Get(username); ok && a.valid(&e.Value) {
		right := t.creds.responds(string(t.req.Method), &e.Value.ha1)
		if right || time.Since(e.At) < freshness {
			return a.judge(t, &e.Value, right), true
		}
	}
	return a.ask(*t, username, func(t *attempt, s *secret) Result {
		return a.judge(t, s, t.creds.responds(string(t.req.Method), &s.ha1))
	})
}

// checkCertificate lets in the user whom the TLS certificate names.
func (a *Authenticator) checkCertificate(t *attempt, username string) (r Result, ok bool) {
	if e, ok := a.secrets.Get(username); ok && a.valid(&e.Value) {
		return a.admitCertified(t, &e.Value), true
	}
	return a.ask(*t, username, a.admitCertified)
}

// admitCertified proves the flow, or asks for a digest when the certificate
// names nobody who may sign in.
func (a *Authenticator) admitCertified(t *attempt, s *secret) Result {
	if s.identity.User == 0 {
		return a.challenge(t, false)
	}
	return a.admit(t, s)
}

// valid tells whether no change of the account made s old.
func (a *Authenticator) valid(s *secret) bool {
	return a.changes.holds(s.user, s.at)
}

// ask reads the credential from the store and resumes with what then makes
// of it. It has its own copy of the attempt: the caller's lives on the stack.
func (a *Authenticator) ask(t attempt, username string, then func(*attempt, *secret) Result) (r Result, ok bool) {
	if t.resume == nil {
		later := make(chan Result, 1)
		t.resume = func(r Result) { later <- r }
		if r, ok = a.ask(t, username, then); !ok {
			r = <-later
		}
		return r, true
	}
	err := a.secrets.Fetch(strings.Clone(username), func(s secret, err error) {
		if err != nil {
			a.log.Warn("credential could not be read", "error", err)
			t.resume(a.unavailable())
			return
		}
		t.resume(then(&t, &s))
	})
	if err != nil {
		return a.unavailable(), true
	}
	return Result{}, false
}

// unavailable refuses for now: nothing is known about the answer.
func (a *Authenticator) unavailable() Result {
	a.metrics.unavailable.Inc()
	return Result{Verdict: Refused, Status: 503, Headers: []sip.Header{wire.H("Retry-After", "5")}}
}

// judge decides on an answer that was compared with s.
func (a *Authenticator) judge(t *attempt, s *secret, right bool) Result {
	if !right || s.identity.User == 0 {
		return a.fail(t)
	}
	switch a.counts.use(t.nonce, t.issued, t.creds.nc, a.fingerprint(t)) {
	case fresh:
		return a.admit(t, s)
	case repeated:
		a.metrics.repeated.Inc()
		return Result{Verdict: Proven, Identity: s.identity, Repeated: true}
	}
	a.metrics.replayed.Inc()
	return a.challenge(t, true)
}

// fingerprint tells a copy of a REGISTER from any other request. It is 0 for
// what is never repeated, or is absorbed by its transaction.
func (a *Authenticator) fingerprint(t *attempt) uint64 {
	if t.req.Method != sip.REGISTER || t.flow.Reliable() {
		return 0
	}
	var h maphash.Hash
	h.SetSeed(a.seed)
	maphash.WriteComparable(&h, t.flow.Remote)
	h.WriteString(t.req.Recipient.Host)
	for _, header := range t.req.Headers() {
		h.WriteString(header.Name())
		h.WriteByte(':')
		h.WriteString(header.Value())
		h.WriteByte('\n')
	}
	return h.Sum64()
}

// admit lets the user in.
func (a *Authenticator) admit(t *attempt, s *secret) Result {
	a.metrics.accepted.Inc()
	a.bans.succeed(t.flow.Remote.Addr())
	a.remember(t.flow, &t.core.From, s.identity, s.at)
	return Result{Verdict: Proven, Identity: s.identity}
}

// fail counts a wrong answer. What is answered is the same as to a request
// without credentials.
func (a *Authenticator) fail(t *attempt) Result {
	a.metrics.wrong.Inc()
	if a.bans.fail(t.flow.Remote.Addr()) {
		a.metrics.bans.Inc()
		a.log.Warn("address banned: too many wrong passwords", "remote", t.flow.Remote.Addr(), "transport", t.flow.Transport)
	}
	return a.challenge(t, false)
}

// challenge asks for credentials.
func (a *Authenticator) challenge(t *attempt, stale bool) Result {
	a.metrics.challenges.Inc()
	status, name := 401, "WWW-Authenticate"
	if t.proxy {
		status, name = 407, "Proxy-Authenticate"
	}
	nonce := a.nonces.make()
	return Result{
		Verdict: Challenge, Status: status,
		Headers: challenges(name, a.cfg.Realm, nonce[:], a.algorithmsFor(t.req), stale),
	}
}

// algorithmsFor is what the phone that sent req is offered.
func (a *Authenticator) algorithmsFor(req *sip.Request) []string {
	all := a.cfg.Algorithms
	if len(all) < 2 {
		return all
	}
	agent := wire.Header(req, "User-Agent")
	for _, begin := range a.cfg.SingleChallenge {
		if i := slices.Index(all, MD5); i >= 0 && strings.HasPrefix(agent, begin) {
			return all[i : i+1]
		}
	}
	return all
}

// Forget drops what is cached of a user after a change of account or
// credential; flows proved with an older version are no longer proven. Of an
// account that is new nothing is cached for longer than 5 seconds.
func (a *Authenticator) Forget(u store.UserID) { a.changes.forget(u) }

// Admits tells whether datagrams and new connections from that address are
// worth reading (transport.Config.Admit). Connections that are open go on: who
// has proved himself on one is not locked out by his neighbour.
func (a *Authenticator) Admits(from netip.Addr) bool { return !a.bans.banned(from) }
