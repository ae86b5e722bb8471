package trunk

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/store"
)

// What an administrator may write, and what he is told otherwise.
func TestValidation(t *testing.T) {
	for _, c := range []struct {
		change func(t *store.Trunk)
		want   string // "" fine
	}{
		{func(t *store.Trunk) {}, ""},
		{func(t *store.Trunk) { t.Gateways[0].Address = "sbc.example.net" }, ""},
		{func(t *store.Trunk) { t.Gateways[0].Address = "[2001:db8::1]:5061" }, ""},
		{func(t *store.Trunk) { t.Gateways[0].Address = "2001:db8::1" }, ""},
		{func(t *store.Trunk) { t.Gateways[0].Sources = []string{"192.0.2.0/24", "2001:db8::1"} }, ""},
		{func(t *store.Trunk) { t.Prefixes, t.Deny = []string{"+86"}, []string{"+"} }, ""},
		{func(t *store.Trunk) { t.Numbers.Asserted, t.Numbers.Diversion = "none", "none" }, ""},
		{func(t *store.Trunk) { t.Gateways[0].Transport = "" }, ""},
		{func(t *store.Trunk) { t.Numbers.National, t.Numbers.International = "none", "none" }, ""},
		{func(t *store.Trunk) { t.Numbers.Out, t.Numbers.International = "international", "" }, ""},

		{func(t *store.Trunk) { t.Name = "" }, "the name of a trunk"},
		{func(t *store.Trunk) { t.Name = "a b" }, "the name of a trunk"},
		{func(t *store.Trunk) { t.Gateways = nil }, "has no gateway"},
		{func(t *store.Trunk) { t.Register = true }, "needs a username"},
		{func(t *store.Trunk) { t.Expires = 5 }, "60 to 86400"},
		{func(t *store.Trunk) { t.SRTP = "maybe" }, "srtp is"},
		{func(t *store.Trunk) { t.MaxOut = -1 }, "0 for none"},
		{func(t *store.Trunk) { t.Domain = "a b" }, "is a host name"},
		{func(t *store.Trunk) { t.Username = "a\r\nb" }, "printable"},
		{func(t *store.Trunk) { t.Networks = []string{"x"} }, "192.0.2.0/24"},
		{func(t *store.Trunk) { t.Prefixes = []string{"86"} }, "a prefix is +"},
		{func(t *store.Trunk) { t.Gateways[0].Name = "" }, "the name of a gateway"},
		{func(t *store.Trunk) { t.Gateways = append(t.Gateways, t.Gateways[0]) }, "two gateways"},
		{func(t *store.Trunk) { t.Gateways[0].Transport = "ws" }, "the transport"},
		{func(t *store.Trunk) { t.Gateways[0].Address = "sip:x" }, "from 1 to 65535"},
		{func(t *store.Trunk) { t.Gateways[0].Address = "x:99999" }, "from 1 to 65535"},
		{func(t *store.Trunk) { t.Gateways[0].Address = "" }, "the address of a gateway"},
		{func(t *store.Trunk) { t.Gateways[0].Probe = 1 }, "probe is"},
		{func(t *store.Trunk) { t.Gateways[0].Weight = -1 }, "weight"},
		{func(t *store.Trunk) { t.Gateways[0].TLSName = "*.x" }, "tls_name"},
		{func(t *store.Trunk) { t.Gateways[0].Sources = []string{"192.0.2.0/99"} }, "a network is"},
		{func(t *store.Trunk) { t.Numbers.Country = "086" }, "does not begin with 0"},
		{func(t *store.Trunk) { t.Numbers.National = "x" }, "digits only"},
		{func(t *store.Trunk) { t.Numbers.Area = "none" }, "digits only"},
		{func(t *store.Trunk) { t.Numbers.Out = "e.164" }, "out is one of"},
		{func(t *store.Trunk) { t.Numbers.From = "none" }, "from is one of"},
		{func(t *store.Trunk) { t.Numbers.Out, t.Numbers.Country = "national", "" }, "needs a country"},
		{func(t *store.Trunk) { t.Numbers.Out, t.Numbers.International = "international", "none" }, "international prefix"},
		{func(t *store.Trunk) { t.Numbers.In = "x" }, "in is"},
		{func(t *store.Trunk) { t.Numbers.Default = "010555" }, "the default number"},
		{func(t *store.Trunk) { t.Numbers.Emergency = []string{"+110"} }, "an emergency number"},
		{func(t *store.Trunk) { t.Numbers.Inward = []store.Inward{{Number: "010*", To: "x"}} }, "an inward number"},
		{func(t *store.Trunk) { t.Numbers.Inward = []store.Inward{{Number: "+86105551234", To: "*"}} }, "no rest for the *"},
		{func(t *store.Trunk) { t.Numbers.Inward = []store.Inward{{Number: "+8610*", To: "a@b"}} }, "name a user"},
		{func(t *store.Trunk) {
			t.Numbers.Inward = []store.Inward{{Number: "+8610*", To: "a"}, {Number: "+8610*", To: "b"}}
		}, "inward twice"},
	} {
		tr := line("t", first)
		c.change(&tr)
		err := checkTrunk(&tr)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%v", err)
		case c.want != "" && (!errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%v, want %q", err, c.want)
		}
	}
	for _, class := range []store.ClassOfService{{}, {Name: "x", Deny: []string{"00"}}, {Name: "x", MaxCalls: -1}} {
		if err := checkClass(&class); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%+v: %v", class, err)
		}
	}
}

