package dialog

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/wire"
)

func TestCalls(t *testing.T) {
	story(t, "answered, ended by the caller", func(t *testing.T, w *world) {
		var ended []End
		w.b.answering(Events{Ended: func(_ *Dialog, e End) { ended = append(ended, e) }})
		s := w.call(Events{Answered: acking})
		pass(3 * time.Second)
		w.expect(`
			0 a INVITE (offer)
			10 b 180
			1010 b 200 (answer)
			1020 a ACK`)
		s.Do(func() { s.HangUp(`Q.850;cause=16`) })
		pass(time.Second)
		w.expect(`
			3000 a BYE
			3010 b 200/BYE`)
		if len(ended) != 1 || !ended[0].ByPeer || ended[0].Reason != "Q.850;cause=16" {
			t.Errorf("the callee was told %+v", ended)
		}
	})
	story(t, "ended by the callee", func(t *testing.T, w *world) {
		callee := w.b.answering(Events{})
		told := 0
		w.call(Events{Ended: func(*Dialog, End) { told++ }})
		pass(2 * time.Second)
		callee().Do(func() { callee().HangUp("") })
		pass(time.Second)
		w.expect(`
			a INVITE (offer)
			b 180
			b 200 (answer)
			a ACK
			b BYE
			a 200/BYE`)
		if told != 1 {
			t.Errorf("the caller was told %d ends", told)
		}
	})
	story(t, "busy", func(t *testing.T, w *world) {
		w.b.accept = func(in *transaction.Incoming, tx *transaction.Server) {
			s := w.b.Accept(in, tx, nil, Events{}, nil)
			s.Do(func() { s.Reject(486, "") })
		}
		status := 0
		w.call(Events{Failed: func(res *sip.Response, _ error) { status = res.StatusCode }})
		pass(time.Second)
		w.expect(`
			a INVITE (offer)
			b 486
			a ACK`)
		if status != 486 {
			t.Errorf("failed with %d", status)
		}
	})
	story(t, "given up while it rings", func(t *testing.T, w *world) {
		reason, status := "", 0
		w.b.answering(Events{Cancelled: func(r string) { reason = r }})
		s := w.call(Events{Failed: func(res *sip.Response, _ error) { status = res.StatusCode }})
		pass(500 * time.Millisecond)
		s.Do(func() { s.HangUp(`SIP;cause=200;text="elsewhere"`) })
		pass(2 * time.Second)
		w.expect(`
			a INVITE (offer)
			b 180
			500 a CANCEL
			b 200/CANCEL
			b 487
			a ACK`)
		if status != 487 || !strings.Contains(reason, "elsewhere") {
			t.Errorf("the caller was told %d, the callee %q", status, reason)
		}
	})
	story(t, "the callee answers while the CANCEL is under way", func(t *testing.T, w *world) {
		w.b.answering(Events{})
		failed := 0
		s := w.call(Events{Answered: func(*Dialog, *sip.Response) { t.Error("answered") }, Failed: func(*sip.Response, error) { failed++ }})
		pass(1005 * time.Millisecond)
		s.Do(func() { s.HangUp("") })
		pass(5 * time.Second)
		w.expect(`
			a INVITE (offer)
			b 180
			1005 a CANCEL
			b 200 (answer)
			b 200/CANCEL
			1020 a ACK
			1020 a BYE
			b 200/BYE`)
		if failed != 1 {
			t.Errorf("the caller was told %d ends", failed)
		}
	})
	story(t, "given up before it was sent", func(t *testing.T, w *world) {
		failed := 0
		strand := w.a.Strand()
		strand.Do(func() {
			w.call(Events{Failed: func(*sip.Response, error) { failed++ }}, func(c *Call) { c.Strand = strand }).HangUp("")
		})
		pass(time.Second)
		if len(w.notes) != 0 || failed != 1 {
			t.Errorf("sent %v, told %d ends", w.notes, failed)
		}
	})
	story(t, "nobody is there, and it is given up", func(t *testing.T, w *world) {
		w.drop = func(string, string) bool { return true }
		var failure error
		s := w.call(Events{Failed: func(_ *sip.Response, err error) { failure = err }})
		pass(600 * time.Millisecond)
		s.Do(func() { s.HangUp("") })
		synctest.Wait()
		if failure == nil {
			t.Error("the end was not told at once")
		}
		pass(40 * time.Second)
		w.notes = nil
	})
}

