package transaction

import (
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/wire"
)

// What a server transaction does: "<" is a request of the peer, "do" something
// the user does, ">" what we send.
var serverCases = []struct {
	name, over string
	script     string
	want       string
}{
	{"Figure 7: the layer sends 100 after 200 ms and repeats the last provisional", "UDP", `
		0 < INVITE
		100 < INVITE
		500 < INVITE
		600 do 180
		1500 < INVITE
		2000 do 200`, `
		0 user INVITE
		200 >100
		500 >100
		600 >180
		1500 >180
		2000 >200
		34000 end`},
	{"Figure 7: no 100 from the layer when the user was quicker", "UDP", `
		0 < INVITE
		150 do 180
		10000 do 200`, `
		0 user INVITE
		150 >180
		10000 >200
		42000 end`},
	{"Figure 7: 486 is repeated by Timer G until the ACK, Timer I", "UDP", `
		0 < INVITE
		10 do 486
		600 < INVITE
		1600 < ACK
		2000 < INVITE
		3000 < ACK
		6700 < ACK`, `
		0 user INVITE
		10 >486
		510 >486
		600 >486
		1510 >486
		6600 end
		6700 user ACK`},
	{"Figure 7: Timers G and H when no ACK comes", "UDP", `
		0 < INVITE
		0 do 486`, `
		0 user INVITE
		0 >486
		500 >486
		1500 >486
		3500 >486
		7500 >486
		11500 >486
		15500 >486
		19500 >486
		23500 >486
		27500 >486
		31500 >486
		32000 end`},
	{"Figure 7: over TLS there is no Timer G, and Timer I is zero", "TLS", `
		0 < INVITE
		0 do 486
		5000 < ACK`, `
		0 user INVITE
		0 >486
		5000 end`},
	{"Figure 7: over TLS Timer H", "TLS", `
		0 < INVITE
		0 do 486`, `
		0 user INVITE
		0 >486
		32000 end`},
	{"RFC 6026: every 2xx of a proxied INVITE passes, none is repeated by us", "UDP", `
		0 < INVITE
		10 do 200
		500 < INVITE
		510 do 200
		520 < ACK-2xx
		530 < ACK
		540 do 200`, `
		0 user INVITE
		10 >200
		510 >200
		520 user ACK
		530 user ACK
		540 >200
		32010 end`},
	{"what comes after a final response is not sent", "UDP", `
		0 < INVITE
		10 do 486
		20 do 180
		30 do 200
		40 do 603
		100 < INVITE
		200 < ACK`, `
		0 user INVITE
		10 >486
		20 refused
		30 refused
		40 refused
		100 >486
		5200 end`},
	{"only a 2xx follows a 2xx", "UDP", `
		0 < INVITE
		10 do 200
		20 do 180
		30 do 486`, `
		0 user INVITE
		10 >200
		20 refused
		30 refused
		32010 end`},
	{"CANCEL is answered here, once or often; the user decides", "UDP", `
		0 < INVITE
		10 do 180
		100 < CANCEL
		600 < CANCEL
		700 do 487
		750 < CANCEL
		800 < ACK`, `
		0 user INVITE
		10 >180
		100 >200/CANCEL
		100 user cancelled
		600 >200/CANCEL
		700 >487
		750 >200/CANCEL
		5800 end`},
	{"a 200 that crosses the CANCEL wins", "UDP", `
		0 < INVITE
		100 < CANCEL
		110 do 200
		120 do 487`, `
		0 user INVITE
		100 >200/CANCEL
		100 user cancelled
		110 >200
		120 refused
		32110 end`},
	{"CANCEL after the final response changes nothing", "TLS", `
		0 < INVITE
		10 do 200
		20 < CANCEL`, `
		0 user INVITE
		10 >200
		20 >200/CANCEL
		32010 end`},
	{"CANCEL and ACK without a transaction go up", "UDP", `
		0 < CANCEL
		10 < ACK`, `
		0 user CANCEL
		10 user ACK`},

	{"Figure 8: repeated requests get the final response until Timer J", "UDP", `
		0 < MESSAGE
		100 < MESSAGE
		200 do 202
		500 < MESSAGE
		32100 < MESSAGE`, `
		0 user MESSAGE
		200 >202
		500 >202
		32100 >202
		32200 end`},
	{"Figure 8: over TCP Timer J is zero", "TCP", `
		0 < MESSAGE
		200 do 202
		300 do 202`, `
		0 user MESSAGE
		200 >202
		200 end
		300 refused`},
	{"RFC 4320 §4.1: 100 when the client's Timer E has reached T2", "UDP", `
		0 < MESSAGE
		3600 < MESSAGE
		3700 do 183
		5000 do 202`, `
		0 user MESSAGE
		3500 >100
		3600 >100
		3700 refused
		5000 >202
		37000 end`},
	{"RFC 4320 §4.2: 408 is never sent", "UDP", `
		0 < MESSAGE
		1000 do 408
		1500 < MESSAGE`, `
		0 user MESSAGE
		33000 end`},
	{"a user that never answers", "TLS", `
		0 < MESSAGE`, `
		0 user MESSAGE
		3500 >100
		32000 end`},
	{"the flow is gone", "TLS", `
		0 < INVITE
		10 do break
		20 do 486`, `
		0 user INVITE
		20 end
		20 failed`},
}

