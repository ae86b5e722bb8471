package focus

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/sip/event"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

const packageName = "conference"

// Name implements event.Package.
func (s *Service) Name() string { return packageName }

// Subscribe implements event.Package: members see their groups, and to everybody
// else there are none. Of a list, which a client keeps for itself, the groups that
// its user is not in are left out.
func (s *Service) Subscribe(sub *event.Subscription, r *server.Request) error {
	if sub.List != nil {
		s.keepWatched(sub)
		return nil
	}
	g := s.watched(sub.User, sub.Resource)
	if g == nil {
		return &server.Error{Status: 404}
	}
	sub.Resource = g.AOR() // as it is published, however the client writes it
	version, err := strconv.ParseInt(wire.Header(r.Request, "Last-Notify-Version"), 10, 64)
	if _, known := sub.Told[sub.Resource]; err == nil && version > 0 && !known {
		if sub.Told == nil {
			sub.Told = map[string]int64{}
		}
		sub.Told[sub.Resource] = version
	}
	return nil
}

// keepWatched leaves in a list the groups that its user is in, each once and as it is
// published, with what their entries say that he was told. The list itself is others'.
func (s *Service) keepWatched(sub *event.Subscription) {
	list, told, seen := make([]string, 0, len(sub.List)), make(map[string]int64, len(sub.Told)), make(map[store.GroupID]bool)
	for _, resource := range sub.List {
		g := s.watched(sub.User, resource)
		if g == nil {
			continue
		}
		if v, ok := sub.Told[resource]; ok {
			told[g.AOR()] = max(told[g.AOR()], v)
		}
		if !seen[g.ID] {
			seen[g.ID] = true
			list = append(list, g.AOR())
		}
	}
	sub.List, sub.Told = list, told
}

// watched finds the group that a member subscribes to.
func (s *Service) watched(u store.UserID, resource string) *group.Snapshot {
	name, _, _ := strings.Cut(resource, "@")
	g, ok := s.cfg.Groups.Find(strings.ToLower(name))
	if ok {
		_, ok = g.Member(u)
	}
	if !ok {
		return nil
	}
	return g
}

// Current implements event.Package: the changes since the version that a
// subscriber was told, in one document, or the whole state where they are not in
// memory any more. Every document has a higher version than he was told.
func (s *Service) Current(sub *event.Subscription, resource string) []event.Document {
	g := s.watched(sub.User, resource)
	if g == nil {
		return nil
	}
	d, ok := s.states.of(g).since(sub.Told[resource], func(g *group.Snapshot) string { return s.cfg.Groups.Title(g, sub.User) }, &s.people)
	if !ok {
		return nil
	}
	if d.fresh {
		s.metrics.states.Inc()
	}
	return []event.Document{d.Document}
}

// Changed is a committed change of a group (group.Service.Observe). It does not
// block.
func (s *Service) Changed(e group.Event) {
	c := changeOf(e)
	if e.Before != nil {
		s.states.of(e.Before).take(e.After, c)
	}
	for u := range c.came {
		s.came(u, e.After.ID)
	}
	for _, u := range c.went {
		s.went(u, e.After.ID)
	}
	s.publish(e, c)
}

// publish tells the subscribers. Who went is told by BYE, and has nothing to see any
// more.
func (s *Service) publish(e group.Event, c change) {
	if e.After.Dissolved != nil {
		s.states.drop(e.After.ID)
	}
	if s.publisher == nil || e.Before == nil {
		return
	}
	resource := e.After.AOR()
	if e.After.Dissolved != nil {
		s.publisher.End(packageName, resource, 0, "noresource")
		return
	}
	for _, u := range c.went {
		s.publisher.End(packageName, resource, u, "noresource")
	}
	if !c.visible() {
		return
	}
	s.publisher.Publish(packageName, resource, func(sub *event.Subscription) (event.Document, bool) {
		docs := s.Current(sub, resource) // what he missed before is in it
		if len(docs) == 0 {
			return event.Document{}, false
		}
		return docs[0], true
	})
}

// change is what of an event clients are told.
type change struct {
	version int64
	touched []store.UserID        // who came, changed, or went
	came    map[store.UserID]bool // of them
	went    []store.UserID        // of them
	renamed bool
}

