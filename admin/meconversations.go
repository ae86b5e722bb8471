package admin

import (
	"context"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sparkleim/sparkle/store"
)

// Bounds of what a user decides, and of what a row shows.
const (
	maxLabels  = 20
	maxPreview = 200 // characters
)

// MyConversation is a row of a user's list: one a person, whatever number or
// device was written from or to, and one a group.
type MyConversation struct {
	ID           int64      `json:"id"`
	Peer         *Person    `json:"peer,omitempty" doc:"The other one; myself in my notes. Absent in a group."`
	Group        *GroupFace `json:"group,omitempty"`
	Left         bool       `json:"left,omitempty" doc:"I am no longer in the group, or it is dissolved: nothing more comes."`
	HeadSeq      int64      `json:"head_seq" doc:"Of the newest message that I may see."`
	ReadSeq      int64      `json:"read_seq" doc:"I have read up to here, on whatever device."`
	ClearedSeq   int64      `json:"cleared_seq,omitempty" doc:"What is up to here is cleared: a device forgets it."`
	Unread       int64      `json:"unread" doc:"Texts of others behind read_seq and behind my own last one, at most 1000."`
	Mentions     int64      `json:"mentions" doc:"Of them those that address me, or all."`
	MarkedUnread bool       `json:"marked_unread,omitempty"`
	Pinned       *time.Time `json:"pinned,omitempty" doc:"Since when."`
	Mute         string     `json:"mute" enum:"none,mentions,all" doc:"What is not announced: nothing, all but what addresses me, everything."`
	MuteUntil    *time.Time `json:"mute_until,omitempty" doc:"Absent: for good."`
	Hidden       bool       `json:"hidden,omitempty" doc:"Not in the list until something new comes."`
	Labels       []string   `json:"labels,omitempty"`
	Last         *Preview   `json:"last,omitempty" doc:"The newest message with a text that I may see."`
}

// Preview is the last message of a row.
type Preview struct {
	ID   string    `json:"id"`
	Seq  int64     `json:"seq"`
	At   time.Time `json:"at"`
	From *Person   `json:"from,omitempty" doc:"Absent: the server, who came or went."`
	Mine bool      `json:"mine,omitempty"`
	Text string    `json:"text" doc:"At most 200 characters."`
}

// ConversationChange says what to change; absent members stay as they are.
type ConversationChange struct {
	Pinned       *bool      `json:"pinned,omitempty"`
	Hidden       *bool      `json:"hidden,omitempty" doc:"Take it out of the list until something new comes."`
	Mute         *string    `json:"mute,omitempty" enum:"none,mentions,all" doc:"What is not announced: nothing, all but what addresses me, everything."`
	MuteUntil    *time.Time `json:"mute_until,omitempty" doc:"With mute. Absent: for good."`
	MarkedUnread *bool      `json:"marked_unread,omitempty" doc:"Ends when something is read."`
	Labels       *[]string  `json:"labels,omitempty" maxItems:"20" doc:"All of them, at most 20 of at most 32 characters."`
	ClearedSeq   *int64     `json:"cleared_seq,omitempty" minimum:"0" doc:"Clear what is up to here, for me only and for good."`
}

// ConversationPath names a conversation in a path.
type ConversationPath struct {
	Conversation int64 `path:"conversation" doc:"The id of its row."`
}

func (p *ConversationPath) id() store.ConversationID { return store.ConversationID(p.Conversation) }

func (a *API) registerMyConversations(api huma.API) {
	huma.Register(api, own(http.MethodGet, "/conversations", "list-my-conversations", "List my conversations, what is pinned first, then the newest"), a.listMyConversations)
	huma.Register(api, own(http.MethodGet, "/conversations/{conversation}", "get-my-conversation", "Show one conversation"), a.getMyConversation)
	huma.Register(api, own(http.MethodPatch, "/conversations/{conversation}", "change-my-conversation", "Pin, mute, hide, label, clear or mark a conversation, for me only"), a.changeMyConversation)
	huma.Register(api, own(http.MethodPut, "/conversations/{conversation}/read", "read-my-conversation", "Tell how far I have read; it never goes back"), a.readMyConversation)
	huma.Register(api, own(http.MethodGet, "/conversations/{conversation}/members", "list-my-members", "List who is in a conversation"), a.listMyMembers)
	huma.Register(api, a.oneAtATime(api, own(http.MethodGet, "/conversations/{conversation}/readers", "list-my-readers", "List how far its members have read a conversation")), a.listMyReaders)
}

func (a *API) listMyConversations(ctx context.Context, in *struct {
	Cursor string `query:"cursor" doc:"The next of the page before."`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}) (*reply[Page[MyConversation]], error) {
	c := cursor{kind: inList}
	if in.Cursor != "" {
		var ok bool
		if c, ok = readCursor(a.SyncKey, me(ctx), in.Cursor); !ok || c.kind != inList {
			return nil, errResync
		}
	}
	rows, err := a.Own.ListConversations(ctx, me(ctx), c.before(), in.Limit)
	if err != nil {
		return nil, a.problem(err)
	}
	items, err := a.myConversations(ctx, rows)
	if err != nil {
		return nil, a.problem(err)
	}
	page := Page[MyConversation]{Items: items}
	if len(rows) == in.Limit {
		c.last = rows[in.Limit-1]
		page.Next = c.sign(a.SyncKey, me(ctx))
	}
	return &reply[Page[MyConversation]]{page}, nil
}