func TestServer(t *testing.T) {
	for _, c := range serverCases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, c.over)
				s.serve(wire.NewBranch(), c.script)
				s.end()
				s.expectUnordered(c.want)
			})
		})
	}
}

// serve plays a script against a user that begins a transaction for whatever
// comes first.
func (s *scene) serve(branch, script string) {
	var tx *Server
	var first *sip.Request
	for line := range strings.Lines(strings.TrimSpace(script)) {
		words := strings.Fields(line)
		at, _ := time.ParseDuration(words[0] + "ms")
		time.Sleep(at - time.Since(s.began))
		synctest.Wait()
		if words[1] == "do" {
			s.act(tx, first, words[2])
			continue
		}
		req := s.arriving(words[2], branch)
		s.layer.Message(s.flow, req)
		if tx == nil && req.Method != "ACK" && req.Method != "CANCEL" {
			tx, first = s.begin(), req
		}
	}
}

func (s *scene) arriving(what, branch string) *sip.Request {
	if what == "ACK-2xx" {
		return request(s.t, "ACK", wire.NewBranch(), "b1")
	}
	return request(s.t, what, branch, "")
}

func (s *scene) begin() *Server {
	tx, err := s.up[0].Begin()
	if err != nil {
		s.t.Fatal(err)
	}
	tx.OnCancel(func() { s.note("user cancelled") })
	go func() { // looks when nothing else happens: all times here are hundredths of a second
		for time.Sleep(time.Millisecond / 2); !tx.over(); time.Sleep(10 * time.Millisecond) {
		}
		s.note("end")
	}()
	return tx
}

func (s *scene) act(tx *Server, req *sip.Request, what string) {
	status, err := strconv.Atoi(what)
	if err != nil {
		s.down.Store(true)
		return
	}
	switch err := tx.Respond(wire.NewResponse(req, status, "")); err {
	case nil:
	case ErrAnswered:
		s.note("refused")
	default:
		s.note("failed")
	}
}

// expectUnordered compares what happened by time.
func (s *scene) expectUnordered(want string) {
	s.t.Helper()
	sortByTime(s.notes)
	lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(want, "\t", "")), "\n")
	sortByTime(lines)
	s.expect(strings.Join(lines, "\n"))
}

