package call

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/auth"
	"github.com/sparkleim/sparkle/sip/dialog"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// click is a call that the server places for a user (RFC 3725, third party call
// control). Its agent calls the user's devices, and when one has answered it calls
// the target in the user's name. Both halves are calls of the service, with one
// record and one session of media: the leg of the device in the first half is the
// caller's leg in the second, so every packet is relayed once. The agent itself
// describes nothing; what one side says of media later it passes on to the other.
//
// Everything of a click happens on its strand but what service.mu guards.
type click struct {
	service *Service
	user    store.User
	to      sip.Uri
	dialled string
	callIDs [2]string // of the halves

	strand         *dialog.Strand
	ring, talk     *dialog.Session // the calls to the device and to the target
	device, target *dialog.Dialog  // when they have answered
	owed           *dialog.Dialog  // whose ACK waits for an answer of the other side
	rung           chan error      // what becomes of the first device

	first, second *call // the halves; guarded by service.mu
}

// half tells which part of a click a call is.
type half uint8

const (
	whole half = iota // it is none
	rings             // to the user's devices: the caller is nobody yet
	talks             // from the device that has answered to the target
)

// noDescription is the description in the agent's INVITEs. A half puts its own there.
const noDescription = "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"

// How often, and after which time, an offer that met another one is made again
// (RFC 3261 §14.1).
const (
	alignTries = 3
	alignAgain = 2100 * time.Millisecond
)

// Trusted tells whether a flow is that of the agent that places calls
// (server.Config.Trusted).
func (s *Service) Trusted(f *transport.Flow) bool {
	return s.cfg.Agent != nil && f == s.cfg.Agent.Flow()
}

