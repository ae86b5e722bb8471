package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/store"
)

// GroupChange says what to change; absent members stay as they are. All of it is
// done, or nothing.
type GroupChange struct {
	Subject      *string `json:"subject,omitempty" doc:"Name that people see; only a discussion may have none."`
	Announcement *string `json:"announcement,omitempty" doc:"Empty: removes it."`
	Policy       *Policy `json:"policy,omitempty" doc:"Rules to be changed; the others stay."`
	MutedAll     *bool   `json:"muted_all,omitempty" doc:"Only the owner and administrators may write."`
	Owner        *string `json:"owner,omitempty" doc:"Member to whom the group is handed over; who owned it becomes an administrator."`
	Kind         *string `json:"kind,omitempty" enum:"manual" doc:"Converts a discussion or fixed group: its members stay, and its unit is no longer followed."`
}

// PinPath names a message of a group in a path.
type PinPath struct {
	GroupPath
	ID string `path:"id" doc:"The message."`
}

func (a *API) registerGroupChanges(api huma.API) {
	huma.Register(api, operation(http.MethodPatch, "/v1/groups/{group}", "change-group", "Rename a group, announce, set rules, mute all, hand it over, convert it"), a.changeGroup)
	huma.Register(api, operation(http.MethodDelete, "/v1/groups/{group}", "dissolve-group", "Dissolve a group; the archive keeps its messages, and nobody else gets its address"), a.dissolveGroup)
	huma.Register(api, operation(http.MethodPut, "/v1/groups/{group}/pins/{id}", "pin-message", "Pin a message of a group"), a.pinMessage)
	huma.Register(api, operation(http.MethodDelete, "/v1/groups/{group}/pins/{id}", "unpin-message", "Take a pinned message away"), a.unpinMessage)
}

func (a *API) changeGroup(ctx context.Context, in *struct {
	GroupPath
	Body GroupChange
}) (*reply[Group], error) {
	g, err := a.theGroup(in.Group)
	var changes []group.Change
	if err == nil {
		changes, err = a.changes(ctx, g, in.Body)
	}
	if err == nil {
		g, err = a.Groups.Change(ctx, administrator(), g.ID, changes...)
	}
	if err != nil {
		return nil, a.problem(err)
	}
	return a.groupChanged(ctx, "group.change", g, in.Body)
}

// changes turns what is asked for into changes of a group.
func (a *API) changes(ctx context.Context, g *group.Snapshot, c GroupChange) (changes []group.Change, err error) {
	if c.Kind != nil {
		changes = append(changes, group.Convert{})
	}
	if c.Subject != nil {
		changes = append(changes, group.Rename{Subject: *c.Subject})
	}
	if c.Announcement != nil {
		changes = append(changes, group.Announce{Text: *c.Announcement})
	}
	if c.Policy != nil {
		p, err := c.Policy.apply(g.Policy)
		if err != nil {
			return nil, err
		}
		changes = append(changes, group.SetPolicy{Policy: p})
	}
	if c.MutedAll != nil {
		changes = append(changes, group.MuteAll{On: *c.MutedAll})
	}
	if c.Owner != nil {
		u, err := a.memberOf(ctx, g, *c.Owner)
		if err != nil {
			return nil, err
		}
		changes = append(changes, group.SetRole{User: u.ID, Role: store.RoleOwner})
	}
	return changes, nil
}

func (a *API) dissolveGroup(ctx context.Context, in *GroupPath) (*struct{}, error) {
	g, err := a.theGroup(in.Group)
	if err == nil {
		_, err = a.Groups.Change(ctx, administrator(), g.ID, group.Dissolve{})
	}
	if err != nil {
		return nil, a.problem(err)
	}
	// Only its number leads to what it was.
	return nil, a.audit(ctx, "group.dissolve", g.AOR(), map[string]any{"id": g.ID, "members": g.Size()})
}

func (a *API) pinMessage(ctx context.Context, in *PinPath) (*reply[Group], error) {
	g, err := a.pin(ctx, in, true)
	if err != nil {
		return nil, a.problem(err)
	}
	return a.groupChanged(ctx, "group.pin", g, map[string]string{"message": in.ID})
}

func (a *API) unpinMessage(ctx context.Context, in *PinPath) (*struct{}, error) {
	g, err := a.pin(ctx, in, false)
	if err != nil {
		return nil, a.problem(err)
	}
	return nil, a.audit(ctx, "group.unpin", g.AOR(), map[string]string{"message": in.ID})
}

func (a *API) pin(ctx context.Context, in *PinPath, on bool) (*group.Snapshot, error) {
	g, err := a.theGroup(in.Group)
	if err != nil {
		return nil, err
	}
	gid, err := parseGID(in.ID)
	if err != nil {
		return nil, err
	}
	return a.Groups.Change(ctx, administrator(), g.ID, group.Pin{GID: gid, On: on})
}
