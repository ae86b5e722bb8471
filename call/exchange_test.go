package call

import (
	"fmt"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
)

func (v verb) String() string {
	return [...]string{"pass", "offer", "answer", "repeated", "strip", "rollback", "missing", "glare", "busy"}[v]
}

// parseMessage reads "> INVITE 1 +" (from the caller, with a description), "<
// 183 INVITE 1" and "< 183rel INVITE 1 +".
func parseMessage(t *testing.T, s string) message {
	t.Helper()
	f := strings.Fields(s)
	m := message{from: caller}
	if f[0] == "<" {
		m.from = callee
	}
	if f = f[1:]; f[len(f)-1] == "+" {
		m.sdp, f = true, f[:len(f)-1]
	}
	if len(f) == 3 {
		m.reliable = strings.HasSuffix(f[0], "rel")
		fmt.Sscan(strings.TrimSuffix(f[0], "rel"), &m.status)
		f = f[1:]
	}
	m.method = sip.RequestMethod(f[0])
	if _, err := fmt.Sscan(f[1], &m.cseq); err != nil {
		t.Fatalf("message %q: %v", s, err)
	}
	return m
}

// The patterns of RFC 6337 §2.2, in this order, and what goes wrong.
func TestExchange(t *testing.T) {
	tests := []struct{ name, steps string }{
		{"1: offer in INVITE, answer in 2xx", "> INVITE 1 +: offer; < 180 INVITE 1: pass; < 200 INVITE 1 +: answer; > ACK 1: pass"},
		{"1, with a preview", "> INVITE 1 +: offer; < 183 INVITE 1 +: answer; < 183 INVITE 1 +: answer; < 200 INVITE 1 +: answer; < 200 INVITE 1 +: repeated"},
		{"1, and the preview was all", "> INVITE 1 +: offer; < 183 INVITE 1 +: answer; < 200 INVITE 1: pass"},
		{"2: offer in 2xx, answer in ACK", "> INVITE 1: pass; < 180 INVITE 1: pass; < 200 INVITE 1 +: offer; < 200 INVITE 1 +: repeated; > ACK 1 +: answer; > ACK 1 +: repeated"},
		{"3: answer in a reliable response", "> INVITE 1 +: offer; < 183rel INVITE 1 +: answer; < 183rel INVITE 1 +: repeated; > PRACK 2: pass; < 200 PRACK 2: pass; < 200 INVITE 1: pass"},
		{"3, and the 2xx says it again", "> INVITE 1 +: offer; < 183rel INVITE 1 +: answer; < 200 INVITE 1 +: repeated"},
		{"4: offer in a reliable response, answer in PRACK", "> INVITE 1: pass; < 183rel INVITE 1 +: offer; > PRACK 2 +: answer; < 200 INVITE 1: pass; > ACK 1: pass"},
		{"5: offer in PRACK", "> INVITE 1 +: offer; < 183rel INVITE 1 +: answer; > PRACK 2 +: offer; < 200 PRACK 2 +: answer"},
		{"6: UPDATE", "> INVITE 1 +: offer; < 183rel INVITE 1 +: answer; > UPDATE 3 +: offer; < 200 UPDATE 3 +: answer; < UPDATE 1 +: offer; > 200 UPDATE 1 +: answer"},
		{"a refresh without description", "> UPDATE 3: pass; < 200 UPDATE 3: pass"},
		{"re-INVITE from the callee", "< INVITE 7 +: offer; > 200 INVITE 7 +: answer; < ACK 7: pass"},
		{"refused", "> INVITE 2 +: offer; < 488 INVITE 2: rollback; > INVITE 3 +: offer"},
		{"refused, with what it could do", "> OPTIONS 2: pass; < 488 INVITE 2 +: strip"},
		{"refused after the answer", "> INVITE 2 +: offer; < 183rel INVITE 2 +: answer; < 500 INVITE 2: pass"},
		{"late offer refused", "> INVITE 2: pass; < 486 INVITE 2: pass; < 200 INVITE 2 +: repeated"},
		{"late offer taken back", "> INVITE 2: pass; < 183rel INVITE 2 +: offer; < 500 INVITE 2: rollback; > UPDATE 3 +: offer"},
		{"glare", "> INVITE 2 +: offer; < UPDATE 1 +: glare; < INVITE 2: glare; < 200 INVITE 2 +: answer; < UPDATE 3 +: offer"},
		{"one after the other", "> UPDATE 2 +: offer; > UPDATE 3 +: busy; > INVITE 4: busy"},
		{"an answer to another request", "> UPDATE 2 +: offer; < 200 UPDATE 1 +: repeated; < 488 UPDATE 1: pass; < 200 UPDATE 2 +: answer"},
		{"no answer", "> INVITE 1 +: offer; < 200 INVITE 1: missing"},
		{"no offer", "> INVITE 1: pass; < 200 INVITE 1: missing"},
		{"no answer in ACK", "> INVITE 1: pass; < 200 INVITE 1 +: offer; > ACK 1: missing"},
		{"an early offer that is not reliable", "> INVITE 1: pass; < 183 INVITE 1 +: strip; < 200 INVITE 1 +: offer"},
		{"descriptions where none belong", "> INVITE 1 +: offer; < 183 INVITE 1 +: answer; > PRACK 2 +: strip; < 200 INVITE 1 +: answer; > ACK 1 +: strip; > INFO 2 +: pass"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var x exchange
			for _, step := range strings.Split(tt.steps, ";") {
				what, want, _ := strings.Cut(step, ":")
				if got := x.step(parseMessage(t, what)).String(); got != strings.TrimSpace(want) {
					t.Fatalf("%s is %s, want%s", what, got, want)
				}
			}
		})
	}
}

func TestReasons(t *testing.T) {
	for value, want := range map[string]string{
		"":                                   "0 ",
		`Q.850;cause=16;text="Bye"`:          "16 Bye",
		`q.850 ; cause = 17`:                 "17 ",
		`SIP;cause=486;text="Busy"`:          "17 Busy",
		`SIP;cause=200, Q.850;cause=31`:      "31 ",
		`Q.850;cause=9999`:                   "0 ",
		`Q.850;cause=x`:                      "0 ",
		`FOO;cause=16`:                       "0 ",
		`Q.850;text="a;cause=1, b";cause=17`: "17 a;cause=1, b",
	} {
		m := sip.NewResponse(200, "OK")
		m.AppendHeader(sip.NewHeader("Reason", value))
		cause, text := reasonOf(m)
		if got := fmt.Sprint(cause, " ", text); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}

// RFC 3398 §8.2.6.1.
func TestCauses(t *testing.T) {
	for status, want := range map[int]int{
		200: 16, 302: 23, 400: 41, 403: 21, 404: 1, 408: 102, 410: 22, 480: 18, 482: 25, 484: 28, 486: 17,
		487: 16, 488: 65, 499: 31, 500: 41, 501: 79, 502: 38, 504: 102, 513: 127, 600: 17, 603: 21, 604: 1, 606: 65, 699: 41,
	} {
		if got := causeOf(status); got != want {
			t.Errorf("%d: %d, want %d", status, got, want)
		}
	}
}
