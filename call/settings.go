package call

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// Setup is what calls need of [store.CallSetup].
type Setup interface {
	AllCallSettings(ctx context.Context) ([]store.CallSettings, error)
	SetCallSettings(ctx context.Context, s store.CallSettings) (store.CallSettings, error)
	HuntGroups(ctx context.Context) ([]store.HuntGroup, error)
	SetHuntGroup(ctx context.Context, g store.HuntGroup) (store.HuntGroup, error)
	RemoveHuntGroup(ctx context.Context, name string) error
}

// Users tells about accounts without waiting.
type Users interface {
	// Numbers are those of a user, and his username; nil when there is no such user.
	Numbers(u store.UserID) []string
	// Owner is whose username or number it is, 0 when it is nobody's.
	Owner(name string) store.UserID
}

var _ Setup = store.CallSetup(nil)

// settings keeps what users and administrators decided about calls: in the store
// first, then here, where each call looks. Who has decided nothing needs no
// memory.
type settings struct {
	store   Setup
	domains []string

	saving sync.Mutex // one change at a time, so that memory follows the store

	mu     sync.RWMutex
	users  map[store.UserID]*store.CallSettings // never changed in place, as groups
	groups map[string]*store.HuntGroup          // by name
	hunted map[string]*store.HuntGroup          // by name and by number
}

// Limits of what is set, in seconds, members and bytes.
const (
	leastRing, mostRing = 5, 300
	mostMembers         = 100
	mostAddress         = 128
	defaultRing         = 20
)

func newSettings(from Setup, domains []string) *settings {
	return &settings{store: from, domains: domains, users: make(map[store.UserID]*store.CallSettings),
		groups: make(map[string]*store.HuntGroup), hunted: make(map[string]*store.HuntGroup)}
}

// load reads everything.
func (t *settings) load(ctx context.Context) error {
	if t.store == nil {
		return nil
	}
	users, err := t.store.AllCallSettings(ctx)
	if err != nil {
		return err
	}
	groups, err := t.store.HuntGroups(ctx)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range users {
		t.users[users[i].User] = &users[i]
	}
	for i := range groups {
		t.learn(&groups[i])
	}
	return nil
}

// learn makes a group known by all its addresses. t.mu is held.
func (t *settings) learn(g *store.HuntGroup) {
	t.groups[g.Name] = g
	for _, name := range addressesOf(g) {
		t.hunted[name] = g
	}
}

// unlearn forgets a group. t.mu is held.
func (t *settings) unlearn(name string) {
	g := t.groups[name]
	if g == nil {
		return
	}
	delete(t.groups, name)
	for _, name := range addressesOf(g) {
		delete(t.hunted, name)
	}
}

func addressesOf(g *store.HuntGroup) []string {
	all := []string{strings.ToLower(g.Name)}
	for _, n := range g.Numbers {
		all = append(all, strings.ToLower(n))
	}
	return all
}

// of returns the settings of a user, nil for one who has none.
func (t *settings) of(u store.UserID) *store.CallSettings {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.users[u]
}

// group returns the hunt group that an address means, nil for none.
func (t *settings) group(u *sip.Uri) *store.HuntGroup {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if len(t.hunted) == 0 || u.Scheme != "tel" && !t.serves(u.Host) {
		return nil
	}
	return t.hunted[telephone(u)]
}

// named returns the group of a name, nil for none.
func (t *settings) named(name string) *store.HuntGroup {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.groups[name]
}

// hunts tells whether it is the name or a number of a group.
func (t *settings) hunts(name string) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.hunted[name] != nil
}

func (t *settings) serves(host string) bool {
	return slices.ContainsFunc(t.domains, func(d string) bool { return strings.EqualFold(d, host) })
}

// address reads whom somebody wants to reach as people write it: a username, a
// number in any notation, an address or a URI. Only our users and telephone
// numbers can be meant.
func (t *settings) address(text string) (sip.Uri, error) {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > mostAddress {
		return sip.Uri{}, invalid("an address has 1 to %d characters", mostAddress)
	}
	whole := text
	switch scheme, _, ok := strings.Cut(text, ":"); {
	case !ok && strings.Contains(text, "@"):
		whole = "sip:" + text
	case !ok:
		if n := strings.ReplaceAll(text, " ", ""); isNumber(n) {
			text = dialled(n)
		}
		whole = "sip:" + wire.EscapeUser(text) + "@" + t.domains[0]
	case !slices.Contains([]string{"sip", "sips", "tel"}, strings.ToLower(scheme)):
		return sip.Uri{}, invalid("%q is no address: use a username, a number, name@%s or tel:+number", text, t.domains[0])
	}
	u, err := wire.ParseURI(whole)
	switch {
	case err != nil || u.User == "" || u.Scheme == "tel" && !isTelephone(&u):
		return sip.Uri{}, invalid("%q is no address: use a username, a number, name@%s or tel:+number", text, t.domains[0])
	case u.Scheme != "tel" && !t.serves(u.Host):
		return sip.Uri{}, invalid("%q is outside: only addresses of %s and telephone numbers can be called", text, t.domains[0])
	}
	u.Headers = nil // RFC 3261 §19.1.5
	return u, nil
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{store.ErrInvalid}, args...)...)
}

// Settings of a user; the zero value for one who has none.
func (s *Service) Settings(u store.UserID) store.CallSettings {
	if c := s.settings.of(u); c != nil {
		return *c
	}
	return store.CallSettings{User: u}
}