// changeOf reads an event.
func changeOf(e group.Event) change {
	c := change{version: e.After.Version, came: map[store.UserID]bool{}}
	switch {
	case e.Before == nil:
		for _, m := range e.After.Members() {
			c.came[m.User] = true
		}
		return c
	case e.After.Dissolved != nil:
		for _, m := range e.After.Members() {
			c.went = append(c.went, m.User)
		}
	}
	for _, ev := range e.Changes {
		switch ev.Action {
		case group.ActionJoin, group.ActionLeave, group.ActionKick, group.ActionRole, group.ActionNickname:
			c.touched = append(c.touched, ev.User)
		case group.ActionSubject:
			c.renamed = true
		}
	}
	slices.Sort(c.touched)
	c.touched = slices.Compact(c.touched)
	for _, u := range c.touched {
		_, was := e.Before.Member(u)
		_, is := e.After.Member(u)
		switch {
		case is && !was:
			c.came[u] = true
		case was && !is:
			c.went = append(c.went, u)
		}
	}
	return c
}

// visible tells whether clients show anything of a change.
func (c *change) visible() bool { return c.renamed || len(c.touched) > 0 }

// states are the groups as subscribers are told of them.
type states struct{ groups sync.Map } // store.GroupID → *state

// state is one group with its last changes.
type state struct {
	mu       sync.Mutex
	snapshot *group.Snapshot
	begin    int64 // the changes after this version are in recent
	recent   []change
	written  map[key]event.Document // of this version
}

// key is what a document depends on besides the version of the group.
type key struct {
	told  int64
	title string
}

// Bounds of a state.
const (
	maxRecent  = 10  // changes
	maxTouched = 100 // people in one difference: beyond, the whole is told
	maxWritten = 64  // documents
)

// of returns the state of a group, which begins with g.
func (ss *states) of(g *group.Snapshot) *state {
	if v, ok := ss.groups.Load(g.ID); ok {
		return v.(*state)
	}
	v, _ := ss.groups.LoadOrStore(g.ID, &state{snapshot: g, begin: g.Version})
	return v.(*state)
}

func (ss *states) drop(id store.GroupID) { ss.groups.Delete(id) }

// take notes a change.
func (st *state) take(after *group.Snapshot, c change) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if after.Version <= st.snapshot.Version {
		return // it began with that
	}
	st.snapshot, st.written = after, nil
	if !c.visible() {
		return
	}
	st.recent = append(st.recent, c)
	if len(st.recent) > maxRecent {
		st.begin = st.recent[0].version
		st.recent = slices.Clone(st.recent[1:])
	}
}

// news is a document, fresh when it was written just now.
type news struct {
	event.Document
	fresh bool
}

// since is the document for somebody who was told a version; false when there is
// nothing new.
func (st *state) since(told int64, title func(*group.Snapshot) string, p *people) (news, bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	g := st.snapshot
	sum, ok := st.sum(told)
	if ok && !sum.visible() {
		return news{}, false
	}
	k := key{told: told, title: title(g)}
	if !ok {
		k.told = 0 // the whole is the same for everybody
	}
	if d, ok := st.written[k]; ok {
		return news{d, false}, true
	}
	var d event.Document
	switch {
	case !ok:
		d = p.full(g, k.title)
	case sum.renamed || g.Subject == "" && len(sum.came)+len(sum.went) > 0: // it is called after its members
		d = p.difference(g, k.title, sum.touched, sum.came)
	default:
		d = p.difference(g, "", sum.touched, sum.came)
	}
	if st.written == nil || len(st.written) >= maxWritten {
		st.written = map[key]event.Document{}
	}
	st.written[k] = d
	return news{d, true}, true
}

// sum adds the changes after a version; false when they are not known, or so many
// that the whole is shorter.
func (st *state) sum(told int64) (change, bool) {
	sum := change{came: map[store.UserID]bool{}}
	if told <= 0 || told > st.snapshot.Version || told < st.begin {
		return sum, false
	}
	for _, c := range st.recent {
		if c.version <= told {
			continue
		}
		sum.renamed = sum.renamed || c.renamed
		sum.touched = append(sum.touched, c.touched...)
		sum.went = append(sum.went, c.went...)
		for u := range c.came {
			sum.came[u] = true
		}
	}
	slices.SortFunc(sum.touched, cmp.Compare)
	sum.touched = slices.Compact(sum.touched)
	return sum, len(sum.touched) <= maxTouched
}
