package admin

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sparkleim/sparkle/store"
)

// Message is an archived message as administrators see it.
type Message struct {
	ID           string    `json:"id"`
	At           time.Time `json:"at"`
	Kind         string    `json:"kind" enum:"text,receipt,notice" doc:"A notice is what the server says in a group."`
	From         string    `json:"from" doc:"Empty when nobody but the server speaks."`
	To           string    `json:"to" doc:"A user, or the group that it was written to."`
	Group        string    `json:"group,omitempty" doc:"The group that it was written to; of a receipt, that of the message."`
	Text         string    `json:"text,omitempty"`
	ContentType  string    `json:"content_type"`
	Size         int       `json:"size" doc:"Bytes of the body as received."`
	Conversation int64     `json:"conversation"`
	Seq          int64     `json:"seq" doc:"Place in the conversation, from 1 without gaps."`
	CallID       string    `json:"call_id"`
	MessageID    string    `json:"message_id,omitempty"`
	TraceID      string    `json:"trace_id" doc:"The same as in the server's log."`
	Source       string    `json:"source" doc:"Transport and address it came from, and the sender's program."`
}

// MessageTrace is everything that is known of one message.
type MessageTrace struct {
	Message    Message    `json:"message"`
	Deliveries []Delivery `json:"deliveries"`
}

// Delivery is what became of a message at one device.
type Delivery struct {
	Device    store.DeviceID `json:"device"`
	User      string         `json:"user"`
	UserAgent string         `json:"user_agent"`
	Status    int            `json:"status" doc:"SIP status of the device; 0 when it was not asked."`
	Rendering string         `json:"rendering" doc:"What the device was sent."`
	At        time.Time      `json:"at"`
}

// MessagePage is a page of messages, newest first.
type MessagePage struct {
	Page[Message]
	Partial bool `json:"partial,omitempty" doc:"The search ended early: the full-text index is missing."`
}

// MessageQuery selects messages.
type MessageQuery struct {
	Text      string    `json:"text,omitempty" query:"text" doc:"Words that must occur; Chinese from one character."`
	User      string    `json:"user,omitempty" query:"user" doc:"Sender or recipient."`
	Peer      string    `json:"peer,omitempty" query:"peer" doc:"The other one."`
	Group     string    `json:"group,omitempty" query:"group" doc:"Only what was written to this group: name, or number."`
	Since     time.Time `json:"since,omitzero" query:"since"`
	Until     time.Time `json:"until,omitzero" query:"until"`
	CallID    string    `json:"call_id,omitempty" query:"call_id"`
	MessageID string    `json:"message_id,omitempty" query:"message_id"`
	Receipts  bool      `json:"receipts,omitempty" query:"receipts" doc:"Receipts (IMDN) too. call_id and message_id find them without."`
}

// resolve turns names into what the store searches by.
func (a *API) resolve(ctx context.Context, in MessageQuery) (store.SearchQuery, error) {
	q := store.SearchQuery{Text: in.Text, Since: in.Since, Until: in.Until, CallID: in.CallID, MessageID: in.MessageID}
	if !in.Receipts && in.CallID == "" && in.MessageID == "" {
		q.Kind = store.KindText
	}
	for _, name := range []struct {
		address string
		id      *store.UserID
	}{{in.User, &q.User}, {in.Peer, &q.Peer}} {
		if name.address == "" {
			continue
		}
		u, err := a.Accounts.Find(ctx, name.address)
		if err != nil {
			return q, err
		}
		*name.id = u.ID
	}
	if in.Group != "" {
		g, err := a.groupRecord(ctx, in.Group)
		if err != nil {
			return q, err
		}
		q.Group = g.ID
	}
	return q, nil
}

func (a *API) registerMessages(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/v1/messages/search", "search-messages", "Search the archive, newest first"), a.searchMessages)
	huma.Register(api, operation(http.MethodGet, "/v1/messages/history", "message-history", "Read the conversation of two users, newest first"), a.messageHistory)
	huma.Register(api, operation(http.MethodGet, "/v1/messages/{id}/trace", "trace-message", "Show where a message came from and what became of it at each device"), a.traceMessage)
	huma.Register(api, long(operation(http.MethodGet, "/v1/messages/export", "export-messages", "Export messages as JSON lines or CSV")), a.exportMessages)
}

func (a *API) searchMessages(ctx context.Context, in *struct {
	MessageQuery
	Cursor string `query:"cursor"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"50"`
}) (*reply[MessagePage], error) {
	q, err := a.resolve(ctx, in.MessageQuery)
	if err == nil && in.Cursor != "" {
		q.Before, err = parseGID(in.Cursor)
	}
	if err != nil {
		return nil, a.problem(err)
	}
	q.Limit = in.Limit
	found, err := a.Messages.Search(ctx, q)
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.audit(ctx, "message.search", cmp.Or(in.User, in.Group), in.MessageQuery); err != nil {
		return nil, err
	}
	page := MessagePage{Partial: found.Partial, Page: Page[Message]{Items: make([]Message, len(found.Messages))}}
	names := a.newNames()
	for i := range found.Messages {
		page.Items[i] = names.message(ctx, &found.Messages[i])
	}
	if len(found.Messages) == q.Limit {
		page.Next = page.Items[q.Limit-1].ID
	}
	return &reply[MessagePage]{page}, nil
}

