package group

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// draft is a group while it is being changed. It is a pure thing: what it knows
// of the world is in conditions, what comes of it is a [store.GroupChange].
type draft struct {
	conditions
	by     Actor
	before *Snapshot

	group   store.Group
	owner   store.UserID
	size    int
	set     map[store.UserID]store.Member // who came or changed
	removed map[store.UserID]bool         // who was there before
	events  []store.GroupEvent
}

// conditions are what a change is judged by beside the group itself.
type conditions struct {
	now        time.Time
	words      *words
	defaults   store.GroupPolicy
	maxMembers int
	messages   map[int64]bool             // of the group, among those that the changes pin
	muted      map[store.UserID]time.Time // until when those outside may not write; who goes is added
}

// plan makes of changes what the store shall commit: nothing (no events) when
// everything is so already, or an error: *Denied, store.ErrNotFound for an actor
// who is no member, store.ErrInvalid.
func plan(g *Snapshot, c conditions, by Actor, changes []Change) (store.GroupChange, error) {
	d := &draft{
		conditions: c, by: by, before: g,
		group: g.Group, owner: g.owner, size: g.Size(),
		set: map[store.UserID]store.Member{}, removed: map[store.UserID]bool{},
	}
	for _, change := range changes {
		if d.group.Dissolved != nil {
			break
		}
		if err := change.apply(d); err != nil {
			return store.GroupChange{}, err
		}
	}
	d.settle()
	return d.change(), nil
}

// change is what has come of the draft.
func (d *draft) change() store.GroupChange {
	c := store.GroupChange{
		Group:   d.group,
		Remove:  slices.Sorted(maps.Keys(d.removed)),
		Events:  d.events,
		Backlog: int64(max(0, d.policy().History)),
	}
	for _, u := range slices.Sorted(maps.Keys(d.set)) {
		c.Set = append(c.Set, d.set[u])
	}
	return c
}

// record notes an event.
func (d *draft) record(action string, u store.UserID, detail string) {
	d.events = append(d.events, store.GroupEvent{
		Version: d.group.Version + int64(len(d.events)) + 1,
		At:      d.now, By: d.by.User, Action: action, User: u, Detail: detail,
	})
}

// policy is what holds in the group now.
func (d *draft) policy() store.GroupPolicy { return inForce(d.group.Policy, d.defaults) }

// member returns a member as he is now.
func (d *draft) member(u store.UserID) (store.Member, bool) {
	if m, ok := d.set[u]; ok {
		return m, true
	}
	if d.removed[u] {
		return store.Member{}, false
	}
	return d.before.Member(u)
}

// members yields the members as they are now.
func (d *draft) members() iter.Seq[store.Member] {
	return func(yield func(store.Member) bool) {
		for _, m := range d.set {
			if !yield(m) {
				return
			}
		}
		for _, m := range d.before.Members() {
			if _, changed := d.set[m.User]; !changed && !d.removed[m.User] && !yield(m) {
				return
			}
		}
	}
}

// theMember is member for changes that need one.
func (d *draft) theMember(u store.UserID) (store.Member, error) {
	m, ok := d.member(u)
	if !ok {
		return m, fmt.Errorf("%w: user %d is not in the group", store.ErrInvalid, u)
	}
	return m, nil
}

// put makes or changes a member.
func (d *draft) put(m store.Member) {
	if _, was := d.member(m.User); !was {
		d.size++
	}
	switch {
	case m.Role == store.RoleOwner:
		d.owner = m.User
	case d.owner == m.User:
		d.owner = 0
	}
	d.set[m.User] = m
}

// join makes somebody a member who is none.
func (d *draft) join(u store.UserID, role store.Role) {
	m := store.Member{User: u, Role: role, Joined: d.now}
	if until := d.muted[u]; until.After(d.now) {
		m.MutedUntil = until
	}
	d.put(m)
	d.record(ActionJoin, u, "")
}

// drop takes a member out.
func (d *draft) drop(u store.UserID, action string) {
	m, _ := d.member(u)
	d.muted[u] = m.MutedUntil
	if _, was := d.before.Member(u); was {
		d.removed[u] = true
	}
	delete(d.set, u)
	d.size--
	if d.owner == u {
		d.owner = 0
	}
	d.record(action, u, "")
}

// dissolve ends the group. Its members stay on record.
func (d *draft) dissolve() {
	d.group.Dissolved = &d.now
	d.record(ActionDissolve, 0, "")
}

// may judges whether the actor may do something.
func (d *draft) may(a action) error {
	if d.by.System {
		if !sensible(a, d.group.Kind) {
			return d.words.forbidden(a, closed, d.group.Kind)
		}
		return nil
	}
	m, ok := d.member(d.by.User)
	if !ok { // what one is not in does not exist for him
		return fmt.Errorf("group %d: %w", d.group.ID, store.ErrNotFound)
	}
	p := d.policy()
	if least := needed(a, d.group.Kind, &p); m.Role < least {
		return d.words.forbidden(a, least, d.group.Kind)
	}
	return nil
}

// above judges whether the actor stands above a member: nobody moves his equals,
// but the owner everybody.
func (d *draft) above(m store.Member) error {
	if d.by.System {
		return nil
	}
	own, _ := d.member(d.by.User)
	if own.Role != store.RoleOwner && own.Role <= m.Role {
		return deny(d.words.higher)
	}
	return nil
}

// room judges whether the group is not too large.
func (d *draft) room() error {
	most := d.most()
	if d.size > most && d.size > d.before.Size() {
		return denyf(d.words.tooMany, most)
	}
	return nil
}

// most is how many members the group may have.
func (d *draft) most() int { return mostMembers(d.policy(), d.maxMembers) }

// mostMembers is what policy and server allow together.
func mostMembers(inForce store.GroupPolicy, server int) int {
	if inForce.MaxMembers > 0 {
		return min(inForce.MaxMembers, server)
	}
	return server
}

// settle keeps the rules that no single change keeps: a group that is not fixed
// has one owner, and ends with its last member.
func (d *draft) settle() {
	if d.group.Dissolved != nil || d.group.Kind == store.GroupFixed || len(d.events) == 0 {
		return
	}
	if d.size == 0 {
		d.dissolve()
		return
	}
	if d.owner != 0 {
		return
	}
	heir := d.heir()
	heir.Role = store.RoleOwner
	d.put(heir)
	d.record(ActionRole, heir.User, store.RoleOwner.String())
}

// heir is the eldest administrator, else the eldest member.
func (d *draft) heir() store.Member {
	var heir store.Member
	for m := range d.members() {
		switch {
		case heir.User == 0, m.Role > heir.Role, m.Role == heir.Role && elder(m, heir) < 0:
			heir = m
		}
	}
	return heir
}
