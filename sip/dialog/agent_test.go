package dialog

import (
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
)

// office is a server that answers calls of its agent, and calls it.
type office struct {
	layer *transaction.Layer
	ua    *UA

	mu   sync.Mutex
	seen []string
	took func(in *transaction.Incoming, tx *transaction.Server)
}

func (o *office) Attach(f *transport.Flow)               { f.ID = 7 }
func (o *office) Detach(*transport.Flow)                 {}
func (o *office) Local(*transport.Flow) (string, int)    { return "example.com", 5061 }
func (o *office) Malformed(*transport.Flow, *wire.Error) {}
func (o *office) Closed(*transport.Flow)                 {}
func (o *office) Request(in *transaction.Incoming) {
	o.mu.Lock()
	o.seen = append(o.seen, string(in.Method)+" "+in.Flow.Transport)
	o.mu.Unlock()
	if in.Method == "ACK" {
		o.ua.Serve(in, nil)
		return
	}
	tx, err := in.Begin()
	switch {
	case err != nil:
	case in.ToTag == "":
		o.took(in, tx)
	default:
		o.ua.Serve(in, tx)
	}
}

func newOffice(t *testing.T, incoming func(a *Agent, in *transaction.Incoming, tx *transaction.Server)) (*office, *Agent) {
	o := &office{layer: transaction.New(transaction.Config{})}
	o.layer.Serve(o)
	var err error
	if o.ua, err = New(Config{Transactions: o.layer, Local: o.Local}); err != nil {
		t.Fatal(err)
	}
	var a *Agent
	a, err = NewAgent(AgentConfig{Name: "test", Server: o.layer, Stack: o, Agent: "Sparkle",
		Incoming: func(in *transaction.Incoming, tx *transaction.Server) { incoming(a, in, tx) }})
	if err != nil {
		t.Fatal(err)
	}
	return o, a
}

func TestAgentCallsThroughTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, a := newOffice(t, nil)
		o.took = func(in *transaction.Incoming, tx *transaction.Server) {
			if in.Flow != a.Flow() {
				t.Error("the INVITE came by another flow")
			}
			if via := wire.Header(in.Request, "Via"); !strings.Contains(via, "SIP/2.0/TLS example.com:5061;") || !strings.Contains(via, "received=127.0.0.1") {
				t.Errorf("Via: %s", via)
			}
			s := o.ua.Accept(in, tx, nil, Events{}, nil)
			s.Do(func() { s.Fork().Accept(SDP([]byte("answer"))) })
		}
		uri, _ := wire.ParseURI("sip:bob@example.com")
		up := false
		s := a.Call(Call{URI: uri, From: "<sip:desk@example.com>", Content: SDP([]byte("offer"))}, Events{
			Answered: func(d *Dialog, res *sip.Response) { up = string(res.Body()) == "answer"; d.Ack(Content{}) },
		})
		pass(time.Second)
		s.Do(func() { s.HangUp("") })
		synctest.Wait()
		if got := strings.Join(o.seen, ", "); got != "INVITE TLS, ACK TLS, BYE TLS" || !up {
			t.Errorf("the server saw %s; answered %v", got, up)
		}
		pass(time.Minute)
		if a.Sessions() != 0 || o.ua.Sessions() != 0 {
			t.Error("sessions are left")
		}
		a.Close()
		o.layer.Close()
	})
}

func TestAgentIsCalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, a := newOffice(t, func(a *Agent, in *transaction.Incoming, tx *transaction.Server) {
			if in.Recipient.User == "panic" {
				panic("oh")
			}
			s := a.Accept(in, tx, nil, Events{})
			s.Do(func() { s.Fork().Accept(Content{}) })
		})
		uri, _ := wire.ParseURI("sip:panic@example.com")
		o.ua.Call(Call{URI: uri, Flow: a.Flow(), From: "<sip:x@example.com>"}, Events{})
		uri.User = "fine"
		up := false
		s := o.ua.Call(Call{URI: uri, Flow: a.Flow(), From: "<sip:x@example.com>"}, Events{
			Answered: func(d *Dialog, _ *sip.Response) { up = true; d.Ack(Content{}) },
		})
		pass(time.Second)
		if !up {
			t.Error("a panic stopped the agent")
		}
		s.Do(func() { s.HangUp("") })
		pass(time.Minute)
		a.Close()
		if err := a.Flow().Send([]byte("x")); err != transport.ErrClosed {
			t.Errorf("Send after Close: %v", err)
		}
		o.layer.Close()
	})
}

// A full line tells the sender instead of losing a message silently.
func TestLineIsBounded(t *testing.T) {
	o, a := newOffice(t, nil)
	defer a.Close()
	defer o.layer.Close()
	l := a.newLine("nobody")
	f := transport.NewFlow(&transport.Flow{Remote: netip.AddrPort{}}, plug{l, l})
	for range maxLine {
		if err := f.Send([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Send([]byte("x")); err != transport.ErrQueueFull {
		t.Errorf("the error is %v", err)
	}
}
