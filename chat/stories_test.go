package chat

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

func linphoneCPIMFrom(aor string) string {
	return strings.Replace(linphoneCPIM, "alice@example.test", aor, 1)
}

func expect(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got  %s\n want %s", what, strings.Join(got, "\n      "), strings.Join(want, "\n      "))
	}
}

func TestAcceptThenAnswerThenDeliver(t *testing.T) {
	inWorld(t, func(w *world) {
		w.registers(101, "")
		w.registers(201, "")
		w.says(101, "bob", "你好")
		expect(t, "order", w.log.take(), []string{"commit 1", "sender 202", "phone 201: 你好 → 200"})
		expect(t, "trace", w.archive.deliveries(201), []string{"1 200 original"})

		got := w.phones.got[201][0]
		for name, want := range map[string]string{
			"Call-ID": "call-", "P-Asserted-Identity": "<sip:alice@example.com>", IDHeader: "0000000000000001",
			"From": `"爱丽丝" <sip:alice@example.com>;tag=`, "To": "<sip:bob@example.com>", "Content-Type": "text/plain",
			"Date": "Sat, 01 Jan 2000 00:00:00 GMT", "Via": "SIP/2.0/TLS 192.0.2.10:5061;branch=z9hG4bK",
		} {
			if v := wire.Header(got, name); !strings.HasPrefix(v, want) {
				t.Errorf("%s: %q, want %q", name, v, want)
			}
		}
	})
}

func TestOfflineAndBack(t *testing.T) {
	inWorld(t, func(w *world) {
		w.registers(101, "")
		w.registers(201, "")
		w.leaves(201)
		for i := range 40 {
			w.says(101, "bob", fmt.Sprint(i))
		}
		if n := len(w.phones.texts(201)); n > 0 {
			t.Fatalf("%d messages reached a phone that is away", n)
		}
		w.registers(201, "")
		var want []string
		for i := range 40 {
			want = append(want, fmt.Sprint(i))
		}
		expect(t, "after REGISTER", w.phones.texts(201), want)
		w.says(101, "bob", "now")
		expect(t, "live again", w.phones.texts(201)[40:], []string{"now"})
	})
}

func TestNeverRegisteredUserGetsItLater(t *testing.T) {
	inWorld(t, func(w *world) {
		w.registers(101, "")
		w.says(101, "bob", "first")
		w.registers(201, "")
		w.registers(202, "")
		expect(t, "first phone", w.phones.texts(201), []string{"first"})
		expect(t, "second phone", w.phones.texts(202), []string{"first"})
	})
}

func TestBindingExpiresAndReturns(t *testing.T) {
	inWorld(t, func(w *world) {
		w.registers(101, "")
		w.registers(201, "")
		w.says(101, "bob", "one")
		w.people.mu.Lock()
		delete(w.people.targets, 2)
		w.people.mu.Unlock()
		w.says(101, "bob", "two")
		w.registers(201, "")
		expect(t, "bob", w.phones.texts(201), []string{"one", "two"})
		time.Sleep(time.Hour) // the sweeper passes many times
		w.says(101, "bob", "three")
		expect(t, "bob", w.phones.texts(201), []string{"one", "two", "three"})
	})
}

func TestSweepForgetsDevicesThatAreGone(t *testing.T) {
	inWorld(t, func(w *world) {
		w.registers(101, "")
		w.registers(201, "")
		w.leaves(201)
		time.Sleep(time.Hour)
		if n := w.devices.len(); n != 1 {
			t.Errorf("%d queues, want 1", n)
		}
		w.says(101, "bob", "hello")
		w.registers(201, "")
		expect(t, "bob", w.phones.texts(201), []string{"hello"})
	})
}

