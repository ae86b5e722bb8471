package group

import (
	"time"

	"github.com/sparkleim/sparkle/store"
)

// Actor is who changes a group.
type Actor struct {
	User   store.UserID // 0: an administrator of the server, or the tree
	System bool         // may everything that the kind of the group allows
}

// What becomes of a group: the Action of a [store.GroupEvent].
const (
	ActionCreate   = "create"
	ActionJoin     = "join"  // By is who added User, 0 the organisation
	ActionLeave    = "leave" // By is User himself, or 0 when he was taken out of the organisation or his unit
	ActionKick     = "kick"
	ActionRole     = "role"     // Detail is the role's name
	ActionNickname = "nickname" // Detail is the new one
	ActionMute     = "mute"     // Detail is the end (RFC 3339), "" when he may write again
	ActionMuteAll  = "mute-all" // Detail is "on" or "off"
	ActionSubject  = "subject"  // Detail is the new one
	ActionAnnounce = "announce" // Detail is the text
	ActionPin      = "pin"      // Detail is the message (store.GIDString)
	ActionUnpin    = "unpin"    // as ActionPin
	ActionPicture  = "picture"  // Detail is its name
	ActionPolicy   = "policy"
	ActionConvert  = "convert" // it has become a manual group
	ActionDissolve = "dissolve"
)

// Change is one thing to be done; several are committed together.
type Change interface {
	// apply checks whether the actor may, and does it. What is so already is
	// done without an event.
	apply(d *draft) error
}

// The changes that people and administrators make.
type (
	// Rename gives the group another name; only a discussion group may go
	// without one.
	Rename struct{ Subject string }
	// Add makes users members, with Role RoleMember (also 0) or
	// RoleAdministrator.
	Add struct {
		Users []store.UserID
		Role  store.Role
	}
	// Remove takes users out. Who removes himself leaves; a room of two ends
	// with that.
	Remove struct{ Users []store.UserID }
	// SetRole promotes or demotes a member; an administrator is demoted by himself
	// or the owner. RoleOwner hands the group over: who owned it becomes an
	// administrator.
	SetRole struct {
		User store.UserID
		Role store.Role
	}
	// SetNickname is the name of a member in this group, "" for his own.
	SetNickname struct {
		User     store.UserID
		Nickname string
	}
	// Mute keeps a member from writing; a time that is over, or zero, lets him
	// write again.
	Mute struct {
		User  store.UserID
		Until time.Time
	}
	// MuteAll lets only the owner and administrators write.
	MuteAll struct{ On bool }
	// Announce sets the announcement, "" removes it.
	Announce struct{ Text string }
	// Pin puts a text message of the group that the actor sees above the others, or
	// takes it away.
	Pin struct {
		GID int64
		On  bool
	}
	// SetPicture names an uploaded picture, "" for a mosaic of the members.
	SetPicture struct{ Name string }
	// SetPolicy replaces the rules of the group.
	SetPolicy struct{ Policy store.GroupPolicy }
	// Convert makes a manual group of a fixed or discussion group.
	Convert struct{}
	// Dissolve ends the group.
	Dissolve struct{}
)

// The changes that the organisation makes.
type (
	// follow brings the members of a fixed group in line with its unit.
	follow struct{ join, leave []store.UserID }
	// depart is the removal of an account.
	depart struct{ user store.UserID }
)
