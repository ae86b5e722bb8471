package chat

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/store"
)

// gapPatience is how long a group waits for what is missing in its sequence. It
// comes in milliseconds, or never when somebody has written past us.
const gapPatience = 2 * time.Second

// fanout gives the messages of one group to its members, one after the other. At
// most one worker at a time runs it; a group with many members keeps neither its
// senders nor the archive waiting.
type fanout struct {
	id store.GroupID

	mu    sync.Mutex
	seq   sequence
	busy  bool // in line, or with a worker
	timer *time.Timer

	members *group.Snapshot // as of the step at hand; only for the worker
}

// fanouts are those of the groups that something was written in.
type fanouts struct {
	mu    sync.Mutex
	of    map[store.GroupID]*fanout
	ready line[*fanout] // each stands in it at most once
}

func (t *fanouts) init() {
	t.of = make(map[store.GroupID]*fanout)
	t.ready.init()
}

// find returns the fanout of a group.
func (t *fanouts) find(id store.GroupID) *fanout {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.of[id]
	if f == nil {
		f = &fanout{id: id}
		t.of[id] = f
	}
	return f
}

// sweep forgets groups that are no more.
func (t *fanouts) sweep() {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.of, func(_ store.GroupID, f *fanout) bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return !f.busy && len(f.seq.waiting) == 0 && f.members != nil && f.members.Dissolved != nil
	})
}

// waiting counts the steps that are still to be done.
func (t *fanouts) waiting() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range t.of {
		f.mu.Lock()
		n += len(f.seq.waiting)
		f.mu.Unlock()
	}
	return n
}

// put adds a step to what is to be done for a group.
func (s *Service) put(f *fanout, st step) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seq.put(st) {
		s.metrics.merged.Inc()
	}
	s.start(f)
}

func (f *fanout) covers(seq int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seq.covers(seq)
}

// start puts f in line. f.mu is held.
func (s *Service) start(f *fanout) {
	if !f.busy {
		f.busy = true
		s.fanouts.ready.add(f)
	}
}

// fanOut does the next step of a group and puts the group at the end of the line.
func (s *Service) fanOut(f *fanout) {
	st, ok := s.next(f)
	if !ok {
		return
	}
	s.do(f, &st)
	s.fanouts.ready.add(f)
}

// next takes the step that is due. When one is missing it waits, but not for
// ever.
func (s *Service) next(f *fanout) (st step, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.timer != nil {
		f.timer.Stop()
		f.timer = nil
	}
	if st, ok = f.seq.take(); ok {
		return st, true
	}
	f.busy = false
	if len(f.seq.waiting) > 0 {
		f.timer = time.AfterFunc(gapPatience, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.seq.giveUp()
			s.start(f)
		})
	}
	return step{}, false
}

// do does one step.
func (s *Service) do(f *fanout, st *step) {
	if f.members == nil {
		f.members, _ = s.cfg.Groups.ByID(f.id)
	}
	if st.event != nil {
		s.change(f, st)
		return
	}
	if f.members == nil { // dissolved: what was written before is owed by the archive
		return
	}
	for _, m := range f.members.Members() {
		switch {
		case st.passing:
			s.passToMember(st.it, m.User)
		case st.look():
			s.Wake(m.User)
		case m.JoinedSeq < st.first:
			s.giveMember(st.it, m.User)
		}
	}
	if st.it != nil && !st.passing {
		s.metrics.fanout.Observe(time.Since(st.it.msg.At).Seconds())
	}
}

// giveMember gives a message of a group to one of its members.
func (s *Service) giveMember(it *item, u store.UserID) {
	queues := s.devices.of(u) // before the targets: who registers in between makes his own way
	s.give(it, queues, s.cfg.Locations.Lookup(u))
}

// passToMember sends what is not kept to the devices of a member, but not back to
// its writer.
func (s *Service) passToMember(it *item, u store.UserID) {
	if u != it.msg.From {
		s.pass(it, s.cfg.Locations.Lookup(u))
	}
}

// GroupChanged is a committed change of a group (group.Service.Observe): from
// its place in the conversation on, messages go to who is a member then.
func (s *Service) GroupChanged(e group.Event) {
	if s.closing.Load() {
		return
	}
	f := s.fanouts.find(e.After.ID)
	st := step{event: &e}
	if n := len(e.Notices); n > 0 {
		st.first, st.next = e.Notices[0].Seq, e.Notices[n-1].Seq+1
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if e.Before == nil && f.seq.expected == 0 {
		f.seq.expected = 1 // it begins with this
	}
	f.seq.put(st)
	if len(e.Notices) == 0 && slices.ContainsFunc(e.Changes, movesPeople) {
		f.seq.put(step{}) // where in the conversation is not known
	}
	s.start(f)
}

// movesPeople tells whether a change says who comes or goes.
func movesPeople(c store.GroupEvent) bool {
	switch c.Action {
	case group.ActionJoin, group.ActionLeave, group.ActionKick:
		return true
	}
	return false
}

// change makes the group another one. Who comes and who goes reads the archive:
// it knows what they see. All others are given the notices.
func (s *Service) change(f *fanout, st *step) {
	e := st.event
	if f.members == nil || f.members.Version < e.After.Version || e.After.Dissolved != nil {
		f.members = e.After
	}
	notices := make([]*item, len(e.Notices))
	for i := range notices {
		notices[i] = &item{msg: &e.Notices[i], room: roomOf(e.After)}
	}
	for _, m := range e.After.Members() {
		if st.behind || e.Before != nil && !wasIn(e.Before, m.User) {
			s.Wake(m.User)
			continue
		}
		for _, it := range notices {
			s.giveMember(it, m.User)
		}
	}
	if e.Before == nil {
		return
	}
	for _, m := range e.Before.Members() {
		if !wasIn(e.After, m.User) {
			s.Wake(m.User)
			for _, d := range s.devices.of(m.User) {
				s.act(d, d.joined()) // no room to wait for any more
			}
		}
	}
}

func wasIn(g *group.Snapshot, u store.UserID) bool {
	if g == nil {
		return false
	}
	_, in := g.Member(u)
	return in
}
