package group

import (
	"sync"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// MaySpeak tells why a user may not write into a group now: a *Denied, nil when he
// may. A message that addresses everybody, and may, is counted against his quota. It
// does not block.
func (s *Service) MaySpeak(g *Snapshot, u store.UserID, mentionsAll bool) error {
	now := s.cfg.Now()
	m, ok := g.Member(u)
	switch {
	case !ok || g.Dissolved != nil:
		return deny(s.words.notMember)
	case m.MutedUntil.After(now):
		return s.words.mutedError(m.MutedUntil, now)
	case g.MutedAll && m.Role < store.RoleAdministrator:
		return deny(s.words.mutedAll)
	}
	if err := s.allowed(g, m.Role, actSpeak); err != nil || !mentionsAll {
		return err
	}
	if err := s.allowed(g, m.Role, actMentionAll); err != nil {
		return err
	}
	most := inForce(g.Policy, s.cfg.Defaults).AllDaily
	if m.Role < store.RoleAdministrator && g.Kind != store.GroupPair && !s.quota.take(g.ID, u, most, now) {
		return denyf(s.words.quota, most)
	}
	return nil
}

// MaySpeakTo tells why a member may not write to another one through the group
// now: a *Denied, nil when he may.
func (s *Service) MaySpeakTo(g *Snapshot, u, to store.UserID) error {
	if err := s.MaySpeak(g, u, false); err != nil {
		return err
	}
	if g.roleOf(to) == 0 {
		return deny(s.words.noSuchMember)
	}
	return s.allowed(g, g.roleOf(u), actPrivate)
}

// allowed judges by the table of rights.
func (s *Service) allowed(g *Snapshot, role store.Role, a action) error {
	p := inForce(g.Policy, s.cfg.Defaults)
	if least := needed(a, g.Kind, &p); role < least {
		return s.words.forbidden(a, least, g.Kind)
	}
	return nil
}

// quota counts how often members have addressed everybody today. It begins anew
// with each day, and with each start of the program.
type quota struct {
	mu   sync.Mutex
	day  string
	used map[quotaKey]int
}

type quotaKey struct {
	group store.GroupID
	user  store.UserID
}

// take counts one more, and tells whether it is not more than most.
func (q *quota) take(g store.GroupID, u store.UserID, most int, now time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if day := now.Format(time.DateOnly); day != q.day {
		q.day, q.used = day, map[quotaKey]int{}
	}
	key := quotaKey{g, u}
	if q.used[key] >= most {
		return false
	}
	q.used[key]++
	return true
}
