package group

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/store"
)

// Store is what groups need of the store.
type Store interface {
	AddGroup(ctx context.Context, c store.GroupChange) (store.GroupChange, []store.Accepted, error)
	ChangeGroup(ctx context.Context, c store.GroupChange) (store.GroupChange, []store.Accepted, error)
	Group(ctx context.Context, id store.GroupID) (store.Group, []store.Member, error)
	AllGroups(ctx context.Context, fn func(store.Group, []store.Member) error) error
	GroupEvents(ctx context.Context, id store.GroupID, after int64, limit int) ([]store.GroupEvent, error)
	LastOfEach(ctx context.Context, id store.GroupID, action string) ([]store.GroupEvent, error)

	AllUnits(ctx context.Context) ([]store.Unit, error)
	UnitMembers(ctx context.Context) ([]store.UnitMember, error)

	User(ctx context.Context, id store.UserID) (store.User, error)
	Message(ctx context.Context, gid int64) (store.Message, error)
	MessagesOf(ctx context.Context, u store.UserID, gids []int64) ([]store.Message, error)
}

// Config of a Service.
type Config struct {
	Store      Store
	Domain     string
	Defaults   store.GroupPolicy // where a group's own leaves open; the rest is as rights.go says
	MaxMembers int               // of one group; 0: 5000
	MaxGroups  int               // that one user may have made; 0: 500
	Reserved   []string          // user parts of services of this server, which no group may have
	Language   string            // of notices and refusals: "zh" (default) or "en"
	Now        func() time.Time  // nil: time.Now. Its location is that of times in texts.
	Log        *slog.Logger
	Registerer prometheus.Registerer
}

const (
	defaultMaxMembers = 5000
	defaultMaxGroups  = 500
)

// Event is a committed change, with the group before and after.
type Event struct {
	Before, After *Snapshot // Before nil: new; After.Dissolved: gone, After's members are the last ones
	Changes       []store.GroupEvent
	Notices       []store.Message // that tell of it, as archived
}

// Service owns the groups.
type Service struct {
	cfg     Config
	words   *words
	log     *slog.Logger
	metrics *metrics
	index   *index
	people  people
	quota   quota

	making    sync.Map                // key of pairs and discussions → chan struct{}, closed when made
	following chan struct{}           // holds a token for whoever follows the tree
	unitNames map[store.UnitID]string // as of the last Follow, which alone uses it

	mu        sync.RWMutex
	observers []func(Event)
}

// New reads all groups.
func New(ctx context.Context, c Config) (*Service, error) {
	c.MaxMembers = cmp.Or(c.MaxMembers, defaultMaxMembers)
	c.MaxGroups = cmp.Or(c.MaxGroups, defaultMaxGroups)
	if c.Now == nil {
		c.Now = time.Now
	}
	if err := checkPolicy(c.Defaults); err != nil {
		return nil, fmt.Errorf("group: defaults: %w", err)
	}
	s := &Service{
		cfg: c, words: wordsOf(c.Language), log: c.Log, index: newIndex(),
		people: people{store: c.Store}, following: make(chan struct{}, 1),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.metrics = newMetrics(c.Registerer, s.index)
	err := c.Store.AllGroups(ctx, func(g store.Group, members []store.Member) error {
		s.index.add(newEntry(newSnapshot(g, members)), false)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("group: read the groups: %w", err)
	}
	for e := range s.index.all() {
		s.learnTitle(ctx, e.snapshot.Load())
	}
	return s, nil
}

// Find finds a group by the user part of its address. It does not block.
func (s *Service) Find(name string) (*Snapshot, bool) {
	return live(find(&s.index.names, name))
}

// ByID finds a group by its number. It does not block.
func (s *Service) ByID(id store.GroupID) (*Snapshot, bool) {
	return live(find(&s.index.ids, id))
}

// ByConversation finds the group of a conversation. It does not block.
func (s *Service) ByConversation(id store.ConversationID) (*Snapshot, bool) {
	return live(find(&s.index.conversations, id))
}

// live is the group of an entry, if there is one that is not dissolved.
func live(e *entry) (*Snapshot, bool) {
	if e == nil {
		return nil, false
	}
	g := e.snapshot.Load()
	return g, g.Dissolved == nil
}

// Of lists the groups of a user, by their numbers. It does not block.
func (s *Service) Of(u store.UserID) []*Snapshot {
	entries := s.index.of(u)
	groups := make([]*Snapshot, 0, len(entries))
	for _, e := range entries {
		if g, ok := live(e); ok && g.roleOf(u) != 0 {
			groups = append(groups, g)
		}
	}
	return sorted(groups)
}

// All lists the groups, by their numbers. It does not block.
func (s *Service) All() []*Snapshot {
	var groups []*Snapshot
	for e := range s.index.all() {
		if g, ok := live(e); ok {
			groups = append(groups, g)
		}
	}
	return sorted(groups)
}

func sorted(groups []*Snapshot) []*Snapshot {
	slices.SortFunc(groups, func(a, b *Snapshot) int { return cmp.Compare(a.ID, b.ID) })
	return groups
}

// Policy is what holds in a group: its own rules, the server's where it has none,
// and what has always been so where nobody has decided.
func (s *Service) Policy(g *Snapshot) store.GroupPolicy {
	p := inForce(g.Policy, s.cfg.Defaults)
	decided := p
	for _, rule := range []struct {
		action
		field *store.Role
	}{
		{actInvite, &p.Invite}, {actRename, &p.Rename}, {actPin, &p.Pin}, {actMentionAll, &p.MentionAll},
		{actSpeak, &p.Speak}, {actPrivate, &p.Private}, {actPromote, &p.Promote},
	} {
		*rule.field = needed(rule.action, g.Kind, &decided)
	}
	p.MaxMembers = mostMembers(decided, s.cfg.MaxMembers)
	return p
}

// Observe adds a function that is told of each event after its commit, in the
// order of versions of each group. It must not block, and change no group: its
// group waits for it.
func (s *Service) Observe(fn func(Event)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.observers = append(s.observers, fn)
}

// observed tells the observers of an event.
func (s *Service) observed(e Event) {
	s.mu.RLock()
	observers := s.observers
	s.mu.RUnlock()
	for _, fn := range observers {
		fn(e)
	}
}