func TestOwnOtherDevices(t *testing.T) {
	inWorld(t, func(w *world) {
		w.registers(101, "")
		w.registers(102, linphoneSpecs)
		w.registers(201, "")
		w.says(101, "bob", "hi")
		expect(t, "bob", w.phones.texts(201), []string{"hi"})
		expect(t, "alice's other phone", w.phones.texts(102), []string{"我: hi"})
		expect(t, "alice's phone", w.phones.texts(101), nil)
		dup := w.phones.got[102][0]
		if from := wire.Header(dup, "From"); !strings.HasPrefix(from, "<sip:bob@example.com>") {
			t.Errorf("the copy is from %s", from)
		}
		if pai := wire.Header(dup, "P-Asserted-Identity"); pai != "" {
			t.Errorf("a copy asserts %s", pai)
		}
		w.log.take()
		imdn := receipt{MessageID: wire.Header(dup, "Call-ID"), About: "display", Status: "displayed", At: time.Now()}
		w.sends(102, "bob", imdnType, "", string(imdn.bytes()))
		synctest.Wait()
		expect(t, "receipt for a copy", w.log.take(), []string{"sender 200"})
	})
	inWorldWith(t, Config{OwnDevices: "off"}, func(w *world) {
		w.registers(101, "")
		w.registers(102, "")
		w.says(101, "bob", "hi")
		w.registers(102, "")
		expect(t, "alice's other phone", w.phones.texts(102), nil)
	})
}

func TestReceiptsReachWhoShowsThem(t *testing.T) {
	inWorld(t, func(w *world) {
		w.registers(101, linphoneSpecs)
		w.registers(102, "", "text/plain", "*/*")
		w.registers(201, linphoneSpecs)
		body := string(receipt{MessageID: "call-x", About: "delivery", Status: "delivered", At: time.Now()}.bytes())
		w.sends(201, "alice", imdnType, "", body)
		synctest.Wait()
		expect(t, "Linphone", w.phones.texts(101), []string{body})
		expect(t, "text phone", w.phones.texts(102), nil)
		expect(t, "trace", w.archive.deliveries(102), []string{"1 0 skipped: receipt"})
	})
}

// What a user's device has displayed he has read, on all his devices.
func TestDisplayedMovesTheReadPosition(t *testing.T) {
	inWorld(t, func(w *world) {
		w.registers(101, linphoneSpecs)
		w.registers(201, linphoneSpecs)
		for i := range 3 {
			w.submits(101, fmt.Sprint("call-id-", i), "bob", "text/plain", "", "hi")
			synctest.Wait()
		}
		cpim := linphoneCPIMFrom("alice@example.com")
		w.sends(101, "bob", cpimType, "", cpim)
		synctest.Wait()
		c, err := parseCPIM([]byte(cpim))
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			about, what, status string
			want                int64
		}{
			{"call-id-0", "delivery", "delivered", 0},
			{"call-id-1", "display", "displayed", 2},
			{"call-id-0", "display", "displayed", 2},
			{"call-id-9", "display", "displayed", 2},
			{c.imdn("Message-ID"), "display", "displayed", 4},
		} {
			r := receipt{MessageID: tt.about, About: tt.what, Status: tt.status, At: time.Now()}
			w.sends(201, "alice", imdnType, "", string(r.bytes()))
			synctest.Wait()
			if got := w.archive.reads[2]; got != tt.want {
				t.Errorf("%s %s: read up to %d, want %d", tt.about, tt.status, got, tt.want)
			}
		}
		// After a restart the archive knows.
		w.recent = recent{}
		w.archive.reads[2] = 0
		r := receipt{MessageID: "call-id-2", About: "display", Status: "displayed", At: time.Now()}
		w.sends(201, "alice", imdnType, "", string(r.bytes()))
		synctest.Wait()
		if got := w.archive.reads[2]; got != 3 {
			t.Errorf("after a restart: read up to %d", got)
		}
	})
}

func TestComposingIsPassedAndNotKept(t *testing.T) {
	inWorld(t, func(w *world) {
		w.registers(101, linphoneSpecs)
		w.registers(201, linphoneSpecs)
		w.registers(202, "")
		w.registers(203, "", composingType)
		body := `<?xml version="1.0"?><isComposing xmlns="urn:ietf:params:xml:ns:im-iscomposing"><state>active</state><refresh>60</refresh></isComposing>`
		a := w.sends(101, "bob", composingType, "Priority: non-urgent\r\nExpires: 0\r\n", body)
		synctest.Wait()
		if a.status != 200 || len(w.archive.msgs) > 0 {
			t.Errorf("status %d, archive %d", a.status, len(w.archive.msgs))
		}
		if len(w.phones.texts(201)) != 1 || len(w.phones.texts(202)) != 0 || len(w.phones.texts(203)) != 1 {
			t.Errorf("reached %q %q %q", w.phones.texts(201), w.phones.texts(202), w.phones.texts(203))
		}
	})
}

