package group

import (
	"cmp"

	"github.com/sparkleim/sparkle/store"
)

// action is something that needs a right.
type action int

const (
	actInvite action = iota
	actRemove
	actRename
	actPin
	actMentionAll
	actSpeak
	actPrivate
	actNickname // of somebody else
	actMute
	actMuteAll
	actPromote
	actHandOver
	actPolicy
	actConvert
	actDissolve
	actions // how many there are
)

// closed is in the table for what no person may: the organisation decides.
const closed = store.RoleNobody

// right says who may do an action. Where a policy decides, policy picks its
// field and least is what holds when nobody has decided.
type right struct {
	least  store.Role
	policy func(p *store.GroupPolicy) store.Role
	fixed  store.Role // in a fixed group, when not 0
	pair   store.Role // in a room of two, when not 0
}

// rights is the table of what members may do.
var rights = [actions]right{
	actInvite: {least: store.RoleMember, fixed: closed, pair: closed,
		policy: func(p *store.GroupPolicy) store.Role { return p.Invite }},
	actRemove: {least: store.RoleAdministrator, fixed: closed, pair: closed},
	actRename: {least: store.RoleAdministrator, pair: closed,
		policy: func(p *store.GroupPolicy) store.Role { return p.Rename }},
	actPin: {least: store.RoleAdministrator, pair: store.RoleMember,
		policy: func(p *store.GroupPolicy) store.Role { return p.Pin }},
	actMentionAll: {least: store.RoleAdministrator, pair: store.RoleMember,
		policy: func(p *store.GroupPolicy) store.Role { return p.MentionAll }},
	actSpeak: {least: store.RoleMember, pair: store.RoleMember,
		policy: func(p *store.GroupPolicy) store.Role { return p.Speak }},
	actPrivate: {least: store.RoleMember, pair: closed,
		policy: func(p *store.GroupPolicy) store.Role { return p.Private }},
	actNickname: {least: store.RoleAdministrator, pair: closed},
	actMute:     {least: store.RoleAdministrator, pair: closed},
	actMuteAll:  {least: store.RoleAdministrator, pair: closed},
	actPromote: {least: store.RoleAdministrator, pair: closed, // softphones offer it to every administrator
		policy: func(p *store.GroupPolicy) store.Role { return p.Promote }},
	actHandOver: {least: store.RoleOwner, pair: closed},
	actPolicy:   {least: store.RoleOwner, pair: closed},
	actConvert:  {least: store.RoleOwner, fixed: closed, pair: closed},
	actDissolve: {least: store.RoleOwner, fixed: closed, pair: closed},
}

// needed is the least role that may do a, under the policy in force.
func needed(a action, kind store.GroupKind, p *store.GroupPolicy) store.Role {
	r := &rights[a]
	switch {
	case kind == store.GroupFixed && r.fixed != 0:
		return r.fixed
	case kind == store.GroupPair && r.pair != 0:
		return r.pair
	case r.policy != nil:
		return cmp.Or(r.policy(p), r.least)
	}
	return r.least
}

// sensible tells what not even an administrator of the server does: the tree
// would undo it, or a room of two would be none any more.
func sensible(a action, kind store.GroupKind) bool {
	switch kind {
	case store.GroupFixed:
		return a != actInvite && a != actRemove
	case store.GroupPair:
		return rights[a].pair != closed || a == actRemove || a == actDissolve
	}
	return true
}

// inForce fills what a group leaves open with the server's defaults.
func inForce(p, defaults store.GroupPolicy) store.GroupPolicy {
	return store.GroupPolicy{
		Invite:     cmp.Or(p.Invite, defaults.Invite),
		Rename:     cmp.Or(p.Rename, defaults.Rename),
		Pin:        cmp.Or(p.Pin, defaults.Pin),
		MentionAll: cmp.Or(p.MentionAll, defaults.MentionAll),
		Speak:      cmp.Or(p.Speak, defaults.Speak),
		Promote:    cmp.Or(p.Promote, defaults.Promote),
		Private:    cmp.Or(p.Private, defaults.Private),
		AllDaily:   cmp.Or(p.AllDaily, defaults.AllDaily, defaultAllDaily),
		MaxMembers: cmp.Or(p.MaxMembers, defaults.MaxMembers),
		History:    cmp.Or(p.History, defaults.History),
	}
}

// defaultAllDaily is how often a day one who is no administrator may address
// everybody, where he may at all.
const defaultAllDaily = 3
