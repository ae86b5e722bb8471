package admin

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sparkleim/sparkle/chat"
	"github.com/sparkleim/sparkle/store"
)

// MyMessage is a message as one who may see it does.
type MyMessage struct {
	ID            string    `json:"id"`
	Conversation  int64     `json:"conversation"`
	Seq           int64     `json:"seq" doc:"Place in the conversation; those between that I do not see are missing."`
	At            time.Time `json:"at"`
	Kind          string    `json:"kind" enum:"text,notice" doc:"A notice is what the server says in a group: who came, who left."`
	From          *Person   `json:"from,omitempty" doc:"Absent: the server."`
	Mine          bool      `json:"mine,omitempty"`
	Text          string    `json:"text,omitempty"`
	Files         []File    `json:"files,omitempty"`
	Reply         *Answer   `json:"reply,omitempty" doc:"What this answers."`
	Reaction      *Reaction `json:"reaction,omitempty" doc:"This is no message but an emoji put to one."`
	ForwardedFrom string    `json:"forwarded_from,omitempty" doc:"Address of the first author, or anonymous."`
	Mentions      []string  `json:"mentions,omitempty" doc:"Addresses of those whom it addresses by @name."`
	MentionsAll   bool      `json:"mentions_all,omitempty" doc:"It addresses everybody."`
	MessageID     string    `json:"message_id,omitempty" doc:"What replies and reactions call it."`
	ContentType   string    `json:"content_type" doc:"As received."`
}

// Answer names the message that another one answers.
type Answer struct {
	MessageID string `json:"message_id"`
	Sender    string `json:"sender,omitempty" doc:"Address of its author, if the answer names him."`
}

// Reaction is an emoji put to a message.
type Reaction struct {
	MessageID string `json:"message_id" doc:"Of the message."`
	Emoji     string `json:"emoji,omitempty" doc:"Absent: the sender takes his reaction back."`
}

// File is a reference to an uploaded file.
type File struct {
	Name        string  `json:"name,omitempty"`
	Size        int64   `json:"size,omitempty" doc:"Bytes."`
	ContentType string  `json:"content_type,omitempty"`
	URL         string  `json:"url"`
	Seconds     float64 `json:"seconds,omitempty" doc:"How long a voice message plays."`
}

// StarredMessage is a message that the user has marked.
type StarredMessage struct {
	ID      string     `json:"id"`
	At      time.Time  `json:"at" doc:"When it was marked."`
	Note    string     `json:"note,omitempty"`
	Message *MyMessage `json:"message,omitempty" doc:"Absent: I have cleared or hidden it since."`
}

// MyMessagePage is a page of messages, newest first.
type MyMessagePage struct {
	Page[MyMessage]
	Partial bool `json:"partial,omitempty" doc:"The search ended early: ask for something rarer, or in one conversation."`
}

// MessagePath names a message in a path.
type MessagePath struct {
	Message string `path:"message" doc:"Its id."`
}

func (a *API) registerMyMessages(api huma.API) {
	huma.Register(api, own(http.MethodGet, "/conversations/{conversation}/messages", "list-my-messages", "Read a conversation: the newest messages, or those before or after one"), a.listMyMessages)
	huma.Register(api, own(http.MethodDelete, "/messages/{message}", "hide-my-message", "Delete a message for me only; the archive keeps it"), a.hideMyMessage)
	huma.Register(api, own(http.MethodGet, "/stars", "list-my-stars", "List the messages that I have marked, the newest message first"), a.listMyStars)
	huma.Register(api, own(http.MethodPut, "/stars/{message}", "star-my-message", "Mark a message, with a note"), a.starMyMessage)
	huma.Register(api, own(http.MethodDelete, "/stars/{message}", "unstar-my-message", "Take a mark away"), a.unstarMyMessage)
	huma.Register(api, a.oneAtATime(api, own(http.MethodGet, "/search", "search-my-messages", "Search what I may see, newest first")), a.searchMyMessages)
}

