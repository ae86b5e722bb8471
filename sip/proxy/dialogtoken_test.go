package proxy

import (
	"net/netip"
	"testing"

	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/store"
)

// token returns a token as text.
func (s *sealer) token(f *transport.Flow, u store.UserID, callID string) string {
	return string(s.appendToken(nil, f, u, callID))
}

func TestToken(t *testing.T) {
	s := newSealer([]byte("0123456789abcdef"))
	tls := &transport.Flow{ID: 77, Transport: "TLS"}
	udp := &transport.Flow{Transport: "UDP",
		Local: netip.MustParseAddrPort("127.0.0.1:5060"), Remote: netip.MustParseAddrPort("198.51.100.7:40000")}
	udp6 := &transport.Flow{Transport: "UDP",
		Local: netip.MustParseAddrPort("[::1]:5060"), Remote: netip.MustParseAddrPort("[2001:db8::9]:5062")}

	tests := []struct {
		name string
		flow *transport.Flow
		want token
	}{
		{"connection", tls, token{user: 9, flow: 77}},
		{"UDP over IPv4", udp, token{user: 9, local: udp.Local, remote: udp.Remote}},
		{"UDP over IPv6", udp6, token{user: 9, local: udp6.Local, remote: udp6.Remote}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := s.token(tt.flow, 9, "call-1")
			if got, ok := s.open(text, "call-1"); !ok || got != tt.want {
				t.Errorf("got %+v %v, want %+v", got, ok, tt.want)
			}
			if _, ok := s.open(text, "call-2"); ok {
				t.Error("opens for another Call-ID")
			}
			if _, ok := newSealer([]byte("another secret 16")).open(text, "call-1"); ok {
				t.Error("opens with another secret")
			}
			again, ok := newSealer([]byte("0123456789abcdef")).open(text, "call-1")
			if want := (token{user: 9, local: tt.want.local, remote: tt.want.remote}); !ok || again != want {
				t.Errorf("after a restart: %+v %v, want %+v: the id means another flow now", again, ok, want)
			}
		})
	}
}

func TestTokenCannotBeChanged(t *testing.T) {
	s := newSealer([]byte("0123456789abcdef"))
	text := s.token(&transport.Flow{ID: 1, Transport: "TLS"}, 9, "c")
	for i := range len(text) {
		for _, c := range []byte("AZaz09-_") {
			if c == text[i] {
				continue
			}
			forged := text[:i] + string(c) + text[i+1:]
			if _, ok := s.open(forged, "c"); ok {
				t.Fatalf("%s opens instead of %s", forged, text)
			}
		}
		if _, ok := s.open(text[:i], "c"); ok {
			t.Fatalf("%s opens", text[:i])
		}
	}
}

func FuzzToken(f *testing.F) {
	s := newSealer([]byte("0123456789abcdef"))
	s.run = 1 // in every process of the fuzzer
	f.Add(s.token(&transport.Flow{ID: 1, Transport: "TLS"}, 9, "c"), "c")
	f.Add("", "")
	f.Add("NAAAAAAAAAAJAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "c")
	f.Fuzz(func(t *testing.T, text, callID string) {
		tok, ok := s.open(text, callID)
		if ok && (text != s.token(&transport.Flow{ID: tok.flow, Transport: "TLS"}, tok.user, callID)) {
			t.Errorf("%q opened to %+v", text, tok)
		}
		if len(text) > tokenHead { // as if the seal were right
			s.read([]byte(text))
		}
	})
}

func BenchmarkToken(b *testing.B) {
	s := newSealer([]byte("0123456789abcdef"))
	flow := &transport.Flow{ID: 1, Transport: "TLS"}
	b.ReportAllocs()
	for b.Loop() {
		s.open(s.token(flow, 9, "a84b4c76e66710@pc33.example.com"), "a84b4c76e66710@pc33.example.com")
	}
}
