package proxy

import (
	"fmt"
	"strings"
	"testing"
)

// names of events and actions as the tables below write them.
func (e event) String() string {
	switch e.kind {
	case extended:
		return "begin"
	case movedOn:
		return "move on"
	case ended:
		return fmt.Sprintf("end %d", e.status)
	case cancelled:
		return "cancel"
	case failed:
		return fmt.Sprintf("%c failed %d", 'a'+e.branch, e.status)
	case timerFired:
		return fmt.Sprintf("%c timerC", 'a'+e.branch)
	}
	return fmt.Sprintf("%c %d", 'a'+e.branch, e.status)
}

func (a action) String() string {
	b := string(rune('a' + a.branch))
	switch a.kind {
	case startBranch:
		return "start " + b
	case cancelBranch:
		return fmt.Sprintf("CANCEL %s(%d)", b, a.status)
	case relay:
		return "relay " + b
	case relayBest:
		return "best " + b
	case ask:
		return fmt.Sprintf("ask(%d)", a.status)
	}
	return fmt.Sprintf("reply %d", a.status)
}

func parseEvent(t *testing.T, s string) event {
	t.Helper()
	switch word, rest, _ := strings.Cut(s, " "); word {
	case "begin", "more":
		return event{kind: extended}
	case "cancel":
		return event{kind: cancelled}
	case "moveon":
		return event{kind: movedOn}
	case "end":
		e := event{kind: ended}
		fmt.Sscan(rest, &e.status)
		return e
	}
	var who rune
	var what string
	if _, err := fmt.Sscanf(s, "%c %s", &who, &what); err != nil {
		t.Fatalf("event %q: %v", s, err)
	}
	e := event{branch: int(who - 'a')}
	switch what {
	case "timeout":
		e.kind, e.status = failed, 408
	case "broken":
		e.kind, e.status = failed, 430
	case "refused":
		e.kind, e.status = failed, 503
	case "timerC":
		e.kind = timerFired
	default:
		e.kind = response
		fmt.Sscanf(what, "%d", &e.status)
	}
	return e
}

// targets "a b / c" are two groups; "a>b" is a device with a second flow b.
func parseTargets(s string) (all []forkBranch) {
	for group, names := range strings.Split(s, "/") {
		for _, device := range strings.Fields(names) {
			for i := range strings.Split(device, ">") {
				after := -1
				if i > 0 {
					after = len(all) - 1
				}
				all = append(all, forkBranch{group: group, after: after})
			}
		}
	}
	return all
}

// A watcher steers: "more x y" adds targets, a bare "more" has none to add.
func TestWatchedForkSteps(t *testing.T) {
	tests := []struct {
		name    string
		targets string
		steps   string
	}{
		{"answered", "a", "begin: start a; a 180: relay a; a 200: relay a; a 200: relay a"},
		{"nobody to begin with", "", "begin: reply 480"},
		{"nobody else", "a", "begin: start a; a 486: ask(486); more: best a"},
		{"forwarded when busy", "a", "begin: start a; a 486: ask(486); more b: start b; b 200: relay b"},
		{"forwarded to two in turn", "a", "begin: start a; a 486: ask(486); more b / c: start b; b 480: start c; c 480: ask(486); more: best a"},
		{"asked again after 6xx", "a b / c", "begin: start a, start b; a 603: CANCEL b(603); b 487: ask(603); more d: start d; d 486: ask(603); more: best a"},
		{"the device answers 503", "a", "begin: start a; a 503: ask(500); more: reply 500"},
		{"the caller gives up while the watcher thinks", "a", "begin: start a; a 486: ask(486); cancel: reply 487; more b:; end 480:"},
		{"the caller gives up while the second rings", "a", "begin: start a; a 486: ask(486); more b: start b; b 180: relay b; cancel: CANCEL b(0); b 487: reply 487"},
		{"no answer: on to the next at once", "a b", "begin: start a, start b; a 180: relay a; moveon: CANCEL a(0), CANCEL b(0), ask(480); more c: start c; a 487:; b timeout:; c 200: relay c"},
		{"on to those of lower q", "a / b", "begin: start a; moveon: CANCEL a(0), start b; b 486: ask(486); a 487:; more: best b"},
		{"it answers all the same", "a", "begin: start a; a 180: relay a; moveon: CANCEL a(0), ask(480); a 200: relay a; more b:"},
		{"it answers while the next rings", "a", "begin: start a; moveon: CANCEL a(0), ask(480); more b: start b; a 200: relay a, CANCEL b(200); b 487:"},
		{"it declines for all while the next rings", "a", "begin: start a; moveon: CANCEL a(0), ask(480); more b: start b; a 603:; b 200: relay b"},
		{"nobody answers and nobody else", "a", "begin: start a; moveon: CANCEL a(0), ask(480); more: reply 480"},
		{"nothing rings", "a", "begin: start a; a 486: ask(486); moveon:; more: best a"},
		{"given up while it rings", "a / b", "begin: start a; a 180: relay a; end 403: CANCEL a(403), reply 403; a 487:; a 180:"},
		{"given up, and it answers", "a", "begin: start a; end 403: CANCEL a(403), reply 403; a 200: relay a"},
		{"given up at the question", "a", "begin: start a; a 302: ask(302); end 480: reply 480"},
		{"given up too late", "a", "begin: start a; a 200: relay a; end 480:; moveon:"},
		{"given up after the caller did", "a", "begin: start a; a 180: relay a; cancel: CANCEL a(0); end 480:; moveon:; a 487: best a"},
		{"the same device once more, beside one that rings", "a b / c", "begin: start a, start b; more d: start d; a 488:; b 486:; d 480: start c; c 480: ask(488)"},
		{"and that was the only one", "a", "begin: start a; more b: start b; a 488:; b 200: relay b"},
		{"the same device once more, with its flows", "a>b", "begin: start a; a 488: ask(488); more c>d: start c; c broken: start d; d 200: relay d"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := fork{invite: true, watched: true, asking: true, gone: 480, branches: parseTargets(tt.targets)}
			for _, line := range strings.Split(tt.steps, ";") {
				what, want, _ := strings.Cut(line, ":")
				if what = strings.TrimSpace(what); strings.HasPrefix(what, "more ") {
					f.add(parseTargets(what[len("more "):]))
				}
				var got []string
				for _, a := range f.step(parseEvent(t, what), nil) {
					got = append(got, a.String())
				}
				if g, w := strings.Join(got, ", "), strings.TrimSpace(want); g != w {
					t.Fatalf("at %q:\n got %s\nwant %s", what, g, w)
				}
			}
		})
	}
}

