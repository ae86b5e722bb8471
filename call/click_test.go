package call

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// dial lets alice click on a number and plays what becomes of it.
func (w *world) dial(to, script string) (id int64, err error) {
	w.t.Helper()
	done := make(chan struct{})
	go func() {
		id, err = w.service.Dial(context.Background(), store.User{ID: alice, Username: "alice", Domain: "example.com", DisplayName: "Alice"}, to)
		close(done)
	}()
	synctest.Wait()
	w.Play(script)
	<-done
	return id, err
}

const clicked2 = `
	alice gets INVITE (sdes anything)
	alice 180
	alice 200 (A)
	alice gets ACK
	TARGET gets INVITE (sdes A)
	TARGET 180
	TARGET 200 (C)
	TARGET gets ACK
	alice gets INVITE (sdes C)           # what the target takes
	alice 200 (A2)
	alice gets ACK
	quiet`

func TestClick(t *testing.T) {
	tests := []struct{ name, to, script, end string }{
		{"the user hangs up", "carol", strings.ReplaceAll(clicked2, "TARGET", "carol") + `
			media A=C
			alice BYE
			alice gets 200 BYE
			carol gets BYE
			carol 200 BYE
			quiet`, "caller 200"},
		{"the target hangs up", "carol@example.com", strings.ReplaceAll(clicked2, "TARGET", "carol") + `
			carol BYE
			carol gets 200 BYE
			alice gets BYE
			alice 200 BYE
			quiet`, "callee 200"},
		{"hold, by either side", "carol", strings.ReplaceAll(clicked2, "TARGET", "carol") + `
			carol INVITE (hold)
			alice gets INVITE (sdes hold)
			alice 200 (held)
			alice gets ACK
			carol gets 200 INVITE (held)
			carol ACK
			alice INVITE (hold2)
			carol gets INVITE (sdes hold2)
			carol 200 (held2)
			carol gets ACK
			alice gets 200 INVITE (held2)
			alice ACK
			alice INVITE                       # asks for an offer
			carol gets INVITE
			carol 200 (C3)
			alice gets 200 INVITE (sdes C3)
			alice ACK (A3)
			carol gets ACK (A3)
			quiet`, "restart 200"},
		{"the target is busy", "carol", `
			alice gets INVITE (sdes anything)
			alice 200 (A)
			alice gets ACK
			carol gets INVITE (sdes A)
			carol 486
			carol gets ACK
			alice gets BYE
			alice 200 BYE
			quiet`, "callee 486"},
		{"the user has had enough of the ringing", "carol", `
			alice gets INVITE (sdes anything)
			alice 200 (A)
			alice gets ACK
			carol gets INVITE (sdes A)
			carol 180
			alice BYE
			alice gets 200 BYE
			carol gets CANCEL
			carol 200 CANCEL
			carol 487
			carol gets ACK
			quiet`, "caller 487"},
		{"the user's phone takes other keys only", "carol", `
			alice gets INVITE (sdes anything)
			alice 488
			alice gets ACK
			alice gets INVITE (dtls anything)
			alice 200 (dtls A)
			alice gets ACK
			carol gets INVITE (sdes dtls A)
			carol 200 (C)
			carol gets ACK
			alice gets INVITE (dtls C)
			alice 200 (dtls A2)
			alice gets ACK
			alice BYE
			alice gets 200 BYE
			carol gets BYE
			carol 200 BYE
			quiet`, "caller 200"},
		{"to a number outside, at the cost of the user", "0049 30", strings.NewReplacer("TARGET", "carrier", "sdes A", "plain A", "(C)", "(plain C)", "sdes C", "sdes plain C").Replace(clicked2) + `
			carrier BYE
			carrier gets 200 BYE
			alice gets BYE
			alice 200 BYE
			quiet`, "callee 200"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			withServices(t, &fakeSetup{}, func(w *world, b *fakeBorder) {
				w.dial(tt.to, tt.script)
				w.service.Drain(cancelled())
				synctest.Wait()
				w.TakeAll()
				r := w.records.newest()
				if got := r.EndedBy + " " + itoa(r.Status); got != tt.end {
					t.Errorf("ended by %s, want %s", got, tt.end)
				}
				if r.Direction != "click" || r.Dialled != tt.to || r.Caller.User != alice || len(w.records.last) != 1 {
					t.Errorf("%d records, %+v", len(w.records.last), r)
				}
				if to := "+4930"; tt.to == "0049 30" && (r.Number != to || !slices.Equal(b.paid, []string{`+86101,a for +4930 shows "" live 0`})) {
					t.Errorf("number %s, paid %q", r.Number, b.paid)
				}
			})
		})
	}
}

func itoa(n int) string {
	return string(rune('0'+n/100)) + string(rune('0'+n/10%10)) + string(rune('0'+n%10))
}

func TestClickShows(t *testing.T) {
	withServices(t, &fakeSetup{}, func(w *world, _ *fakeBorder) {
		id, err := w.dial("carol", `
			alice gets INVITE (sdes anything)
			alice 180`)
		if err != nil || id == 0 {
			t.Fatal(id, err)
		}
		from := wire.Header(w.Phones["alice"].Got["INVITE"], "From")
		if !strings.HasPrefix(from, `"Call to carol" <sip:carol@example.com>;tag=`) {
			t.Errorf("From: %s", from)
		}
		if live := w.service.Live(); len(live) != 1 || live[0].ID != id {
			t.Errorf("live: %+v", live)
		}
		if err := w.service.HangUp(t.Context(), id, "root"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.Play(`
			alice gets CANCEL
			alice 200 CANCEL
			alice 487
			alice gets ACK
			quiet`)
	})
}

func TestClickRefused(t *testing.T) {
	withServices(t, &fakeSetup{}, func(w *world, _ *fakeBorder) {
		if _, err := w.dial("bob@elsewhere.example", ""); !errors.Is(err, store.ErrInvalid) {
			t.Error(err)
		}
		w.Targets["alice"] = nil
		if _, err := w.dial("carol", ""); asError(err).Status != sip.StatusTemporarilyUnavailable {
			t.Error(err)
		}
		var refusal *server.Error
		w.service.cfg.Agent = nil
		if _, err := w.dial("carol", ""); !errors.As(err, &refusal) || refusal.Status != 503 {
			t.Error(err)
		}
		w.service.cfg.Agent = w.agent
	})
}
