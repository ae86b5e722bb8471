package wire

import (
	"net/netip"
	"testing"
)

func TestParseVia(t *testing.T) {
	tests := []struct {
		text             string
		transport, host  string
		port             int
		branch, received string
		rport            int
		sentBy           string
	}{
		{"SIP/2.0/UDP a.example.com", "UDP", "a.example.com", 0, "", "", -1, "a.example.com"},
		{"SIP/2.0/tls A.example.com:5061;Branch=z9hG4bKx;RPORT", "TLS", "A.example.com", 5061, "z9hG4bKx", "", 0, "a.example.com:5061"},
		{"SIP / 2.0 /\tTCP  10.0.0.1 : 5060 ; branch = x ; received = 10.0.0.2 ;rport=4", "TCP", "10.0.0.1", 5060, "x", "10.0.0.2", 4, "10.0.0.1:5060"},
		{"SIP/2.0/UDP [2001:DB8::9:1]:6050;received=[2001:db8::9:255]", "UDP", "2001:DB8::9:1", 6050, "", "2001:db8::9:255", -1, "[2001:db8::9:1]:6050"},
		{"SIP/2.0/UDP [::ffff:192.0.2.2];received=2001:db8::1", "UDP", "::ffff:192.0.2.2", 0, "", "2001:db8::1", -1, "[::ffff:192.0.2.2]"},
		{`SIP/2.0/UNKNOWN h;x="a,;b";branch=y;`, "UNKNOWN", "h", 0, "y", "", -1, "h"},
	}
	for _, test := range tests {
		v, err := ParseVia(test.text)
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		if v.Transport != test.transport || v.Host != test.host || v.Port != test.port || v.Branch != test.branch ||
			v.Received != test.received || v.RPort != test.rport || v.SentBy != test.sentBy {
			t.Errorf("%s: %+v", test.text, v)
		}
	}
	for _, text := range []string{
		"", "SIP/2.0/UDP", "SIP/2.0 UDP a", "SIP/3.0/UDP a", "HTTP/2.0/UDP a", "SIP/2.0/U,P a", "SIP/2.0/UDP a b",
		"SIP/2.0/UDP 192.0.2.15;;", "SIP/2.0/UDP a:b", "SIP/2.0/UDP a:0", "SIP/2.0/UDP 2001:db8::1", `SIP/2.0/UDP a;x="`,
	} {
		if v, err := ParseVia(text); err == nil {
			t.Errorf("%s: read as %+v", text, v)
		}
	}
}

func TestStamp(t *testing.T) {
	tests := []struct{ via, remote, want string }{
		{"SIP/2.0/UDP 192.0.2.1:5060;branch=x", "192.0.2.1:5060", "SIP/2.0/UDP 192.0.2.1:5060;branch=x"},
		{"SIP/2.0/UDP 10.0.0.1;branch=x", "192.0.2.1:4000", "SIP/2.0/UDP 10.0.0.1;branch=x;received=192.0.2.1"},
		{"SIP/2.0/UDP 192.0.2.1;rport;branch=x", "192.0.2.1:4000", "SIP/2.0/UDP 192.0.2.1;branch=x;received=192.0.2.1;rport=4000"},
		{"SIP/2.0/UDP h.example.com;branch=x", "192.0.2.1:4000", "SIP/2.0/UDP h.example.com;branch=x;received=192.0.2.1"},
		{"SIP/2.0/UDP 192.0.2.1;received=127.0.0.1;branch=x", "192.0.2.1:5060", "SIP/2.0/UDP 192.0.2.1;branch=x"},
		{"SIP/2.0/UDP a;Received=127.0.0.1 ; rport = 22 ;branch=x;", "192.0.2.1:4000", "SIP/2.0/UDP a;branch=x;received=192.0.2.1;rport=4000"},
		{"SIP/2.0/UDP a;branch=x, SIP/2.0/UDP b;received=1.2.3.4", "192.0.2.1:4000", "SIP/2.0/UDP a;branch=x;received=192.0.2.1, SIP/2.0/UDP b;received=1.2.3.4"},
		{"SIP/2.0/TLS [2001:db8::1];rport", "[2001:db8::2]:4000", "SIP/2.0/TLS [2001:db8::1];received=2001:db8::2;rport=4000"},
		{"SIP/2.0/UDP 192.0.2.1", "[::ffff:192.0.2.1]:5060", "SIP/2.0/UDP 192.0.2.1"},
		{`SIP/2.0/UDP a;x=";received=1";branch=x`, "192.0.2.1:4000", `SIP/2.0/UDP a;x=";received=1";branch=x;received=192.0.2.1`},
		{"SIP/2.0/UDP a;;", "192.0.2.1:4000", "SIP/2.0/UDP a;;"},
		{"SIP/2.0/UDP a;", "192.0.2.1:4000", "SIP/2.0/UDP a;"},
		{"SIP/2.0/UDP a;b=\"", "192.0.2.1:4000", "SIP/2.0/UDP a;b=\""},
	}
	for _, test := range tests {
		req := NewRequest("OPTIONS", *mustURI(t, "sip:a"), nil, H("Via", test.via), H("Via", "SIP/2.0/UDP z"))
		Stamp(req, netip.MustParseAddrPort(test.remote))
		if got := req.Headers()[0].Value(); got != test.want {
			t.Errorf("%s from %s:\ngot  %s\nwant %s", test.via, test.remote, got, test.want)
		}
		if got := req.Headers()[1].Value(); got != "SIP/2.0/UDP z" {
			t.Errorf("%s: the next Via became %s", test.via, got)
		}
	}
}
