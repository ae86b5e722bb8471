package admin

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/store"
)

// Member is somebody in a group.
type Member struct {
	User       string     `json:"user"`
	Name       string     `json:"name,omitempty" doc:"Display name of the account."`
	Nickname   string     `json:"nickname,omitempty" doc:"Name in this group."`
	Role       string     `json:"role" enum:"member,administrator,owner"`
	Joined     time.Time  `json:"joined"`
	MutedUntil *time.Time `json:"muted_until,omitempty" doc:"May not write before; absent when he may."`
}

// NewMembers are people to be added to a group.
type NewMembers struct {
	Users []string `json:"users" minItems:"1" doc:"Usernames or numbers; who is in the group already stays as he is."`
	Role  string   `json:"role,omitempty" enum:"member,administrator" doc:"Absent: member."`
}

// MemberChange says what to change; absent members stay as they are. All of it is
// done, or nothing.
type MemberChange struct {
	Role       *string    `json:"role,omitempty" enum:"member,administrator,owner" doc:"Owner hands the group over: who owned it becomes an administrator."`
	Nickname   *string    `json:"nickname,omitempty" doc:"Name in this group; empty: that of the account."`
	Muted      *bool      `json:"muted,omitempty" doc:"true: may not write, until muted_until or for good; false: may write again."`
	MutedUntil *time.Time `json:"muted_until,omitempty" doc:"Means muted, too."`
}

// MemberPath names a member of a group in a path.
type MemberPath struct {
	GroupPath
	UserPath
}

// forGood is how long somebody is muted for whom nobody says until when, in years.
const forGood = 100

func (a *API) registerMembers(api huma.API) {
	const members, member = "/v1/groups/{group}/members", "/v1/groups/{group}/members/{user}"
	huma.Register(api, operation(http.MethodGet, members, "list-members", "List the members of a group"), a.listMembers)
	huma.Register(api, operation(http.MethodPost, members, "add-members", "Add people to a group"), a.addMembers)
	huma.Register(api, operation(http.MethodPatch, member, "change-member", "Change a member's role or nickname, mute him or let him write again"), a.changeMember)
	huma.Register(api, operation(http.MethodDelete, member, "remove-member", "Take somebody out of a group"), a.removeMember)
}