// Settings change under a call, which goes on; what a trunk counts stays.
func TestSetTrunk(t *testing.T) {
	story(t, "added, changed, removed", nil, func(t *testing.T, w *world) {
		w.carrier(first, "UDP")
		w.carrier(second, "UDP")
		stop := w.run()
		if got := w.routes(user(), "+498912345"); got != "404 no_trunk" {
			t.Errorf("without a trunk: %s", got)
		}
		tr := line("t", first)
		tr.ID, tr.Username, tr.Password = 0, "u", "secret"
		tr, err := w.border.SetTrunk(t.Context(), tr)
		if err != nil || tr.ID == 0 || tr.Password != "" {
			t.Fatalf("%+v, %v", tr, err)
		}
		if list := w.border.Trunks(); len(list) != 1 || list[0].Password != "" {
			t.Errorf("%+v", list)
		}
		ended := false
		on := dialogEvents()
		s := w.dial(user(), "+498912345", on)
		pass(2 * time.Second)

		tr.Gateways[0].Address, tr.MaxOut = second, 1
		if _, err := w.border.SetTrunk(t.Context(), tr); err != nil {
			t.Fatal(err)
		}
		if got := w.routes(user(), "+498912345"); got != "503 trunk_calls" || w.border.Trunks()[0].Out != 1 {
			t.Errorf("the call was forgotten: %s", got)
		}
		if up, registered := w.shown(); up != 1 || registered != 0 {
			t.Errorf("%d gateways are shown, %d of them with a registration that nobody wants", up, registered)
		}
		if _, err := w.border.SetTrunk(t.Context(), store.Trunk{Name: "x"}); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%v", err)
		}
		if err := w.border.RemoveTrunk(t.Context(), "t"); err != nil || len(w.border.Trunks()) != 0 {
			t.Errorf("%v", err)
		}
		if err := w.border.RemoveTrunk(t.Context(), "t"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%v", err)
		}
		pass(time.Second)
		if s.Over() || ended {
			t.Error("the call ended with its trunk")
		}
		if up, _ := w.shown(); up != 0 {
			t.Errorf("%d gateways of a trunk that is gone are shown", up)
		}
		s.Do(func() { s.HangUp("") })
		stop()
	})
}

