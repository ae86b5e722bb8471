package chat

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/store"
)

// TestSequence: what is put on the left, what is done then on the right. m5 is
// the message at seq 5, e5-7 a change whose notices are at 5 and 6, e a change
// without notices, c somebody who writes, ? a doubt. Done are the messages, changes
// (e! when its notices have to be read from the archive), and L when the members
// look into the archive.
func TestSequence(t *testing.T) {
	tests := []struct {
		name     string
		expected int64
		steps    [][2]string
	}{
		{"in order", 1, [][2]string{{"m1", "m1"}, {"m2", "m2"}, {"e3-4", "e3-4"}, {"m4", "m4"}}},
		{"the archive is quicker than the group", 5, [][2]string{
			{"m6", ""}, {"m7", ""}, {"e5-6", "e5-6 m6 m7"}, {"m8", "m8"},
		}},
		{"the group is quicker than the archive", 5, [][2]string{
			{"e7-8", ""}, {"m5", "m5"}, {"m6", "m6 e7-8"},
		}},
		{"the first after a restart is read by all", 0, [][2]string{{"m40", "L"}, {"m41", "m41"}}},
		{"a change after a restart", 0, [][2]string{{"e40-42", "e40-42!"}, {"m42", "m42"}}},
		{"a change that is told late", 0, [][2]string{{"m42", "L"}, {"e40-42", "e40-42!"}, {"m43", "m43"}}},
		{"a change without notices", 5, [][2]string{{"e", "e"}, {"m5", "m5"}}},
		{"and behind one that waits", 5, [][2]string{{"e6-7", ""}, {"e", ""}, {"m7", ""}, {"m5", "m5 e6-7 e m7"}}},
		{"and after a doubt", 5, [][2]string{{"e5-6", "e5-6"}, {"?", "L"}, {"e", "e"}, {"m900", "L"}, {"m901", "m901"}}},
		{"who writes waits for nothing", 5, [][2]string{{"m6", ""}, {"c", "c"}, {"m5", "m5 m6"}}},
		{"nobody knows what was committed", 5, [][2]string{{"m5", "m5"}, {"?", "L"}, {"m7", "L"}, {"m8", "m8"}}},
		{"what does not come is not waited for", 5, [][2]string{{"m7", ""}, {"give-up", "L"}, {"m8", "m8"}, {"m6", ""}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := sequence{expected: tt.expected}
			names := map[any]string{}
			for _, s := range tt.steps {
				if s[0] == "give-up" {
					q.giveUp()
				} else {
					q.put(stepOf(s[0], names))
				}
				if got := done(&q, names); got != s[1] {
					t.Fatalf("%s: done %q, want %q", s[0], got, s[1])
				}
			}
		})
	}
}

// stepOf reads a step from its name in the table.
func stepOf(name string, names map[any]string) (st step) {
	switch name[0] {
	case 'm':
		fmt.Sscan(name[1:], &st.first)
		st.next = st.first + 1
		st.it = &item{}
	case 'c':
		st.passing, st.it = true, &item{}
	case 'e':
		st.event = &group.Event{}
		fmt.Sscanf(name, "e%d-%d", &st.first, &st.next)
		names[st.event] = name
	}
	if st.it != nil {
		names[st.it] = name
	}
	return st
}

// done takes what is due.
func done(q *sequence, names map[any]string) string {
	var out []string
	for st, ok := q.take(); ok; st, ok = q.take() {
		switch {
		case st.look():
			out = append(out, "L")
		case st.behind:
			out = append(out, names[st.event]+"!")
		case st.event != nil:
			out = append(out, names[st.event])
		default:
			out = append(out, names[st.it])
		}
	}
	return strings.Join(out, " ")
}

// What is more than a group may have waiting goes by the archive, and nothing is
// left out.
func TestSequenceIsBounded(t *testing.T) {
	q := sequence{expected: 1}
	last := int64(maxWaiting + 50)
	for seq := int64(2); seq <= last; seq++ {
		if merged := q.put(step{first: seq, next: seq + 1, it: &item{}}); merged != (seq > maxWaiting+1) {
			t.Fatalf("%d: merged %v", seq, merged)
		}
	}
	if q.put(step{passing: true, it: &item{}}); len(q.waiting) != maxWaiting+1 {
		t.Fatalf("%d steps wait", len(q.waiting))
	}
	q.put(step{first: 1, next: 2, it: &item{}})
	next := int64(1)
	for st, ok := q.take(); ok; st, ok = q.take() {
		if st.first != next {
			t.Fatalf("%d after %d", st.first, next)
		}
		next = st.next
	}
	if next != last+1 || q.messages != 0 {
		t.Errorf("ends at %d, %d messages are left", next, q.messages)
	}
}

// Whatever the order in which the archive and the group tell: each place of the
// conversation is dealt with, none after a later one.
func FuzzSequence(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8}, int64(1))
	f.Add([]byte{9, 0, 200, 4, 4, 4, 31, 8}, int64(0))
	f.Fuzz(func(t *testing.T, moves []byte, expected int64) {
		if expected < 0 || expected > 1 {
			return
		}
		// Two tellers, each in its order, whose steps fall between one another.
		var messages, changes []step
		for i, b := range moves[:min(len(moves), 64)] {
			seq := int64(i + 1)
			if b%4 == 0 {
				changes = append(changes, step{first: seq, next: seq + 1, event: &group.Event{}})
			} else {
				messages = append(messages, step{first: seq, next: seq + 1, it: &item{}})
			}
		}
		q := sequence{expected: expected}
		reached := int64(1)
		look := func() {
			for st, ok := q.take(); ok; st, ok = q.take() {
				if st.event == nil && st.first < reached {
					t.Fatalf("%d after %d", st.first, reached)
				}
				reached = max(reached, st.next)
			}
		}
		for i := 0; len(messages)+len(changes) > 0; i++ {
			from := &messages
			if len(messages) == 0 || len(changes) > 0 && moves[i%len(moves)]&16 != 0 {
				from = &changes
			}
			q.put((*from)[0])
			*from = slices.Delete(*from, 0, 1)
			look()
		}
		if reached != int64(min(len(moves), 64))+1 {
			t.Fatalf("ends at %d of %d, %d wait", reached, len(moves), len(q.waiting))
		}
	})
}

func TestCovers(t *testing.T) {
	q := sequence{expected: 5}
	q.put(step{first: 7, next: 8, it: &item{}})
	for seq, want := range map[int64]bool{1: true, 4: true, 5: false, 6: false, 7: true, 8: false} {
		if q.covers(seq) != want {
			t.Errorf("%d: %v", seq, !want)
		}
	}
	if q.giveUp(); q.covers(1) {
		t.Error("what is in doubt is covered")
	}
}

func TestRecentIsARing(t *testing.T) {
	var r recent
	named := func(i int) *store.Message {
		return &store.Message{NewMessage: store.NewMessage{Group: 1, MessageID: fmt.Sprint(i)}, Accepted: store.Accepted{Seq: int64(i)}}
	}
	for i := range recentMessages + 10 {
		r.add(named(i))
	}
	found, missing := r.find(messageName{group: 1}, []receipt{{MessageID: "9"}, {MessageID: "10"}, {MessageID: fmt.Sprint(recentMessages + 9)}})
	if len(r.places.values) != recentMessages || len(found) != 2 || len(missing) != 1 || missing[0].MessageID != "9" || found[0].seq != 10 {
		t.Errorf("%d places, found %v, missing %v", len(r.places.values), found, missing)
	}
}
