package transaction

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/wire"
)

// What a client transaction does, written as in the figures of RFC 3261: "<" is
// a response of the peer, "do" something its user does, ">" what we send.
var clientCases = []struct {
	name, over, method string
	script             string
	want               string
}{
	{"Figure 5: INVITE unanswered over UDP, Timers A and B", "UDP", "INVITE", ``, `
		0 >INVITE
		500 >INVITE
		1500 >INVITE
		3500 >INVITE
		7500 >INVITE
		15500 >INVITE
		31500 >INVITE
		32000 user timeout`},
	{"Figure 5: INVITE unanswered over TLS, Timer B only", "TLS", "INVITE", ``, `
		0 >INVITE
		32000 user timeout`},
	{"Figure 5: a provisional response ends Timers A and B", "UDP", "INVITE", `
		100 < 180
		90000 < 183
		90000 < 200`, `
		0 >INVITE
		100 user 180
		90000 user 183
		90000 user 200`},
	{"Figure 5: a negative response is acknowledged, and again until Timer D", "UDP", "INVITE", `
		100 < 180
		200 < 486
		700 < 486
		32100 < 486
		33000 < 486`, `
		0 >INVITE
		100 user 180
		200 >ACK
		200 user 486
		700 >ACK
		32100 >ACK
		33000 stray`},
	{"Figure 5: over TLS Timer D is zero", "TLS", "INVITE", `
		100 < 603
		700 < 603`, `
		0 >INVITE
		100 >ACK
		100 user 603
		700 stray`},
	{"RFC 6026: every 2xx of every fork reaches the user until Timer M", "UDP", "INVITE", `
		100 < 180 x
		200 < 200 x
		300 < 200 y
		400 < 200 x
		500 < 180 y
		600 < 486 z
		32100 < 200 y
		32300 < 200 y`, `
		0 >INVITE
		100 user 180
		200 user 200
		300 user 200
		400 user 200
		32100 user 200
		32300 stray`},
	{"a late 1xx after a negative final response is dropped", "UDP", "INVITE", `
		100 < 486
		110 < 180`, `
		0 >INVITE
		100 >ACK
		100 user 486`},
	{"a 2xx that crosses our ACK to another's refusal reaches the user", "UDP", "INVITE", `
		100 < 486 x
		110 < 200 y`, `
		0 >INVITE
		100 >ACK
		100 user 486
		110 user 200`},

	{"Figure 6: MESSAGE unanswered over UDP, Timers E and F", "UDP", "MESSAGE", ``, `
		0 >MESSAGE
		500 >MESSAGE
		1500 >MESSAGE
		3500 >MESSAGE
		7500 >MESSAGE
		11500 >MESSAGE
		15500 >MESSAGE
		19500 >MESSAGE
		23500 >MESSAGE
		27500 >MESSAGE
		31500 >MESSAGE
		32000 user timeout`},
	{"Figure 6: after a provisional response Timer E is T2", "UDP", "MESSAGE", `
		100 < 100`, `
		0 >MESSAGE
		100 user 100
		500 >MESSAGE
		4500 >MESSAGE
		8500 >MESSAGE
		12500 >MESSAGE
		16500 >MESSAGE
		20500 >MESSAGE
		24500 >MESSAGE
		28500 >MESSAGE
		32000 user timeout`},
	{"Figure 6: repeated final responses are absorbed until Timer K", "UDP", "MESSAGE", `
		100 < 202
		4900 < 202
		5200 < 202`, `
		0 >MESSAGE
		100 user 202
		5200 stray`},
	{"Figure 6: over TCP Timers E and K are zero", "TCP", "MESSAGE", `
		1000 < 202
		1100 < 202`, `
		0 >MESSAGE
		1000 user 202
		1100 stray`},

	{"RFC 3261 §9.1: CANCEL waits for a provisional response", "UDP", "INVITE", `
		10 do cancel
		100 < 100
		150 < 200/CANCEL
		200 < 487`, `
		0 >INVITE
		100 user 100
		100 >CANCEL
		200 >ACK
		200 user 487`},
	{"CANCEL after a provisional response goes at once, and once", "UDP", "INVITE", `
		100 < 180
		200 do cancel
		250 do cancel
		300 < 183
		300 < 200/CANCEL
		400 < 487`, `
		0 >INVITE
		100 user 180
		200 >CANCEL
		300 user 183
		400 >ACK
		400 user 487`},
	{"a 200 that crosses the CANCEL still reaches the user", "TLS", "INVITE", `
		100 < 180
		200 do cancel
		210 < 200
		250 < 481/CANCEL`, `
		0 >INVITE
		100 user 180
		200 >CANCEL
		210 user 200`},
	{"CANCEL after the final response does nothing", "TLS", "INVITE", `
		100 < 200
		200 do cancel`, `
		0 >INVITE
		100 user 200`},
	{"a CANCEL that nobody obeys ends after 64*T1", "TLS", "INVITE", `
		100 < 180
		1000 do cancel`, `
		0 >INVITE
		100 user 180
		1000 >CANCEL
		33000 user timeout`},
	{"a CANCEL before any response ends with Timer B", "TLS", "INVITE", `
		1000 do cancel`, `
		0 >INVITE
		32000 user timeout`},
	{"a MESSAGE cannot be cancelled", "TLS", "MESSAGE", `
		100 do cancel
		200 < 200`, `
		0 >MESSAGE
		200 user 200`},

	{"the flow ends while we wait", "TLS", "INVITE", `
		100 < 180
		200 do close`, `
		0 >INVITE
		100 user 180
		200 user transport
		200 user closed`},
	{"the flow ends after the final response", "TLS", "INVITE", `
		100 < 200
		200 do close`, `
		0 >INVITE
		100 user 200
		200 user closed`},
	{"a retransmission meets a broken flow", "UDP", "MESSAGE", `
		100 do break`, `
		0 >MESSAGE
		510 user transport`},
	{"a response overtakes the news that the flow is broken", "UDP", "MESSAGE", `
		100 do break
		505 < 202`, `
		0 >MESSAGE
		505 user 202`},
	{"Stop ends everything", "UDP", "MESSAGE", `
		100 do stop
		200 < 200`, `
		0 >MESSAGE
		200 stray`},
	{"Stop leaves the duty to acknowledge", "UDP", "INVITE", `
		100 < 486
		200 do stop
		600 < 486`, `
		0 >INVITE
		100 >ACK
		100 user 486
		600 >ACK`},
}

