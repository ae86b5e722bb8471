package proxy

import (
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/sparkleim/sparkle/sip/siptest"
	"github.com/sparkleim/sparkle/sip/transport"
)

// Each call is played twice: with the users in the registrar's cache, and with
// answers that come later from another goroutine.
func TestCalls(t *testing.T) {
	tests := []struct {
		name   string
		phones [][2]string
		script string
	}{
		{"a call", [][2]string{{"alice", "tls"}, {"bob", "tls"}}, `
			alice INVITE bob
			bob gets INVITE
			bob 100
			bob 180
			alice gets 180 INVITE
			bob 200
			alice gets 200 INVITE
			alice ACK
			bob gets ACK
			alice BYE > bob 200
			quiet`},
		{"the callee ends it", [][2]string{{"alice", "tls"}, {"bob", "tls"}}, `
			alice INVITE bob
			bob gets INVITE
			bob 200
			alice gets 200 INVITE
			alice ACK
			bob gets ACK
			bob BYE > alice 200
			quiet`},
		{"over UDP to TLS and back", [][2]string{{"alice", "udp"}, {"bob", "tls"}}, `
			alice INVITE bob
			bob gets INVITE
			bob 200
			alice gets 200 INVITE
			bob 200               # the callee repeats its 2xx until the ACK
			alice gets 200 INVITE
			alice ACK
			bob gets ACK
			bob BYE > alice 200
			quiet`},
		{"a caller who is not registered", [][2]string{{"alice", "udp guest"}, {"bob", "tls"}}, `
			alice INVITE bob
			bob gets INVITE
			bob 200
			alice gets 200 INVITE
			alice ACK
			bob gets ACK
			bob BYE > alice 200
			quiet`},
		{"the proxy says 100 when the callee is slow", [][2]string{{"alice", "tls"}, {"bob", "tls"}}, `
			alice INVITE bob
			bob gets INVITE
			wait 300ms
			alice gets 100 INVITE
			bob 486
			bob gets ACK
			alice gets 486 INVITE
			quiet`},
		{"two devices ring, one answers", [][2]string{{"alice", "tls"}, {"bob", "tls"}, {"bob2", "tls"}}, `
			alice INVITE bob
			bob gets INVITE
			bob2 gets INVITE
			bob 180
			alice gets 180 INVITE
			bob2 180
			alice gets 180 INVITE
			bob2 200
			alice gets 200 INVITE
			bob gets CANCEL
			bob 200 CANCEL
			bob 487
			bob gets ACK
			alice ACK
			bob2 gets ACK
			quiet`},
		{"both answer at once", [][2]string{{"alice", "tls"}, {"bob", "tls"}, {"bob2", "tls"}}, `
			alice INVITE bob
			bob gets INVITE
			bob2 gets INVITE
			bob 180
			bob2 180
			alice gets 180 INVITE
			alice gets 180 INVITE
			bob 200
			alice gets 200 INVITE
			alice ACK
			bob gets ACK
			bob2 gets CANCEL
			bob2 200               # it had been answered before the CANCEL came
			bob2 481 CANCEL
			alice gets 200 INVITE
			alice ACK
			bob2 gets ACK
			alice BYE > bob2 200
			quiet`},
		{"one after the other by q", [][2]string{{"alice", "tls"}, {"bob", "tls q=900"}, {"bob2", "tls q=500"}, {"bob3", "tls q=500"}}, `
			alice INVITE bob
			bob gets INVITE
			bob 486
			bob gets ACK
			bob2 gets INVITE
			bob3 gets INVITE
			bob3 200
			alice gets 200 INVITE
			quiet                 # bob2 said nothing yet: CANCEL must wait
			bob2 180
			bob2 gets CANCEL
			bob2 200 CANCEL
			bob2 487
			bob2 gets ACK
			alice ACK
			bob3 gets ACK
			quiet`},
		{"all busy", [][2]string{{"alice", "tls"}, {"bob", "tls q=900"}, {"bob2", "tls q=500"}}, `
			alice INVITE bob
			bob gets INVITE
			bob 486
			bob gets ACK
			bob2 gets INVITE
			bob2 480
			bob2 gets ACK
			alice gets 486 INVITE
			quiet`},
		{"declined for all", [][2]string{{"alice", "tls"}, {"bob", "tls"}, {"bob2", "tls"}}, `
			alice INVITE bob
			bob gets INVITE
			bob2 gets INVITE
			bob2 180
			alice gets 180 INVITE
			bob 603
			bob gets ACK
			bob2 gets CANCEL
			bob2 200 CANCEL
			quiet
			bob2 487
			bob2 gets ACK
			alice gets 603 INVITE
			quiet`},
		{"the caller gives up", [][2]string{{"alice", "tls"}, {"bob", "tls"}}, `
			alice INVITE bob
			bob gets INVITE
			bob 180
			alice gets 180 INVITE
			alice CANCEL
			alice gets 200 CANCEL
			bob gets CANCEL
			bob 200 CANCEL
			bob 487
			bob gets ACK
			alice gets 487 INVITE
			quiet`},
		{"the caller gives up before the phone rings", [][2]string{{"alice", "tls"}, {"bob", "tls"}}, `
			alice INVITE bob
			bob gets INVITE
			alice CANCEL
			alice gets 200 CANCEL
			quiet
			bob 180
			alice gets 180 INVITE
			bob gets CANCEL
			bob 200 CANCEL
			bob 487
			bob gets ACK
			alice gets 487 INVITE
			quiet`},
		{"CANCEL meets 200", [][2]string{{"alice", "tls"}, {"bob", "tls"}}, `
			alice INVITE bob
			bob gets INVITE
			bob 180
			alice gets 180 INVITE
			alice CANCEL
			alice gets 200 CANCEL
			bob gets CANCEL
			bob 200
			bob 481 CANCEL
			alice gets 200 INVITE
			alice ACK
			bob gets ACK
			alice BYE > bob 200
			quiet`},
		{"CANCEL after the answer", [][2]string{{"alice", "tls"}, {"bob", "tls"}}, `
			alice INVITE bob
			bob gets INVITE
			bob 200
			alice gets 200 INVITE
			alice CANCEL
			alice gets 200 CANCEL
			alice ACK
			bob gets ACK
			quiet`},
		{"nobody obeys the CANCEL", [][2]string{{"alice", "tls"}, {"bob", "tls"}}, `
			alice INVITE bob
			bob gets INVITE
			bob 180
			alice gets 180 INVITE
			alice CANCEL
			alice gets 200 CANCEL
			bob gets CANCEL
			wait 33s
			alice gets 487 INVITE
			quiet`},
		{"Timer C", [][2]string{{"alice", "tls"}, {"bob", "tls"}}, `
			alice INVITE bob
			bob gets INVITE
			bob 180
			alice gets 180 INVITE
			wait 170s
			bob 180              # news: it starts again
			alice gets 180 INVITE
			wait 170s
			quiet
			wait 12s
			bob gets CANCEL
			bob 200 CANCEL
			bob 487
			bob gets ACK
			alice gets 487 INVITE
			quiet`},
		{"the phone says nothing", [][2]string{{"alice", "tls"}, {"bob", "tls"}}, `
			alice INVITE bob
			bob gets INVITE
			wait 300ms
			alice gets 100 INVITE
			wait 33s
			alice gets 408 INVITE
			quiet`},
		{"a 2xx after Timer B comes too late", [][2]string{{"alice", "tls"}, {"bob", "tls"}}, `
			alice INVITE bob
			bob gets INVITE
			wait 33s
			alice gets 100 INVITE
			alice gets 408 INVITE
			bob 200
			quiet                # RFC 6026 §7.3`},
		{"the device's other flow", [][2]string{{"alice", "tls"}, {"bob", "tls instance=x"}, {"bob2", "tls instance=x"}}, `
			alice INVITE bob
			bob gets INVITE
			bob hangs up
			wait 100ms
			bob2 gets INVITE
			bob2 200
			alice gets 200 INVITE
			quiet`},
		{"the flow breaks while it rings", [][2]string{{"alice", "tls"}, {"bob", "tls"}}, `
			alice INVITE bob
			bob gets INVITE
			bob 180
			alice gets 180 INVITE
			bob hangs up
			wait 100ms
			alice gets 480 INVITE
			quiet`},
		{"nobody there", [][2]string{{"alice", "tls"}, {"bob", "tls"}}, `
			bob hangs up
			alice INVITE bob
			alice gets 480 INVITE
			alice INVITE nobody
			alice gets 404 INVITE
			alice INVITE mallory   # disabled
			alice gets 404 INVITE
			quiet`},
		{"one's own other device", [][2]string{{"alice", "tls"}, {"alice2", "tls"}}, `
			alice INVITE alice
			alice2 gets INVITE
			alice2 486
			alice2 gets ACK
			alice gets 486 INVITE
			quiet`},
		{"everything inside the dialog, both ways", [][2]string{{"alice", "tls gruu"}, {"bob", "tls gruu"}}, `
			alice INVITE bob
			bob gets INVITE
			bob 183
			alice gets 183 INVITE
			alice PRACK > bob 200
			bob UPDATE > alice 200
			bob 200
			alice gets 200 INVITE
			alice ACK
			bob gets ACK
			bob INVITE             # hold
			alice gets INVITE
			alice 200
			bob gets 200 INVITE
			bob ACK
			alice gets ACK
			alice REFER > bob 202
			bob NOTIFY > alice 200
			alice INFO > bob 415
			alice MESSAGE > bob 200
			alice BYE > bob 200
			quiet`},
		{"other requests", [][2]string{{"alice", "tls"}, {"bob", "tls"}}, `
			alice INFO bob
			bob gets INFO
			bob 183 INFO
			bob 200 INFO
			alice gets 200 INFO
			alice INFO bob         # and unanswered: RFC 4320, no 408
			bob gets INFO
			wait 40s
			alice gets 100 INFO
			quiet`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t)
				for _, p := range tt.phones {
					b.Phone(p[0], p[1])
				}
				b.Play(tt.script)
				b.idle()
			})
		})
		t.Run(tt.name+", cold cache", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t)
				b.Slow = true
				for _, p := range tt.phones {
					b.Phone(p[0], p[1])
				}
				b.Play(tt.script)
				b.idle()
			})
		})
	}
}

// A panic in the registrar's goroutine costs one request (DESIGN.md law 6).
func TestPanicAnswers500(t *testing.T) {
	inBed(t, func(b *bed, alice, bob *siptest.Phone) {
		b.Slow = true
		b.Targets["bob"][0].Flow = new(transport.Flow) // has no link
		b.Play("alice INVITE bob\n alice gets 500 INVITE\n alice INVITE nobody\n alice gets 404 INVITE")
		if n := testutil.ToFloat64(b.proxy.metrics.panics); n != 1 {
			t.Errorf("%v panics counted", n)
		}
	})
}
