package admin

import (
	"cmp"
	"context"

	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/picture"
	"github.com/sparkleim/sparkle/store"
)

// faces names the people and groups of one answer. Who is wanted is read at once.
type faces struct {
	*API
	viewer store.UserID
	wanted []store.UserID
	people map[store.UserID]store.User
}

func (a *API) newFaces(viewer store.UserID) *faces {
	return &faces{API: a, viewer: viewer, people: make(map[store.UserID]store.User)}
}

// want names a person that the answer will show; 0 for nobody.
func (f *faces) want(ids ...store.UserID) {
	for _, id := range ids {
		if _, known := f.people[id]; !known && id != 0 {
			f.people[id] = store.User{}
			f.wanted = append(f.wanted, id)
		}
	}
}

// load reads those who are wanted.
func (f *faces) load(ctx context.Context) error {
	people, err := f.Own.People(ctx, f.wanted)
	if err != nil {
		return err
	}
	for id, u := range people {
		f.people[id] = u
	}
	f.wanted = nil
	return nil
}

// address is "" for nobody.
func (f *faces) address(id store.UserID) string {
	if u := f.people[id]; u.ID != 0 {
		return u.AOR()
	}
	return ""
}

// called is how somebody is called outside groups.
func (f *faces) called(id store.UserID) string {
	return cmp.Or(f.people[id].DisplayName, f.people[id].Username)
}

// author is who wrote a message; in a group that the viewer is in under his nickname
// there. nil for the server.
func (f *faces) author(m *store.Message) *Person {
	u := f.people[m.From]
	if u.ID == 0 {
		return nil
	}
	p := f.personOf(u)
	p.Numbers = nil
	if m.Group != 0 {
		if g, ok := f.Groups.ByID(m.Group); ok {
			if _, in := g.Member(f.viewer); in { // a nickname may be newer than his leaving
				p.DisplayName = nicknameIn(g, u)
			}
		}
	}
	return &p
}

// nicknameIn is how a user is called in a group.
func nicknameIn(g *group.Snapshot, u store.User) string {
	if m, ok := g.Member(u.ID); ok && m.Nickname != "" {
		return m.Nickname
	}
	return u.DisplayName
}

// GroupFace is how a group looks in a list.
type GroupFace struct {
	Address string          `json:"address" doc:"Everybody in the group writes to it."`
	Title   string          `json:"title,omitempty" doc:"Its subject, or the names of its members; of a group that I have left the subject that it had then."`
	Kind    store.GroupKind `json:"kind" enum:"manual,discussion,fixed,pair"`
	Picture string          `json:"picture,omitempty" doc:"Address of its picture; ?s=96 for a small one."`
	Members int             `json:"members,omitempty" doc:"How many there are; absent when I am not among them."`
}

// group is the face of a group for one of its members.
func (f *faces) group(g *group.Snapshot) GroupFace {
	return GroupFace{Address: g.AOR(), Title: f.Groups.Title(g, f.viewer), Kind: g.Kind, Picture: f.Pictures.URL(picture.Owner{Group: g.ID}), Members: g.Size()}
}

// groupOf is the face of a group that the viewer is or was in: who has left it
// sees what he knew of it.
func (f *faces) groupOf(ctx context.Context, row *store.ConversationRow) (GroupFace, error) {
	live, ok := f.Groups.ByID(row.Group)
	if ok && !row.Left {
		return f.group(live), nil
	}
	var face GroupFace
	if ok {
		face.Address, face.Kind = live.AOR(), live.Kind
	} else {
		g, _, err := f.GroupRecords.Group(ctx, row.Group)
		if err != nil {
			return face, err
		}
		face.Address, face.Kind = g.AOR(), g.Kind
	}
	var err error
	face.Title, err = group.LastSubject(ctx, f.GroupRecords, row.Group, f.viewer)
	return face, err
}