func (a *API) listMyMessages(ctx context.Context, in *struct {
	ConversationPath
	BeforeSeq int64 `query:"before_seq" minimum:"1" doc:"Newest first, what is before this one. Without before_seq and after_seq: the newest."`
	AfterSeq  int64 `query:"after_seq" minimum:"-1" default:"-1" doc:"Oldest first, what is after this one; 0: from the beginning; -1: not asked for."`
	Limit     int   `query:"limit" minimum:"1" maximum:"200" default:"50"`
}) (*reply[Page[MyMessage]], error) {
	read, from := a.Own.MessagesBefore, in.BeforeSeq
	if in.AfterSeq >= 0 {
		if in.BeforeSeq > 0 {
			return nil, a.problem(invalid("ask with before_seq or with after_seq, not with both"))
		}
		read, from = a.Own.MessagesAfter, in.AfterSeq
	}
	found, err := read(ctx, me(ctx), in.id(), from, in.Limit)
	if err != nil {
		return nil, a.problem(err)
	}
	items, err := a.myMessages(ctx, found)
	if err != nil {
		return nil, a.problem(err)
	}
	page := Page[MyMessage]{Items: items}
	if len(found) == in.Limit {
		page.Next = strconv.FormatInt(found[in.Limit-1].Seq, 10)
	}
	return &reply[Page[MyMessage]]{page}, nil
}

// myMessages turns messages of the store into messages for the user who asks.
func (a *API) myMessages(ctx context.Context, found []store.Message) ([]MyMessage, error) {
	f := a.newFaces(me(ctx))
	for i := range found {
		f.want(found[i].From)
		f.want(found[i].Mentions...)
	}
	if err := f.load(ctx); err != nil {
		return nil, err
	}
	out := make([]MyMessage, len(found))
	for i := range found {
		out[i] = f.message(&found[i])
	}
	return out, nil
}

func (f *faces) message(m *store.Message) MyMessage {
	d := chat.Describe(m)
	out := MyMessage{
		ID: store.GIDString(m.GID), Conversation: int64(m.Conversation), Seq: m.Seq, At: m.At,
		Kind: "text", From: f.author(m), Mine: m.From == f.viewer, Text: d.Text,
		ForwardedFrom: d.ForwardedFrom, MessageID: m.MessageID, ContentType: m.ContentType,
	}
	if m.Kind == store.KindNotice {
		out.Kind, out.Mine = "notice", false
	}
	if d.ReplyTo != "" {
		out.Reply = &Answer{d.ReplyTo, d.ReplyToSender}
	}
	if d.ReactionTo != "" {
		out.Reaction, out.Text = &Reaction{d.ReactionTo, d.Text}, ""
	}
	for _, file := range d.Files {
		out.Files = append(out.Files, File{file.Name, file.Size, file.ContentType, file.URL, file.Playing.Seconds()})
	}
	for _, u := range m.Mentions {
		if address := f.address(u); address != "" {
			out.Mentions = append(out.Mentions, address)
		}
	}
	out.MentionsAll = slices.Contains(m.Mentions, 0)
	return out
}

func (a *API) hideMyMessage(ctx context.Context, in *MessagePath) (*struct{}, error) {
	gid, err := parseGID(in.Message)
	if err == nil {
		err = a.Own.HideMessage(ctx, me(ctx), gid)
	}
	if err != nil {
		return nil, a.problem(err)
	}
	return nil, nil
}

func (a *API) starMyMessage(ctx context.Context, in *struct {
	MessagePath
	Body struct {
		Note string `json:"note,omitempty" maxLength:"200"`
	}
}) (*struct{}, error) {
	return a.setStar(ctx, in.Message, in.Body.Note, true)
}

func (a *API) unstarMyMessage(ctx context.Context, in *MessagePath) (*struct{}, error) {
	return a.setStar(ctx, in.Message, "", false)
}