// messageHistory pages by the seq of the conversation: it costs the same
// however much the archive holds.
func (a *API) messageHistory(ctx context.Context, in *struct {
	User   string `query:"user" required:"true" doc:"One of the two."`
	Peer   string `query:"peer" required:"true" doc:"The other one."`
	Cursor int64  `query:"cursor" minimum:"1" doc:"The next of the page before."`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"50"`
}) (*reply[Page[Message]], error) {
	q, err := a.resolve(ctx, MessageQuery{User: in.User, Peer: in.Peer})
	if err != nil {
		return nil, a.problem(err)
	}
	found, err := a.Messages.Page(ctx, q.User, q.Peer, in.Cursor, in.Limit)
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.audit(ctx, "message.history", in.User, map[string]string{"peer": in.Peer}); err != nil {
		return nil, err
	}
	return &reply[Page[Message]]{a.historyPage(ctx, found, in.Limit)}, nil
}

// historyPage shows a page of a conversation.
func (a *API) historyPage(ctx context.Context, found []store.Message, limit int) Page[Message] {
	page := Page[Message]{Items: make([]Message, len(found))}
	names := a.newNames()
	for i := range found {
		page.Items[i] = names.message(ctx, &found[i])
	}
	if len(found) == limit {
		page.Next = strconv.FormatInt(found[limit-1].Seq, 10)
	}
	return page
}

func (a *API) traceMessage(ctx context.Context, in *struct {
	ID string `path:"id"`
}) (*reply[MessageTrace], error) {
	gid, err := parseGID(in.ID)
	if err != nil {
		return nil, a.problem(err)
	}
	m, err := a.Messages.Message(ctx, gid)
	if err != nil {
		return nil, a.problem(err)
	}
	deliveries, err := a.Messages.Deliveries(ctx, gid)
	if err != nil {
		return nil, a.problem(err)
	}
	names := a.newNames()
	trace := MessageTrace{Message: names.message(ctx, &m)}
	concerned := []store.UserID{m.From, m.To}
	if m.Group != 0 {
		concerned = []store.UserID{0} // who was in the group then may have left
	}
	devices, err := a.devicesOf(ctx, concerned...)
	if err != nil {
		return nil, a.problem(err)
	}
	for _, d := range deliveries {
		device := devices[d.Device]
		trace.Deliveries = append(trace.Deliveries, Delivery{
			Device: d.Device, User: names.of(ctx, device.User), UserAgent: device.UserAgent,
			Status: d.Status, Rendering: d.Rendering, At: d.At,
		})
	}
	if err := a.audit(ctx, "message.trace", in.ID, nil); err != nil {
		return nil, err
	}
	return &reply[MessageTrace]{trace}, nil
}

func (a *API) devicesOf(ctx context.Context, users ...store.UserID) (map[store.DeviceID]store.Device, error) {
	all := map[store.DeviceID]store.Device{}
	for _, u := range users {
		devices, err := a.Accounts.Devices(ctx, u)
		if err != nil {
			return nil, err
		}
		for _, d := range devices {
			all[d.ID] = d
		}
	}
	return all, nil
}

// names remembers who users and groups are while one answer is made.
type names struct {
	*API
	users  map[store.UserID]store.User
	groups map[store.GroupID]string
}

func (a *API) newNames() *names {
	return &names{a, map[store.UserID]store.User{}, map[store.GroupID]string{}}
}

// of is the address of a user; the number of one who was removed, "" for nobody.
func (n *names) of(ctx context.Context, id store.UserID) string {
	if id == 0 {
		return ""
	}
	u, err := n.user(ctx, id)
	switch {
	case err != nil:
		return fmt.Sprintf("user %d", id)
	case u.ID == 0:
		return fmt.Sprintf("user %d (removed)", id)
	}
	return u.AOR()
}

func (n *names) displayName(ctx context.Context, id store.UserID) string {
	u, _ := n.user(ctx, id)
	return u.DisplayName
}

// user is the zero user for one who was removed.
func (n *names) user(ctx context.Context, id store.UserID) (store.User, error) {
	if u, ok := n.users[id]; ok {
		return u, nil
	}
	u, err := n.Accounts.ByID(ctx, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return u, err
	}
	n.users[id] = u
	return u, nil
}

// group is the address of a group, dissolved or not, "" for none.
func (n *names) group(ctx context.Context, id store.GroupID) string {
	if id == 0 {
		return ""
	}
	if _, ok := n.groups[id]; !ok {
		g, err := n.groupRecord(ctx, strconv.FormatInt(int64(id), 10))
		if err != nil {
			return fmt.Sprintf("group %d", id)
		}
		n.groups[id] = g.AOR()
	}
	return n.groups[id]
}

func (n *names) message(ctx context.Context, m *store.Message) Message {
	kind := "text"
	switch m.Kind {
	case store.KindReceipt:
		kind = "receipt"
	case store.KindNotice:
		kind = "notice"
	}
	group := n.group(ctx, m.Group)
	return Message{
		ID: store.GIDString(m.GID), At: m.At, Kind: kind,
		From: n.of(ctx, m.From), To: cmp.Or(n.of(ctx, m.To), group), Group: group,
		Text: m.Text, ContentType: m.ContentType, Size: len(m.Body),
		Conversation: int64(m.Conversation), Seq: m.Seq,
		CallID: m.CallID, MessageID: m.MessageID, TraceID: m.TraceID, Source: m.Source,
	}
}

// parseGID reads what store.GIDString wrote.
func parseGID(s string) (int64, error) {
	gid, ok := parseGIDString(s)
	if !ok {
		return 0, invalid("%q is not the id of a message: it has 16 hex digits (`sparkle message search` shows them)", s)
	}
	return gid, nil
}

func parseGIDString(s string) (gid int64, ok bool) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 8 {
		return 0, false
	}
	for _, x := range b {
		gid = gid<<8 | int64(x)
	}
	return gid, true
}