// RFC 3261 §13.3.1.4
func TestAnswerIsRepeatedUntilItsACK(t *testing.T) {
	story(t, "the ACK is lost twice", func(t *testing.T, w *world) {
		w.b.answering(Events{})
		lost := 0
		w.drop = func(_, what string) bool { lost++; return what == "ACK" && lost < 7 }
		w.call(Events{Answered: acking})
		pass(5 * time.Second)
		w.expect(`
			a INVITE (offer)
			b 180
			1010 b 200 (answer)
			a ACK (lost)
			1510 b 200 (answer)
			a ACK (lost)
			2510 b 200 (answer)
			a ACK`)
		w.a.sessionsEnd()
	})
	story(t, "the ACK never comes", func(t *testing.T, w *world) {
		var why End
		w.b.answering(Events{Ended: func(_ *Dialog, e End) { why = e }})
		w.drop = func(_, what string) bool { return what == "ACK" }
		w.call(Events{Answered: acking})
		pass(34 * time.Second)
		w.mu.Lock()
		last := w.notes[len(w.notes)-2:]
		answers := strings.Count(strings.Join(w.notes, "\n"), "200 (answer)")
		w.mu.Unlock()
		if !strings.HasPrefix(last[0], "33010 b BYE") {
			t.Errorf("the last messages are %q", last)
		}
		if answers < 10 || why.Cause != "no ACK" {
			t.Errorf("%d answers, ended by %+v", answers, why)
		}
	})
	story(t, "who hangs up before the ACK waits for it", func(t *testing.T, w *world) {
		var callee *Session
		w.b.accept = func(in *transaction.Incoming, tx *transaction.Server) {
			callee = w.b.Accept(in, tx, nil, Events{}, nil)
			callee.Do(func() { callee.Fork().Accept(SDP([]byte("answer"))); callee.HangUp("") })
		}
		w.call(Events{Answered: acking})
		pass(time.Second)
		w.expect(`
			a INVITE (offer)
			b 200 (answer)
			a ACK
			b BYE
			a 200/BYE`)
	})
}

// sessionsEnd hangs every session of a node up.
func (n *node) sessionsEnd() {
	n.mu.Lock()
	all := map[*Session]bool{}
	for _, s := range n.sessions {
		all[s] = true
	}
	n.mu.Unlock()
	for s := range all {
		s.Do(func() { s.HangUp("") })
	}
}

// RFC 3261 §13.2.2.4: every fork that answers is acknowledged, all but the first
// are ended; each has its own dialog.
func TestForks(t *testing.T) {
	story(t, "two callees answer", func(t *testing.T, w *world) {
		w.b.accept = func(in *transaction.Incoming, tx *transaction.Server) {
			for _, tag := range []string{"one", "two"} {
				_ = tx.Respond(w.b.response(in.Request, tag, 180, "", Content{}, []sip.Header{wire.H("Contact", "<sip:"+tag+"@b.example.com>")}))
			}
			for _, tag := range []string{"two", "one"} {
				_ = tx.Respond(w.b.response(in.Request, tag, 200, "", Content{}, []sip.Header{wire.H("Contact", "<sip:"+tag+"@b.example.com>")}))
			}
		}
		var rang []string
		var to string
		s := w.call(Events{
			Progress: func(d *Dialog, _ *sip.Response) { rang = append(rang, d.remoteTag) },
			Answered: func(d *Dialog, _ *sip.Response) { to = d.target.User; d.Ack(Content{}) },
		})
		pass(time.Second)
		w.expect(`
			a INVITE (offer)
			b 180
			b 180
			b 200
			b 200
			a ACK
			a ACK
			a BYE
			b 481/BYE`)
		if strings.Join(rang, " ") != "one two" || to != "two" {
			t.Errorf("%v rang, %q was chosen", rang, to)
		}
		s.Do(func() { s.HangUp("") })
		pass(time.Second)
		w.expect("a BYE\nb 481/BYE")
	})
}

