package wire

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
)

const samples = "../../testdata/wire/"

// drop is the verdict of a message that is owed no answer.
const drop = -1

// RFC 4475 §3; 0 is a message that is accepted here. What is refused later, by
// whoever is asked, is accepted here.
var torture = map[string]int{
	"wsinv": 0, "intmeth": 0, "esc01": 0, "escnull": 0, "esc02": 0, "lwsdisp": 0, "longreq": 0,
	"dblreq": 0, "semiuri": 0, "transports": 0, "mpart01": 0, "unreason": 0, "noreason": 0,

	"badinv01": 400, "clerr": 400, "ncl": 400, "scalar02": 400, "scalarlg": drop, "quotbal": 400,
	"ltgtruri": 400, "lwsruri": 400, "lwsstart": 400, "trws": 400, "escruri": 400, "badaspec": 400,
	"baddn": 400, "badvers": 505, "mismatch01": 400, "mismatch02": 400, "bigcode": drop,
	"baddate":  0, // Date is nobody's business here
	"regbadct": 0, // the registrar's: ParseNameAddr refuses the Contact

	"badbranch": 400, "insuf": 400, "unkscm": 416, "novelsc": 416, "multi01": 400, "mcl01": 400,
	"unksm2":   0, // 400 by the registrar
	"bext01":   0, // 420 by the server
	"invut":    0, // 415 by a user agent, forwarded by a proxy
	"regaut01": 0, // 401 by the authenticator
	"bcast":    0, // dropped by the proxy, which sent no such Via
	"zeromf":   0, // 483 by the proxy
	"cparam01": 0, "cparam02": 0, "regescrt": 0, "sdp01": 0, "inv2543": 0,
}

// RFC 5118 §4.
var torture6 = map[string]int{
	"4.1": 0, "4.2": 400, "4.3": 0, "4.4": 0, "4.5a": 0, "4.5b": 0, "4.6": 0, "4.7": 0, "4.8": 0,
	"4.9": 0, "4.10a": 400, "4.10b": 0,
}

func readSample(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(samples, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// verdict parses and examines a datagram: 0, a status or drop.
func verdict(b []byte) (sip.Message, int) {
	m, err := Parse(b)
	if err != nil {
		return nil, statusOf(err)
	}
	switch m := m.(type) {
	case *sip.Request:
		if _, e := Examine(m); e != nil {
			return m, e.Status
		}
	case *sip.Response:
		if _, err := ExamineResponse(m); err != nil {
			return m, drop
		}
	}
	return m, 0
}

func statusOf(err error) int {
	if e := new(Error); errors.As(err, &e) && e.Request != nil {
		return e.Status
	}
	return drop
}

func TestTorture(t *testing.T) {
	for folder, verdicts := range map[string]map[string]int{"rfc4475/": torture, "rfc5118/": torture6} {
		files, err := filepath.Glob(samples + folder + "*.dat")
		if err != nil || len(files) != len(verdicts) {
			t.Fatalf("%s has %d files, want %d (%v)", folder, len(files), len(verdicts), err)
		}
		for name, want := range verdicts {
			t.Run(folder+name, func(t *testing.T) {
				b := readSample(t, folder+name+".dat")
				m, got := verdict(b)
				if got != want {
					t.Fatalf("verdict %d, want %d", got, want)
				}
				if want == 0 {
					roundTrip(t, m)
					_, body, _ := bytes.Cut(b, []byte(headEnd))
					if !bytes.HasPrefix(body, m.Body()) {
						t.Errorf("body %q, want %q", m.Body(), body)
					}
				}
			})
		}
	}
}

// roundTrip checks that what is written says the same as what was read.
func roundTrip(t testing.TB, m sip.Message) {
	t.Helper()
	text := Append(nil, m)
	again, err := Parse(text)
	if err != nil {
		t.Fatalf("not read again: %v\n%q", err, text)
	}
	if a, b := dump(m), dump(again); a != b {
		t.Fatalf("read\n%s\nread again\n%s", a, b)
	}
	if text2 := Append(nil, again); !bytes.Equal(text, text2) {
		t.Fatalf("written\n%s\nwritten again\n%s", text, text2)
	}
}

// dump shows everything that a message means.
func dump(m sip.Message) string {
	var b strings.Builder
	switch m := m.(type) {
	case *sip.Request:
		b.WriteString(string(m.Method) + " " + URIString(&m.Recipient) + " " + m.SipVersion)
	case *sip.Response:
		b.WriteString(m.SipVersion + " " + string(rune(m.StatusCode)) + " " + m.Reason)
	}
	for _, h := range headersOf(m) {
		b.WriteString("\n" + h.Name() + ": " + h.Value())
	}
	return b.String() + "\n\n" + string(m.Body())
}
