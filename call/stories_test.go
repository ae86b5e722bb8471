package call

import (
	"testing"
)

func TestStories(t *testing.T) {
	tests := []struct{ name, script string }{
		{"a call", `
			alice INVITE bob (A)
			bob gets INVITE (sdes A)
			bob 180
			alice gets 180 INVITE
			bob 200 (B)
			alice gets 200 INVITE (B)
			alice ACK
			bob gets ACK
			media A=B
			alice BYE > bob 200
			quiet`},
		{"early media, and the final answer says it again", `
			alice INVITE bob (A)
			bob gets INVITE (sdes A)
			bob 183 (B1)
			alice gets 183 INVITE (B1)
			media A=B1
			bob 200 (B2)
			alice gets 200 INVITE (B2)
			bob 200 (B2)                   # repeated before the ACK
			alice gets 200 INVITE (B2)
			alice ACK
			bob gets ACK
			media A=B2
			quiet`},
		{"a final answer without description after early media", `
			alice INVITE bob (A)
			bob gets INVITE (sdes A)
			bob 183 (B)
			alice gets 183 INVITE (B)
			bob 200
			alice gets 200 INVITE
			alice ACK
			bob gets ACK
			media A=B
			quiet`},
		{"reliable early answer, and a new offer in PRACK", `
			alice INVITE bob (A)
			bob gets INVITE (sdes A)
			bob adds Require: 100rel
			bob 183 (B)
			alice gets 183 INVITE (B)
			alice PRACK (A2)
			bob gets PRACK (sdes A2)
			bob 200 PRACK (B2)
			alice gets 200 PRACK (B2)
			alice UPDATE (A3)
			bob gets UPDATE (sdes A3)
			bob 200 UPDATE (B3)
			alice gets 200 UPDATE (B3)
			bob 200
			alice gets 200 INVITE
			alice ACK
			bob gets ACK
			quiet`},
		{"late offer", `
			alice INVITE bob
			bob gets INVITE
			bob 180
			alice gets 180 INVITE
			bob 200 (B)
			alice gets 200 INVITE (sdes B)
			bob 200 (B)
			alice gets 200 INVITE (sdes B)
			alice ACK (A)
			bob gets ACK (A)
			alice ACK (A)                  # for the repeated one
			bob gets ACK (A)
			quiet`},
		{"late offer in a reliable provisional response", `
			alice INVITE bob
			bob gets INVITE
			bob adds Require: 100rel
			bob 183 (B)
			alice gets 183 INVITE (sdes B)
			alice PRACK (A)
			bob gets PRACK (A)
			bob 200 PRACK
			alice gets 200 PRACK
			bob 200
			alice gets 200 INVITE
			alice ACK
			bob gets ACK
			quiet`},
		{"two devices ring, the second answers", `
			alice INVITE dave (A)
			dave gets INVITE (sdes A)
			dave2 gets INVITE (sdes A)
			dave 183 (D1)
			alice gets 183 INVITE (D1)
			dave2 183 (D2)
			alice gets 183 INVITE          # she hears the first already
			dave2 200 (D2)
			alice gets 200 INVITE (D2)
			dave gets CANCEL
			dave 200 CANCEL
			dave 487
			dave gets ACK
			media A=D2
			alice ACK
			dave2 gets ACK
			quiet`},
		{"two devices answer at once", `
			alice INVITE dave (A)
			dave gets INVITE (sdes A)
			dave2 gets INVITE (sdes A)
			dave 200 (D1)
			alice gets 200 INVITE (D1)
			dave2 200 (D2)
			alice gets 200 INVITE (D2)     # valid, and she ends it
			alice ACK
			dave2 gets ACK
			alice BYE > dave2 200
			media A=D1
			quiet`},
		{"the device takes only DTLS", `
			alice INVITE bob (A)
			bob gets INVITE (sdes A)
			bob 488
			bob gets ACK
			bob gets INVITE (dtls A)
			bob 180
			alice gets 180 INVITE
			bob 200 (dtls B)
			alice gets 200 INVITE (dtls B)
			alice ACK
			bob gets ACK
			alice BYE > bob 200
			carol INVITE bob (C)           # and that is remembered
			bob gets INVITE (dtls C)
			bob 486
			bob gets ACK
			carol gets 486 INVITE
			quiet`},
		{"the device takes nothing", `
			alice INVITE bob (A)
			bob gets INVITE (sdes A)
			bob 606
			bob gets ACK
			bob gets INVITE (dtls A)
			bob 415
			bob gets ACK
			alice gets 415 INVITE
			quiet`},
		{"another device rings on while one is asked again", `
			alice INVITE dave (A)
			dave gets INVITE (sdes A)
			dave2 gets INVITE (sdes A)
			dave2 180
			alice gets 180 INVITE
			dave 488
			dave gets ACK
			dave gets INVITE (dtls A)
			dave 486
			dave gets ACK
			dave2 486
			dave2 gets ACK
			alice gets 486 INVITE
			quiet`},
		{"an answer that cannot be used", `
			alice INVITE bob (A)
			bob gets INVITE (sdes A)
			bob 200 (bad)
			bob gets ACK
			bob gets BYE
			bob gets INVITE (dtls A)
			bob 200 BYE
			bob 200 (bad)
			bob gets ACK
			bob gets BYE
			bob 200 BYE
			alice gets 488 INVITE
			quiet`},
		{"no answer in the answer", `
			alice INVITE bob (A)
			bob gets INVITE (sdes A)
			bob 200
			bob gets ACK
			bob gets BYE
			bob gets INVITE (dtls A)
			bob 200 BYE
			bob 486
			bob gets ACK
			alice gets 486 INVITE
			alice INVITE bob
			bob gets INVITE
			bob 200
			bob gets ACK
			bob gets BYE
			bob 200 BYE
			alice gets 488 INVITE
			quiet`},
		{"a caller without SRTP", `
			alice INVITE bob (plain)
			alice gets 488 INVITE
			quiet`},
		{"a caller with nonsense", `
			alice INVITE bob (malformed)
			alice gets 400 INVITE
			quiet`},
		{"nobody of that name", `
			alice INVITE nobody (A)
			alice gets 404 INVITE
			quiet`},
		{"the caller gives up", `
			alice INVITE bob (A)
			bob gets INVITE (sdes A)
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
		{"hold, and back, from both sides", talk + `
			alice INVITE (A hold)
			bob gets INVITE (sdes A hold)
			bob 200 (B hold)
			alice gets 200 INVITE (B hold)
			alice ACK
			bob gets ACK
			bob UPDATE (B2)
			alice gets UPDATE (sdes B2)
			alice 200 UPDATE (A2)
			bob gets 200 UPDATE (A2)
			bob INVITE                     # late offer, the other way round
			alice gets INVITE
			alice 200 (A3)
			bob gets 200 INVITE (sdes A3)
			bob ACK (B3)
			alice gets ACK (B3)
			quiet`},
		{"a refused re-INVITE changes nothing", talk + `
			alice INVITE (A2)
			bob gets INVITE (sdes A2)
			bob 488
			bob gets ACK
			alice gets 488 INVITE
			agreed
			bob INVITE (bad)
			bob gets 488 INVITE
			bob INVITE (full)
			bob gets 503 INVITE
			agreed
			alice INVITE (A3)
			bob gets INVITE (sdes A3)
			bob 200 (B3)
			alice gets 200 INVITE (B3)
			alice ACK
			bob gets ACK
			quiet`},
		{"an UPDATE that nobody answers changes nothing", talk + `
			alice UPDATE (A2)
			bob gets UPDATE (sdes A2)
			wait 35s
			alice gets 100 UPDATE         # and nothing more (RFC 4320 §4.2)
			agreed
			quiet`},
		{"no port is free for a device", `
			alice INVITE bob (full)
			alice gets 503 INVITE
			quiet`},
		{"glare", talk + `
			alice INVITE (A2)
			bob gets INVITE (sdes A2)
			bob UPDATE (B2)
			bob gets 491 UPDATE
			alice UPDATE (A3)
			alice gets 500 UPDATE
			bob 200 (B2)
			alice gets 200 INVITE (B2)
			alice ACK
			bob gets ACK
			quiet`},
		{"everything else passes", talk + `
			alice INFO > bob 200
			bob REFER > alice 202
			alice NOTIFY > bob 200
			bob BYE > alice 200
			quiet`},
		{"a description for a call that is over", talk + `
			bob BYE > alice 200
			alice INVITE (A2)
			alice gets 481 INVITE
			alice UPDATE (A2)
			alice gets 481 UPDATE
			alice UPDATE > bob 481
			quiet`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.Phone("dave", "tls")
				w.Phone("dave2", "tls")
				w.Play(tt.script)
			})
		})
	}
}

const talk = `
	alice INVITE bob (A)
	bob gets INVITE (sdes A)
	bob 200 (B)
	alice gets 200 INVITE (B)
	alice ACK
	bob gets ACK`