// RFC 3262, both ends.
func TestReliableProvisionalResponses(t *testing.T) {
	early := func(w *world) {
		w.b.accept = func(in *transaction.Incoming, tx *transaction.Server) {
			s := w.b.Accept(in, tx, nil, Events{}, nil)
			s.Do(func() {
				d := s.Fork()
				d.Progress(183, "", SDP([]byte("answer")))
				d.Progress(180, "", SDP([]byte("answer")))
				d.Accept(SDP([]byte("answer")))
			})
		}
	}
	reliable := func(c *Call) { c.Reliable = true }
	story(t, "each waits for the PRACK of the one before, and the answer for all", func(t *testing.T, w *world) {
		early(w)
		w.call(Events{Answered: acking}, reliable)
		pass(time.Second)
		w.expect(`
			0 a INVITE (offer)
			10 b 183 reliably (answer)
			20 a PRACK
			30 b 200/PRACK
			30 b 180 reliably (answer)
			40 a PRACK
			50 b 200/PRACK
			50 b 200 (answer)
			60 a ACK`)
		w.a.sessionsEnd()
	})
	story(t, "a lost one is sent again", func(t *testing.T, w *world) {
		early(w)
		times := 0
		w.drop = func(_, what string) bool {
			if strings.HasPrefix(what, "183") {
				times++
			}
			return times == 1 && strings.HasPrefix(what, "183")
		}
		w.call(Events{Answered: acking}, reliable)
		pass(550 * time.Millisecond)
		w.expect(`
			0 a INVITE (offer)
			10 b 183 reliably (answer) (lost)
			500 a INVITE (offer)
			510 b 183 reliably (answer)
			510 b 183 reliably (answer)
			520 a PRACK
			530 b 200/PRACK
			530 b 180 reliably (answer)
			540 a PRACK
			550 b 200/PRACK
			550 b 200 (answer)`)
		pass(time.Second)
		w.a.sessionsEnd()
	})
	story(t, "a caller who never acknowledges is refused", func(t *testing.T, w *world) {
		early(w)
		w.drop = func(_, what string) bool { return what == "PRACK" }
		status := 0
		w.call(Events{Failed: func(res *sip.Response, _ error) { status = res.StatusCode }}, reliable)
		pass(40 * time.Second)
		if status != 504 {
			t.Errorf("the caller was told %d", status)
		}
	})
	story(t, "who does not know them gets plain ones", func(t *testing.T, w *world) {
		early(w)
		w.call(Events{Answered: acking})
		pass(time.Second)
		w.expect(`
			a INVITE (offer)
			b 183 (answer)
			b 180 (answer)
			b 200 (answer)
			a ACK`)
		w.a.sessionsEnd()
	})
}

// up is a call that is answered, with both dialogs.
func (w *world) up(a, b Events) (caller, callee *Dialog) {
	a.Answered = func(d *Dialog, _ *sip.Response) { caller = d; d.Ack(Content{}) }
	b.Acknowledged = func(d *Dialog, _ *sip.Request) { callee = d }
	w.b.answering(b)
	w.call(a)
	pass(2 * time.Second)
	synctest.Wait()
	w.notes = nil
	return caller, callee
}