func (a *API) getMyConversation(ctx context.Context, in *ConversationPath) (*reply[MyConversation], error) {
	row, err := a.Own.ConversationOf(ctx, me(ctx), in.id())
	return a.myRow(ctx, row, err)
}

func (a *API) changeMyConversation(ctx context.Context, in *struct {
	ConversationPath
	Body ConversationChange
}) (*reply[MyConversation], error) {
	change, err := in.Body.apply()
	if err != nil {
		return nil, a.problem(err)
	}
	row, err := a.Own.ChangeConversation(ctx, me(ctx), in.id(), change)
	return a.myRow(ctx, row, err)
}

func (c *ConversationChange) apply() (store.StateChange, error) {
	s := store.StateChange{Pinned: c.Pinned, Hidden: c.Hidden, Unread: c.MarkedUnread, ClearedSeq: c.ClearedSeq, MuteUntil: c.MuteUntil}
	if c.MuteUntil != nil && (c.Mute == nil || *c.Mute == unmuted) {
		return s, invalid("mute_until: say with mute what is not to be announced until then")
	}
	if c.Mute != nil {
		mode := store.MuteNone
		if *c.Mute != unmuted {
			mode = store.MuteMode(*c.Mute)
		}
		s.Mute = &mode
	}
	if c.Labels == nil {
		return s, nil
	}
	s.Labels = make([]string, 0, len(*c.Labels))
	for _, l := range *c.Labels {
		if l == "" || utf8.RuneCountInString(l) > 32 || hasControl(l) {
			return s, invalid("label %q: use 1 to 32 characters and no control characters", l)
		}
		s.Labels = append(s.Labels, l)
	}
	return s, nil
}

func (a *API) readMyConversation(ctx context.Context, in *struct {
	ConversationPath
	Body struct {
		Seq int64 `json:"seq" minimum:"0" doc:"Of the last message that was seen; beyond the end means the end."`
	}
}) (*reply[MyConversation], error) {
	row, err := a.Own.ChangeConversation(ctx, me(ctx), in.id(), store.StateChange{ReadSeq: &in.Body.Seq})
	return a.myRow(ctx, row, err)
}

// myRow answers with one row.
func (a *API) myRow(ctx context.Context, row store.ConversationRow, err error) (*reply[MyConversation], error) {
	var rows []MyConversation
	if err == nil {
		rows, err = a.myConversations(ctx, []store.ConversationRow{row})
	}
	if err != nil {
		return nil, a.problem(err)
	}
	return &reply[MyConversation]{rows[0]}, nil
}

// unmuted is the mute mode of who has muted nothing.
const unmuted = "none"

// myConversations turns rows of the store into rows for the user who asks.
func (a *API) myConversations(ctx context.Context, rows []store.ConversationRow) ([]MyConversation, error) {
	f := a.newFaces(me(ctx))
	for i := range rows {
		f.want(rows[i].Peer)
		if rows[i].Last != nil {
			f.want(rows[i].Last.From)
		}
	}
	if err := f.load(ctx); err != nil {
		return nil, err
	}
	out := make([]MyConversation, len(rows))
	for i := range rows {
		var err error
		if out[i], err = f.conversation(ctx, &rows[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (f *faces) conversation(ctx context.Context, r *store.ConversationRow) (MyConversation, error) {
	s := &r.State
	c := MyConversation{
		ID: int64(r.Conversation), Left: r.Left, HeadSeq: r.HeadSeq, ReadSeq: s.ReadSeq, ClearedSeq: s.ClearedSeq,
		Unread: r.UnreadCount, Mentions: r.Mentions, MarkedUnread: s.Unread,
		Pinned: s.Pinned, Mute: unmuted, MuteUntil: s.MuteUntil, Hidden: s.Hidden, Labels: s.Labels,
	}
	if s.Mute != store.MuteNone {
		c.Mute = string(s.Mute)
	}
	if m := r.Last; m != nil {
		c.Last = &Preview{ID: store.GIDString(m.GID), Seq: m.Seq, At: m.At, From: f.author(m), Mine: m.From == f.viewer, Text: cut(m.Text, maxPreview)}
	}
	if r.Group == 0 {
		peer := f.personOf(f.people[r.Peer])
		c.Peer = &peer
		return c, nil
	}
	face, err := f.groupOf(ctx, r)
	c.Group = &face
	return c, err
}

// cut keeps so many characters of a text.
func cut(s string, n int) string {
	for i := range s {
		if n--; n < 0 {
			return s[:i]
		}
	}
	return s
}
