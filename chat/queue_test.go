package chat

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/store"
)

func (a action) String() string {
	return [...]string{"-", "send", "drain", "wait", "hold"}[a]
}

// numbered makes messages with those GIDs.
func numbered(gids ...int64) []*item {
	var items []*item
	for _, gid := range gids {
		items = append(items, &item{msg: &store.Message{Accepted: store.Accepted{GID: gid, Seq: gid, Conversation: 1}}})
	}
	return items
}

// TestQueue reads like a protocol: events on the left, the action each must
// give on the right, then what the queue holds.
func TestQueue(t *testing.T) {
	type step struct {
		event string
		want  string
	}
	full := func(from int64) []int64 {
		var gids []int64
		for i := range int64(pageSize) {
			gids = append(gids, from+i)
		}
		return gids
	}
	play := func(q *queue, event string) action {
		name, arg, _ := strings.Cut(event, " ")
		var gid int64
		fmt.Sscan(arg, &gid)
		switch name {
		case "arrive":
			return q.arrive(numbered(gid)[0], true)
		case "arrive-away":
			return q.arrive(numbered(gid)[0], false)
		case "page": // one message
			return q.drained(numbered(gid), nil)
		case "full-page":
			return q.drained(numbered(full(gid)...), nil)
		case "empty-page":
			return q.drained(nil, nil)
		case "page-fails":
			return q.drained(nil, errors.New("disk"))
		case "settled":
			return q.settle(settled)
		case "later":
			return q.settle(later)
		case "away":
			return q.settle(away)
		case "held":
			return q.settle(held)
		case "tired":
			_, act := q.tired()
			return act
		case "register":
			return q.reachable()
		case "retry":
			return q.retry()
		case "recheck":
			return q.recheck()
		}
		t.Fatalf("no such event: %s", event)
		return actNothing
	}
	tests := []struct {
		name  string
		fresh bool // begin with a device that was never drained
		steps []step
		left  []int64
		more  bool
	}{
		{name: "first registration", fresh: true, steps: []step{
			{"register", "drain"}, {"empty-page", "-"}, {"arrive 1", "send"}, {"settled", "-"},
		}},
		{name: "one after the other", steps: []step{
			{"arrive 1", "send"}, {"arrive 2", "-"}, {"arrive 3", "-"}, {"settled", "send"}, {"settled", "send"},
		}, left: []int64{3}},
		{name: "what arrives during a drain follows the page", fresh: true, steps: []step{
			{"register", "drain"}, {"arrive 1", "-"}, {"arrive 2", "-"}, {"page 1", "send"}, {"arrive 3", "-"}, {"settled", "send"},
			{"settled", "send"}, {"settled", "-"},
		}},
		{name: "but not a full one", fresh: true, steps: []step{
			{"register", "drain"}, {"arrive 20", "-"}, {"full-page 1", "send"}, {"arrive 21", "-"},
		}, left: full(1), more: true},
		{name: "nor one that is doubted", fresh: true, steps: []step{
			{"register", "drain"}, {"arrive 2", "-"}, {"recheck", "-"}, {"arrive 3", "-"}, {"page 1", "send"}, {"settled", "drain"},
			{"page 2", "send"},
		}, left: []int64{2}},
		{name: "nor one that fails", fresh: true, steps: []step{
			{"register", "drain"}, {"arrive 2", "-"}, {"page-fails", "wait"}, {"retry", "drain"}, {"page 2", "send"}, {"settled", "-"},
		}},
		{name: "the page was faster than the commit's callback", fresh: true, steps: []step{
			{"register", "drain"}, {"page 1", "send"}, {"settled", "-"}, {"arrive 1", "-"},
		}},
		{name: "a full page is followed by another", fresh: true, steps: []step{
			{"register", "drain"}, {"full-page 1", "send"},
		}, left: full(1), more: true},
		{name: "no answer: pause, retry, again", steps: []step{
			{"arrive 1", "send"}, {"later", "wait"}, {"arrive 2", "-"}, {"retry", "send"}, {"settled", "send"},
		}, left: []int64{2}},
		{name: "a registration ends the pause", steps: []step{
			{"arrive 1", "send"}, {"later", "wait"}, {"register", "send"}, {"retry", "-"},
		}, left: []int64{1}},
		{name: "it came back while the old flow was being tried", steps: []step{
			{"arrive 1", "send"}, {"register", "-"}, {"later", "send"}, {"later", "wait"},
		}, left: []int64{1}},
		{name: "a room is waited for", steps: []step{
			{"arrive 1", "send"}, {"held", "hold"}, {"arrive 2", "-"}, {"recheck", "-"}, {"register", "send"}, {"tired", "-"},
		}, left: []int64{1, 2}, more: true},
		{name: "but not for ever", steps: []step{
			{"arrive 1", "send"}, {"held", "hold"}, {"tired", "send"}, {"tired", "-"}, {"settled", "-"},
		}},
		{name: "it joined while that was asked", steps: []step{
			{"arrive 1", "send"}, {"register", "-"}, {"held", "send"},
		}, left: []int64{1}},
		{name: "messages of different conversations overtake one another", steps: []step{
			{"arrive 5", "send"}, {"arrive 3", "-"}, {"settled", "send"}, {"settled", "-"},
		}},
		{name: "it came back before it was found away", steps: []step{
			{"arrive 1", "send"}, {"register", "-"}, {"away", "send"},
		}, left: []int64{1}},
		{name: "away: nothing is kept in memory", steps: []step{
			{"arrive 1", "send"}, {"arrive 2", "-"}, {"away", "-"}, {"arrive-away 3", "-"},
		}, more: true},
		{name: "back: from the archive", steps: []step{
			{"arrive 1", "send"}, {"away", "-"}, {"arrive-away 2", "-"}, {"register", "drain"}, {"page 1", "send"},
		}, left: []int64{1}},
		{name: "idle and away: the next registration must drain", steps: []step{
			{"arrive-away 1", "send"}, {"away", "-"}, {"arrive-away 2", "-"}, {"register", "drain"}, {"page 1", "send"}, {"settled", "-"},
		}},
		{name: "a registration between the look-up and the attempt", steps: []step{
			{"register", "-"}, {"arrive-away 1", "send"}, {"register", "-"}, {"away", "send"}, {"settled", "-"},
		}},
		{name: "parked, and seen reachable by a message", steps: []step{
			{"arrive 1", "send"}, {"away", "-"}, {"arrive 2", "drain"}, {"page 1", "send"},
		}, left: []int64{1}},
		{name: "away while one is under way", steps: []step{
			{"arrive 1", "send"}, {"arrive-away 2", "-"}, {"settled", "send"},
		}, left: []int64{2}},
		{name: "the archive cannot be read", fresh: true, steps: []step{
			{"register", "drain"}, {"page-fails", "wait"}, {"arrive 5", "-"}, {"retry", "drain"}, {"empty-page", "-"},
		}},
		{name: "doubt", steps: []step{{"recheck", "drain"}, {"empty-page", "-"}, {"recheck", "drain"}, {"recheck", "-"}, {"empty-page", "drain"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := &queue{more: tt.fresh}
			for i, s := range tt.steps {
				if got := play(q, s.event); got.String() != s.want {
					t.Fatalf("step %d, %s: %v, want %s", i, s.event, got, s.want)
				}
			}
			var left []int64
			for _, it := range q.backlog {
				left = append(left, it.msg.GID)
			}
			if !slices.Equal(left, tt.left) || q.more != tt.more {
				t.Errorf("left %v more=%v, want %v more=%v", left, q.more, tt.left, tt.more)
			}
		})
	}
}

func TestQueueBounds(t *testing.T) {
	q := &queue{}
	for gid := range int64(1000) {
		q.arrive(numbered(gid + 1)[0], true)
	}
	if len(q.backlog) != maxBacklog || !q.more {
		t.Fatalf("backlog %d, more %v", len(q.backlog), q.more)
	}
	for q.settle(settled) == actSend {
	}
	if !q.draining {
		t.Error("the rest was not read from the archive")
	}
	for gid := range int64(1000) {
		q.arrive(numbered(gid + 1001)[0], true)
	}
	if len(q.meanwhile) != maxMeanwhile || !q.more {
		t.Fatalf("%d arrived meanwhile, more %v", len(q.meanwhile), q.more)
	}
	if q.drained(nil, nil); !q.draining || q.meanwhile != nil {
		t.Error("what arrived meanwhile was not left to the archive")
	}
}

func TestQueueBackoff(t *testing.T) {
	q := &queue{}
	q.arrive(numbered(1)[0], true)
	var pauses []time.Duration
	for range 7 {
		q.settle(later)
		pauses = append(pauses, q.pause)
		q.retry()
	}
	want := []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, maxBackoff, maxBackoff}
	if !slices.Equal(pauses, want) {
		t.Errorf("pauses %v, want %v", pauses, want)
	}
}
