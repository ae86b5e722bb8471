package admin

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/picture"
	"github.com/sparkleim/sparkle/store"
)

// Groups owns the groups. It checks what it is given: *group.Denied and
// ErrInvalid say what is wrong.
type Groups interface {
	All() []*group.Snapshot
	Of(u store.UserID) []*group.Snapshot
	Find(name string) (*group.Snapshot, bool)
	ByID(id store.GroupID) (*group.Snapshot, bool)
	Title(g *group.Snapshot, viewer store.UserID) string
	Policy(g *group.Snapshot) store.GroupPolicy
	Create(ctx context.Context, by group.Actor, g store.Group, members []store.UserID) (*group.Snapshot, error)
	Change(ctx context.Context, by group.Actor, id store.GroupID, changes ...group.Change) (*group.Snapshot, error)
	// Follow brings fixed groups in line with the units.
	Follow(ctx context.Context) error
}

var _ Groups = (*group.Service)(nil)

// GroupRecords is what is on record of groups, also of those that are dissolved.
type GroupRecords interface {
	Group(ctx context.Context, id store.GroupID) (store.Group, []store.Member, error)
	GroupEvents(ctx context.Context, id store.GroupID, after int64, limit int) ([]store.GroupEvent, error)
	LastGroupEvent(ctx context.Context, id store.GroupID, upTo int64, u store.UserID, actions ...string) (store.GroupEvent, error)
}

// administrator is who changes groups through this API; the audit log knows who
// it was.
func administrator() group.Actor { return group.Actor{System: true} }

// Group is a group as administrators see it.
type Group struct {
	ID           store.GroupID      `json:"id"`
	Name         string             `json:"name" doc:"User part of the address."`
	Address      string             `json:"address" doc:"Everybody in the group writes to it."`
	Kind         store.GroupKind    `json:"kind" enum:"manual,discussion,fixed,pair"`
	Subject      string             `json:"subject,omitempty"`
	Title        string             `json:"title" doc:"The subject, or else the names of members."`
	Members      int                `json:"members" doc:"How many there are."`
	Owner        string             `json:"owner,omitempty" doc:"Absent in a fixed group that has none."`
	Follows      *GroupFollows      `json:"follows,omitempty"`
	Announcement *GroupAnnouncement `json:"announcement,omitempty"`
	Pinned       []string           `json:"pinned,omitempty" doc:"Messages, the newest pin first."`
	MutedAll     bool               `json:"muted_all,omitempty" doc:"Only the owner and administrators may write."`
	Policy       Policy             `json:"policy" doc:"What is decided for this group; the rest is as the server decides."`
	InForce      *Policy            `json:"in_force,omitempty" doc:"What holds in the group."`
	Picture      string             `json:"picture,omitempty" doc:"Address of the picture, for everybody who has it; ?s=96 for a small one. Absent when the group is dissolved."`
	Created      time.Time          `json:"created"`
	CreatedBy    string             `json:"created_by,omitempty" doc:"Absent: an administrator of the server."`
	Dissolved    *time.Time         `json:"dissolved,omitempty"`
	Version      int64              `json:"version" doc:"Grows by one with each event."`
}

// GroupFollows is what the members of a fixed group are.
type GroupFollows struct {
	Unit     string `json:"unit" doc:"Path or number of the unit."`
	SubUnits bool   `json:"sub_units,omitempty" doc:"With everybody in the units below."`
	Title    string `json:"title,omitempty" doc:"Only people whose title in the unit contains this."`
	Orphan   string `json:"orphan,omitempty" enum:"dissolve,convert" doc:"When the unit is removed: dissolve the group (also when absent), or convert it into a manual one."`
}

// GroupAnnouncement is what a group shows above its messages.
type GroupAnnouncement struct {
	Text string    `json:"text"`
	By   string    `json:"by,omitempty" doc:"Absent: an administrator of the server."`
	At   time.Time `json:"at"`
}

// NewGroup is a group to be made.
type NewGroup struct {
	Name    string        `json:"name,omitempty" doc:"User part of the address, for ever; absent: one is made."`
	Kind    string        `json:"kind,omitempty" enum:"manual,discussion,fixed" doc:"Absent: fixed with follows, manual with a subject, else discussion."`
	Subject string        `json:"subject,omitempty" doc:"A fixed group without one is called like its unit; a discussion may have none."`
	Owner   string        `json:"owner,omitempty" doc:"Absent: the first of members."`
	Members []string      `json:"members,omitempty" doc:"Usernames or numbers. A fixed group has those of its unit."`
	Follows *GroupFollows `json:"follows,omitempty" doc:"Of a fixed group."`
	Policy  Policy        `json:"policy,omitzero" doc:"Rules that are not the server's."`
}

