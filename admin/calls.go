package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sparkleim/sparkle/store"
)

// Calls is the calls in progress and what steers them. It checks what it is
// given: ErrInvalid says what is wrong.
type Calls interface {
	// Live lists the calls in progress, the oldest first.
	Live() []store.CallRecord
	// LiveCall is one of them. ErrNotFound when it is over.
	LiveCall(id int64) (store.CallRecord, error)
	// HangUp ends a call for both sides; by says who wanted it. ErrNotFound when
	// it is over.
	HangUp(ctx context.Context, id int64, by string) error
	// Dial rings the devices of u and connects the one that answers with to.
	Dial(ctx context.Context, u store.User, to string) (id int64, err error)

	Settings(u store.UserID) store.CallSettings
	SetSettings(ctx context.Context, s store.CallSettings) (store.CallSettings, error)

	HuntGroups() []store.HuntGroup
	SetHuntGroup(ctx context.Context, g store.HuntGroup) (store.HuntGroup, error)
	RemoveHuntGroup(ctx context.Context, name string) error
}

// CallRecords is the reading side of the call records.
type CallRecords interface {
	Call(ctx context.Context, id int64) (store.CallRecord, error)
	ListCalls(ctx context.Context, q store.CallQuery) ([]store.CallRecord, error)
	ExportCalls(ctx context.Context, q store.CallQuery, fn func(*store.CallRecord) error) error
}

// Call is a call, over or in progress.
type Call struct {
	ID string `json:"id"`
	store.CallRecord
}

func callOf(r store.CallRecord) Call {
	r.Attempts, r.Quality = notNil(r.Attempts), notNil(r.Quality)
	return Call{store.GIDString(r.ID), r}
}

// CallQuery selects calls.
type CallQuery struct {
	User      string    `json:"user,omitempty" query:"user" doc:"Who takes part, on either side."`
	Text      string    `json:"text,omitempty" query:"text" doc:"Part of an address or number on either side, or of what was dialled."`
	Trunk     string    `json:"trunk,omitempty" query:"trunk" doc:"Carrier that the call came from or was tried on."`
	Direction string    `json:"direction,omitempty" query:"direction" enum:"internal,in,out,click"`
	CallID    string    `json:"call_id,omitempty" query:"call_id" doc:"Call-ID of the caller's INVITE."`
	Since     time.Time `json:"since,omitzero" query:"since"`
	Until     time.Time `json:"until,omitzero" query:"until"`
	Failed    bool      `json:"failed,omitempty" query:"failed" doc:"Only calls that nobody answered."`
}

// NewCall is a call to be made.
type NewCall struct {
	User string `json:"user" doc:"Whose devices ring first: username or number."`
	To   string `json:"to" minLength:"1" maxLength:"256" doc:"Address or number to connect with, as the user would dial it."`
}

// AddedCall is a call that was begun.
type AddedCall struct {
	ID string `json:"id" doc:"For GET and DELETE /v1/calls/{id}."`
}

// CallPath names a call in a path.
type CallPath struct {
	ID string `path:"id"`
}

func (a *API) registerCalls(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/v1/calls", "list-calls", "List calls, newest first, or those in progress"), a.listCalls)
	huma.Register(api, operation(http.MethodGet, "/v1/calls/{id}", "get-call", "Show a call: who, what was tried, how it ended and sounded"), a.getCall)
	huma.Register(api, operation(http.MethodDelete, "/v1/calls/{id}", "hang-up", "End a call for both sides"), a.hangUp)
	add := operation(http.MethodPost, "/v1/calls", "dial", "Ring a user's devices and connect the one that answers with a number")
	add.DefaultStatus = http.StatusCreated
	huma.Register(api, add, a.dial)
	huma.Register(api, long(operation(http.MethodGet, "/v1/calls/export", "export-calls", "Export call records as JSON lines or CSV, oldest first")), a.exportCalls)
}

// resolveCalls turns names into what the store searches by.
func (a *API) resolveCalls(ctx context.Context, in CallQuery) (store.CallQuery, error) {
	q := store.CallQuery{
		Text: in.Text, Trunk: in.Trunk, Direction: in.Direction, CallID: in.CallID, Since: in.Since, Until: in.Until, Failed: in.Failed,
	}
	if in.User == "" {
		return q, nil
	}
	u, err := a.Accounts.Find(ctx, in.User)
	q.User = u.ID
	return q, err
}