func TestInsideADialog(t *testing.T) {
	answer := func(_ *Dialog, in *Incoming) { in.Answer(200, "", SDP([]byte("yes"))) }
	story(t, "re-INVITE", func(t *testing.T, w *world) {
		caller, _ := w.up(Events{}, Events{Request: answer})
		caller.s.Do(func() {
			caller.Send("INVITE", SDP([]byte("hold")), func(res *sip.Response, err error) { caller.Ack(Content{}) })
		})
		pass(time.Second)
		w.expect(`
			a INVITE (hold)
			b 200 (yes)
			a ACK`)
		w.a.sessionsEnd()
	})
	story(t, "INFO and what is not known", func(t *testing.T, w *world) {
		caller, _ := w.up(Events{}, Events{})
		got := 0
		caller.s.Do(func() { caller.Send("INFO", Content{}, func(res *sip.Response, _ error) { got = res.StatusCode }) })
		pass(time.Second)
		if got != 405 {
			t.Errorf("INFO: %d", got)
		}
		caller.s.Do(func() {
			caller.Send("INVITE", SDP([]byte("x")), func(res *sip.Response, _ error) { got = res.StatusCode })
		})
		pass(time.Second)
		if got != 488 {
			t.Errorf("re-INVITE: %d", got)
		}
		w.a.sessionsEnd()
	})
	// RFC 3261 §14.2, RFC 3311 §5.2
	story(t, "glare", func(t *testing.T, w *world) {
		caller, callee := w.up(Events{}, Events{Request: func(*Dialog, *Incoming) {}})
		var a, b int
		caller.s.Do(func() {
			caller.Send("INVITE", SDP([]byte("one")), func(res *sip.Response, _ error) { a = res.StatusCode })
		})
		callee.s.Do(func() {
			callee.Send("UPDATE", SDP([]byte("two")), func(res *sip.Response, _ error) { b = res.StatusCode })
		})
		pass(time.Second)
		if a != 491 || b != 491 {
			t.Errorf("answered %d and %d", a, b)
		}
		w.a.sessionsEnd()
	})
	story(t, "a second offer before the first is answered", func(t *testing.T, w *world) {
		var first *Incoming
		caller, _ := w.up(Events{}, Events{Request: func(_ *Dialog, in *Incoming) { first = in }})
		var errs []error
		caller.s.Do(func() {
			caller.Send("INVITE", SDP([]byte("one")), func(*sip.Response, error) { caller.Ack(Content{}) })
			caller.Send("UPDATE", SDP([]byte("two")), func(_ *sip.Response, err error) { errs = append(errs, err) })
			caller.Send("INVITE", SDP([]byte("three")), func(_ *sip.Response, err error) { errs = append(errs, err) })
		})
		pass(time.Second)
		if len(errs) != 2 || errs[0] != ErrPending || errs[1] != ErrPending {
			t.Errorf("errors %v", errs)
		}
		first.dialog.s.Do(func() { first.Answer(200, "", SDP([]byte("yes"))) })
		pass(time.Second)
		w.a.sessionsEnd()
	})
	// RFC 3261 §12.2.1.2
	story(t, "a peer that has forgotten the call", func(t *testing.T, w *world) {
		var why End
		caller, _ := w.up(Events{Ended: func(_ *Dialog, e End) { why = e }}, Events{})
		w.losing(func(who, what string) bool { return who == "b" && strings.HasSuffix(what, "BYE") })
		w.b.sessionsEnd()
		caller.s.Do(func() { caller.Send("INFO", Content{}, func(*sip.Response, error) {}) })
		pass(time.Second)
		if why.Cause != "no answer" {
			t.Errorf("ended by %+v", why)
		}
	})
	story(t, "an old CSeq", func(t *testing.T, w *world) {
		caller, _ := w.up(Events{}, Events{})
		got := 0
		caller.s.Do(func() {
			caller.localSeq = 0
			caller.Send("INFO", Content{}, func(res *sip.Response, _ error) { got = res.StatusCode })
			caller.localSeq = 9
		})
		pass(time.Second)
		if got != 500 {
			t.Errorf("answered %d", got)
		}
		w.a.sessionsEnd()
	})
}

