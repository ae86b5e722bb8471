package trunk

import (
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/dialog"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// moved is a call from a carrier that one of us has answered and refers on.
type moved struct {
	w        *world
	carrier  *carrier
	outside  *dialog.Session // the carrier's
	referrer *dialog.Dialog  // ours
	offers   []string        // that the carrier got
	told     []string        // the referrer
	acks     []string        // of the target
	ended    int             // of the outside
	target   func(s *dialog.Session)
}

func newMoved(w *world) *moved {
	m := &moved{w: w, carrier: w.carrier(first, "UDP")}
	w.pickedUp = dialog.Events{
		Request: func(_ *dialog.Dialog, in *dialog.Incoming) {
			line, _, _ := strings.Cut(string(in.Body()), "\r")
			m.told = append(m.told, line)
			in.Reply(200, "")
		},
		Acknowledged: func(d *dialog.Dialog, ack *sip.Request) {
			if m.referrer == nil {
				m.referrer = d
				return
			}
			m.acks = append(m.acks, string(ack.Body()))
		},
	}
	w.pickUp = func(r *server.Request, s *dialog.Session) {
		if m.referrer != nil {
			m.target(s)
			return
		}
		s.Fork().Accept(dialog.SDP([]byte("first")))
	}
	m.target = func(s *dialog.Session) {
		d := s.Fork()
		d.Progress(180, "", dialog.Content{})
		time.AfterFunc(3*time.Second, func() { s.Do(func() { d.Accept(dialog.SDP([]byte("target"))) }) })
	}
	m.outside = m.carrier.call("+86105551234", dialog.Events{
		Answered: acking,
		Ended:    func(*dialog.Dialog, dialog.End) { m.ended++ },
		Request: func(_ *dialog.Dialog, in *dialog.Incoming) {
			m.offers = append(m.offers, string(in.Method)+" "+string(in.Body()))
			in.Answer(200, "", dialog.SDP([]byte("outside")))
		},
	})
	pass(time.Second)
	return m
}

// refer sends REFER and returns the answer to it.
func (m *moved) refer(to string, also func()) (status int) {
	m.referrer.Session().Do(func() {
		m.referrer.Send("REFER", dialog.Content{}, func(res *sip.Response, _ error) {
			if status = res.StatusCode; also != nil {
				also()
			}
		}, wire.H("Refer-To", to))
	})
	pass(time.Second)
	return status
}

func TestTransfer(t *testing.T) {
	one := []store.Trunk{line("t", first)}
	story(t, "to another user", one, func(t *testing.T, w *world) {
		m := newMoved(w)
		if status := m.refer("<sip:1235@example.com>", nil); status != 202 {
			t.Fatalf("REFER: %d", status)
		}
		pass(10 * time.Second)
		invite := w.rang[1].Request
		if invite.Recipient.User != "1235" || len(invite.Body()) != 0 || headerWithoutTag(invite, "From") != "<sip:+4930123456@example.com;user=phone>" ||
			wire.Header(invite, "Referred-By") == "" {
			t.Errorf("the INVITE to the target is\n%s", invite)
		}
		if got := strings.Join(m.told, ", "); got != "SIP/2.0 100 Trying, SIP/2.0 180 Ringing, SIP/2.0 200 OK" {
			t.Errorf("the referrer was told %s", got)
		}
		if len(m.offers) != 1 || m.offers[0] != "INVITE target" || len(m.acks) != 1 || m.acks[0] != "outside" {
			t.Errorf("the carrier was offered %v, the target answered %v", m.offers, m.acks)
		}
		if !m.referrer.Session().Over() || m.ended != 0 {
			t.Errorf("the referrer is there: %v; the carrier's end ended %d times", !m.referrer.Session().Over(), m.ended)
		}
		m.outside.Do(func() { m.outside.HangUp("") })
	})
	story(t, "the referrer does not wait", one, func(t *testing.T, w *world) {
		m := newMoved(w)
		m.refer("<sip:1235@example.com>", func() { m.referrer.Session().HangUp("") })
		pass(10 * time.Second)
		if len(m.offers) != 1 || m.ended != 0 {
			t.Errorf("the carrier was offered %v, its end ended %d times", m.offers, m.ended)
		}
		m.outside.Do(func() { m.outside.HangUp("") })
	})
	story(t, "busy: the referrer has the call again", one, func(t *testing.T, w *world) {
		m := newMoved(w)
		m.target = func(s *dialog.Session) { s.Reject(486, "") }
		m.refer("<sip:1235@example.com>", nil)
		if got := strings.Join(m.told, ", "); got != "SIP/2.0 100 Trying, SIP/2.0 486 Busy Here" || m.ended != 0 || m.referrer.Session().Over() {
			t.Errorf("the referrer was told %s", got)
		}
		m.target = func(s *dialog.Session) { s.Fork().Accept(dialog.SDP([]byte("second"))) }
		if m.refer("<sip:1236@example.com>", nil); len(m.offers) != 1 {
			t.Errorf("the second try offered %v", m.offers)
		}
		pass(5 * time.Second)
		m.outside.Do(func() { m.outside.HangUp("") })
	})
	story(t, "busy, and the referrer is gone", one, func(t *testing.T, w *world) {
		m := newMoved(w)
		m.target = func(s *dialog.Session) { time.AfterFunc(time.Second, func() { s.Do(func() { s.Reject(486, "") }) }) }
		m.refer("<sip:1235@example.com>", func() { m.referrer.Session().HangUp("") })
		pass(5 * time.Second)
		if m.ended != 1 {
			t.Errorf("the carrier's end ended %d times", m.ended)
		}
	})
	story(t, "the other end hangs up while it rings", one, func(t *testing.T, w *world) {
		m := newMoved(w)
		cancelled := 0
		w.pickedUp.Cancelled = func(string) { cancelled++ }
		m.refer("<sip:1235@example.com>", nil)
		m.outside.Do(func() { m.outside.HangUp("") })
		pass(time.Second)
		if cancelled != 1 || !m.referrer.Session().Over() {
			t.Errorf("the target was cancelled %d times", cancelled)
		}
	})
	story(t, "attended", one, func(t *testing.T, w *world) {
		m := newMoved(w)
		m.refer("<sip:1235@example.com?Replaces=abc%3Bto-tag%3D1%3Bfrom-tag%3D2&Subject=evil>", nil)
		invite := w.rang[1].Request
		if r := wire.Header(invite, "Replaces"); r != "abc;to-tag=1;from-tag=2" || wire.Header(invite, "Require") != "replaces" || wire.Header(invite, "Subject") != "" {
			t.Errorf("Replaces: %s", r)
		}
		pass(10 * time.Second)
		m.outside.Do(func() { m.outside.HangUp("") })
	})
	story(t, "not everywhere", one, func(t *testing.T, w *world) {
		m := newMoved(w)
		for _, to := range []string{"<sip:x@evil.example.net>", "<sip:1235@example.com;method=BYE>", "<https://example.com>", "", "<sip:1235@example.com>, <sip:1@example.com>"} {
			if status := m.refer(to, nil); status != 403 {
				t.Errorf("%s: %d", to, status)
			}
		}
		if len(w.rang) != 1 {
			t.Errorf("%d calls", len(w.rang))
		}
		m.outside.Do(func() { m.outside.HangUp("") })
	})
}