// Expires: 0 is for who is there now, and in the archive like everything said.
func TestExpiresZero(t *testing.T) {
	inWorld(t, func(w *world) {
		w.registers(101, "")
		w.registers(201, "")
		a := w.sends(101, "bob", "text/plain", "Expires: 0\r\n", "now or never")
		synctest.Wait()
		if a.status != 202 {
			t.Errorf("answered %d", a.status)
		}
		expect(t, "who is there", w.phones.texts(201), []string{"now or never"})
		time.Sleep(time.Minute)
		w.registers(202, "")
		expect(t, "who comes later", w.phones.texts(202), nil)
		if len(w.archive.msgs) != 1 {
			t.Errorf("%d messages in the archive", len(w.archive.msgs))
		}
	})
}

func TestExpiredMessageIsSkipped(t *testing.T) {
	inWorld(t, func(w *world) {
		w.registers(101, "")
		w.sends(101, "bob", "text/plain", "Expires: 60\r\n", "lunch?")
		w.says(101, "bob", "too late")
		time.Sleep(2 * time.Minute)
		w.registers(201, "")
		expect(t, "bob", w.phones.texts(201), []string{"too late"})
		expect(t, "trace", w.archive.deliveries(201), []string{"1 0 skipped: expired", "2 200 original"})
	})
}

func TestRefusals(t *testing.T) {
	bomb := string(deflated(strings.Repeat("a", 4<<20)))
	tests := []struct {
		name, to, contentType, extra, body string
		want                               int
	}{
		{"unknown user", "nobody", "text/plain", "", "x", 404},
		{"disabled user", "dave", "text/plain", "", "x", 404},
		{"empty", "bob", "text/plain", "", "", 400},
		{"too large", "bob", "text/plain", "", strings.Repeat("x", defaultMaxBody+1), 413},
		{"unknown coding", "bob", "text/plain", "Content-Encoding: br\r\n", "x", 415},
		{"broken coding", "bob", "text/plain", "Content-Encoding: deflate\r\n", "x", 400},
		{"deflate bomb", "bob", "text/plain", "Content-Encoding: deflate\r\n", bomb, 413},
		{"broken is-composing", "bob", composingType, "", "<x/>", 400},
		{"any type is kept", "bob", "application/x-unknown", "", "x", 202},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				dave := w.people.add("dave", "")
				dave.Disabled = true
				w.people.users["dave"] = dave
				a := w.sends(101, tt.to, tt.contentType, tt.extra, tt.body)
				synctest.Wait()
				if a.status != tt.want {
					t.Errorf("status %d, want %d", a.status, tt.want)
				}
			})
		})
	}
}

func TestStoreFails(t *testing.T) {
	inWorld(t, func(w *world) {
		w.registers(201, "")
		w.archive.fail = store.ErrUnavailable
		w.says(101, "bob", "lost?")
		expect(t, "nothing but the refusal", w.log.take(), []string{"sender 503"})
		w.archive.fail = errors.New("half way")
		w.says(101, "bob", "lost?")
		expect(t, "nothing but the refusal", w.log.take(), []string{"sender 500"})
		w.archive.fail = nil
		w.says(101, "bob", "again")
		expect(t, "bob", w.phones.texts(201), []string{"again"})
	})
}

func TestDuplicateAfterLost202(t *testing.T) {
	inWorld(t, func(w *world) {
		w.registers(201, "")
		for range 2 {
			w.submits(101, "same-call-id", "bob", "text/plain", "", "once")
			synctest.Wait()
		}
		expect(t, "order", w.log.take(), []string{"commit 1", "sender 202", "phone 201: once → 200", "sender 202"})
		cpim := "From: <sip:alice@example.com>\r\nTo: <sip:bob@example.com>\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: abc\r\n\r\nContent-Type: text/plain\r\n\r\ntwice"
		for i := range 2 {
			w.submits(101, fmt.Sprint("new-call-id-", i), "bob", cpimType, "", cpim)
			synctest.Wait()
		}
		if len(w.archive.msgs) != 2 {
			t.Errorf("archive holds %d messages, want 2", len(w.archive.msgs))
		}
	})
}