func TestClient(t *testing.T) {
	for _, c := range clientCases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, c.over)
				branch := wire.NewBranch()
				tx := s.layer.Send(request(t, c.method, branch, ""), s.flow, s.on)
				for line := range strings.Lines(strings.TrimSpace(c.script)) {
					s.play(tx, c.method, branch, strings.Fields(line))
				}
				s.end()
				s.expect(c.want)
			})
		})
	}
}

// play waits for the time of a line of a script and does what it says.
func (s *scene) play(tx *Client, method, branch string, words []string) {
	at, err := time.ParseDuration(words[0] + "ms")
	if err != nil {
		s.t.Fatal(err)
	}
	time.Sleep(at - time.Since(s.began))
	synctest.Wait()
	if words[1] == "<" {
		tag := "b1"
		if len(words) > 3 {
			tag = words[3]
		}
		status, of, ok := strings.Cut(words[2], "/")
		if !ok {
			of = method
		}
		strays := s.layer.metrics.strays.Load()
		s.layer.Message(s.flow, response(s.t, status, of, branch, tag))
		if s.layer.metrics.strays.Load() > strays {
			s.note("stray")
		}
		synctest.Wait()
		return
	}
	switch words[2] {
	case "cancel":
		tx.Cancel("")
	case "stop":
		tx.Stop()
	case "close":
		s.down.Store(true)
		s.layer.Closed(s.flow)
	case "break":
		s.down.Store(true)
	}
	synctest.Wait()
}

func response(t testing.TB, status, method, branch, toTag string) *sip.Response {
	return parse(t, "SIP/2.0 "+status+" Whatever",
		"Via: SIP/2.0/UDP 192.0.2.1:5060;branch="+branch,
		"From: <sip:alice@example.com>;tag=a1",
		"To: <sip:bob@example.com>;tag="+toTag,
		"Call-ID: c1@192.0.2.9",
		"CSeq: 7 "+method,
	).(*sip.Response)
}

