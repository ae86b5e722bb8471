package server

import (
	"testing"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/auth"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// board is a conference that user 1 may know of, or nobody.
type board struct {
	service
	member store.UserID
}

func (b board) Claims(u *sip.Uri, by store.UserID) bool { return u.User == "board" && by == b.member }
func (board) Knows(*Request) (auth.Identity, bool)      { return auth.Identity{}, false }

// To who is not in a conference its address answers as one that is nobody's, also
// before he has said who he is: status, headers, and who gets the request.
func TestConferencesAreNotToldFromNobody(t *testing.T) {
	for _, method := range []string{"INVITE", "REFER", "OPTIONS", "BYE", "INFO", "UPDATE", "NOTIFY", "PRACK", "ACK", "CANCEL", "MESSAGE", "SUBSCRIBE", "PUBLISH"} {
		for _, head := range [][]string{
			nil, {asAlice}, {inside}, {asAlice, inside}, {"Require: frobnicate"}, {asAlice, "Require: frobnicate"},
			{asAlice, "Require: recipient-list-invite"},
		} {
			ask := func(name string) (events string, challenge, unsupported string) {
				s := newStage(t, "TLS", nil)
				s.server.cfg.Focus = board{service{s, "focus"}, 2}
				if method != "ACK" {
					s.handle = func(r *Request) { r.Reply(404, "") }
				}
				s.give(method+" sip:"+name+"@example.com", head...)
				for _, e := range s.events {
					events += e + ", "
				}
				if len(s.answers) > 0 {
					res := s.answers[len(s.answers)-1]
					challenge = wire.Header(res, "WWW-Authenticate") + "/" + wire.Header(res, "Proxy-Authenticate")
				}
				return events, challenge, s.last("Unsupported")
			}
			e1, c1, u1 := ask("board")
			e2, c2, u2 := ask("nobody")
			if e1 != e2 || c1 != c2 || u1 != u2 {
				t.Errorf("%s %v: %s%s %s, to nobody: %s%s %s", method, head, e1, c1, u1, e2, c2, u2)
			}
		}
	}
	s := newStage(t, "TLS", nil)
	s.server.cfg.Focus = board{service{s, "focus"}, 1}
	s.give("INVITE sip:board@example.com", asAlice)
	s.expect("focus alice 1")
}
