package admin

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sparkleim/sparkle/chat"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/store"
)

// Chat takes messages that users write without SIP.
type Chat interface {
	Post(ctx context.Context, p chat.Post) (store.Accepted, error)
}

var _ Chat = (*chat.Service)(nil)

// NewMessage is a message to be sent.
type NewMessage struct {
	Text    string   `json:"text,omitempty" maxLength:"10000" doc:"What is sent, unless something is forwarded."`
	ReplyTo string   `json:"reply_to,omitempty" doc:"The id of a message of this conversation that this answers."`
	ReactTo string   `json:"react_to,omitempty" doc:"The id of a message of this conversation to which text, an emoji, is put; without text mine is taken back."`
	Forward string   `json:"forward,omitempty" doc:"The id of a message that I may see, to be sent on as it is, files too."`
	Record  []string `json:"record,omitempty" maxItems:"100" doc:"The ids of messages of one conversation, to be sent on as one text: who wrote what, and when."`
}

// kinds counts what the message is: it must be one.
func (m *NewMessage) kinds() (n int) {
	for _, is := range []bool{m.Text != "" || m.ReactTo != "", m.Forward != "", len(m.Record) > 0} {
		if is {
			n++
		}
	}
	return n
}

// IdempotencyKey is a header of a request that must not be done twice.
type IdempotencyKey struct {
	Key string `header:"Idempotency-Key" maxLength:"128" doc:"Chosen by the client: the same key to the same recipient is the same message for 7 days, so that a request without an answer can be repeated."`
}

func (a *API) registerMyPosts(api huma.API) {
	post := own(http.MethodPost, "/conversations/{conversation}/messages", "send-my-message", "Write into a conversation, answer or forward")
	post.DefaultStatus = http.StatusCreated
	huma.Register(api, post, a.sendMyMessage)
	begin := own(http.MethodPost, "/messages", "write-to", "Write to somebody, whether or not there is a conversation yet")
	begin.DefaultStatus = http.StatusCreated
	huma.Register(api, begin, a.writeTo)
}

func (a *API) sendMyMessage(ctx context.Context, in *struct {
	ConversationPath
	IdempotencyKey
	Body NewMessage
}) (*reply[MyMessage], error) {
	row, err := a.Own.ConversationOf(ctx, me(ctx), in.id())
	if err != nil {
		return nil, a.problem(err)
	}
	if row.Left {
		return nil, huma.Error403Forbidden("you are no longer in this group: only members write into it")
	}
	return a.post(ctx, &chat.Post{Group: row.Group, To: store.User{ID: row.Peer}, Key: in.Key}, in.Body, in.id())
}

func (a *API) writeTo(ctx context.Context, in *struct {
	IdempotencyKey
	Body struct {
		To string `json:"to" doc:"Username or number."`
		NewMessage
	}
}) (*reply[MyMessage], error) {
	to, err := a.person(ctx, in.Body.To)
	if err != nil {
		return nil, a.problem(err)
	}
	c, err := a.Own.ConversationWith(ctx, me(ctx), to.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, a.problem(err)
	}
	return a.post(ctx, &chat.Post{To: to, Key: in.Key}, in.Body.NewMessage, c)
}

// post sends a message into conversation c, 0 for one that is new.
func (a *API) post(ctx context.Context, p *chat.Post, m NewMessage, c store.ConversationID) (*reply[MyMessage], error) {
	if m.kinds() != 1 || m.ReactTo != "" && m.ReplyTo != "" {
		return nil, a.problem(invalid("send a text, react to a message, or forward something: one of them"))
	}
	p.Text = m.Text
	var err error
	if p.From, err = a.Accounts.ByID(ctx, me(ctx)); err == nil && p.Group == 0 {
		p.To, err = a.Accounts.ByID(ctx, p.To.ID)
	}
	if err == nil {
		p.Forward, err = a.quote(ctx, m.Forward)
	}
	if err == nil {
		p.Record, err = a.record(ctx, m.Record)
	}
	if err == nil {
		p.ReplyTo, err = a.quoteIn(ctx, c, "reply_to", m.ReplyTo)
	}
	if err == nil {
		p.ReactTo, err = a.quoteIn(ctx, c, "react_to", m.ReactTo)
	}
	if err != nil {
		return nil, a.problem(err)
	}
	sent, err := a.Chat.Post(ctx, *p)
	if err != nil {
		return nil, a.postProblem(err)
	}
	return a.posted(ctx, sent)
}