// RFC 3261 §17.1.1.3 and §9.1: what ACK and CANCEL have in common with their
// INVITE.
func TestACKAndCANCELFollowTheirINVITE(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, "UDP")
		branch := wire.NewBranch()
		invite := request(t, "INVITE", branch, "")
		tx := s.layer.Send(invite, s.flow, s.on)
		s.layer.Message(s.flow, response(t, "180", "INVITE", branch, "b1"))
		tx.Cancel(`SIP;cause=200;text="Call completed elsewhere"`)
		s.layer.Message(s.flow, response(t, "487", "INVITE", branch, "b1"))
		s.layer.Message(s.flow, response(t, "200", "CANCEL", branch, "b1"))
		s.end()
		for _, m := range s.wrote[1:] {
			req := m.(*sip.Request)
			if req.Recipient.String() != "sip:bob@example.com" {
				t.Errorf("%s to %s", req.Method, req.Recipient.String())
			}
			want := map[string]string{
				"Via":     wire.Header(invite, "Via"),
				"Route":   "<sip:edge.example.com;lr>",
				"From":    wire.Header(invite, "From"),
				"To":      wire.Header(invite, "To"),
				"Call-ID": wire.Header(invite, "Call-ID"),
				"CSeq":    "7 " + string(req.Method),
			}
			if req.Method == "ACK" {
				want["To"] += ";tag=b1"
			} else {
				want["Reason"] = `SIP;cause=200;text="Call completed elsewhere"`
			}
			for name, value := range want {
				if got := wire.Header(req, name); got != value {
					t.Errorf("%s: %s is %q, want %q", req.Method, name, got, value)
				}
			}
		}
	})
}

func TestSendThatFailsIsToldLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, "TLS")
		s.down.Store(true)
		s.layer.Send(request(t, "MESSAGE", wire.NewBranch(), ""), s.flow, s.on)
		s.note("sent")
		s.end()
		s.expect("0 sent\n10 user transport")
	})
}

func TestTooManyTransactions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, "TLS")
		s.layer.limit = 1
		s.layer.Send(request(t, "MESSAGE", wire.NewBranch(), ""), s.flow, s.on)
		s.layer.Send(request(t, "MESSAGE", wire.NewBranch(), ""), s.flow, s.on)
		s.layer.Message(s.flow, request(t, "MESSAGE", wire.NewBranch(), ""))
		if _, err := s.up[0].Begin(); err != ErrOverload {
			t.Errorf("Begin returns %v", err)
		}
		s.end()
		s.expect("0 >MESSAGE\n0 user MESSAGE\n10 user overload\n32000 user timeout")
	})
}

// DESIGN.md law 6.
func TestPanicOfAUserIsSurvived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, "TLS")
		s.layer.Send(request(t, "MESSAGE", wire.NewBranch(), ""), s.flow, func(*Client, *sip.Response, error) { panic("oh") })
		s.end()
		if n := s.layer.metrics.panics.Load(); n != 1 {
			t.Errorf("%d panics counted", n)
		}
	})
}

// The order of 183 and 200 that come back to back is kept, although two
// goroutines of the user are busy at the same time.
func TestResponsesKeepTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, "TLS")
		for range 1000 {
			var got []int
			branch := wire.NewBranch()
			s.layer.Send(request(t, "INVITE", branch, ""), s.flow, func(_ *Client, res *sip.Response, _ error) {
				time.Sleep(time.Millisecond)
				got = append(got, res.StatusCode)
			})
			go s.layer.Message(s.flow, response(t, "183", "INVITE", branch, "b1"))
			synctest.Wait() // the user is inside on now
			s.layer.Message(s.flow, response(t, "200", "INVITE", branch, "b1"))
			time.Sleep(10 * time.Millisecond)
			synctest.Wait()
			if len(got) != 2 || got[0] != 183 || got[1] != 200 {
				t.Fatalf("got %v", got)
			}
		}
		s.end()
	})
}