func (a *API) listCalls(ctx context.Context, in *struct {
	CallQuery
	Live   bool   `query:"live" doc:"Calls in progress instead of records: all of them, the oldest first."`
	Cursor string `query:"cursor"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"50"`
}) (*reply[Page[Call]], error) {
	q, err := a.resolveCalls(ctx, in.CallQuery)
	if err == nil && in.Cursor != "" {
		q.Before, err = parseCallID(in.Cursor)
	}
	if err != nil {
		return nil, a.problem(err)
	}
	page := Page[Call]{Items: []Call{}}
	if in.Live {
		for _, r := range a.Calls.Live() {
			if takesPart(q, &r) {
				page.Items = append(page.Items, callOf(r))
			}
		}
		return &reply[Page[Call]]{page}, nil
	}
	q.Limit = in.Limit
	found, err := a.CallRecords.ListCalls(ctx, q)
	if err != nil {
		return nil, a.problem(err)
	}
	for _, r := range found {
		page.Items = append(page.Items, callOf(r))
	}
	if len(found) == q.Limit {
		page.Next = page.Items[q.Limit-1].ID
	}
	return &reply[Page[Call]]{page}, nil
}

// takesPart compares a call in progress with the query, as the store does for
// records.
func takesPart(q store.CallQuery, r *store.CallRecord) bool {
	fits := func(want, is string) bool { return want == "" || want == is }
	switch {
	case q.User != 0 && q.User != r.Caller.User && q.User != r.Callee.User,
		!fits(q.Direction, r.Direction), !fits(q.CallID, r.CallID), q.Failed,
		!q.Since.IsZero() && r.Started.Before(q.Since), !q.Until.IsZero() && !r.Started.Before(q.Until),
		q.Trunk != "" && !slices.Contains(trunksOf(r), q.Trunk):
		return false
	}
	text := strings.ToLower(q.Text)
	return slices.ContainsFunc([]string{r.Caller.Address, r.Caller.Shown, r.Dialled, r.Number, r.Callee.Address, r.Callee.Shown},
		func(s string) bool { return strings.Contains(strings.ToLower(s), text) })
}

// trunksOf returns the trunks that had to do with a call, in the order of the
// attempts.
func trunksOf(r *store.CallRecord) []string {
	var trunks []string
	add := func(name string) {
		if name != "" && !slices.Contains(trunks, name) {
			trunks = append(trunks, name)
		}
	}
	add(r.Caller.Trunk)
	for i := range r.Attempts {
		add(r.Attempts[i].Trunk)
	}
	add(r.Callee.Trunk)
	return trunks
}

// getCall asks the call in progress first: it knows its quality so far.
func (a *API) getCall(ctx context.Context, in *CallPath) (*reply[Call], error) {
	id, err := parseCallID(in.ID)
	if err != nil {
		return nil, a.problem(err)
	}
	r, err := a.Calls.LiveCall(id)
	if err != nil {
		r, err = a.CallRecords.Call(ctx, id)
	}
	if err != nil {
		return nil, a.problem(err)
	}
	return &reply[Call]{callOf(r)}, nil
}

func (a *API) hangUp(ctx context.Context, in *CallPath) (*struct{}, error) {
	id, err := parseCallID(in.ID)
	if err == nil {
		err = a.Calls.HangUp(ctx, id, actor(ctx))
	}
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("call %s is over, or never was: %w", in.ID, store.ErrNotFound)
	}
	if err != nil {
		return nil, a.problem(err)
	}
	return nil, a.audit(ctx, "call.hangup", store.GIDString(id), nil)
}

func (a *API) dial(ctx context.Context, in *struct{ Body NewCall }) (*reply[AddedCall], error) {
	if hasControl(in.Body.To) {
		return nil, a.problem(invalid("to: use an address or a number without control characters"))
	}
	u, err := a.Accounts.Find(ctx, in.Body.User)
	if err == nil {
		err = a.checkDestinations(ctx, "to", in.Body.To)
	}
	var id int64
	if err == nil {
		id, err = a.Calls.Dial(ctx, u, in.Body.To)
	}
	if err != nil {
		return nil, a.problem(err)
	}
	added := AddedCall{store.GIDString(id)}
	if err := a.audit(ctx, "call.dial", u.AOR(), map[string]string{"to": in.Body.To, "call": added.ID}); err != nil {
		return nil, err
	}
	return &reply[AddedCall]{added}, nil
}

// parseCallID reads what store.GIDString wrote.
func parseCallID(s string) (int64, error) {
	id, ok := parseGIDString(s)
	if !ok {
		return 0, invalid("%q is not the id of a call: it has 16 hex digits (`sparkle call list` shows them)", s)
	}
	return id, nil
}