func (a *API) setStar(ctx context.Context, id, note string, on bool) (*struct{}, error) {
	gid, err := parseGID(id)
	if err == nil && hasControl(note) {
		err = invalid("note: use no control characters")
	}
	if err == nil {
		err = a.Own.SetStar(ctx, me(ctx), store.Star{GID: gid, At: a.Now(), Note: note}, on)
	}
	if err != nil {
		return nil, a.problem(err)
	}
	return nil, nil
}

func (a *API) listMyStars(ctx context.Context, in *struct {
	Cursor string `query:"cursor"`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}) (*reply[Page[StarredMessage]], error) {
	before, err := parseCursorGID(in.Cursor)
	if err != nil {
		return nil, a.problem(err)
	}
	stars, err := a.Own.Stars(ctx, me(ctx), before, in.Limit)
	if err != nil {
		return nil, a.problem(err)
	}
	messages, err := a.starred(ctx, stars)
	if err != nil {
		return nil, a.problem(err)
	}
	page := Page[StarredMessage]{Items: make([]StarredMessage, len(stars))}
	for i, s := range stars {
		page.Items[i] = StarredMessage{ID: store.GIDString(s.GID), At: s.At, Note: s.Note}
		if at := slices.IndexFunc(messages, func(m MyMessage) bool { return m.ID == page.Items[i].ID }); at >= 0 {
			page.Items[i].Message = &messages[at]
		}
	}
	if len(stars) == in.Limit {
		page.Next = page.Items[in.Limit-1].ID
	}
	return &reply[Page[StarredMessage]]{page}, nil
}

// starred are the messages of stars, as far as the user still sees them.
func (a *API) starred(ctx context.Context, stars []store.Star) ([]MyMessage, error) {
	gids := make([]int64, len(stars))
	for i, s := range stars {
		gids[i] = s.GID
	}
	found, err := a.Own.MessagesOf(ctx, me(ctx), gids)
	if err != nil {
		return nil, err
	}
	return a.myMessages(ctx, found)
}

func (a *API) searchMyMessages(ctx context.Context, in *struct {
	Query        string    `query:"q" required:"true" minLength:"1" maxLength:"200" doc:"Words that must occur; Chinese from one character."`
	Conversation int64     `query:"conversation" doc:"Only in this one."`
	Since        time.Time `query:"since"`
	Until        time.Time `query:"until"`
	Cursor       string    `query:"cursor" doc:"The next of the page before."`
	Limit        int       `query:"limit" minimum:"1" maximum:"200" default:"50"`
}) (*reply[MyMessagePage], error) {
	q := store.SearchQuery{Viewer: me(ctx), Text: in.Query, Kind: store.KindText, Since: in.Since, Until: in.Until, Limit: in.Limit}
	var err error
	if q.Before, err = parseCursorGID(in.Cursor); err != nil {
		return nil, a.problem(err)
	}
	if in.Conversation != 0 {
		row, err := a.Own.ConversationOf(ctx, me(ctx), store.ConversationID(in.Conversation))
		if err != nil {
			return nil, a.problem(err)
		}
		if q.Group = row.Group; q.Group == 0 {
			q.User, q.Peer = me(ctx), row.Peer
		}
	}
	found, err := a.search(ctx, q)
	if err != nil {
		return nil, a.problem(err)
	}
	items, err := a.myMessages(ctx, found.Messages)
	if err != nil {
		return nil, a.problem(err)
	}
	page := MyMessagePage{Partial: found.Partial, Page: Page[MyMessage]{Items: items}}
	if len(items) == in.Limit {
		page.Next = items[in.Limit-1].ID
	}
	return &reply[MyMessagePage]{page}, nil
}

// parseCursorGID reads a cursor that is the id of a message; "" is 0.
func parseCursorGID(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	return parseGID(s)
}
