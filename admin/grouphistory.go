package admin

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// GroupEvent is one thing that became of a group.
type GroupEvent struct {
	Version int64     `json:"version"`
	At      time.Time `json:"at"`
	By      string    `json:"by,omitempty" doc:"Absent: the organisation, or an administrator of the server."`
	Action  string    `json:"action" doc:"create, join, leave, kick, role, nickname, mute, mute-all, subject, announce, pin, unpin, picture, policy, convert or dissolve."`
	User    string    `json:"user,omitempty" doc:"Whom it is about."`
	Detail  string    `json:"detail,omitempty" doc:"The new role, name, text; the end of a muting; the message."`
}

func (a *API) registerGroupHistory(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/v1/groups/{group}/events", "list-group-events", "List what became of a group, oldest first; by its number also of one that is dissolved"), a.listGroupEvents)
	huma.Register(api, operation(http.MethodGet, "/v1/groups/{group}/messages", "group-messages", "Read the messages of a group, newest first; by its number also of one that is dissolved"), a.groupMessages)
}

func (a *API) listGroupEvents(ctx context.Context, in *struct {
	GroupPath
	Cursor int64 `query:"cursor" doc:"Version after which to go on."`
	Limit  int   `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}) (*reply[Page[GroupEvent]], error) {
	g, err := a.groupRecord(ctx, in.Group)
	if err != nil {
		return nil, a.problem(err)
	}
	events, err := a.GroupRecords.GroupEvents(ctx, g.ID, in.Cursor, in.Limit)
	if err != nil {
		return nil, a.problem(err)
	}
	page := Page[GroupEvent]{Items: make([]GroupEvent, 0, len(events))}
	names := a.newNames()
	for _, e := range events {
		page.Items = append(page.Items, GroupEvent{
			Version: e.Version, At: e.At, By: names.of(ctx, e.By), Action: e.Action, User: names.of(ctx, e.User), Detail: e.Detail,
		})
	}
	if len(events) == in.Limit {
		page.Next = strconv.FormatInt(events[in.Limit-1].Version, 10)
	}
	return &reply[Page[GroupEvent]]{page}, nil
}

func (a *API) groupMessages(ctx context.Context, in *struct {
	GroupPath
	Cursor int64 `query:"cursor" minimum:"1" doc:"The next of the page before."`
	Limit  int   `query:"limit" minimum:"1" maximum:"1000" default:"50"`
}) (*reply[Page[Message]], error) {
	g, err := a.groupRecord(ctx, in.Group)
	if err != nil {
		return nil, a.problem(err)
	}
	found, err := a.Messages.ConversationPage(ctx, g.Conversation, in.Cursor, in.Limit)
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.audit(ctx, "message.history", g.AOR(), nil); err != nil {
		return nil, err
	}
	return &reply[Page[Message]]{a.historyPage(ctx, found, in.Limit)}, nil
}
