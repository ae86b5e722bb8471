package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/sparkleim/sparkle/sip/wire"
)

const zone = `
naptr.test.       60 NAPTR 20 10 "s" "SIP+D2U" "" _sip._udp.naptr.test.
naptr.test.       60 NAPTR 10 20 "s" "SIP+D2T" "" _sip._tcp.naptr.test.
naptr.test.       60 NAPTR 10 10 "s" "SIPS+D2T" "" _sips._tcp.naptr.test.
naptr.test.       60 NAPTR 5 10 "s" "SIP+D2S" "" _sip._sctp.naptr.test.
naptr.test.       60 NAPTR 5 10 "u" "E2U+sip" "!^.*$!sip:x@y!" .
_sips._tcp.naptr.test. 60 SRV 1 0 5061 a.test.
_sip._tcp.naptr.test.  60 SRV 1 0 5070 a.test.
_sip._udp.naptr.test.  60 SRV 1 0 5080 a.test.
srv.test.         60 A 192.0.2.99
_sip._udp.srv.test. 60 SRV 20 0 5062 b.test.
_sip._udp.srv.test. 60 SRV 10 0 5061 a.test.
_sip._tcp.srv.test. 60 SRV 10 0 5063 a.test.
_sip._udp.none.test. 60 SRV 0 0 0 .
none.test.        60 A 192.0.2.50
a.test.           60 A 192.0.2.1
b.test.           60 A 192.0.2.2
b.test.           60 AAAA 2001:db8::2
plain.test.       60 A 192.0.2.3
alias.test.       60 CNAME plain.test.
alias.test.       60 A 192.0.2.3
evil.test.        60 A 127.0.0.1
evil.test.        60 A 169.254.169.254
evil.test.        60 A 0.0.0.0
evil.test.        60 AAAA ::1
evil.test.        60 AAAA ::ffff:127.0.0.1
evil.test.        60 AAAA fe80::1
mixed.test.       60 A 127.0.0.1
mixed.test.       60 A 192.0.2.7
`

// nameServer answers from a zone and counts the questions.
type nameServer struct {
	records map[dns.Question][]dns.RR
	asked   atomic.Int64
	addr    string
}

func newNameServer(t *testing.T) *nameServer {
	t.Helper()
	n := &nameServer{records: make(map[dns.Question][]dns.RR)}
	parser := dns.NewZoneParser(strings.NewReader(zone), ".", "")
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		q := dns.Question{Name: rr.Header().Name, Qtype: rr.Header().Rrtype, Qclass: dns.ClassINET}
		n.records[q] = append(n.records[q], rr)
	}
	if err := parser.Err(); err != nil {
		t.Fatal(err)
	}
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n.addr = pc.LocalAddr().String()
	server := &dns.Server{PacketConn: pc, Handler: n}
	go func() { _ = server.ActivateAndServe() }()
	t.Cleanup(func() { _ = server.Shutdown() })
	return n
}

func (n *nameServer) ServeDNS(w dns.ResponseWriter, req *dns.Msg) {
	n.asked.Add(1)
	reply := new(dns.Msg)
	reply.SetReply(req)
	reply.Answer = n.records[req.Question[0]]
	if reply.Answer == nil && !strings.HasSuffix(req.Question[0].Name, ".test.") {
		reply.Rcode = dns.RcodeServerFailure
	}
	_ = w.WriteMsg(reply)
}