func TestDeviceAnswers415(t *testing.T) {
	inWorld(t, func(w *world) {
		w.registers(201, linphoneSpecs)
		w.phones.answer(201, func(r *sip.Request) int {
			if typ, _ := mediaType(wire.Header(r, "Content-Type")); typ != "text/plain" {
				return 415
			}
			return 200
		})
		w.sends(101, "bob", fileType, "", fileXML)
		synctest.Wait()
		w.sends(101, "bob", fileType, "", fileXML)
		synctest.Wait()
		text := "[图片] 图 1.png 2.9KB https://files.example.com/tmp/ID"
		expect(t, "bob", w.phones.texts(201), []string{text, text})
		expect(t, "trace", w.archive.deliveries(201), []string{"1 200 text", "2 200 text"})
		if n := strings.Count(strings.Join(w.log.take(), "\n"), "415"); n != 1 {
			t.Errorf("it was asked %d times before we knew", n)
		}
	})
}

func TestDeviceThatNeverTakesMessages(t *testing.T) {
	inWorld(t, func(w *world) {
		w.registers(201, "")
		w.registers(202, "")
		w.phones.answer(202, always(405))
		w.says(101, "bob", "one")
		w.says(101, "bob", "two")
		expect(t, "the one that does", w.phones.texts(201), []string{"one", "two"})
		expect(t, "trace", w.archive.deliveries(202), []string{"1 405 original", "2 405 original"})
	})
}

func TestDeviceThatNeverAnswers(t *testing.T) {
	inWorld(t, func(w *world) {
		w.registers(201, "")
		w.phones.answer(201, always(silent))
		w.says(101, "bob", "one")
		w.says(101, "bob", "two")
		time.Sleep(10 * time.Minute)
		if tries := len(w.log.take()); tries < 6 || tries > 16 {
			t.Errorf("%d things happened in ten minutes", tries)
		}
		w.phones.answer(201, always(200))
		time.Sleep(11 * time.Minute)
		expect(t, "bob", w.phones.texts(201), []string{"one", "two"})
	})
}

func TestMessageThatADeviceCannotTakeDoesNotStopTheRest(t *testing.T) {
	inWorld(t, func(w *world) {
		w.registers(201, "")
		w.phones.answer(201, func(r *sip.Request) int {
			if string(r.Body()) == "poison" {
				return 500
			}
			return 200
		})
		w.says(101, "bob", "poison")
		w.says(101, "bob", "after")
		time.Sleep(3 * time.Hour)
		expect(t, "bob", w.phones.texts(201), []string{"after"})
		expect(t, "trace", w.archive.deliveries(201), []string{"1 500 original", "2 200 original"})
	})
}

// TestPhoneThatDiesOfAMessage: it closes its connection on every CPIM and comes
// back; it must not be a phone that nothing ever reaches again.
func TestPhoneThatDiesOfAMessage(t *testing.T) {
	inWorld(t, func(w *world) {
		w.registers(201, linphoneSpecs)
		w.phones.answer(201, func(r *sip.Request) int {
			if wire.Header(r, "Content-Type") == cpimType {
				return broken
			}
			return 200
		})
		w.sends(101, "bob", cpimType, "", linphoneCPIMFrom("alice@example.com"))
		w.says(101, "bob", "after")
		for range poisonAsText {
			w.leaves(201)
			w.registers(201, linphoneSpecs)
		}
		expect(t, "bob", w.phones.texts(201), []string{"Hello group", "after"})
	})
}

// TestTwoFlowsOfOneDevice: RFC 5626, the first flow is dead.
func TestTwoFlowsOfOneDevice(t *testing.T) {
	for _, dead := range []int{silent, broken, 430} {
		inWorld(t, func(w *world) {
			w.registers(201, "")
			second := w.people.targets[2][0]
			second.RegID, second.Flow = 2, flowOf(299)
			w.people.targets[2] = append(w.people.targets[2], second)
			w.phones.answer(201, always(dead))
			w.says(101, "bob", "one")
			time.Sleep(33 * time.Second)
			expect(t, "second flow", w.phones.texts(299), []string{"one"})
			expect(t, "trace", w.archive.deliveries(201), []string{"1 200 original"})
		})
	}
}

