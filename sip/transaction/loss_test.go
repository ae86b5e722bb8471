package transaction

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/wire"
)

// seen is what the user of a client transaction was told.
type seen struct {
	finals, failures int
}

// callee is a user agent server behind a node: it answers each method in its
// own way, slowly, and repeats a 2xx to INVITE until the ACK comes
// (RFC 3261 §13.3.1.4).
type callee struct {
	t *testing.T

	mu    sync.Mutex
	got   map[string]int // requests by Call-ID
	acked map[string]bool
}

func newCallee(t *testing.T, n *node) *callee {
	c := &callee{t: t, got: map[string]int{}, acked: map[string]bool{}}
	n.request = c.serve
	return c
}

func (c *callee) serve(in *Incoming) {
	if in.Method == sip.ACK {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.acked[in.CallID] = true
		return
	}
	if in.Method == sip.CANCEL {
		in.Reply(wire.NewResponse(in.Request, 481, ""))
		return
	}
	c.mu.Lock()
	c.got[in.CallID]++
	c.mu.Unlock()
	tx, err := in.Begin()
	if err != nil {
		c.t.Errorf("Begin: %v", err)
		return
	}
	go c.answer(in, tx)
}

func (c *callee) answer(in *Incoming, tx *Server) {
	reply := func(status int) { _ = tx.Respond(wire.NewResponse(in.Request, status, "")) }
	switch in.Recipient.User {
	case "rings":
		tx.OnCancel(func() { reply(487) })
		reply(180)
		time.AfterFunc(100*time.Second, func() { reply(480) })
	case "busy":
		time.Sleep(300 * time.Millisecond)
		reply(486)
	case "answers":
		reply(180)
		time.Sleep(time.Second)
		for wait := 500 * time.Millisecond; wait < 32*time.Second && !c.hasACK(in.CallID); wait *= 2 {
			reply(200)
			time.Sleep(wait)
		}
	default:
		time.Sleep(50 * time.Millisecond)
		reply(202)
	}
}

func (c *callee) hasACK(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.acked[id]
}

// start begins one transaction from node a and counts what its user is told.
func (p *pair) start(method, user, id string) (*Client, *seen) {
	s := new(seen)
	uri := sip.Uri{Scheme: "sip", User: user, Host: "example.com"}
	head := []sip.Header{
		wire.H("Via", "SIP/2.0/UDP 192.0.2.1;branch="+wire.NewBranch()),
		wire.H("Max-Forwards", "70"),
		wire.H("From", "<sip:alice@example.com>;tag=1"),
		wire.H("To", "<sip:"+user+"@example.com>"),
		wire.H("Call-ID", id),
		wire.H("CSeq", "1 "+method),
	}
	req := wire.NewRequest(method, uri, nil, head...)
	tx := p.a.Send(req, p.a.flow, func(_ *Client, res *sip.Response, err error) {
		switch {
		case err != nil:
			s.failures++
		case res.StatusCode >= 200 && res.StatusCode < 300 && method == "INVITE":
			s.finals = 1 // repeated ones are passed up
			ack := wire.NewRequest("ACK", uri, nil, append(append([]sip.Header{
				wire.H("Via", "SIP/2.0/UDP 192.0.2.1;branch="+wire.NewBranch())},
				head[1:5]...), wire.H("CSeq", "1 ACK"))...)
			_ = p.a.SendACK(ack, p.a.flow)
		case res.StatusCode >= 200:
			s.finals++
		}
	})
	return tx, s
}

