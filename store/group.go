package store

import (
	"context"
	"strconv"
	"time"
)

// GroupID is a dense positive number given by the store, never used again.
type GroupID int64

// GroupKind says where a group comes from.
type GroupKind string

const (
	GroupManual     GroupKind = "manual"     // made by people, with a name
	GroupDiscussion GroupKind = "discussion" // made by people, named after its members
	GroupFixed      GroupKind = "fixed"      // follows a unit or a rule of the organisation
	GroupPair       GroupKind = "pair"       // a room of two, of clients that want one (One-To-One-Chat-Room)
)

// Role is what a member may do; a higher one may all that a lower one may.
type Role int8

const (
	RoleMember        Role = 1
	RoleAdministrator Role = 2
	RoleOwner         Role = 3
	RoleNobody        Role = 9 // in a policy: not even the owner
)

// String is the name of the role in records of events and on the command line.
func (r Role) String() string {
	switch r {
	case RoleMember:
		return "member"
	case RoleAdministrator:
		return "administrator"
	case RoleOwner:
		return "owner"
	case RoleNobody:
		return "nobody"
	}
	return "role " + strconv.Itoa(int(r))
}

// Group is a room of many: one address, members, an order of messages.
type Group struct {
	ID           GroupID        `json:"id"`
	Name         string         `json:"name"` // user part of its address; unique among users, numbers and hunt groups, for ever
	Domain       string         `json:"domain"`
	Kind         GroupKind      `json:"kind"`
	Subject      string         `json:"subject"` // shown name; "" is named after the members
	Conversation ConversationID `json:"conversation"`
	Policy       GroupPolicy    `json:"policy"`
	Follows      *Follows       `json:"follows,omitempty"` // of a fixed group
	Announcement *Announcement  `json:"announcement,omitempty"`
	Pinned       []int64        `json:"pinned,omitempty"`    // GIDs of messages, the newest pin first
	MutedAll     bool           `json:"muted_all,omitempty"` // only administrators speak
	Picture      string         `json:"picture,omitempty"`   // name of an uploaded picture, "": a mosaic of its members
	Created      time.Time      `json:"created"`
	CreatedBy    UserID         `json:"created_by,omitempty"`
	Dissolved    *time.Time     `json:"dissolved,omitempty"` // its last members stay on record: they may still read
	// Version grows by one with each change that members can see; it is the
	// version of the conference event package (RFC 4575 §5.3).
	Version int64 `json:"version"`
}

// AOR is the address without its scheme.
func (g Group) AOR() string { return g.Name + "@" + g.Domain }

// GroupPolicy says from which role on something is allowed. Zero values mean
// the server's defaults.
type GroupPolicy struct {
	Invite     Role `json:"invite,omitempty" doc:"Who may add people."`
	Rename     Role `json:"rename,omitempty" doc:"Who may change name, picture and announcement."`
	Pin        Role `json:"pin,omitempty" doc:"Who may pin messages."`
	MentionAll Role `json:"mention_all,omitempty" doc:"Who may address everybody with @all."`
	Speak      Role `json:"speak,omitempty" doc:"Who may write."`
	Private    Role `json:"private,omitempty" doc:"Who may write to one member through the group."`
	Promote    Role `json:"promote,omitempty" doc:"Who may make others administrators; only the owner makes them members again."`
	AllDaily   int  `json:"all_daily,omitempty" doc:"How often a day one who is no administrator may address everybody; 0: the server's default."`
	MaxMembers int  `json:"max_members,omitempty" doc:"0: the server's limit."`
	History    int  `json:"history,omitempty" doc:"Messages from before he came that a new member sees; -1: none, 0: the server's default."`
}

// Follows is what the members of a fixed group are.
type Follows struct {
	Unit     UnitID `json:"unit"`
	SubUnits bool   `json:"sub_units,omitempty"` // with everybody below
	Title    string `json:"title,omitempty"`     // only people whose title in the unit contains this
	// Orphan is what happens when the unit goes: "dissolve" or "convert" (to a
	// manual group with the members of the moment).
	Orphan string `json:"orphan"`
}

// Announcement is what a group shows above its messages.
type Announcement struct {
	Text string    `json:"text"`
	By   UserID    `json:"by"`
	At   time.Time `json:"at"`
}

// Member is somebody in a group.
type Member struct {
	User       UserID    `json:"user"`
	Role       Role      `json:"role"`
	Nickname   string    `json:"nickname,omitempty"`
	Joined     time.Time `json:"joined"`
	JoinedSeq  int64     `json:"joined_seq"`           // he sees what comes after it
	MutedUntil time.Time `json:"muted_until,omitzero"` // may not write before
}