// RFC 4028: the caller, whose refresher it is, asks after half of the time; one
// who does not is hung up on.
func TestSessionTimer(t *testing.T) {
	short := func(c *Call) { c.Expires = 100 }
	story(t, "refreshed by UPDATE", func(t *testing.T, w *world) {
		w.b.answering(Events{})
		w.call(Events{Answered: acking}, short)
		pass(60 * time.Second)
		w.expect(`
			a INVITE (offer)
			b 180
			b 200 (answer)
			a ACK
			51020 a UPDATE
			b 200/UPDATE`)
		w.a.sessionsEnd()
	})
	story(t, "refreshed by INVITE", func(t *testing.T, w *world) {
		w.b.answering(Events{Request: func(_ *Dialog, in *Incoming) { in.Answer(200, "", SDP([]byte("answer"))) }})
		w.call(Events{Answered: func(d *Dialog, _ *sip.Response) { d.updates = false; d.Ack(Content{}) }}, short)
		pass(60 * time.Second)
		w.expect(`
			a INVITE (offer)
			b 180
			b 200 (answer)
			a ACK
			51020 a INVITE (offer)
			b 200 (answer)
			a ACK`)
		w.a.sessionsEnd()
	})
	story(t, "the caller vanishes", func(t *testing.T, w *world) {
		var why End
		w.b.answering(Events{Ended: func(_ *Dialog, e End) { why = e }})
		w.call(Events{Answered: acking}, short)
		pass(10 * time.Second)
		w.losing(func(string, string) bool { return true })
		pass(70 * time.Second)
		if why.Cause != "session timer" {
			t.Errorf("ended by %+v", why)
		}
		pass(20 * time.Second)
		w.a.sessionsEnd()
	})
	story(t, "too short", func(t *testing.T, w *world) {
		w.b.answering(Events{})
		w.call(Events{Answered: acking}, func(c *Call) { c.Expires = 30 })
		pass(2 * time.Second)
		w.expect(`
			a INVITE (offer)
			b 422
			a ACK
			a INVITE (offer)
			b 180
			b 200 (answer)
			a ACK`)
		w.a.sessionsEnd()
	})
}

// RFC 3261 §22.2: only who knows an answer sends one, and not for ever.
func TestChallenges(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer string
		want   string
	}{
		{"answered", "right", "a INVITE (offer)\nb 407\na ACK\na INVITE (offer)\nb 180\nb 200 (answer)\na ACK"},
		{"wrongly", "wrong", "a INVITE (offer)\nb 407\na ACK\na INVITE (offer)\nb 407\na ACK"},
		{"too late", "stale", "a INVITE (offer)\nb 407\na ACK\na INVITE (offer)\nb 407\na ACK\na INVITE (offer)\nb 407\na ACK\na INVITE (offer)\nb 407\na ACK"},
		{"not", "", "a INVITE (offer)\nb 407\na ACK"},
	} {
		story(t, c.name, func(t *testing.T, w *world) {
			w.b.answering(Events{})
			inner := w.b.accept
			w.b.accept = func(in *transaction.Incoming, tx *transaction.Server) {
				if proof := wire.Header(in.Request, "Proxy-Authorization"); proof != "right" {
					challenge := "Digest"
					if proof == "stale" {
						challenge += ` stale="TRUE"`
					}
					_ = tx.Respond(wire.NewResponse(in.Request, 407, "", wire.H("Proxy-Authenticate", challenge)))
					return
				}
				inner(in, tx)
			}
			w.call(Events{Answered: acking}, func(call *Call) {
				call.Authorize = func(challenge *sip.Response, _, _ string) []sip.Header {
					if challenge == nil || c.answer == "" {
						return nil
					}
					return []sip.Header{wire.H("Proxy-Authorization", c.answer)}
				}
			})
			pass(1500 * time.Millisecond)
			w.expect(c.want)
			w.a.sessionsEnd()
		})
	}
}

// A challenged BYE is sent again with the answer, and the ACK shows what its
// INVITE has shown (RFC 3261 §13.2.2.4).
func TestChallengesInsideADialog(t *testing.T) {
	story(t, "BYE and ACK", func(t *testing.T, w *world) {
		w.b.answering(Events{})
		var seen []string
		serve := func(in *transaction.Incoming, tx *transaction.Server, accept func()) {
			proof := wire.Header(in.Request, "Authorization")
			seen = append(seen, string(in.Method)+" "+proof)
			if tx != nil && proof != "right "+string(in.Method) {
				_ = tx.Respond(wire.NewResponse(in.Request, 401, "", wire.H("WWW-Authenticate", "Digest")))
				return
			}
			accept()
		}
		w.b.guard = serve
		s := w.call(Events{Answered: acking}, func(call *Call) {
			call.Authorize = func(challenge *sip.Response, method, _ string) []sip.Header {
				if challenge == nil {
					return nil
				}
				return []sip.Header{wire.H("Authorization", "right "+method)}
			}
		})
		pass(3 * time.Second)
		s.Do(func() { s.HangUp("") })
		pass(time.Second)
		if got := strings.Join(seen, ", "); got != "INVITE , INVITE right INVITE, ACK right INVITE, BYE , BYE right BYE" {
			t.Errorf("the callee saw %s", got)
		}
	})
}