// TestNetworkChange: the phone is on a new flow while a message hangs on the
// old one, which nobody has closed.
func TestNetworkChange(t *testing.T) {
	inWorld(t, func(w *world) {
		w.registers(201, "")
		w.phones.answer(201, always(silent))
		w.says(101, "bob", "one")
		moved := w.people.targets[2][0]
		moved.Flow = flowOf(299)
		w.people.put(moved)
		w.Reachable(moved.User, moved.Device.ID)
		synctest.Wait()
		expect(t, "at once", w.phones.texts(299), []string{"one"})
		time.Sleep(time.Minute) // the old request times out
		w.says(101, "bob", "two")
		expect(t, "once", w.phones.texts(299), []string{"one", "two"})
	})
}

// TestWake: a restart; the binding of a UDP phone is known, and nobody registers.
func TestWake(t *testing.T) {
	inWorld(t, func(w *world) {
		w.says(101, "bob", "one")
		w.registers(201, "")
		w.leaves(201)
		w.says(101, "bob", "two")
		bob := w.people.targets[2][0]
		bob.Flow = flowOf(201)
		w.Close()
		w.start(Config{Archive: w.archive, Users: w.people})
		w.people.put(bob)
		w.Wake(2)
		synctest.Wait()
		expect(t, "bob", w.phones.texts(201), []string{"one", "two"})
	})
}

// TestRegistersDuringLookup: whichever look-up says that the phone is away, and
// it comes back in that moment, the message does not wait for the next REGISTER.
func TestRegistersDuringLookup(t *testing.T) {
	for nth := range 3 {
		inWorld(t, func(w *world) {
			w.registers(101, "")
			w.registers(201, "")
			w.leaves(201)
			n := 0
			w.people.looked = func(u store.UserID) {
				if u == 2 {
					if n++; n == nth+1 {
						w.comes(201, "")
					}
				}
			}
			w.says(101, "bob", "one")
			if n <= nth {
				w.registers(201, "")
			}
			expect(t, fmt.Sprint("look-up ", nth), w.phones.texts(201), []string{"one"})
		})
	}
}

// TestRefreshDoesNotRepeat: a REGISTER over the same flow while a message is
// under way.
func TestRefreshDoesNotRepeat(t *testing.T) {
	inWorld(t, func(w *world) {
		w.registers(201, "")
		w.phones.answer(201, always(silent))
		w.says(101, "bob", "one")
		w.registers(201, "")
		expect(t, "sent", w.log.take(), []string{"commit 1", "sender 202", "phone 201: one → 0"})
	})
}

func TestNoteToSelf(t *testing.T) {
	inWorld(t, func(w *world) {
		w.registers(101, "")
		w.registers(102, "")
		w.says(101, "alice", "milk")
		expect(t, "here", w.phones.texts(101), nil)
		expect(t, "there", w.phones.texts(102), []string{"milk"})
	})
}

func TestForgedCPIM(t *testing.T) {
	inWorld(t, func(w *world) {
		alice := w.people.users["alice"]
		alice.Numbers = []string{"1001"}
		w.people.users["alice"] = alice
		for from, want := range map[string]int{
			"alice@example.com": 202, "1001@example.com": 202, "Alice@EXAMPLE.com;gr=urn:uuid:1": 202,
			"bob@example.com": 403, "alice@example.org": 403,
		} {
			a := w.sends(101, "bob", cpimType, "", linphoneCPIMFrom(from))
			synctest.Wait()
			if a.status != want {
				t.Errorf("from %s: %d, want %d", from, a.status, want)
			}
		}
		for from, want := range map[string]int{"From: Alice <im:alice@example.com>\r\n": 202, "": 202, "From: junk\r\n": 403} {
			a := w.sends(101, "bob", cpimType, "", strings.Replace(linphoneCPIM, "From: <sip:alice@example.test>\r\n", from, 1))
			synctest.Wait()
			if a.status != want {
				t.Errorf("%q: %d, want %d", from, a.status, want)
			}
		}
	})
}

