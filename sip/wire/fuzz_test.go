package wire

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
)

// allSamples returns every sample message.
func allSamples(t testing.TB) [][]byte {
	t.Helper()
	files, err := filepath.Glob(samples + "rfc*/*.dat")
	if err != nil || len(files) == 0 {
		t.Fatal("no samples", err)
	}
	texts := [][]byte{[]byte(register)}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, b)
	}
	return texts
}

// useEverything does with a message whatever a server could do.
func useEverything(t testing.TB, b []byte) {
	m, err := Parse(b)
	if err != nil {
		if e, ok := err.(*Error); ok {
			Append(nil, NewResponse(e.Request, e.Status, e.Reason))
		}
		return
	}
	roundTrip(t, m)
	for _, name := range []string{"Via", "Contact", "Route", "Supported", "Authorization"} {
		for v := range All(m, name) {
			ParseNameAddr(v)
			ParseVia(v)
		}
	}
	switch m := m.(type) {
	case *sip.Request:
		Stamp(m, netip.MustParseAddrPort("192.0.2.9:5060"))
		oneLineEach(t, m)
		core, e := Examine(m)
		res := NewResponse(m, 200, "")
		oneLineEach(t, res)
		if e != nil {
			return
		}
		if !EqualURI(&core.To.URI, &core.To.URI) {
			t.Errorf("%s differs from itself", URIString(&core.To.URI))
		}
		oneLineEach(t, Forward(m, Edit{URI: &core.To.URI, Via: "SIP/2.0/UDP a"}))
	case *sip.Response:
		ExamineResponse(m)
		if out := ForwardResponse(m); out != nil {
			oneLineEach(t, out)
		}
	}
}

// oneLineEach checks that the written message has as many lines as headers.
func oneLineEach(t testing.TB, m sip.Message) {
	t.Helper()
	head, _, _ := bytes.Cut(Append(nil, m), []byte(headEnd))
	if got, want := bytes.Count(head, []byte("\n")), len(headersOf(m))+1; got != want || bytes.Count(head, []byte("\r")) != want {
		t.Errorf("%d lines for %d headers:\n%q", got, want, head)
	}
}

func mutate(r *rand.Rand, b []byte) []byte {
	const specials = "\r\n \t:;,=<>\"\\@[]%?&\x00/*0z\xff"
	b = slices.Clone(b)
	for range 1 + r.IntN(4) {
		if len(b) < 2 {
			return b
		}
		i := r.IntN(len(b))
		j := min(len(b), i+r.IntN(20))
		switch r.IntN(4) {
		case 0:
			b[i] = specials[r.IntN(len(specials))]
		case 1:
			b = slices.Insert(b, i, specials[r.IntN(len(specials))])
		case 2:
			b = slices.Delete(b, i, j)
		case 3:
			b = slices.Insert(b, r.IntN(len(b)), slices.Clone(b[i:j])...)
		}
	}
	return b
}

func TestMutatedMessages(t *testing.T) {
	n := 100_000
	if testing.Short() {
		n = 5_000
	}
	texts := allSamples(t)
	r := rand.New(rand.NewPCG(1, 2))
	for range n {
		b := mutate(r, texts[r.IntN(len(texts))])
		useEverything(t, b)
		if t.Failed() {
			t.Fatalf("with %q", b)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, b := range allSamples(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { useEverything(t, b) })
}

func FuzzFramer(f *testing.F) {
	for _, b := range allSamples(f) {
		f.Add(append([]byte("\r\n\r\n"), b...), uint(7))
	}
	f.Fuzz(func(t *testing.T, b []byte, n uint) {
		var whole, pieces Framer
		want := frameAll(&whole, string(b), max(len(b), 1))
		if got := frameAll(&pieces, string(b), int(n%1000)+1); !slices.Equal(got, want) {
			t.Errorf("whole %q, in pieces %q", want, got)
		}
		if got, want := pieces.Pings(), whole.Pings(); got != want {
			t.Errorf("%d pings whole, %d in pieces", want, got)
		}
		if !whole.Partial() && whole.buf != nil {
			t.Error("memory is kept")
		}
	})
}

func FuzzNameAddr(f *testing.F) {
	for _, s := range []string{"*", `"a\"b" <sip:a@b;x="q z">;tag=1;m="a,b"`, "a <sips:[::1]:1>", "tel:1;q=1", "sip:a@b;"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseNameAddr(s)
		if err != nil || a.URI.Wildcard {
			return
		}
		again, err := ParseNameAddr(FormatNameAddr(a.Display, URIString(&a.URI)))
		if err != nil || again.Display != clean(a.Display) || URIString(&again.URI) != URIString(&a.URI) {
			t.Errorf("%q: %+v, again %+v, %v", s, a, again, err)
		}
		if tag, ok := findParam(s, "tag"); ok && strings.Count(strings.ToLower(s), "tag") == 1 {
			if want, _ := a.Param("tag"); tag != want {
				t.Errorf("%q: tag %q and %q", s, tag, want)
			}
		}
	})
}

func FuzzURI(f *testing.F) {
	for _, s := range []string{"sip:a:b@c:1;d=e;f?g=h&i=j", "sips:[2001:db8::1]", "tel:+1;ext=2", "urn:a:b", `sip:a;x="b c"`, "x:y"} {
		f.Add(s, "sip:a@b;transport=udp")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		u, err := ParseURI(a)
		if err != nil {
			return
		}
		text := URIString(&u)
		again, err := ParseURI(text)
		if err != nil || URIString(&again) != text || !EqualURI(&u, &again) || AOR(&u) != AOR(&again) {
			t.Errorf("%q: written as %q, then %q, %v", a, text, URIString(&again), err)
		}
		if v, err := ParseURI(b); err == nil && EqualURI(&u, &v) != EqualURI(&v, &u) {
			t.Errorf("%q and %q", a, b)
		}
	})
}
