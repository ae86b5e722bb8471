//go:build linux

package main

import (
	"fmt"
	"testing"

	"github.com/sparkleim/sparkle/cmd/sipload/crowd"
)

// phoneIn is the phone of user 7 in a group of which posts 0 to 3 were written by
// others and post 4 by himself.
func phoneIn(l *ledger, room bool) *crowd.Phone {
	for n := range 5 {
		writer := 1
		if n == 4 {
			writer = 7
		}
		l.open(0, writer, 1)
	}
	return &crowd.Phone{Setup: crowd.Setup{Number: 7, Room: room, Data: &inbox{}}}
}

// message is how post n comes with a name, by a Call-ID or within CPIM.
func message(n int, gid, callID, messageID string) crowd.Message {
	body := numberText(n) + "hello"
	if messageID != "" {
		body = "From: <sip:a@b>\r\nimdn.Message-ID: " + messageID + "\r\n\r\nContent-Type: text/plain\r\n\r\n" + body
	}
	return crowd.Message{ID: []byte(gid), CallID: []byte(callID), Body: []byte(body)}
}

func TestJudge(t *testing.T) {
	first, second, third, fourth := message(0, "a0", "c0", ""), message(1, "a1", "c1", ""), message(2, "a2", "c2", ""), message(3, "a3", "c3", "")
	for _, c := range []struct {
		name string
		got  []crowd.Message
		want verdict
	}{
		{"all in order", []crowd.Message{first, second, third, fourth}, verdict{}},
		{"repeated after others", []crowd.Message{first, second, first, third, fourth}, verdict{repeated: 1}},
		{"repeated with another Call-ID", []crowd.Message{first, message(0, "a0", "new", ""), second, third, fourth}, verdict{doubled: 1}},
		{"lost in the middle and at the end", []crowd.Message{first, third}, verdict{lost: 2}},
		{"out of order", []crowd.Message{first, third, second, fourth}, verdict{disordered: 1}},
		{"by another name", []crowd.Message{first, message(1, "a2", "c1", ""), third, fourth}, verdict{misnamed: 1}},
		{"as for a room", []crowd.Message{first, second, message(2, "a2", "c2", "m2"), fourth}, verdict{misshapen: 1}},
		{"nothing", nil, verdict{lost: 4}},
		{"notices and strangers", []crowd.Message{{Body: []byte("somebody came")}, first, message(99, "a9", "c9", ""), second, third, fourth}, verdict{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLedger(10)
			judgeOf(t, l, phoneIn(l, false), c.got, c.want)
		})
	}
}

// A room device knows a message by its Message-ID.
func TestJudgeRoom(t *testing.T) {
	room := func(n int, callID string) crowd.Message {
		return message(n, fmt.Sprintf("a%d", n), callID, fmt.Sprintf("m%d", n))
	}
	l := newLedger(10)
	judgeOf(t, l, phoneIn(l, true), []crowd.Message{room(0, "c0"), room(1, "c1"), room(0, "new"), message(2, "a2", "c2", ""), room(3, "c3")},
		verdict{repeated: 1, misshapen: 1})
}

// judgeOf lets a phone get messages and compares it with an archive of five.
func judgeOf(t *testing.T, l *ledger, p *crowd.Phone, got []crowd.Message, want verdict) {
	t.Helper()
	for _, m := range got {
		l.arrived(p, m)
	}
	archive := make([]archived, 5)
	for i := range archive {
		archive[i] = archived{i, uint64(0xa0 + i), int64(i + 2)}
	}
	var v verdict
	v.judge(p, archive, func(n int) int { return l.posts[n].writer })
	if v != want {
		t.Errorf("judged %v, want %v", &v, &want)
	}
}

func TestJudgeArchive(t *testing.T) {
	for _, c := range []struct {
		name    string
		archive []archived
		want    verdict
	}{
		{"dense", []archived{{0, 1, 1}, {1, 2, 2}, {2, 3, 3}, {3, 4, 4}, {4, 5, 5}}, verdict{}},
		{"with a notice, in another order than sent", []archived{{1, 1, 1}, {0, 2, 3}, {2, 3, 4}, {3, 4, 5}, {4, 5, 6}}, verdict{}},
		{"one is not there", []archived{{0, 1, 1}, {1, 2, 2}, {2, 3, 3}, {4, 5, 5}}, verdict{unarchived: 1}},
		{"one is there twice", []archived{{0, 1, 1}, {1, 2, 2}, {2, 3, 3}, {3, 4, 4}, {4, 5, 5}, {1, 6, 6}}, verdict{twice: 1}},
		{"names against places", []archived{{0, 1, 1}, {1, 3, 2}, {2, 2, 3}, {3, 4, 4}, {4, 5, 5}}, verdict{jumbled: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := &groupLoad{ledger: newLedger(5)}
			phoneIn(g.ledger, false)
			var v verdict
			g.judgeArchive([][]archived{c.archive}, &v)
			if v != c.want {
				t.Errorf("judged %v, want %v", &v, &c.want)
			}
		})
	}
}

func TestNumberIn(t *testing.T) {
	for _, n := range []int{0, 7, 999999} {
		if got, ok := numberIn(fmt.Appendf(nil, "u1: %srest", numberText(n))); !ok || got != n {
			t.Errorf("number %d read as %d, %t", n, got, ok)
		}
	}
	for _, text := range []string{"", "#1", "#1000", "#10000001#", "#1abcdef#"} {
		if n, ok := numberIn([]byte(text)); ok {
			t.Errorf("%q has number %d", text, n)
		}
	}
}