// TestPipelined: 1,000 messages on one flow reach three devices in order, while
// one of them loses its flow now and then.
func TestPipelined(t *testing.T) {
	inWorld(t, func(w *world) {
		w.registers(101, "")
		for d := store.DeviceID(201); d <= 203; d++ {
			w.registers(d, "")
		}
		w.phones.answer(202, func(r *sip.Request) int {
			if len(w.phones.got[202])%97 == 96 && wire.Header(r, "Route") == "" {
				w.phones.script[202] = always(broken)
				return broken
			}
			return 200
		})
		var want []string
		for i := range 1000 {
			text := fmt.Sprint(i)
			want = append(want, text)
			if a := w.sends(101, "bob", "text/plain", "", text); i%100 == 99 {
				synctest.Wait()
				if a.status != 202 {
					t.Fatal(a.status)
				}
				w.leaves(202)
				synctest.Wait()
				w.phones.answer(202, nil)
				w.registers(202, "")
			}
		}
		synctest.Wait()
		for d := store.DeviceID(201); d <= 203; d++ {
			if got := w.phones.texts(d); !slices.Equal(got, want) {
				t.Errorf("device %d got %d: %v", d, len(got), got)
			}
		}
	})
}

// TestOrderBehindASlowLookup: the second recipient is not in the cache; what a
// connection brings after it waits behind it.
func TestOrderBehindASlowLookup(t *testing.T) {
	inWorld(t, func(w *world) {
		w.people.add("carol", "")
		w.people.slow = map[string][]func(){"carol": nil}
		w.registers(201, "")
		go func() { // the connection of 101
			for i, to := range []string{"bob", "carol", "bob", "carol"} {
				w.sends(101, to, "text/plain", "", fmt.Sprint(i+1))
			}
		}()
		synctest.Wait()
		w.says(102, "bob", "of another flow")
		expect(t, "before", w.phones.texts(201), []string{"1", "of another flow"})
		w.people.answerSlowly("carol")
		expect(t, "archive", w.archive.texts(), []string{"1", "of another flow", "2", "3", "4"})
	})
}

// TestDatagramsDoNotWait: over UDP the next message passes one whose recipient
// is looked up.
func TestDatagramsDoNotWait(t *testing.T) {
	inWorld(t, func(w *world) {
		w.people.add("carol", "")
		w.people.slow = map[string][]func(){"carol": nil}
		w.overUDP = true
		slow := w.says(101, "carol", "1")
		fast := w.says(101, "bob", "2")
		if slow.status != 0 || fast.status != 202 {
			t.Errorf("answered %d and %d", slow.status, fast.status)
		}
		w.people.answerSlowly("carol")
		expect(t, "archive", w.archive.texts(), []string{"2", "1"})
	})
}

func TestReceiptInPlaceOfATextPhone(t *testing.T) {
	cpim := "From: <sip:alice@example.com>\r\nTo: <sip:bob@example.com>\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: abc\r\n" +
		"imdn.Disposition-Notification: positive-delivery, negative-delivery\r\n\r\nContent-Type: text/plain\r\n\r\nhello"
	for status, want := range map[int]string{200: "delivered", 405: "failed"} {
		inWorld(t, func(w *world) {
			w.registers(101, linphoneSpecs)
			w.registers(201, "")
			w.phones.answer(201, always(status))
			w.sends(101, "bob", cpimType, "", cpim)
			synctest.Wait()
			got := w.phones.texts(101)
			if len(got) != 1 {
				t.Fatalf("%d receipts", len(got))
			}
			c, err := openContent(cpimType, "", []byte(got[0]))
			if err != nil || c.class != classReceipt {
				t.Fatal(err, got[0])
			}
			if rs := c.receipts(); len(rs) != 1 || rs[0].MessageID != "abc" || rs[0].Status != want {
				t.Errorf("%+v", rs)
			}
		})
	}
}

func TestDrain(t *testing.T) {
	inWorld(t, func(w *world) {
		last := w.sends(101, "bob", "text/plain", "", "last")
		if err := w.Drain(w.t.Context()); err != nil || last.status != 202 {
			t.Errorf("%v, %d", err, last.status)
		}
		if a := w.says(101, "bob", "too late"); a.status != 503 {
			t.Errorf("after Drain: %d", a.status)
		}
	})
}