func newResolver(t *testing.T, cfg ResolverConfig) *Resolver {
	t.Helper()
	r, err := NewResolver(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func resolve(t *testing.T, r *Resolver, uri string) ([]string, error) {
	t.Helper()
	u, err := wire.ParseURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	hops, err := r.Resolve(t.Context(), &u)
	var got []string
	for _, h := range hops {
		got = append(got, fmt.Sprint(h.Transport, " ", h.Addr, " ", h.Host))
	}
	return got, err
}

func TestResolve(t *testing.T) {
	r := newResolver(t, ResolverConfig{Servers: []string{newNameServer(t).addr}})
	for _, c := range []struct {
		uri  string
		want []string
		err  error
	}{
		// RFC 3263 §4.1: numeric hosts and explicit ports need no lookup of services.
		{uri: "sip:u@192.0.2.5", want: []string{"UDP 192.0.2.5:5060 192.0.2.5"}},
		{uri: "sip:u@192.0.2.5:5099", want: []string{"UDP 192.0.2.5:5099 192.0.2.5"}},
		{uri: "sips:u@192.0.2.5", want: []string{"TLS 192.0.2.5:5061 192.0.2.5"}},
		{uri: "sip:u@[2001:db8::5];transport=tcp", want: []string{"TCP [2001:db8::5]:5060 2001:db8::5"}},
		{uri: "sip:srv.test:5099", want: []string{"UDP 192.0.2.99:5099 srv.test"}},
		{uri: "sip:srv.test:5099;transport=TLS", want: []string{"TLS 192.0.2.99:5099 srv.test"}},
		{uri: "sip:u@nowhere.test;maddr=192.0.2.6", want: []string{"UDP 192.0.2.6:5060 192.0.2.6"}},
		// NAPTR by order and preference, unknown services left out; the name to
		// verify stays that of the URI.
		{uri: "sip:u@NAPTR.test", want: []string{"TLS 192.0.2.1:5061 naptr.test", "TCP 192.0.2.1:5070 naptr.test", "UDP 192.0.2.1:5080 naptr.test"}},
		{uri: "sips:naptr.test", want: []string{"TLS 192.0.2.1:5061 naptr.test"}},
		// No NAPTR: SRV of the transports we know, by priority; several addresses of one target.
		{uri: "sip:srv.test", want: []string{"TCP 192.0.2.1:5063 srv.test", "UDP 192.0.2.1:5061 srv.test", "UDP 192.0.2.2:5062 srv.test", "UDP [2001:db8::2]:5062 srv.test"}},
		{uri: "sip:srv.test;transport=udp", want: []string{"UDP 192.0.2.1:5061 srv.test", "UDP 192.0.2.2:5062 srv.test", "UDP [2001:db8::2]:5062 srv.test"}},
		// No SRV: the host itself.
		{uri: "sip:plain.test", want: []string{"UDP 192.0.2.3:5060 plain.test"}},
		{uri: "sip:alias.test;transport=tcp", want: []string{"TCP 192.0.2.3:5060 alias.test"}},
		{uri: "sips:plain.test", want: []string{"TLS 192.0.2.3:5061 plain.test"}},
		{uri: "sips:plain.test;transport=tcp", want: []string{"TLS 192.0.2.3:5061 plain.test"}},
		// Refusals.
		{uri: "sip:gone.test", err: ErrNoHop},
		{uri: "sip:evil.test", err: ErrForbidden},
		{uri: "sip:127.0.0.1", err: ErrForbidden},
		{uri: "sip:[::ffff:127.0.0.1]", err: ErrForbidden},
		{uri: "sip:[::]", err: ErrForbidden},
		{uri: "sip:255.255.255.255", err: ErrForbidden},
		{uri: "sip:224.0.1.75", err: ErrForbidden},
		{uri: "sip:mixed.test", want: []string{"UDP 192.0.2.7:5060 mixed.test"}},
		{uri: "sips:plain.test;transport=udp", err: ErrTransport},
		{uri: "sip:plain.test;transport=sctp", err: ErrTransport},
		{uri: "sip:none.test;transport=udp", want: []string{"UDP 192.0.2.50:5060 none.test"}},
	} {
		got, err := resolve(t, r, c.uri)
		if !slices.Equal(got, c.want) || !errors.Is(err, c.err) {
			t.Errorf("%s: %q, %v; want %q, %v", c.uri, got, err, c.want, c.err)
		}
	}
}

func TestResolveAllowsWhatIsConfigured(t *testing.T) {
	r := newResolver(t, ResolverConfig{Servers: []string{newNameServer(t).addr}, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	if got, err := resolve(t, r, "sip:127.0.0.1:5070"); err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := resolve(t, r, "sip:169.254.169.254"); !errors.Is(err, ErrForbidden) {
		t.Errorf("the metadata address: %v", err)
	}
}

func TestHostsFileKnowsWhatDNSDoesNot(t *testing.T) {
	r := newResolver(t, ResolverConfig{Servers: []string{newNameServer(t).addr}})
	r.hosts = func(_ context.Context, name string) ([]netip.Addr, error) {
		if name != "pbx.test" {
			return nil, errors.New("unknown")
		}
		return []netip.Addr{netip.MustParseAddr("192.0.2.44")}, nil
	}
	if got, err := resolve(t, r, "sip:pbx.test"); err != nil || !slices.Equal(got, []string{"UDP 192.0.2.44:5060 pbx.test"}) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := resolve(t, r, "sip:gone.test"); !errors.Is(err, ErrNoHop) {
		t.Errorf("%v", err)
	}
}

func TestFailedHopComesLast(t *testing.T) {
	r := newResolver(t, ResolverConfig{Servers: []string{newNameServer(t).addr}})
	u, _ := wire.ParseURI("sip:srv.test;transport=udp")
	hops, _ := r.Resolve(t.Context(), &u)
	r.Failed(hops[0])
	again, _ := r.Resolve(t.Context(), &u)
	if len(again) != len(hops) || again[len(again)-1] != hops[0] || again[0] != hops[1] {
		t.Errorf("%v", again)
	}
	r.failed[hops[0]] = time.Now().Add(-time.Second)
	if later, _ := r.Resolve(t.Context(), &u); later[0] != hops[0] {
		t.Errorf("after 30 s: %v", later)
	}
}

func TestLookupsAreCachedAndFailOver(t *testing.T) {
	server := newNameServer(t)
	dead, _ := net.ListenPacket("udp", "127.0.0.1:0")
	deadAddr := dead.LocalAddr().String()
	dead.Close() // refuses at once
	r := newResolver(t, ResolverConfig{Servers: []string{deadAddr, server.addr}})
	for range 3 {
		if _, err := resolve(t, r, "sip:plain.test"); err != nil {
			t.Fatal(err)
		}
	}
	if n := server.asked.Load(); n != 6 { // NAPTR, three SRV, A, AAAA
		t.Errorf("%d questions for three resolutions", n)
	}
	if _, err := resolve(t, r, "sip:broken.example"); err == nil || !strings.Contains(err.Error(), "SERVFAIL") {
		t.Errorf("a failing server: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	u, _ := wire.ParseURI("sip:other.test")
	if _, err := r.Resolve(ctx, &u); err == nil {
		t.Error("a cancelled lookup succeeds")
	}
}

func TestCacheKeepsWithinTTL(t *testing.T) {
	now := time.Now()
	for ttl, want := range map[uint32]time.Duration{0: minTTL, 60: time.Minute, 1 << 30: maxTTL} {
		rr, _ := dns.NewRR(fmt.Sprintf("a.test. %d A 192.0.2.1", ttl))
		a := collect(&dns.Msg{Answer: []dns.RR{rr}}, dns.Question{Qtype: dns.TypeA}, now)
		if got := a.until.Sub(now); got != want {
			t.Errorf("TTL %d is kept for %v, want %v", ttl, got, want)
		}
	}
	c := nameClient{cache: make(map[dns.Question]answer)}
	for i := range 3 * maxCached {
		c.keep(dns.Question{Name: fmt.Sprint(i)}, answer{until: now.Add(time.Hour)}, now)
	}
	if len(c.cache) > maxCached {
		t.Errorf("the cache holds %d answers", len(c.cache))
	}
}

func TestWeightsAreDrawnInProportion(t *testing.T) {
	var records []dns.RR
	for target, weight := range map[string]int{"a": 10, "b": 30, "c": 60, "z": 0} {
		rr, err := dns.NewRR(fmt.Sprintf("_sip._udp.test. 60 SRV 1 %d 5060 %s.", weight, target))
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, rr)
	}
	first := make(map[string]int)
	for n := range 101 { // every outcome of the first draw once
		draw := func(int) int { d := n; n = 0; return d }
		ordered := orderSRV(records, draw)
		if len(ordered) != 4 {
			t.Fatal("records got lost")
		}
		first[ordered[0].Target]++
	}
	if first["a."] != 10 || first["b."] != 30 || first["c."] != 60 || first["z."] != 1 {
		t.Errorf("%v", first)
	}
}
