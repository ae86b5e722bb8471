package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/miekg/dns"
	"github.com/sparkleim/sparkle/sip/wire"
)

// Hop is one address to try (RFC 3263 §4).
type Hop struct {
	Transport string
	Addr      netip.AddrPort
	Host      string // the name that a TLS certificate must show
}

// ResolverConfig says whom to ask and what not to believe. The zero value uses
// the system's name servers and hosts file.
type ResolverConfig struct {
	Servers []string       // name servers as host:port; default those of /etc/resolv.conf
	Allow   []netip.Prefix // addresses that may be used although they are loopback, link-local …
	Log     *slog.Logger   // nil: discard
}

// Resolver finds the hops of a URI in the order to try them (RFC 3263). It is
// safe for concurrent use.
type Resolver struct {
	cfg   ResolverConfig
	dns   nameClient
	hosts func(ctx context.Context, name string) ([]netip.Addr, error) // what DNS does not know: /etc/hosts; nil with injected servers

	mu     sync.Mutex
	failed map[Hop]time.Time // until when a hop comes last
}

// failedFor is how long a hop that failed is only tried after all others.
const failedFor = 30 * time.Second

// maxHops bounds what one URI can make us try.
const maxHops = 16

// NewResolver reads the system's configuration unless servers are given.
func NewResolver(cfg ResolverConfig) (*Resolver, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	r := &Resolver{cfg: cfg, failed: make(map[Hop]time.Time)}
	servers := cfg.Servers
	if len(servers) == 0 {
		r.hosts = func(ctx context.Context, name string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", name)
		}
		sys, err := dns.ClientConfigFromFile("/etc/resolv.conf")
		if err != nil {
			return nil, fmt.Errorf("transport: no name servers: %w", err)
		}
		for _, s := range sys.Servers {
			servers = append(servers, net.JoinHostPort(s, sys.Port))
		}
	}
	r.dns = nameClient{servers: servers, cache: make(map[dns.Question]answer)}
	return r, nil
}

// What Resolve can fail with, besides errors of the name servers.
var (
	ErrNoHop     = errors.New("transport: the name has no address")
	ErrForbidden = errors.New("transport: every address of the name is loopback, link-local or the like; list it under the allowed addresses if it is yours")
	ErrScheme    = errors.New("transport: only sip and sips URIs can be resolved")
	ErrTransport = errors.New("transport: the URI asks for a transport that cannot be dialled")
)

// Resolve returns the hops of u, at most 16, in the order to try them; those
// that failed lately come last. It blocks. Addresses that no peer may name
// (loopback, unspecified, multicast, link-local …) are left out unless allowed
// by configuration.
func (r *Resolver) Resolve(ctx context.Context, u *sip.Uri) ([]Hop, error) {
	q, err := newTarget(u)
	if err != nil {
		return nil, err
	}
	services, err := r.services(ctx, q)
	var hops []Hop
	refused := false
	for _, s := range services {
		addrs, failure := r.addresses(ctx, s.host)
		if failure != nil {
			err = failure
		}
		for _, a := range addrs {
			if r.forbidden(a) {
				refused = true
				continue
			}
			hop := Hop{Transport: s.transport, Addr: netip.AddrPortFrom(a, s.port), Host: q.name}
			if len(hops) < maxHops && !slices.Contains(hops, hop) {
				hops = append(hops, hop)
			}
		}
	}
	switch {
	case len(hops) > 0:
		return r.failedLast(hops), nil
	case refused:
		return nil, fmt.Errorf("%w: %s", ErrForbidden, q.name)
	case err != nil:
		return nil, err
	}
	return nil, fmt.Errorf("%w: %s", ErrNoHop, q.name)
}

// Failed puts a hop behind all others for 30 seconds.
func (r *Resolver) Failed(h Hop) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for old, until := range r.failed {
		if now.After(until) {
			delete(r.failed, old)
		}
	}
	r.failed[h] = now.Add(failedFor)
}

