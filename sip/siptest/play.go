package siptest

import (
	"fmt"
	"strings"
	"testing/synctest"
	"time"

	"github.com/sparkleim/sparkle/sip/wire"
)

// Play runs a transcript, one step a line, and fails the test at the first line
// that is not so:
//
//	alice INVITE bob (A)      sends it to sip:bob@example.com with the body A
//	bob gets INVITE (A)       and nothing else came before it
//	bob 180                   answers the INVITE; "bob 200 BYE" another request
//	alice gets 200 INVITE (B)
//	alice ACK                 inside the dialog, as BYE, UPDATE (A2) …
//	alice BYE > bob 200       the four lines of a request inside the dialog that bob
//	                          gets and answers, and alice gets the answer
//	alice CANCEL
//	alice adds Require: 100rel   to what it sends next
//	alice hangs up            its flow ends
//	bob reconnects            with a new flow, and registers
//	wait 32s
//	quiet                     nobody has got anything more
//
// What follows a # is a comment; [World.Steps] adds words.
func (w *World) Play(script string) {
	w.t.Helper()
	for _, line := range strings.Split(script, "\n") { // no closure: a failure names the line of the test
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line != "" {
			w.Step(line)
		}
	}
}

// Step plays one line of a transcript.
func (w *World) Step(line string) {
	w.t.Helper()
	if request, answer, ok := strings.Cut(line, " > "); ok {
		w.pass(request, answer)
		return
	}
	first, rest, _ := strings.Cut(line, " ")
	switch step := w.Steps[first]; {
	case step != nil:
		step(line, rest)
	case first == "wait":
		d, err := time.ParseDuration(rest)
		if err != nil {
			w.t.Fatal(err)
		}
		time.Sleep(d)
	case first == "quiet":
		w.Quiet(line)
	case w.Phones[first] == nil:
		w.t.Fatalf("%q: no such phone", line)
	default:
		w.stepOf(w.Phones[first], line, rest)
	}
	synctest.Wait()
}

// pass plays "alice BYE" and "bob 200", and that each gets what the other sent.
func (w *World) pass(request, answer string) {
	w.t.Helper()
	sender, method, _ := strings.Cut(request, " ")
	receiver, status, _ := strings.Cut(answer, " ")
	w.Step(request)
	w.Step(receiver + " gets " + method)
	w.Step(answer + " " + method)
	w.Step(sender + " gets " + status + " " + method)
}

// stepOf does what a line says of one phone.
func (w *World) stepOf(p *Phone, line, text string) {
	w.t.Helper()
	words, body, _ := strings.Cut(text, " (")
	body = strings.TrimSuffix(body, ")")
	what, rest, _ := strings.Cut(words, " ")
	switch {
	case what == "gets":
		if got, want := p.Take(), strings.TrimPrefix(text, "gets "); got != want {
			w.Quiet(fmt.Sprintf("%s: got %q", line, got))
			w.t.Fatalf("%q: got %q", line, got)
		}
	case what == "adds":
		p.Add(strings.TrimPrefix(text, "adds "))
	case what == "hangs":
		w.HangUp(p)
	case what == "reconnects":
		w.Reconnect(p)
	case what == "CANCEL":
		p.Cancel()
	case what[0] >= '1' && what[0] <= '6':
		method := "INVITE"
		if rest != "" {
			method = rest
		}
		var status int
		fmt.Sscan(what, &status)
		p.Respond(status, method, body)
	case what != strings.ToUpper(what):
		w.t.Fatalf("%q: a phone knows no %q", line, what)
	case rest != "":
		p.Request(what, address(rest), body)
	default:
		p.InDialog(what, body)
	}
}

// address is that of a name in our domain, or of one with a domain of its own.
func address(name string) string {
	if strings.Contains(name, "@") {
		return "sip:" + name
	}
	return "sip:" + name + "@example.com"
}

// Quiet checks that nobody has got anything more; when is for the reader.
func (w *World) Quiet(when string) {
	w.t.Helper()
	for _, p := range w.Phones {
		if m := p.Next(); m != nil {
			w.t.Fatalf("%s: %s has got\n%s", when, p.Name, wire.Append(nil, m))
		}
	}
}

// TakeAll takes whatever the phones have got, each until it has nothing more.
func (w *World) TakeAll() {
	for _, p := range w.Phones {
		for p.Take() != "" {
		}
	}
}