func (a *API) listMembers(ctx context.Context, in *struct {
	GroupPath
	Cursor int64 `query:"cursor"`
	Limit  int   `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}) (*reply[Page[Member]], error) {
	members, err := a.members(ctx, in.Group)
	if err != nil {
		return nil, a.problem(err)
	}
	members = slices.DeleteFunc(members, func(m store.Member) bool { return m.User <= store.UserID(in.Cursor) })
	page := Page[Member]{Items: []Member{}}
	names := a.newNames()
	for _, m := range members[:min(in.Limit, len(members))] {
		page.Items = append(page.Items, a.member(ctx, names, m))
	}
	if len(members) > in.Limit {
		page.Next = strconv.FormatInt(int64(members[in.Limit-1].User), 10)
	}
	return &reply[Page[Member]]{page}, nil
}

// members are those of a group, or the last ones of one that is dissolved, sorted by
// their numbers.
func (a *API) members(ctx context.Context, ref string) ([]store.Member, error) {
	if g, ok := a.liveGroup(ref); ok {
		members := make([]store.Member, 0, g.Size())
		for _, m := range g.Members() {
			members = append(members, m)
		}
		return members, nil
	}
	_, members, err := a.dissolvedGroup(ctx, ref)
	slices.SortFunc(members, func(x, y store.Member) int { return cmp.Compare(x.User, y.User) })
	return members, err
}

func (a *API) member(ctx context.Context, names *names, m store.Member) Member {
	shown := Member{
		User: names.of(ctx, m.User), Name: names.displayName(ctx, m.User), Nickname: m.Nickname, Role: m.Role.String(), Joined: m.Joined,
	}
	if m.MutedUntil.After(a.Now()) {
		shown.MutedUntil = &m.MutedUntil
	}
	return shown
}

func (a *API) addMembers(ctx context.Context, in *struct {
	GroupPath
	Body NewMembers
}) (*reply[Group], error) {
	g, err := a.theGroup(in.Group)
	var add group.Add
	if err == nil && in.Body.Role != "" {
		add.Role, err = parseRole(in.Body.Role, store.RoleMember, store.RoleAdministrator)
	}
	if err == nil {
		add.Users, err = a.people(ctx, in.Body.Users)
	}
	if err == nil {
		g, err = a.Groups.Change(ctx, administrator(), g.ID, add)
	}
	if err != nil {
		return nil, a.problem(err)
	}
	return a.groupChanged(ctx, "group.member.add", g, in.Body)
}

func (a *API) changeMember(ctx context.Context, in *struct {
	MemberPath
	Body MemberChange
}) (*reply[Member], error) {
	g, u, err := a.groupAndMember(ctx, in.MemberPath)
	var changes []group.Change
	if err == nil {
		changes, err = in.Body.changes(u.ID, a.Now())
	}
	if err == nil {
		g, err = a.Groups.Change(ctx, administrator(), g.ID, changes...)
	}
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.audit(ctx, "group.member.change", g.AOR(), aboutMember[MemberChange]{u.AOR(), in.Body}); err != nil {
		return nil, err
	}
	m, _ := g.Member(u.ID)
	return &reply[Member]{a.member(ctx, a.newNames(), m)}, nil
}

// aboutMember is what the audit log tells of a member.
type aboutMember[T any] struct {
	User   string `json:"user"`
	Change T      `json:"change"`
}

// changes turns what is asked for into changes of a group.
func (c MemberChange) changes(u store.UserID, now time.Time) (changes []group.Change, err error) {
	if c.Role != nil {
		role, err := parseRole(*c.Role, store.RoleMember, store.RoleAdministrator, store.RoleOwner)
		if err != nil {
			return nil, err
		}
		changes = append(changes, group.SetRole{User: u, Role: role})
	}
	if c.Nickname != nil {
		changes = append(changes, group.SetNickname{User: u, Nickname: *c.Nickname})
	}
	switch {
	case c.Muted != nil && !*c.Muted && c.MutedUntil != nil:
		return nil, invalid("muted_until: a member who may write is not muted until a time")
	case c.Muted != nil && !*c.Muted:
		changes = append(changes, group.Mute{User: u})
	case c.MutedUntil != nil:
		changes = append(changes, group.Mute{User: u, Until: *c.MutedUntil})
	case c.Muted != nil:
		changes = append(changes, group.Mute{User: u, Until: now.AddDate(forGood, 0, 0)})
	}
	return changes, nil
}

func (a *API) removeMember(ctx context.Context, in *MemberPath) (*struct{}, error) {
	g, u, err := a.groupAndMember(ctx, *in)
	if err == nil {
		g, err = a.Groups.Change(ctx, administrator(), g.ID, group.Remove{Users: []store.UserID{u.ID}})
	}
	if err != nil {
		return nil, a.problem(err)
	}
	return nil, a.audit(ctx, "group.member.remove", g.AOR(), map[string]string{"user": u.AOR()})
}

func (a *API) groupAndMember(ctx context.Context, in MemberPath) (*group.Snapshot, store.User, error) {
	g, err := a.theGroup(in.Group)
	if err != nil {
		return nil, store.User{}, err
	}
	u, err := a.Accounts.Find(ctx, in.User)
	if err == nil && !isMember(g, u.ID) {
		err = fmt.Errorf("%s in group %s: %w", u.Username, g.Name, store.ErrNotFound)
	}
	return g, u, err
}

// memberOf finds a member who is named in a request.
func (a *API) memberOf(ctx context.Context, g *group.Snapshot, address string) (store.User, error) {
	u, err := a.person(ctx, address)
	if err == nil && !isMember(g, u.ID) {
		err = invalid("%s is not in the group: add him first", u.Username)
	}
	return u, err
}

func isMember(g *group.Snapshot, u store.UserID) bool {
	_, is := g.Member(u)
	return is
}