func TestForkSteps(t *testing.T) {
	tests := []struct {
		name    string
		method  string // INVITE when empty
		targets string
		steps   string // event: actions; …
	}{
		{"one phone answers", "", "a",
			"begin: start a; a 100:; a 180: relay a; a 200: relay a"},
		{"retransmitted 2xx goes on", "", "a",
			"begin: start a; a 200: relay a; a 200: relay a"},
		{"all ring, one answers, the other is cancelled", "", "a b",
			"begin: start a, start b; a 180: relay a; b 180: relay b; b 200: relay b, CANCEL a(200); a 487:"},
		{"two answer at once: both 2xx go on", "", "a b",
			"begin: start a, start b; a 200: relay a, CANCEL b(200); b 200: relay b"},
		{"provisional after the answer is dropped", "", "a b",
			"begin: start a, start b; a 200: relay a, CANCEL b(200); b 183:"},
		{"the next group follows a failure", "", "a / b",
			"begin: start a; a 486: start b; b 180: relay b; b 200: relay b"},
		{"all busy: the best at the end", "", "a b / c",
			"begin: start a, start b; b 486:; a 480: start c; c 408: best b"},
		{"one declines for all", "", "a b / c",
			"begin: start a, start b; a 603: CANCEL b(603); b 487: best a"},
		{"2xx after somebody's 6xx still wins", "", "a b",
			"begin: start a, start b; a 603: CANCEL b(603); b 200: relay b"},
		{"caller cancels", "", "a b / c",
			"begin: start a, start b; a 180: relay a; cancel: CANCEL a(0), CANCEL b(0); a 487:; b 487: best a"},
		{"CANCEL and 200 cross", "", "a",
			"begin: start a; a 180: relay a; cancel: CANCEL a(0); a 200: relay a"},
		{"CANCEL after the answer", "", "a",
			"begin: start a; a 200: relay a; cancel:"},
		{"nobody answers the CANCEL", "", "a",
			"begin: start a; a 180: relay a; cancel: CANCEL a(0); a timeout: reply 487"},
		{"Timer C while ringing", "", "a",
			"begin: start a; a 180: relay a; a timerC: CANCEL a(0); a 487: best a"},
		{"Timer C without any answer waits for Timer B", "", "a / b",
			"begin: start a; a timerC:; a timeout: start b; b 486: best b"},
		{"Timer C, and the phone does not obey", "", "a",
			"begin: start a; a 180: relay a; a timerC: CANCEL a(0); a timeout: reply 408"},
		{"Timer B", "", "a",
			"begin: start a; a timeout: reply 408"},
		{"flow broken: the device's next flow", "", "a>b",
			"begin: start a; a broken: start b; b 200: relay b"},
		{"430 from an edge: the device's next flow", "", "a>b",
			"begin: start a; a 430: start b; b 200: relay b"},
		{"busy is no reason for the next flow", "", "a>b",
			"begin: start a; a 486: best a"},
		{"no flow left", "", "a>b c",
			"begin: start a, start c; a broken: start b; c 480:; b broken: best c"},
		{"only broken flows", "", "a",
			"begin: start a; a broken: reply 480"},
		{"we are overloaded ourselves", "", "a / b",
			"begin: start a; a refused: start b; b refused: reply 500"},
		{"503 of a device is not ours", "", "a",
			"begin: start a; a 503: reply 500"},
		{"a second final response is ignored", "", "a b",
			"begin: start a, start b; a 486:; a 404:; b 480: best a"},
		{"flow breaks after a final response", "", "a b",
			"begin: start a, start b; a 486:; a broken:; b 404: best a"},
		{"other requests: no provisional, one final", "MESSAGE", "a b",
			"begin: start a, start b; a 183:; a 200: relay a; b 200:"},
		{"other requests cannot be cancelled", "OPTIONS", "a b",
			"begin: start a, start b; a 603:; b 404: best a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := fork{invite: tt.method == "", gone: 480, branches: parseTargets(tt.targets)}
			for _, line := range strings.Split(tt.steps, ";") {
				what, want, _ := strings.Cut(line, ":")
				var got []string
				for _, a := range f.step(parseEvent(t, strings.TrimSpace(what)), nil) {
					got = append(got, a.String())
				}
				if g, w := strings.Join(got, ", "), strings.TrimSpace(want); g != w {
					t.Fatalf("at %q:\n got %s\nwant %s", what, g, w)
				}
			}
		})
	}
}