// RFC 3261 §17.2.3 and §9.2: what belongs to which transaction.
func TestMatching(t *testing.T) {
	old := func(method, toTag, cseq string) *sip.Request {
		return parse(t, method+" sip:bob@example.com SIP/2.0",
			"Via: SIP/2.0/UDP 192.0.2.9",
			"From: <sip:alice@example.com>",
			"To: <sip:bob@example.com>"+toTag,
			"Call-ID: c1", "CSeq: "+cseq+" "+method).(*sip.Request)
	}
	with := func(method, branch, host string) *sip.Request {
		return parse(t, method+" sip:bob@example.com SIP/2.0",
			"Via: SIP/2.0/UDP "+host+";branch="+branch,
			"From: <sip:alice@example.com>;tag=a", "To: <sip:bob@example.com>",
			"Call-ID: c1", "CSeq: 1 "+method).(*sip.Request)
	}
	for _, c := range []struct {
		name          string
		first, second *sip.Request
		same          bool
	}{
		{"branch and sent-by", with("INVITE", "z9hG4bKx", "h:5060"), with("INVITE", "z9hG4bKx", "H:5060"), true},
		{"another branch", with("INVITE", "z9hG4bKx", "h"), with("INVITE", "z9hG4bKy", "h"), false},
		{"another sent-by", with("INVITE", "z9hG4bKx", "h:5060"), with("INVITE", "z9hG4bKx", "h:5070"), false},
		{"another method", with("MESSAGE", "z9hG4bKx", "h"), with("INFO", "z9hG4bKx", "h"), false},
		{"ACK finds its INVITE", with("INVITE", "z9hG4bKx", "h"), with("ACK", "z9hG4bKx", "h"), true},
		{"CANCEL finds its INVITE", with("INVITE", "z9hG4bKx", "h"), with("CANCEL", "z9hG4bKx", "h"), true},
		{"CANCEL does not find a MESSAGE", with("MESSAGE", "z9hG4bKx", "h"), with("CANCEL", "z9hG4bKx", "h"), false},
		{"RFC 2543: without branch", old("INVITE", "", "1"), old("INVITE", "", "1"), true},
		{"RFC 2543: another CSeq", old("INVITE", "", "1"), old("INVITE", "", "2"), false},
		{"RFC 2543: ACK with our tag", old("INVITE", "", "1"), old("ACK", ";tag=ours", "1"), true},
		{"RFC 2543: another dialog", old("BYE", ";tag=1", "1"), old("BYE", ";tag=2", "1"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, "UDP")
				s.layer.Message(s.flow, c.first)
				tx := s.begin()
				_ = tx.Respond(wire.NewResponse(c.first, 486, ""))
				s.layer.Message(s.flow, c.second)
				if same := len(s.up) == 1; same != c.same {
					t.Errorf("same transaction: %v", same)
				}
				s.end()
			})
		})
	}
}

// A copy of the request that comes before its user has begun is not a second
// transaction, and a CANCEL that came too early can be tried again.
func TestBeginLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, "UDP")
		branch := wire.NewBranch()
		for _, m := range []string{"INVITE", "INVITE", "CANCEL"} {
			s.layer.Message(s.flow, request(t, m, branch, ""))
		}
		tx := s.begin()
		if _, err := s.up[1].Begin(); err != ErrRetransmission {
			t.Errorf("the copy begins: %v", err)
		}
		if !s.up[2].cancel() {
			t.Error("the CANCEL does not find its INVITE")
		}
		_ = tx.Respond(wire.NewResponse(s.up[0].Request, 487, ""))
		s.layer.Message(s.flow, request(t, "ACK", branch, "b1"))
		s.end()
		s.expectUnordered(`
			0 user INVITE
			0 user INVITE
			0 user CANCEL
			0 >200/CANCEL
			0 user cancelled
			0 >487
			5000 end`)
	})
}

// OnCancel that comes too late is called at once.
func TestLateCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, "TLS")
		branch := wire.NewBranch()
		s.layer.Message(s.flow, request(t, "INVITE", branch, ""))
		tx, err := s.up[0].Begin()
		if err != nil {
			t.Fatal(err)
		}
		s.layer.Message(s.flow, request(t, "CANCEL", branch, ""))
		tx.OnCancel(func() { s.note("user cancelled") })
		_ = tx.Respond(wire.NewResponse(s.up[0].Request, 487, ""))
		s.layer.Message(s.flow, request(t, "ACK", branch, "b1"))
		s.end()
		s.expect("0 user INVITE\n0 >200/CANCEL\n0 user cancelled\n0 >487")
	})
}

func TestMalformedIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, "UDP")
		bad := func(method string) *sip.Request {
			return parse(t, method+" urn:x SIP/2.0", "Via: SIP/2.0/UDP h;branch=z9hG4bKx",
				"From: <sip:a@b>;tag=1", "To: <sip:a@b>", "Call-ID: c", "CSeq: 1 "+method).(*sip.Request)
		}
		s.layer.Message(s.flow, bad("MESSAGE"))
		s.layer.Message(s.flow, bad("ACK"))
		s.end()
		s.expect("0 >416\n0 user malformed 416\n0 user malformed 416")
	})
}