// SetSettings checks, stores and applies them. ErrInvalid says what is wrong.
func (s *Service) SetSettings(ctx context.Context, c store.CallSettings) (store.CallSettings, error) {
	t := s.settings
	if err := t.check(&c); err != nil {
		return store.CallSettings{}, err
	}
	if err := s.checkForwards(&c); err != nil {
		return store.CallSettings{}, err
	}
	if c.Caller != "" && s.cfg.Users != nil && !slices.Contains(s.cfg.Users.Numbers(c.User), c.Caller) {
		return store.CallSettings{}, invalid("caller: %s is not one of the user's own numbers", c.Caller)
	}
	t.saving.Lock()
	defer t.saving.Unlock()
	c, err := t.store.SetCallSettings(ctx, c)
	if err != nil {
		return store.CallSettings{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.users[c.User] = &c
	return c, nil
}

// Forget drops what is remembered of a user who was removed: his ID may become
// somebody else's.
func (s *Service) Forget(u store.UserID) {
	t := s.settings
	t.saving.Lock()
	defer t.saving.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.users, u)
}

// forward is where a user sends calls in one case.
type forward struct {
	name string
	to   *string
}

func forwards(c *store.CallSettings) []forward {
	return []forward{
		{"forward_always", &c.ForwardAlways}, {"forward_busy", &c.ForwardBusy},
		{"forward_no_answer", &c.ForwardNoAnswer}, {"forward_offline", &c.ForwardOffline},
	}
}

// checkForwards refuses those of a user to himself: no address is tried twice, so
// nobody would be rung. The addresses were checked.
func (s *Service) checkForwards(c *store.CallSettings) error {
	for _, f := range forwards(c) {
		if *f.to == "" || s.cfg.Users == nil {
			continue
		}
		if to, err := s.settings.address(*f.to); err == nil && s.cfg.Users.Owner(telephone(&to)) == c.User {
			return invalid("%s: %s is the user himself: name somebody else", f.name, *f.to)
		}
	}
	return nil
}

// check tells what is wrong with the settings of a user.
func (t *settings) check(c *store.CallSettings) error {
	for _, f := range forwards(c) {
		if *f.to = strings.TrimSpace(*f.to); *f.to == "" {
			continue
		}
		if _, err := t.address(*f.to); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	if err := checkRing("no_answer_after", c.NoAnswerAfter); err != nil {
		return err
	}
	if c.MaxCalls < 0 {
		return invalid("max_calls is a number of calls, 0 for no limit of the user's own")
	}
	return nil
}

func checkRing(name string, seconds int) error {
	if seconds != 0 && (seconds < leastRing || seconds > mostRing) {
		return invalid("%s is %d to %d seconds, 0 for %d, not %d", name, leastRing, mostRing, defaultRing, seconds)
	}
	return nil
}

// HuntGroups lists them by name.
func (s *Service) HuntGroups() []store.HuntGroup {
	t := s.settings
	t.mu.RLock()
	defer t.mu.RUnlock()
	list := make([]store.HuntGroup, 0, len(t.groups))
	for g := range maps.Values(t.groups) {
		list = append(list, *g)
	}
	slices.SortFunc(list, func(a, b store.HuntGroup) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// SetHuntGroup checks, stores and applies a group. Its name and numbers are
// addresses as those of users are: ErrConflict names whose they are already.
func (s *Service) SetHuntGroup(ctx context.Context, g store.HuntGroup) (store.HuntGroup, error) {
	t := s.settings
	t.saving.Lock()
	defer t.saving.Unlock()
	if err := t.checkGroup(&g); err != nil {
		return store.HuntGroup{}, err
	}
	g, err := t.store.SetHuntGroup(ctx, g)
	if err != nil {
		return store.HuntGroup{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unlearn(g.Name)
	t.learn(&g)
	return g, nil
}

func (t *settings) checkGroup(g *store.HuntGroup) error {
	g.Name = strings.ToLower(strings.TrimSpace(g.Name))
	switch {
	case g.Name == "" || len(g.Name) > mostAddress:
		return invalid("a hunt group needs a name: the part of its address before the @")
	case len(g.Members) == 0:
		return invalid("hunt group %s has no members: name at least one username or number", g.Name)
	case len(g.Members) > mostMembers:
		return invalid("hunt group %s has %d members, at most %d are rung", g.Name, len(g.Members), mostMembers)
	}
	g.Members = slices.Clone(g.Members)
	for i, member := range g.Members {
		u, err := t.address(member)
		if err != nil {
			return fmt.Errorf("member %d: %w", i+1, err)
		}
		if t.group(&u) != nil {
			return invalid("%s is a hunt group: a group cannot be a member, name it as overflow", member)
		}
		g.Members[i] = strings.TrimSpace(member)
	}
	if g.Overflow = strings.TrimSpace(g.Overflow); g.Overflow != "" {
		u, err := t.address(g.Overflow)
		if err != nil {
			return fmt.Errorf("overflow: %w", err)
		}
		if own := t.group(&u); own != nil && own.Name == g.Name {
			return invalid("overflow: the group cannot overflow to itself")
		}
	}
	return checkRing("ring_time", g.RingTime)
}

// RemoveHuntGroup removes a group; ErrNotFound when there is none.
func (s *Service) RemoveHuntGroup(ctx context.Context, name string) error {
	t := s.settings
	t.saving.Lock()
	defer t.saving.Unlock()
	name = strings.ToLower(name)
	if err := t.store.RemoveHuntGroup(ctx, name); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unlearn(name)
	return nil
}
