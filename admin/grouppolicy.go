package admin

import (
	"slices"

	"github.com/sparkleim/sparkle/store"
)

// Policy says from which role on something is allowed in a group. In a change,
// what is absent stays as it is, and default leaves it to the server.
type Policy struct {
	Invite     string `json:"invite,omitempty" enum:"default,member,administrator,owner,nobody" doc:"Who may add people."`
	Rename     string `json:"rename,omitempty" enum:"default,member,administrator,owner,nobody" doc:"Who may change name, picture and announcement."`
	Pin        string `json:"pin,omitempty" enum:"default,member,administrator,owner,nobody" doc:"Who may pin messages."`
	MentionAll string `json:"mention_all,omitempty" enum:"default,member,administrator,owner,nobody" doc:"Who may address everybody with @all."`
	Speak      string `json:"speak,omitempty" enum:"default,member,administrator,owner,nobody" doc:"Who may write."`
	Private    string `json:"private,omitempty" enum:"default,member,administrator,owner,nobody" doc:"Who may write to one member through the group."`
	Promote    string `json:"promote,omitempty" enum:"default,member,administrator,owner,nobody" doc:"Who may make others administrators; only the owner makes them members again."`
	AllDaily   *int   `json:"all_daily,omitempty" minimum:"0" doc:"How often a day one who is no administrator may address everybody; 0: the server's default."`
	MaxMembers *int   `json:"max_members,omitempty" minimum:"0" doc:"0: the server's limit."`
	History    *int   `json:"history,omitempty" minimum:"-1" doc:"Messages from before he came that a new member sees; -1: none, 0: the server's default."`
}

// byDefault is the name of what a group does not decide.
const byDefault = "default"

// policyOf shows what is decided.
func policyOf(p store.GroupPolicy) Policy {
	var shown Policy
	for i, field := range shown.roles() {
		if r := *rolesOf(&p)[i]; r != 0 {
			*field = r.String()
		}
	}
	for i, field := range shown.numbers() {
		if n := numbersOf(&p)[i]; *n != 0 {
			*field = n
		}
	}
	return shown
}

// apply makes the changes that are asked for.
func (c Policy) apply(p store.GroupPolicy) (store.GroupPolicy, error) {
	for i, field := range c.roles() {
		if *field == "" {
			continue
		}
		role, err := parseRole(*field, store.RoleMember, store.RoleAdministrator, store.RoleOwner, store.RoleNobody)
		if err != nil && *field != byDefault {
			return p, err
		}
		*rolesOf(&p)[i] = role
	}
	for i, field := range c.numbers() {
		if *field != nil {
			*numbersOf(&p)[i] = **field
		}
	}
	return p, nil
}

func (c *Policy) roles() [7]*string {
	return [...]*string{&c.Invite, &c.Rename, &c.Pin, &c.MentionAll, &c.Speak, &c.Private, &c.Promote}
}

func rolesOf(p *store.GroupPolicy) [7]*store.Role {
	return [...]*store.Role{&p.Invite, &p.Rename, &p.Pin, &p.MentionAll, &p.Speak, &p.Private, &p.Promote}
}

func (c *Policy) numbers() [3]**int { return [...]**int{&c.AllDaily, &c.MaxMembers, &c.History} }

func numbersOf(p *store.GroupPolicy) [3]*int {
	return [...]*int{&p.AllDaily, &p.MaxMembers, &p.History}
}

// parseRole finds the role of that name among those that are meant.
func parseRole(name string, roles ...store.Role) (store.Role, error) {
	i := slices.IndexFunc(roles, func(r store.Role) bool { return r.String() == name })
	if i < 0 {
		return 0, invalid("%q is not a role: there are %v", name, roles)
	}
	return roles[i], nil
}
