package admin

import (
	"context"
	"errors"
	"net/http"

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
	Text    string `json:"text,omitempty" maxLength:"10000" doc:"What is sent, unless something is forwarded."`
	ReplyTo string `json:"reply_to,omitempty" doc:"The id of a message of this conversation that this answers."`
	Forward string `json:"forward,omitempty" doc:"The id of a message that I may see, to be sent on as it is, files too."`
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
	if (m.Text == "") == (m.Forward == "") {
		return nil, a.problem(invalid("send a text, or forward a message: one of them"))
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
		p.ReplyTo, err = a.quote(ctx, m.ReplyTo)
	}
	if err == nil && p.ReplyTo != nil && p.ReplyTo.Conversation != c {
		err = invalid("reply_to: message %s is in another conversation", m.ReplyTo)
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

// quote reads a message that the user may see; nil for none.
func (a *API) quote(ctx context.Context, id string) (*chat.Quote, error) {
	if id == "" {
		return nil, nil
	}
	gid, err := parseGID(id)
	if err != nil {
		return nil, err
	}
	found, err := a.Own.MessagesOf(ctx, me(ctx), []int64{gid})
	if err == nil && len(found) == 0 {
		err = invalid("there is no message %s", id)
	}
	if err != nil {
		return nil, err
	}
	people, err := a.Own.People(ctx, []store.UserID{found[0].From})
	if err != nil {
		return nil, err
	}
	return &chat.Quote{Message: &found[0], Author: people[found[0].From].AOR()}, nil
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
