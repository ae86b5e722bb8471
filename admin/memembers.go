package admin

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/store"
)

// Participant is somebody in a conversation.
type Participant struct {
	Person
	Role       string     `json:"role,omitempty" enum:"member,administrator,owner" doc:"In a group."`
	Nickname   string     `json:"nickname,omitempty" doc:"In a group."`
	Joined     *time.Time `json:"joined,omitempty" doc:"A group."`
	MutedUntil *time.Time `json:"muted_until,omitempty" doc:"May not write before."`
}

// Reader is how far somebody has read.
type Reader struct {
	Person
	ReadSeq int64 `json:"read_seq"`
}

// participants are those of a conversation that the user is in, sorted; of a group
// with its snapshot. Who has left a group does not see who is in it.
func (a *API) participants(ctx context.Context, c store.ConversationID) ([]store.Member, *group.Snapshot, error) {
	row, err := a.Own.ConversationOf(ctx, me(ctx), c)
	if err != nil {
		return nil, nil, a.problem(err)
	}
	if row.Group == 0 {
		pair := []store.Member{{User: min(me(ctx), row.Peer)}, {User: max(me(ctx), row.Peer)}}
		return slices.CompactFunc(pair, func(a, b store.Member) bool { return a.User == b.User }), nil, nil
	}
	g, ok := a.Groups.ByID(row.Group)
	if ok {
		_, ok = g.Member(me(ctx))
	}
	if !ok {
		return nil, nil, huma.Error403Forbidden("you are no longer in this group: only members see who is in it")
	}
	members := make([]store.Member, 0, g.Size())
	for _, m := range g.Members() {
		members = append(members, m)
	}
	return members, g, nil
}

func (a *API) listMyMembers(ctx context.Context, in *struct {
	ConversationPath
	Cursor int64 `query:"cursor" minimum:"1"`
	Limit  int   `query:"limit" minimum:"1" maximum:"1000" default:"200"`
}) (*reply[Page[Participant]], error) {
	members, g, err := a.participants(ctx, in.id())
	if err != nil {
		return nil, err
	}
	start, _ := slices.BinarySearchFunc(members, store.UserID(in.Cursor)+1, func(m store.Member, u store.UserID) int { return int(m.User - u) })
	members = members[start:]
	page := Page[Participant]{}
	if len(members) > in.Limit {
		members = members[:in.Limit]
		page.Next = strconv.FormatInt(int64(members[in.Limit-1].User), 10)
	}
	f := a.newFaces(me(ctx))
	for i := range members {
		f.want(members[i].User)
	}
	if err := f.load(ctx); err != nil {
		return nil, a.problem(err)
	}
	page.Items = make([]Participant, len(members))
	for i := range members {
		page.Items[i] = f.participant(&members[i], g != nil)
	}
	return &reply[Page[Participant]]{page}, nil
}

func (f *faces) participant(m *store.Member, inGroup bool) Participant {
	p := Participant{Person: f.personOf(f.people[m.User])}
	if !inGroup {
		return p
	}
	p.Role, p.Nickname, p.Joined = m.Role.String(), m.Nickname, &m.Joined
	if m.MutedUntil.After(f.Now()) {
		p.MutedUntil = &m.MutedUntil
	}
	return p
}

// listMyReaders leaves out who has read nothing, and who is no longer there.
func (a *API) listMyReaders(ctx context.Context, in *struct {
	ConversationPath
	Seq int64 `query:"seq" minimum:"1" doc:"Only who has read this message."`
}) (*reply[Page[Reader]], error) {
	members, _, err := a.participants(ctx, in.id())
	if err != nil {
		return nil, err
	}
	read, err := a.Own.ReadBy(ctx, in.id())
	if err != nil {
		return nil, a.problem(err)
	}
	members = slices.DeleteFunc(members, func(m store.Member) bool { return read[m.User] < max(in.Seq, 1) })
	f := a.newFaces(me(ctx))
	for i := range members {
		f.want(members[i].User)
	}
	if err := f.load(ctx); err != nil {
		return nil, a.problem(err)
	}
	page := Page[Reader]{Items: make([]Reader, len(members))}
	for i, m := range members {
		page.Items[i] = Reader{f.personOf(f.people[m.User]), read[m.User]}
	}
	return &reply[Page[Reader]]{page}, nil
}
