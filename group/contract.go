package group

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/store"
)

// Store is what groups need of the store.
type Store interface {
	store.Groups
	store.Units
	User(ctx context.Context, id store.UserID) (store.User, error)
}

// Config of a Service.
type Config struct {
	Store      Store
	Domain     string
	Defaults   store.GroupPolicy
	MaxMembers int    // of one group; 0: 5000
	MaxGroups  int    // that one user may have made; 0: 500
	Language   string // of notices: "zh" (default) or "en"
	Now        func() time.Time
	Log        *slog.Logger
	Registerer prometheus.Registerer
}

// Snapshot is a group at one version. It and what it points to never change.
type Snapshot struct {
	store.Group
	members []store.Member // by Joined
	index   map[store.UserID]int
}

func (g *Snapshot) Members() []store.Member                    { panic("contract") }
func (g *Snapshot) Member(u store.UserID) (store.Member, bool) { panic("contract") }
func (g *Snapshot) Size() int                                  { panic("contract") }
func (g *Snapshot) URI() string                                { panic("contract") } // sip:NAME@DOMAIN

// Actor is who changes a group.
type Actor struct {
	User   store.UserID // 0: an administrator of the server, or the tree
	System bool         // may everything
}

// Change is one thing to be done; several are committed together.
type Change interface{ apply() }

type (
	Rename struct{ Subject string }
	Add    struct {
		Users []store.UserID
		Role  store.Role
	}
	Remove  struct{ Users []store.UserID } // oneself: leaving
	SetRole struct {
		User store.UserID
		Role store.Role
	} // RoleOwner hands the group over
	SetNickname struct {
		User     store.UserID
		Nickname string
	}
	Mute struct {
		User  store.UserID
		Until time.Time
	} // zero: may write again
	MuteAll  struct{ On bool }
	Announce struct{ Text string }
	Pin      struct {
		GID int64
		On  bool
	}
	SetPicture struct{ Name string }
	SetPolicy  struct{ Policy store.GroupPolicy }
	Convert    struct{} // a fixed or discussion group becomes a manual one
	Dissolve   struct{}
)

// Event is a committed change, with the group before and after.
type Event struct {
	Before, After *Snapshot // Before nil: new; After.Dissolved: gone
	Changes       []store.GroupEvent
	Notices       []store.Message // that tell of it, as archived
}

// Service owns the groups.
type Service struct{}

// New reads all groups.
func New(ctx context.Context, c Config) (*Service, error) { panic("contract") }

// Find by user part of the address. It does not block.
func (s *Service) Find(name string) (*Snapshot, bool)                       { panic("contract") }
func (s *Service) ByID(id store.GroupID) (*Snapshot, bool)                  { panic("contract") }
func (s *Service) ByConversation(id store.ConversationID) (*Snapshot, bool) { panic("contract") }

// Of lists the groups of a user. It does not block.
func (s *Service) Of(u store.UserID) []*Snapshot { panic("contract") }
func (s *Service) All() []*Snapshot              { panic("contract") }

// Create makes a group with its first owner (the actor, if he is a user).
// Discussion and pair groups with the same members are found, not made again,
// where the kind says so.
func (s *Service) Create(ctx context.Context, by Actor, g store.Group, members []store.UserID) (*Snapshot, error) {
	panic("contract")
}

// Change waits for the commit.
func (s *Service) Change(ctx context.Context, by Actor, id store.GroupID, changes ...Change) (*Snapshot, error) {
	panic("contract")
}

// MaySpeak tells why a user may not write into a group now: a *Denied, nil when he may.
func (s *Service) MaySpeak(g *Snapshot, u store.UserID, mentionsAll bool) error { panic("contract") }

// Observe adds a function that is told of each event after its commit, in the
// order of versions of each group. It must not block.
func (s *Service) Observe(fn func(Event)) { panic("contract") }

// UserRemoved takes a user out of all his groups.
func (s *Service) UserRemoved(ctx context.Context, u store.UserID) error { panic("contract") }

// Follow brings the fixed groups in line with the tree.
func (s *Service) Follow(ctx context.Context) error { panic("contract") }

// Denied is a refusal that the user is told in words.
type Denied struct {
	Text  string
	Until time.Time // muted until, zero otherwise
}

func (d *Denied) Error() string { return d.Text }