// GroupPath names a group in a path.
type GroupPath struct {
	Group string `path:"group" doc:"Name, with or without @domain, or number."`
}

func (a *API) registerGroups(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/v1/groups", "list-groups", "List groups"), a.listGroups)
	add := operation(http.MethodPost, "/v1/groups", "add-group", "Make a group")
	add.DefaultStatus = http.StatusCreated
	huma.Register(api, add, a.addGroup)
	huma.Register(api, operation(http.MethodGet, "/v1/groups/{group}", "get-group", "Show a group; by its number also one that is dissolved"), a.getGroup)
	a.registerGroupChanges(api)
	a.registerMembers(api)
	a.registerGroupHistory(api)
}

func (a *API) listGroups(ctx context.Context, in *struct {
	Match  string `query:"match" doc:"Part of a name or title."`
	Kind   string `query:"kind" enum:"manual,discussion,fixed,pair"`
	Member string `query:"member" doc:"Only groups of this user: username or number."`
	Cursor int64  `query:"cursor"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}) (*reply[Page[Group]], error) {
	groups, err := a.groupsOf(ctx, in.Member)
	if err != nil {
		return nil, a.problem(err)
	}
	page := Page[Group]{Items: []Group{}}
	view := a.newGroupView()
	for _, g := range groups {
		switch {
		case g.ID <= store.GroupID(in.Cursor), in.Kind != "" && in.Kind != string(g.Kind), !a.matches(g, in.Match):
		case len(page.Items) == in.Limit:
			page.Next = strconv.FormatInt(int64(page.Items[in.Limit-1].ID), 10)
			return &reply[Page[Group]]{page}, nil
		default:
			shown, err := view.live(ctx, g)
			if err != nil {
				return nil, a.problem(err)
			}
			page.Items = append(page.Items, shown)
		}
	}
	return &reply[Page[Group]]{page}, nil
}

// groupsOf are the groups of a user, or all.
func (a *API) groupsOf(ctx context.Context, member string) ([]*group.Snapshot, error) {
	if member == "" {
		return a.Groups.All(), nil
	}
	u, err := a.Accounts.Find(ctx, member)
	if err != nil {
		return nil, err
	}
	return a.Groups.Of(u.ID), nil
}

// matches looks for a part of a name or title, in whatever case.
func (a *API) matches(g *group.Snapshot, part string) bool {
	part = strings.ToLower(part)
	return strings.Contains(g.Name, part) || strings.Contains(strings.ToLower(a.Groups.Title(g, 0)), part)
}

func (a *API) addGroup(ctx context.Context, in *struct{ Body NewGroup }) (*reply[Group], error) {
	g, members, err := a.design(ctx, in.Body)
	if err != nil {
		return nil, a.problem(err)
	}
	made, err := a.Groups.Create(ctx, administrator(), g, members)
	if err != nil {
		return nil, a.problem(err)
	}
	return a.groupChanged(ctx, "group.add", made, in.Body)
}

// design turns names into what a group is made of.
func (a *API) design(ctx context.Context, n NewGroup) (g store.Group, members []store.UserID, err error) {
	g = store.Group{Name: n.Name, Kind: store.GroupKind(n.Kind), Subject: n.Subject}
	if n.Follows != nil {
		g.Kind = cmp.Or(g.Kind, store.GroupFixed)
		if g.Follows, err = a.follows(ctx, *n.Follows); err != nil {
			return g, nil, err
		}
	}
	fixed := g.Kind == store.GroupFixed
	switch {
	case fixed && (n.Owner != "" || len(n.Members) > 0):
		return g, nil, invalid("a fixed group has the members of its unit and no others; make an owner of one of them later")
	case fixed != (n.Follows != nil):
		return g, nil, invalid("a fixed group follows a unit, and no other group does")
	}
	if g.Policy, err = n.Policy.apply(store.GroupPolicy{}); err != nil {
		return g, nil, err
	}
	if n.Owner != "" {
		n.Members = append([]string{n.Owner}, n.Members...)
	}
	members, err = a.people(ctx, n.Members)
	return g, members, err
}

// follows finds the unit that a group follows.
func (a *API) follows(ctx context.Context, f GroupFollows) (*store.Follows, error) {
	tree, err := a.readTree(ctx)
	if err != nil {
		return nil, err
	}
	unit, err := tree.reference(f.Unit)
	return &store.Follows{Unit: unit, SubUnits: f.SubUnits, Title: f.Title, Orphan: f.Orphan}, err
}

// people finds users. A name that is nobody's is the caller's mistake, not a thing
// that is missing.
func (a *API) people(ctx context.Context, addresses []string) ([]store.UserID, error) {
	users := make([]store.UserID, 0, len(addresses))
	for _, address := range addresses {
		u, err := a.person(ctx, address)
		if err != nil {
			return nil, err
		}
		users = append(users, u.ID)
	}
	return users, nil
}

func (a *API) getGroup(ctx context.Context, in *GroupPath) (*reply[Group], error) {
	if g, ok := a.liveGroup(in.Group); ok {
		return a.showGroup(ctx, g)
	}
	g, members, err := a.dissolvedGroup(ctx, in.Group)
	if err != nil {
		return nil, a.problem(err)
	}
	shown, err := a.newGroupView().group(ctx, g)
	if err != nil {
		return nil, a.problem(err)
	}
	shown.Members, shown.Title = len(members), g.Subject
	return &reply[Group]{shown}, nil
}

func (a *API) showGroup(ctx context.Context, g *group.Snapshot) (*reply[Group], error) {
	shown, err := a.newGroupView().live(ctx, g)
	if err != nil {
		return nil, a.problem(err)
	}
	return &reply[Group]{shown}, nil
}

// groupChanged records a change of a group and answers with the group.
func (a *API) groupChanged(ctx context.Context, action string, g *group.Snapshot, detail any) (*reply[Group], error) {
	if err := a.audit(ctx, action, g.AOR(), detail); err != nil {
		return nil, err
	}
	return a.showGroup(ctx, g)
}

// theGroup finds a group that is not dissolved.
func (a *API) theGroup(ref string) (*group.Snapshot, error) {
	if g, ok := a.liveGroup(ref); ok {
		return g, nil
	}
	return nil, fmt.Errorf("group %q: %w", ref, store.ErrNotFound)
}

// liveGroup finds by name or number. No name is a number: each has a letter.
func (a *API) liveGroup(ref string) (*group.Snapshot, bool) {
	if id, err := strconv.ParseInt(ref, 10, 64); err == nil {
		return a.Groups.ByID(store.GroupID(id))
	}
	name, domain, _ := strings.Cut(strings.ToLower(ref), "@")
	g, ok := a.Groups.Find(name)
	return g, ok && (domain == "" || domain == g.Domain)
}

// groupRecord reads the record of a group, dissolved or not.
func (a *API) groupRecord(ctx context.Context, ref string) (store.Group, error) {
	if g, ok := a.liveGroup(ref); ok {
		return g.Group, nil
	}
	g, _, err := a.dissolvedGroup(ctx, ref)
	return g, err
}

// dissolvedGroup reads a group that the service does not know any more. Only its
// number leads to it.
func (a *API) dissolvedGroup(ctx context.Context, ref string) (store.Group, []store.Member, error) {
	id, err := strconv.ParseInt(ref, 10, 64)
	if err != nil {
		return store.Group{}, nil, fmt.Errorf("group %q: %w", ref, store.ErrNotFound)
	}
	return a.GroupRecords.Group(ctx, store.GroupID(id))
}

// groupView turns groups into what is shown of them, while one answer is made.
type groupView struct {
	*API
	names *names
	tree  *unitTree // read when a group follows a unit
}

func (a *API) newGroupView() *groupView { return &groupView{API: a, names: a.newNames()} }

// live shows a group with what only the service knows.
func (v *groupView) live(ctx context.Context, g *group.Snapshot) (Group, error) {
	shown, err := v.group(ctx, g.Group)
	shown.Title, shown.Members = v.Groups.Title(g, 0), g.Size()
	shown.Owner = v.names.of(ctx, g.Owner())
	shown.Picture = v.Pictures.URL(picture.Owner{Group: g.ID})
	rules := policyOf(v.Groups.Policy(g))
	shown.InForce = &rules
	return shown, err
}

// group shows a record.
func (v *groupView) group(ctx context.Context, g store.Group) (Group, error) {
	shown := Group{
		ID: g.ID, Name: g.Name, Address: g.AOR(), Kind: g.Kind, Subject: g.Subject,
		MutedAll: g.MutedAll, Policy: policyOf(g.Policy), Created: g.Created,
		CreatedBy: v.names.of(ctx, g.CreatedBy), Dissolved: g.Dissolved, Version: g.Version,
	}
	for _, gid := range g.Pinned {
		shown.Pinned = append(shown.Pinned, store.GIDString(gid))
	}
	if n := g.Announcement; n != nil {
		shown.Announcement = &GroupAnnouncement{Text: n.Text, By: v.names.of(ctx, n.By), At: n.At}
	}
	f := g.Follows
	if f == nil {
		return shown, nil
	}
	if v.tree == nil {
		tree, err := v.readTree(ctx)
		if err != nil {
			return shown, err
		}
		v.tree = tree
	}
	shown.Follows = &GroupFollows{Unit: v.tree.path(f.Unit), SubUnits: f.SubUnits, Title: f.Title, Orphan: f.Orphan}
	return shown, nil
}