// quoteIn reads a message that must be in conversation c; nil for none.
func (a *API) quoteIn(ctx context.Context, c store.ConversationID, field, id string) (*chat.Quote, error) {
	q, err := a.quote(ctx, id)
	if err == nil && q != nil && q.Conversation != c {
		err = invalid("%s: message %s is in another conversation", field, id)
	}
	return q, err
}

// quote reads a message that the user may see; nil for none.
func (a *API) quote(ctx context.Context, id string) (*chat.Quote, error) {
	if id == "" {
		return nil, nil
	}
	found, err := a.quotes(ctx, []string{id})
	if err != nil {
		return nil, err
	}
	return &found[0], nil
}

// quotes reads messages that the user may see, in the order of their conversation.
func (a *API) quotes(ctx context.Context, ids []string) ([]chat.Quote, error) {
	gids := make([]int64, len(ids))
	for i, id := range ids {
		var err error
		if gids[i], err = parseGID(id); err != nil {
			return nil, err
		}
	}
	slices.Sort(gids)
	gids = slices.Compact(gids)
	found, err := a.Own.MessagesOf(ctx, me(ctx), gids)
	if err != nil {
		return nil, err
	}
	f := a.newFaces(me(ctx))
	for i := range found {
		f.want(found[i].From)
	}
	if err := f.load(ctx); err != nil {
		return nil, err
	}
	quotes := make([]chat.Quote, len(found))
	for i := range found {
		m := &found[i]
		quotes[i] = chat.Quote{Message: m, Author: f.address(m.From)}
		if who := f.author(m); who != nil {
			quotes[i].Name = cmp.Or(who.DisplayName, who.Address)
		}
		gids = slices.DeleteFunc(gids, func(gid int64) bool { return gid == m.GID })
	}
	if len(gids) > 0 {
		return nil, invalid("there is no message %s", store.GIDString(gids[0]))
	}
	return quotes, nil
}

// record puts messages of one conversation together; nil for none.
func (a *API) record(ctx context.Context, ids []string) (*chat.Record, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	quotes, err := a.quotes(ctx, ids)
	if err != nil {
		return nil, err
	}
	c := quotes[0].Conversation
	for i := range quotes {
		if quotes[i].Conversation != c {
			return nil, invalid("record: the messages are of more than one conversation")
		}
	}
	row, err := a.Own.ConversationOf(ctx, me(ctx), c)
	if err != nil {
		return nil, err
	}
	title, err := a.recordTitle(ctx, &row)
	return &chat.Record{Title: title, Messages: quotes}, err
}

// recordTitle is the name of a group, or the names of two.
func (a *API) recordTitle(ctx context.Context, row *store.ConversationRow) (string, error) {
	f := a.newFaces(me(ctx))
	if row.Group != 0 {
		face, err := f.groupOf(ctx, row)
		return face.Title, err
	}
	f.want(f.viewer, row.Peer)
	if err := f.load(ctx); err != nil {
		return "", err
	}
	return f.called(f.viewer) + ", " + f.called(row.Peer), nil
}

// posted answers with the message as it is kept.
func (a *API) posted(ctx context.Context, sent store.Accepted) (*reply[MyMessage], error) {
	found, err := a.Own.MessagesOf(ctx, me(ctx), []int64{sent.GID})
	var shown []MyMessage
	if err == nil {
		shown, err = a.myMessages(ctx, found)
	}
	if err == nil && len(shown) == 0 {
		err = store.ErrNotFound // it was hidden since: this repeats one
	}
	if err != nil {
		return nil, a.problem(err)
	}
	return &reply[MyMessage]{shown[0]}, nil
}

// postProblem tells in words of HTTP what a softphone would be told in those of SIP.
func (a *API) postProblem(err error) error {
	e, ok := errors.AsType[*server.Error](err)
	switch {
	case !ok:
		return a.problem(err)
	case e.Status == http.StatusForbidden, e.Status == http.StatusRequestEntityTooLarge:
		return huma.NewError(e.Status, e.Warning)
	case e.Status == http.StatusNotFound:
		return huma.Error404NotFound("nobody can be written to there any more")
	}
	return a.problem(err)
}