// Dial rings the devices of a user and, once one has answered, connects it with
// to: an address or a number, as the user would dial it. What he may not dial he
// may not reach so either. It returns when the first device rings or has failed:
// ErrInvalid for what is no address, a *server.Error when no device rings. The
// call ends when the user or the target hangs up, or by [Service.HangUp].
func (s *Service) Dial(ctx context.Context, u store.User, to string) (id int64, err error) {
	if s.cfg.Agent == nil {
		return 0, &server.Error{Status: sip.StatusServiceUnavailable, Warning: "this server places no calls"}
	}
	target, err := s.settings.address(to)
	if err != nil {
		return 0, err
	}
	if err := s.refuseNow(&target); err != nil {
		return 0, err
	}
	k := &click{
		service: s, user: u, to: target, dialled: to, rung: make(chan error, 1),
		callIDs: [2]string{wire.NewCallID(), wire.NewCallID()}, strand: s.cfg.Agent.Strand(),
	}
	s.mu.Lock()
	for _, id := range k.callIDs {
		s.clicks[id] = k
	}
	s.mu.Unlock()
	k.ringUser()
	select {
	case err = <-k.rung:
	case <-ctx.Done():
		k.strand.Do(func() { k.ring.HangUp("") })
		err = ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.first != nil {
		id = k.first.record.ID
	}
	return id, err
}

// clickOf returns the click that an INVITE of the agent belongs to, nil for none.
func (s *Service) clickOf(r *server.Request) *click {
	if !s.Trusted(r.Flow) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clicks[r.CallID]
}

// newCall makes the half of a click that an INVITE begins.
func (k *click) newCall(r *server.Request, content body) (*call, *server.Error) {
	s := k.service
	if r.CallID == k.callIDs[0] {
		record := s.newRecord(r)
		record.Direction, record.Dialled = clicked, k.dialled
		record.Caller = store.CallParty{User: k.user.ID, Address: k.user.AOR(), Shown: k.user.AOR()}
		c := s.newCall(r, content, record)
		c.half, c.route.stages[0].own = rings, true
		s.mu.Lock()
		defer s.mu.Unlock()
		k.first = c
		return c, nil
	}
	s.mu.Lock()
	first := k.first
	s.mu.Unlock()
	r.Sender = auth.Identity{User: k.user.ID, Username: k.user.Username, Domain: k.user.Domain}
	first.mu.Lock()
	defer first.mu.Unlock()
	if first.phase != talking {
		return nil, &server.Error{Status: sip.StatusRequestTerminated}
	}
	record := first.record
	record.Attempts = slices.Clone(record.Attempts)
	c := s.newCall(r, content, record)
	c.half, c.session, c.caller.leg = talks, first.session, first.answered.leg
	first.session = nil
	first.heir.Store(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	k.second = c
	return c, nil
}

// asked tells whether a leg waits for an answer: one that there is, and not that
// of a click's user before he was told about the target. c.mu is held.
func (c *call) asked(l Leg) bool {
	return l != nil && (c.half != talks || c.phase != setup)
}

// ringUser calls the user's devices. They show whom he is about to call.
func (k *click) ringUser() {
	shown := k.to
	if shown.Scheme == "tel" {
		shown = sip.Uri{Scheme: "sip", User: k.to.User, Host: k.user.Domain}
	}
	user := sip.Uri{Scheme: "sip", User: wire.EscapeUser(k.user.Username), Host: k.user.Domain}
	words := "呼叫 %s"
	if k.service.cfg.Language == "en" {
		words = "Call to %s"
	}
	k.strand.Do(func() {
		k.ring = k.service.cfg.Agent.Call(dialog.Call{
			URI: user, CallID: k.callIDs[0], Strand: k.strand, Content: dialog.SDP([]byte(noDescription)),
			From: wire.FormatNameAddr(fmt.Sprintf(words, k.dialled), wire.URIString(&shown)),
		}, dialog.Events{
			Progress: func(*dialog.Dialog, *sip.Response) { k.tell(nil) },
			Answered: func(d *dialog.Dialog, _ *sip.Response) { k.answered(d) },
			Failed:   k.notReached,
			Request:  func(_ *dialog.Dialog, in *dialog.Incoming) { k.passOn(in, k.target) },
			Acknowledged: func(_ *dialog.Dialog, ack *sip.Request) {
				k.acknowledge(ack, k.target)
			},
			Ended: func(_ *dialog.Dialog, why dialog.End) { k.end(k.talk, why.Reason) },
		})
	})
}

// tell lets Dial return.
func (k *click) tell(err error) {
	select {
	case k.rung <- err:
	default:
	}
}

// notReached ends a click whose user did not answer.
func (k *click) notReached(res *sip.Response, _ error) {
	k.forget()
	status := sip.StatusTemporarilyUnavailable
	if res != nil {
		status = res.StatusCode
	}
	k.tell(&server.Error{Status: status, Warning: "no telephone of " + k.user.AOR() + " takes the call"})
}

// end ends the other side too.
func (k *click) end(other *dialog.Session, reason string) {
	k.forget()
	other.HangUp(reason)
}

func (k *click) forget() {
	s := k.service
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range k.callIDs {
		delete(s.clicks, id)
	}
}

// answered calls the target, in the name of the user whose device d has answered.
func (k *click) answered(d *dialog.Dialog) {
	d.Ack(dialog.Content{})
	k.device = d
	k.tell(nil)
	user := "sip:" + wire.EscapeUser(k.user.Username) + "@" + k.user.Domain
	k.talk = k.service.cfg.Agent.Call(dialog.Call{
		URI: k.to, CallID: k.callIDs[1], Strand: k.strand, Content: dialog.SDP([]byte(noDescription)),
		From: wire.FormatNameAddr(k.user.DisplayName, user),
	}, dialog.Events{
		Answered: func(d *dialog.Dialog, _ *sip.Response) {
			d.Ack(dialog.Content{})
			k.target = d
			k.align(alignTries)
		},
		Failed: func(*sip.Response, error) { k.end(k.ring, "") },
		Request: func(_ *dialog.Dialog, in *dialog.Incoming) {
			k.passOn(in, k.device)
		},
		Acknowledged: func(_ *dialog.Dialog, ack *sip.Request) { k.acknowledge(ack, k.device) },
		Ended:        func(_ *dialog.Dialog, why dialog.End) { k.end(k.ring, why.Reason) },
	})
}

// align tells the user's device what the target has answered: until now it has
// only heard of codecs that many know.
func (k *click) align(tries int) {
	s := k.service
	s.mu.Lock()
	c := k.second
	s.mu.Unlock()
	offer, err := c.offerBack()
	if err != nil {
		k.later(tries, err)
		return
	}
	k.device.Send("INVITE", dialog.SDP(offer), func(res *sip.Response, err error) {
		switch {
		case err == nil && res.StatusCode < 300:
			k.device.Ack(dialog.Content{})
			err = c.answerBack(res.Body())
		case err == nil:
			err = fmt.Errorf("the device answered %d", res.StatusCode)
			fallthrough
		default:
			c.takeBack()
			k.later(tries, err)
			return
		}
		if err != nil {
			s.log.Warn("the answer of a user's device cannot be used", "trace", c.record.TraceID, "error", err)
		}
	})
}

// later aligns again, where another offer was in the way perhaps.
func (k *click) later(tries int, err error) {
	if tries <= 1 || errors.Is(err, dialog.ErrOver) {
		k.service.log.Warn("a user's device was not told about the target's codecs", "user", k.user.AOR(), "error", err)
		return
	}
	k.strand.After(alignAgain, func() {
		if !k.talk.Over() {
			k.align(tries - 1)
		}
	})
}

// offerBack offers to the user's device what the target has answered.
func (c *call) offerBack() ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase != talking {
		return nil, dialog.ErrOver
	}
	return c.caller.leg.MakeOffer(c.answered.leg)
}

func (c *call) answerBack(sdp []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.caller.leg.TakeAnswer(sdp)
}

func (c *call) takeBack() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.caller.leg.Rollback()
}

// passOn repeats at one side what the other side asks.
func (k *click) passOn(in *dialog.Incoming, to *dialog.Dialog) {
	method := string(in.Method)
	switch method {
	case "INVITE", "UPDATE":
		method = "INVITE" // which everybody understands
	case "INFO":
	default:
		in.Reply(sip.StatusMethodNotAllowed, "")
		return
	}
	if to == nil {
		in.Reply(sip.StatusRequestPending, "")
		return
	}
	to.Send(method, dialog.ContentOf(in.Request), func(res *sip.Response, err error) {
		switch {
		case errors.Is(err, dialog.ErrPending):
			in.Reply(sip.StatusRequestPending, "")
			return
		case err != nil:
			in.Reply(sip.StatusRequestTimeout, "")
			return
		case method == "INVITE" && res.StatusCode < 300 && len(in.Body()) == 0:
			k.owed = to // the answer to its offer comes with an ACK
		case method == "INVITE" && res.StatusCode < 300:
			to.Ack(dialog.Content{})
		}
		in.Answer(res.StatusCode, "", dialog.ContentOf(res))
	})
}

// acknowledge passes the ACK on that an offer waits for.
func (k *click) acknowledge(ack *sip.Request, to *dialog.Dialog) {
	if k.owed != nil && k.owed == to {
		k.owed = nil
		to.Ack(dialog.ContentOf(ack))
	}
}