// failedLast keeps the order otherwise: when nothing else is left, a hop that
// failed is still better than none.
func (r *Resolver) failedLast(hops []Hop) []Hop {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.failed) == 0 {
		return hops
	}
	now := time.Now()
	bad := func(h Hop) int {
		if now.Before(r.failed[h]) {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(hops, func(a, b Hop) int { return bad(a) - bad(b) })
	return hops
}

// forbidden tells whether an address is one that a name or URI from outside
// must not lead us to.
func (r *Resolver) forbidden(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, p := range r.cfg.Allow {
		if p.Contains(a) {
			return false
		}
	}
	if a.Is4() {
		first := a.As4()[0]
		if first == 0 || first >= 240 { // RFC 1122 §3.2.1.3: this network, reserved, broadcast
			return true
		}
	}
	return !a.IsGlobalUnicast() // excludes loopback, unspecified, multicast, link-local
}

// target is what a URI says about where to send (RFC 3263 §4).
type target struct {
	name      string     // TARGET: maddr or the host
	addr      netip.Addr // valid when the name is numeric
	port      uint16     // 0: none given
	transport string     // "": none given
	secure    bool       // sips: TLS on every hop
}

func newTarget(u *sip.Uri) (target, error) {
	var t target
	switch strings.ToLower(u.Scheme) {
	case "sip", "":
	case "sips":
		t.secure = true
	default:
		return t, fmt.Errorf("%w, not %s", ErrScheme, u.Scheme)
	}
	if u.Port < 0 || u.Port > 65535 {
		return t, fmt.Errorf("%w: port %d", ErrNoHop, u.Port)
	}
	t.name, t.port = strings.ToLower(strings.Trim(u.Host, "[]")), uint16(u.Port)
	if maddr, ok := wire.URIParam(u, "maddr"); ok && maddr != "" {
		t.name = strings.ToLower(strings.Trim(maddr, "[]"))
	}
	t.name = strings.TrimSuffix(t.name, ".")
	t.addr, _ = netip.ParseAddr(t.name)
	param, _ := wire.URIParam(u, "transport")
	return t, t.setTransport(strings.ToUpper(param))
}

// setTransport applies the transport parameter. With sips, tcp means TLS over
// TCP and udp is impossible (RFC 3261 §26.2.2).
func (t *target) setTransport(param string) error {
	switch {
	case param == "":
	case param == TLS, param == TCP && t.secure:
		t.transport = TLS
	case param == TCP, param == UDP && !t.secure:
		t.transport = param
	default:
		return fmt.Errorf("%w: %s", ErrTransport, param)
	}
	return nil
}

// service is a host, port and transport that an address is still wanted for.
type service struct {
	transport string
	host      string
	port      uint16
}

// services is RFC 3263 §4.1 (the transport) and §4.2 (port and host). There is
// always at least one: an error only tells why records that may exist are
// missing, and the host itself is then worth a try.
func (r *Resolver) services(ctx context.Context, t target) ([]service, error) {
	if t.addr.IsValid() || t.port != 0 {
		// A numeric host or an explicit port: no NAPTR, no SRV.
		return []service{t.fallback()}, nil
	}
	names, err := r.serviceNames(ctx, t)
	found, failure := r.srv(ctx, names)
	if len(found) == 0 {
		found = []service{t.fallback()}
	}
	return found[:min(len(found), maxHops)], errors.Join(err, failure)
}

// serviceNames returns the names whose SRV records say where the services are.
func (r *Resolver) serviceNames(ctx context.Context, t target) ([]srvName, error) {
	if t.transport != "" {
		return []srvName{{t.transport, srvPrefix(t.transport) + t.name}}, nil
	}
	names, err := r.naptr(ctx, t)
	if len(names) == 0 {
		names = t.defaultNames()
	}
	return names, err
}

// fallback is where to go without SRV records: the host itself, at the given or
// the usual port.
func (t target) fallback() service {
	s := service{transport: t.transport, host: t.name, port: t.port}
	if s.transport == "" {
		s.transport = UDP
		if t.secure {
			s.transport = TLS
		}
	}
	if s.port == 0 {
		s.port = 5060
		if s.transport == TLS {
			s.port = 5061
		}
	}
	return s
}

// srvName is a name to ask SRV records of.
type srvName struct {
	transport string
	name      string
}

func srvPrefix(transport string) string {
	switch transport {
	case TLS:
		return "_sips._tcp."
	case TCP:
		return "_sip._tcp."
	}
	return "_sip._udp."
}

// defaultNames is what a domain without NAPTR is asked for, the safest first.
func (t target) defaultNames() []srvName {
	names := []srvName{{TLS, srvPrefix(TLS) + t.name}}
	if !t.secure {
		names = append(names, srvName{TCP, srvPrefix(TCP) + t.name}, srvName{UDP, srvPrefix(UDP) + t.name})
	}
	return names
}

// naptr returns the SRV names that a domain announces, in its order of
// preference, those that we can use (RFC 3263 §4.1, RFC 3403 §4).
func (r *Resolver) naptr(ctx context.Context, t target) ([]srvName, error) {
	records, err := r.dns.lookup(ctx, t.name, dns.TypeNAPTR)
	if err != nil {
		return nil, err
	}
	var usable []*dns.NAPTR
	for _, rr := range records {
		n, ok := rr.(*dns.NAPTR)
		if ok && strings.EqualFold(n.Flags, "s") && naptrTransport(n.Service, t.secure) != "" {
			usable = append(usable, n)
		}
	}
	slices.SortStableFunc(usable, func(a, b *dns.NAPTR) int {
		if a.Order != b.Order {
			return int(a.Order) - int(b.Order)
		}
		return int(a.Preference) - int(b.Preference)
	})
	var names []srvName
	for _, n := range usable {
		names = append(names, srvName{naptrTransport(n.Service, t.secure), strings.TrimSuffix(n.Replacement, ".")})
	}
	return names, nil
}

func naptrTransport(service string, secure bool) string {
	switch strings.ToUpper(service) {
	case "SIPS+D2T":
		return TLS
	case "SIP+D2T":
		if !secure {
			return TCP
		}
	case "SIP+D2U":
		if !secure {
			return UDP
		}
	}
	return ""
}

// srv asks for the records of each name and returns all targets in order, and
// an error when some could not be asked for.
func (r *Resolver) srv(ctx context.Context, names []srvName) (all []service, err error) {
	questions := make([]question, len(names))
	for i, n := range names {
		questions[i] = question{n.name, dns.TypeSRV}
	}
	records, err := r.dns.lookupAll(ctx, questions...)
	for i, n := range names {
		for _, s := range orderSRV(records[i], rand.IntN) {
			if s.Target != "." { // RFC 2782: decidedly not available
				all = append(all, service{n.transport, strings.TrimSuffix(s.Target, "."), s.Port})
			}
		}
	}
	return all, err
}

// orderSRV sorts by priority, and within one priority draws by weight
// (RFC 2782). pick returns a number below its argument.
func orderSRV(records []dns.RR, pick func(int) int) []*dns.SRV {
	var rest, ordered []*dns.SRV
	for _, rr := range records {
		if s, ok := rr.(*dns.SRV); ok {
			rest = append(rest, s)
		}
	}
	// Weight 0 first: it then has a small chance, as the RFC wants.
	slices.SortStableFunc(rest, func(a, b *dns.SRV) int {
		if a.Priority != b.Priority {
			return int(a.Priority) - int(b.Priority)
		}
		return int(a.Weight) - int(b.Weight)
	})
	for len(rest) > 0 {
		i := drawSRV(rest, pick)
		ordered = append(ordered, rest[i])
		rest = slices.Delete(rest, i, i+1)
	}
	return ordered
}

// drawSRV draws one of the records with the first one's priority.
func drawSRV(records []*dns.SRV, pick func(int) int) int {
	total, same := 0, 0
	for same < len(records) && records[same].Priority == records[0].Priority {
		total += int(records[same].Weight)
		same++
	}
	n := pick(total + 1)
	for i := range same {
		if n -= int(records[i].Weight); n <= 0 {
			return i
		}
	}
	return 0
}

// addresses returns the addresses of a host, IPv4 first: a server without an
// IPv6 route would otherwise lose a try on every call.
func (r *Resolver) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	var addrs []netip.Addr
	records, err := r.dns.lookupAll(ctx, question{host, dns.TypeA}, question{host, dns.TypeAAAA})
	for _, rr := range slices.Concat(records...) {
		var ip net.IP
		switch rec := rr.(type) {
		case *dns.A:
			ip = rec.A
		case *dns.AAAA:
			ip = rec.AAAA
		}
		if a, ok := netip.AddrFromSlice(ip); ok {
			addrs = append(addrs, a.Unmap())
		}
	}
	if len(addrs) > 0 {
		return addrs, nil
	}
	if r.hosts != nil {
		if found, err := r.hosts(ctx, host); err == nil {
			return found, nil
		}
	}
	return nil, err
}