// Route sets and targets, RFC 3261 §12.2.1.1.
func TestRequestInsideADialog(t *testing.T) {
	u := &UA{}
	for _, c := range []struct{ routes, uri, route string }{
		{"", "sip:b@198.51.100.7", ""},
		{"<sip:p1;lr> <sip:p2;lr>", "sip:b@198.51.100.7", "<sip:p1;lr> <sip:p2;lr>"},
		{"<sip:p1> <sip:p2;lr>", "sip:p1", "<sip:p2;lr> <sip:b@198.51.100.7>"},
	} {
		target, _ := wire.ParseURI("sip:b@198.51.100.7")
		n := newWorld(t, "UDP").a
		u = n.UA
		d := &Dialog{s: &Session{ua: u, callID: "c"}, local: "<sip:a@x>", localTag: "1", remote: "<sip:b@y>", remoteTag: "2",
			target: target, routes: strings.Fields(c.routes), flow: n.flow}
		req := d.request("BYE", 7, n.flow, Content{}, nil)
		if got := wire.URIString(&req.Recipient); got != c.uri {
			t.Errorf("%s: Request-URI %s", c.routes, got)
		}
		if got := strings.Join(wire.Values(req, "Route"), " "); got != c.route {
			t.Errorf("%s: Route %s", c.routes, got)
		}
		if got := wire.Header(req, "From") + wire.Header(req, "To") + wire.Header(req, "CSeq"); got != "<sip:a@x>;tag=1<sip:b@y>;tag=27 BYE" {
			t.Error(got)
		}
	}
}

// A network that loses much: every call is answered and ended, nothing is left.
func TestLoss(t *testing.T) {
	for _, loss := range []float64{0.1, 0.3} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, "UDP")
			w.loss = loss
			w.b.accept = func(in *transaction.Incoming, tx *transaction.Server) {
				s := w.b.Accept(in, tx, nil, Events{}, nil)
				s.Do(func() {
					d := s.Fork()
					d.Progress(183, "", SDP([]byte("answer")))
					s.strand.After(time.Second, func() { d.Accept(SDP([]byte("answer"))) })
				})
			}
			const calls = 200
			up := 0
			for range calls {
				w.call(Events{Answered: func(d *Dialog, _ *sip.Response) {
					up++
					d.Ack(Content{})
					d.s.strand.After(10*time.Second, func() { d.s.HangUp("") })
				}}, func(c *Call) { c.Reliable = true })
				pass(20 * time.Millisecond)
			}
			pass(100 * time.Second)
			synctest.Wait()
			if least := calls * 97 / 100; up < least {
				t.Errorf("%d of %d calls were answered", up, calls)
			}
			w.mu.Lock()
			w.loss = 0
			w.mu.Unlock()
			w.b.sessionsEnd() // those whose BYE was lost eleven times
			w.end()
		})
	}
}

// DESIGN.md law 6, and the order of a strand.
func TestStrand(t *testing.T) {
	w := newWorld(t, "UDP")
	s := w.a.Strand()
	var got []int
	s.Do(func() {
		s.Do(func() { got = append(got, 2) })
		s.Do(func() { panic("oh") })
		s.Do(func() { got = append(got, 3) })
		got = append(got, 1)
	})
	if len(got) != 3 || got[0] != 1 || got[2] != 3 {
		t.Errorf("ran %v", got)
	}
	s.Do(func() {
		for range maxWaiting {
			s.Do(func() {})
		}
		if s.Do(func() { t.Error("ran") }) {
			t.Error("a strand without bound")
		}
	})
}