func TestClasses(t *testing.T) {
	story(t, "set and removed", nil, func(t *testing.T, w *world) {
		for _, name := range []string{"b", "a"} {
			if _, err := w.border.SetClass(t.Context(), store.ClassOfService{Name: name}); err != nil {
				t.Fatal(err)
			}
		}
		if list := w.border.Classes(); len(list) != 2 || list[0].Name != "a" {
			t.Errorf("%+v", list)
		}
		if err := w.border.RemoveClass(t.Context(), "a"); err != nil || len(w.border.Classes()) != 1 {
			t.Errorf("%v", err)
		}
	})
}

// RFC 5922 §7.1 and §7.2: which certificates are those of sbc.example.net.
func TestCertificates(t *testing.T) {
	uri := func(s string) *url.URL { u, _ := url.Parse(s); return u }
	g := &gateway{tlsName: "sbc.example.net"}
	for _, c := range []struct {
		name string
		cert x509.Certificate
		want bool
	}{
		{"a DNS name", x509.Certificate{DNSNames: []string{"SBC.example.net"}}, true},
		{"a SIP URI", x509.Certificate{URIs: []*url.URL{uri("sip:sbc.example.net")}}, true},
		{"a SIP URI counts, then no DNS name", x509.Certificate{URIs: []*url.URL{uri("sip:other.example.net")}, DNSNames: []string{"sbc.example.net"}}, false},
		{"a user's", x509.Certificate{URIs: []*url.URL{uri("sip:alice@sbc.example.net")}}, false},
		{"a wildcard", x509.Certificate{DNSNames: []string{"*.example.net"}}, false},
		{"another name", x509.Certificate{DNSNames: []string{"example.net"}}, false},
		{"none", x509.Certificate{}, false},
	} {
		state := &tls.ConnectionState{PeerCertificates: []*x509.Certificate{&c.cert}, VerifiedChains: [][]*x509.Certificate{{&c.cert}}}
		if got := g.shownBy(state); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
		state.VerifiedChains = nil
		if g.shownBy(state) {
			t.Errorf("%s, not verified", c.name)
		}
	}
	if g.shownBy(nil) {
		t.Error("no TLS")
	}
}

// strict is a resolver that refuses what no stranger may name.
type strict struct{ book }

func (s strict) Resolve(ctx context.Context, u *sip.Uri) ([]transport.Hop, error) {
	if a, err := netip.ParseAddr(u.Host); err == nil && !a.IsGlobalUnicast() {
		return nil, transport.ErrForbidden
	}
	return s.book.Resolve(ctx, u)
}

// Where a request inside a dialog may go: to who we talk to, to the gateway's own
// addresses, or to what anybody may name.
func TestFollow(t *testing.T) {
	tr := line("t", first)
	tr.Gateways[0].Sources = []string{"127.0.0.0/8"}
	story(t, "", []store.Trunk{tr}, func(t *testing.T, w *world) {
		w.border.cfg.Strangers = strict{book{"public.example.net": {"203.0.113.5"}}}
		now := w.flow(transport.UDP, netip.MustParseAddrPort(first))
		for host, want := range map[string]string{
			"198.51.100.1":       first,
			"public.example.net": "203.0.113.5:5060",
			"nowhere":            first,
			"127.0.0.9":          "127.0.0.9:5060", // a network of the gateway
			"169.254.169.254":    first,
		} {
			u := mustURI(t, "sip:x@"+host)
			var got string
			w.border.follow(u, now, func(f *transport.Flow, err error) {
				if err != nil {
					t.Error(err)
					return
				}
				got = f.Remote.String()
			})
			pass(time.Second)
			if got != want {
				t.Errorf("%s leads to %s, want %s", host, got, want)
			}
		}
	})
}

// shown is how many gateways have a state, and a registration, in the metrics.
func (w *world) shown() (up, registered int) {
	return testutil.CollectAndCount(w.border.metrics.state), testutil.CollectAndCount(w.border.metrics.registered)
}
