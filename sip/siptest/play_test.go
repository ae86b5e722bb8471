package siptest

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
)

// mirror is a server that answers every request with 200 and the body that it came
// with.
type mirror struct{}

func (mirror) Request(in *transaction.Incoming) {
	if in.Method == sip.ACK {
		return
	}
	if tx, err := in.Begin(); err == nil {
		res := wire.NewResponse(in.Request, 200, "", wire.H("Contact", "<sip:mirror@192.0.2.1>"))
		if kind := wire.Header(in.Request, "Content-Type"); kind != "" {
			res.AppendHeader(wire.H("Content-Type", kind))
		}
		res.SetBody(in.Body())
		_ = tx.Respond(res)
	}
}
func (mirror) Malformed(*transport.Flow, *wire.Error) {}
func (mirror) Closed(*transport.Flow)                 {}

// victim notes how a test fails instead of failing.
type victim struct {
	testing.TB
	said []string
}

func (v *victim) Helper() {}
func (v *victim) Errorf(format string, args ...any) {
	v.said = append(v.said, fmt.Sprintf(format, args...))
}
func (v *victim) Fatalf(format string, args ...any) {
	v.Errorf(format, args...)
	runtime.Goexit()
}

// A transcript fails where it is not so, and says what was.
func TestTranscripts(t *testing.T) {
	const asked = "alice INVITE bob (A)\n"
	for _, tt := range []struct{ name, script, want string }{
		{"right", asked + "alice gets 200 INVITE (A) # her own\nalice ACK\nquiet", ""},
		{"a body of another kind", "alice adds Content-Type: text/plain\nalice MESSAGE bob (hi)\nalice gets 200 MESSAGE (hi)\nquiet", ""},
		{"another address", "alice INVITE carol@elsewhere.example\nalice gets 200 INVITE\nquiet", ""},
		{"another status", asked + "alice gets 180 INVITE (A)", `got "200 INVITE (A)"`},
		{"another method", asked + "alice gets 200 UPDATE (A)", `got "200 INVITE (A)"`},
		{"another body", asked + "alice gets 200 INVITE (B)", `got "200 INVITE (A)"`},
		{"a body that is not expected", asked + "alice gets 200 INVITE", `got "200 INVITE (A)"`},
		{"nothing came", "alice gets INVITE", `got ""`},
		{"more came", asked + "quiet", "quiet: alice has got\nSIP/2.0 200"},
		{"another phone got something", asked + "bob gets INVITE", `got "": alice has got`},
		{"nobody of that name", "carol INVITE bob", "no such phone"},
		{"a word that means nothing", "bob rings", `a phone knows no "rings"`},
		{"a header without colon", "bob adds Require 100rel", "write a header as"},
		{"a request that does not pass", asked + "alice gets 200 INVITE (A)\nalice BYE > bob 200", `bob gets BYE: got "": alice has got`},
		{"nothing to answer", "bob 200", "bob has no INVITE to answer"},
		{"its flow is gone", "alice hangs up\nalice INVITE bob\nalice gets 200 INVITE", `got ""`},
		{"a type without body", "alice adds Content-Type: text/plain\nalice INFO bob\nalice gets 200 INFO", "a type without body"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := New(t)
				w.Layer.Serve(mirror{})
				w.Phone("alice", "tls")
				w.Phone("bob", "udp")
				v := &victim{TB: t}
				w.t = v
				played := make(chan struct{})
				go func() {
					defer close(played)
					w.Play(tt.script)
				}()
				<-played
				if said := strings.Join(v.said, "\n"); !strings.Contains(said, tt.want) || tt.want == "" && said != "" {
					t.Errorf("failed with %q, want %q", said, tt.want)
				}
			})
		})
	}
}