// GroupEvent is one change of a group, in its order.
type GroupEvent struct {
	Version int64     `json:"version"`
	At      time.Time `json:"at"`
	By      UserID    `json:"by"`     // 0: the organisation (the tree, an administrator of the server)
	Action  string    `json:"action"` // "join", "leave", "kick", "role", "subject", "mute" …
	User    UserID    `json:"user,omitempty"`
	Detail  string    `json:"detail,omitempty"` // new subject, role, time of muting
}

// GroupChange replaces a group's record and changes its members at once.
type GroupChange struct {
	// Group is the record as it shall be, but its Version, which is that of the
	// record read. Name, Domain, Conversation and Created stay as they are.
	Group  Group
	Set    []Member // who came or changed; JoinedSeq is set by the store for those who came
	Remove []UserID // before Set
	// Events carry the versions after Group.Version, one each; there is at least
	// one. The last one becomes the version of the record.
	Events []GroupEvent
	// Notices are archived in the group's conversation in the same transaction:
	// what a client without a list of members shows of the change. Group is set
	// by the store; From is 0 when nobody but the server speaks. Who comes and who
	// leaves sees those of his own change.
	Notices []NewMessage
	// Backlog is how many messages from before their coming those who come see:
	// JoinedSeq is the conversation's head before Notices less Backlog, not below 0.
	// The backlog is owed to their devices: ask Pending for these before they are
	// sent anything newer.
	Backlog int64
}

// Groups keeps groups. Changes are Durable and return what was committed: the
// record with its new Version, Set with JoinedSeq, and the places of the Notices.
type Groups interface {
	// AddGroup gives ID and Conversation to a group with its first members;
	// Version is 0 before. ErrConflict names a taken name: of a group that ever
	// was, a user, a number or a hunt group.
	AddGroup(ctx context.Context, c GroupChange) (GroupChange, []Accepted, error)
	// ChangeGroup returns ErrConflict when Version is not the stored one,
	// ErrNotFound when the group is dissolved.
	ChangeGroup(ctx context.Context, c GroupChange) (GroupChange, []Accepted, error)
	// Group reads one group, dissolved or not, and its members in the order in
	// which they joined.
	Group(ctx context.Context, id GroupID) (Group, []Member, error)
	// AllGroups calls fn for each group that is not dissolved, with its members.
	AllGroups(ctx context.Context, fn func(Group, []Member) error) error
	// GroupEvents returns what came after a version, oldest first.
	GroupEvents(ctx context.Context, id GroupID, after int64, limit int) ([]GroupEvent, error)
	// LastGroupEvent returns the newest event with one of the actions, of those up to
	// a version (0: all) and about a user (0: whoever); ErrNotFound when there is none.
	LastGroupEvent(ctx context.Context, id GroupID, upTo int64, u UserID, actions ...string) (GroupEvent, error)
	// LastOfEach returns of each user the newest event with an action about him, by
	// their versions. It reads all events of the group.
	LastOfEach(ctx context.Context, id GroupID, action string) ([]GroupEvent, error)

	// SaveRooms keeps the devices that are in a group's room: what the focus needs
	// to go on after a restart. Group and Device name one. Relaxed.
	SaveRooms(save, remove []RoomDevice)
	AllRooms(ctx context.Context, fn func(RoomDevice) error) error
	// SaveSubscriptions keeps the subscriptions of devices (RFC 6665). CallID,
	// LocalTag, RemoteTag and Event name one. Relaxed.
	SaveSubscriptions(save, remove []Subscription)
	AllSubscriptions(ctx context.Context, fn func(Subscription) error) error
}

// RoomDevice is the membership of one device: the INVITE dialog between the focus
// and it (RFC 4579 §5).
type RoomDevice struct {
	Group      GroupID
	User       UserID
	Device     DeviceID
	CallID     string
	LocalTag   string // the focus's
	RemoteTag  string
	LocalCSeq  uint32
	RemoteCSeq uint32
	Since      time.Time
}

// Subscription is a dialog made by SUBSCRIBE.
type Subscription struct {
	Package    string
	Resource   string   // address asked for, without scheme
	List       []string // of a list subscription (RFC 5367): the addresses
	User       UserID
	Device     DeviceID
	CallID     string
	LocalTag   string
	RemoteTag  string
	LocalCSeq  uint32
	RemoteCSeq uint32
	Subscriber string // the URI of its From
	Event      string // the Event header, with its id
	Expires    time.Time
	Version    int64 // told last

	Versions map[string]int64 // told last of each address of a list; nil while in force
}