// C4 of the test list: 10 % and 30 % of all datagrams are lost.
func TestLoss(t *testing.T) {
	const calls = 300
	for _, loss := range []float64{0, 0.1, 0.3} {
		for _, kind := range []string{"MESSAGE any", "INVITE answers", "INVITE busy", "INVITE rings"} {
			t.Run(fmt.Sprintf("%s at %.0f%%", kind, 100*loss), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var method, user string
					_, _ = fmt.Sscan(kind, &method, &user)
					p := newPair(t, "UDP", loss, 7)
					callee := newCallee(t, p.b)
					all := map[string]*seen{}
					for i := range calls {
						id := fmt.Sprint(user, i)
						tx, s := p.start(method, user, id)
						all[id] = s
						time.AfterFunc(100*time.Second, func() { tx.Cancel("") }) // Timer C
						if user == "rings" {
							time.AfterFunc(2*time.Second, func() { tx.Cancel("") })
						}
						time.Sleep(10 * time.Millisecond)
					}
					time.Sleep(300 * time.Second)
					p.close(t)
					complete := 0
					for id, s := range all {
						if callee.got[id] > 1 {
							t.Errorf("%s reached its user %d times", id, callee.got[id])
						}
						if s.finals+s.failures != 1 {
							t.Errorf("%s ended with %d final responses and %d errors", id, s.finals, s.failures)
						}
						complete += s.finals
					}
					// The rest ended by a timer: at 30 % Timer B beats the seventh
					// INVITE in one of a hundred calls.
					if least := calls * 97 / 100; complete < least || loss <= 0.1 && complete < calls {
						t.Errorf("%d of %d completed", complete, calls)
					}
				})
			})
		}
	}
}

// Nothing is left of 1,000 transactions of every kind, 64*T1 and a little later.
func TestNothingIsLeft(t *testing.T) {
	for _, over := range []string{"UDP", "TLS"} {
		synctest.Test(t, func(t *testing.T) {
			p := newPair(t, over, 0, 3)
			newCallee(t, p.b)
			kinds := [][2]string{{"MESSAGE", "any"}, {"INVITE", "answers"}, {"INVITE", "busy"}, {"INVITE", "rings"}}
			for i := range 1000 {
				k := kinds[i%len(kinds)]
				tx, _ := p.start(k[0], k[1], fmt.Sprint(i))
				time.AfterFunc(time.Second, func() { tx.Cancel("") })
			}
			time.Sleep(2*time.Second + 64*500*time.Millisecond)
			p.close(t)
		})
	}
}

// FuzzMachines plays random events against a client and a server transaction:
// neither panics, each ends, and the client's user is told one end.
func FuzzMachines(f *testing.F) {
	for seed := range byte(8) {
		f.Add(seed, []byte{seed, 1, 2, 3, 40, 50, 60, 70, 200, 255})
	}
	f.Fuzz(func(t *testing.T, how byte, events []byte) {
		if len(events) > 64 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			over, method := "UDP", "INVITE"
			if how&1 != 0 {
				over = "TLS"
			}
			if how&2 != 0 {
				method = "MESSAGE"
			}
			fuzzMachines(t, over, method, events)
		})
	})
}

func fuzzMachines(t *testing.T, over, method string, events []byte) {
	s := newScene(t, over)
	down, up := wire.NewBranch(), wire.NewBranch()
	ends := 0
	client := s.layer.Send(request(t, method, down, ""), s.flow, func(_ *Client, res *sip.Response, err error) {
		if err != nil || res.StatusCode >= 300 || res.StatusCode >= 200 && ends == 0 {
			ends++
		}
	})
	incoming := request(t, method, up, "")
	s.layer.Message(s.flow, incoming)
	server := s.begin()
	statuses := []string{"100", "180", "200", "202", "302", "408", "486", "603"}
	for _, e := range events {
		status := statuses[e>>2&7]
		code := map[string]int{"100": 100, "180": 180, "200": 200, "202": 202, "302": 302, "408": 408, "486": 486, "603": 603}[status]
		switch e & 3 {
		case 0:
			s.layer.Message(s.flow, response(t, status, method, down, "b"+status))
		case 1:
			_ = server.Respond(wire.NewResponse(incoming, code, ""))
		case 2:
			s.layer.Message(s.flow, request(t, []string{method, "ACK", "CANCEL", method}[e>>2&3], up, ""))
		default:
			time.Sleep(time.Duration(e) * 40 * time.Millisecond)
			if e>>2&15 == 7 {
				client.Cancel("")
			}
		}
		synctest.Wait()
	}
	client.Cancel("")
	s.layer.Message(s.flow, response(t, "100", method, down, "b1"))
	_ = server.Respond(wire.NewResponse(incoming, 500, ""))
	s.end()
	if ends != 1 {
		t.Errorf("the client's user was told %d ends", ends)
	}
}