// RFC 3261 §16.7 step 6.
func TestBestResponse(t *testing.T) {
	tests := []struct {
		given []int
		want  int
	}{
		{[]int{486, 600}, 600},
		{[]int{603, 302}, 603},
		{[]int{500, 404}, 404},
		{[]int{404, 302}, 302},
		{[]int{404, 401}, 401},
		{[]int{486, 407, 401}, 407},
		{[]int{480, 486}, 486},
		{[]int{408, 487}, 487},
		{[]int{486, 415}, 415},
		{[]int{484, 404}, 484},
		{[]int{430, 480}, 480},
		{[]int{430, 408}, 408},
		{[]int{503, 500}, 500},
		{[]int{404, 486}, 404}, // equals: the first
	}
	for _, tt := range tests {
		f := fork{invite: true, gone: 480}
		for _, s := range tt.given {
			f.branches = append(f.branches, forkBranch{state: done, status: s, after: -1})
		}
		if got := f.branches[f.best()].status; got != tt.want {
			t.Errorf("of %v chose %d, want %d", tt.given, got, tt.want)
		}
	}
}

func TestWidest(t *testing.T) {
	for targets, want := range map[string]int{"a": 1, "a b / c": 2, "a / b c d": 3, "a>b>c d": 2} {
		f := fork{branches: parseTargets(targets)}
		if got := widest(f.branches); got != want {
			t.Errorf("%q: %d, want %d", targets, got, want)
		}
	}
}

// FuzzFork checks what must hold for any order of events.
func FuzzFork(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3}, true, uint8(3))
	f.Add([]byte("\x00\x08\x10\x21\x42"), false, uint8(2))
	statuses := []int{100, 180, 200, 302, 401, 408, 430, 486, 487, 503, 603}
	f.Fuzz(func(t *testing.T, script []byte, invite bool, layout uint8) {
		shapes := []string{"a", "a b", "a / b", "a>b", "a b / c>d / e", "a>b>c d"}
		m := fork{invite: invite, watched: invite && layout&0x80 != 0, gone: 480, branches: parseTargets(shapes[int(layout)%len(shapes)])}
		started := make([]int, len(m.branches))
		cancels := make([]int, len(m.branches))
		finals := 0
		take := func(e event) {
			for _, a := range m.step(e, nil) {
				switch a.kind {
				case startBranch:
					started[a.branch]++
				case cancelBranch:
					cancels[a.branch]++
				case relayBest, reply:
					finals++
				case relay:
					if e.status >= 200 && !invite {
						finals++
					}
				}
			}
		}
		take(event{kind: extended})
		for _, b := range script {
			i := int(b) % len(m.branches)
			if started[i] == 0 {
				continue // the layers below report nothing for what was never sent
			}
			switch what := int(b) / len(m.branches) % (len(statuses) + 7); what {
			case len(statuses):
				take(event{kind: cancelled})
			case len(statuses) + 1:
				take(event{kind: failed, branch: i, status: 408})
			case len(statuses) + 2:
				take(event{kind: failed, branch: i, status: 430})
			case len(statuses) + 3:
				take(event{kind: timerFired, branch: i})
			case len(statuses) + 4:
				take(event{kind: movedOn})
			case len(statuses) + 5:
				take(event{kind: ended, status: 480})
			case len(statuses) + 6:
				if m.watched && m.sent == 0 { // a watcher names one more
					m.add([]forkBranch{{after: -1}})
					started, cancels = append(started, 0), append(cancels, 0)
					take(event{kind: extended})
				}
			default:
				take(event{kind: response, branch: i, status: statuses[what]})
			}
		}
		for range m.branches { // let all that still runs end
			for i := range m.branches {
				if s := m.branches[i].state; s == calling || s == proceeding {
					take(event{kind: failed, branch: i, status: 408})
				}
			}
		}
		if m.asking {
			take(event{kind: extended})
		}
		for i := range m.branches {
			if started[i] > 1 || cancels[i] > 1 {
				t.Errorf("branch %d: started %d times, cancelled %d times", i, started[i], cancels[i])
			}
		}
		if m.sent == 0 {
			t.Error("everything has ended without a final response")
		}
		if finals > 1 {
			t.Errorf("%d final responses", finals)
		}
	})
}
