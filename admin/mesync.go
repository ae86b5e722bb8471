package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sparkleim/sparkle/store"
)

// SyncPage is what a device does not know yet.
type SyncPage struct {
	Conversations []MyConversation `json:"conversations" doc:"Rows as they are now; each replaces what the device has of it."`
	Next          string           `json:"next" doc:"The since of the next request. A device keeps it as long as the rows."`
	More          bool             `json:"more" doc:"There is more already: ask again at once."`
}

// codedError is a problem with a code for programs.
type codedError struct {
	huma.ErrorModel
	Code string `json:"code"`
}

// errResync answers a cursor that says nothing here.
var errResync = &codedError{
	ErrorModel: huma.ErrorModel{
		Status: http.StatusGone, Title: http.StatusText(http.StatusGone),
		Detail: "the server does not know this cursor (it was restored from a backup, or the cursor is not yours): begin without one, and replace what the device has",
	},
	Code: "resync",
}

func (a *API) registerMySync(api huma.API) {
	op := own(http.MethodGet, "/sync", "sync", "Tell what has changed in my conversations since the last time")
	op.Description += "\n\nWithout `since` the answer is the list from its top, page by page (`more`), without what is hidden; " +
		"then it is what changed, the oldest change first. The same row may come more than once. What costs is what has changed, not what exists: " +
		"a device that was away for a month goes on where it was. Stars and names are not part of it.\n\n" +
		"410 with the code `resync`: the cursor is of another history of the database. Begin without `since`."
	op.Errors = []int{http.StatusGone, http.StatusTooManyRequests, http.StatusUnprocessableEntity}
	huma.Register(api, long(op), a.sync)
}

func (a *API) sync(ctx context.Context, in *struct {
	Since string `query:"since" maxLength:"100" doc:"The next of the answer before; absent: from the beginning."`
	Limit int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Wait  int    `query:"wait" minimum:"0" maximum:"30" doc:"Seconds to wait for a change when there is none yet."`
}) (*reply[SyncPage], error) {
	c := cursor{kind: inSnapshot, stamp: a.Own.SyncStamp()}
	if in.Since != "" {
		var ok bool
		if c, ok = readCursor(a.SyncKey, me(ctx), in.Since); !ok || c.kind == inList || c.stamp > a.Own.SyncStamp() {
			return nil, errResync
		}
	}
	var page *SyncPage
	var err error
	switch {
	case c.kind == inSnapshot:
		page, err = a.snapshot(ctx, c, in.Limit)
	case in.Wait > 0:
		return a.awaitChanges(ctx, c, in.Limit, time.Duration(in.Wait)*time.Second)
	default:
		page, err = a.changesAfter(ctx, c, in.Limit)
	}
	if err != nil {
		return nil, a.problem(err)
	}
	return &reply[SyncPage]{*page}, nil
}

// snapshot is a page of the list. What moves in the list while a device reads it
// has changed after the stamp that was taken before the first page.
func (a *API) snapshot(ctx context.Context, c cursor, limit int) (*SyncPage, error) {
	rows, err := a.Own.ListConversations(ctx, me(ctx), c.before(), limit)
	if err != nil {
		return nil, err
	}
	if len(rows) == limit {
		c.last = rows[limit-1]
		return a.syncPage(ctx, rows, c, true)
	}
	c = cursor{kind: afterStamp, stamp: c.stamp}
	since, err := a.Own.SyncConversations(ctx, me(ctx), c.stamp, 1)
	if err != nil {
		return nil, err
	}
	return a.syncPage(ctx, rows, c, len(since.Rows) > 0)
}

func (a *API) changesAfter(ctx context.Context, c cursor, limit int) (*SyncPage, error) {
	page, err := a.Own.SyncConversations(ctx, me(ctx), c.stamp, limit)
	if err != nil {
		return nil, err
	}
	c.stamp = page.Next
	return a.syncPage(ctx, page.Rows, c, page.More)
}

func (a *API) syncPage(ctx context.Context, rows []store.ConversationRow, c cursor, more bool) (*SyncPage, error) {
	items, err := a.myConversations(ctx, rows)
	if err != nil {
		return nil, err
	}
	return &SyncPage{Conversations: items, Next: c.sign(a.SyncKey, me(ctx)), More: more}, nil
}

// awaitChanges listens before it looks, so that nothing falls between.
func (a *API) awaitChanges(ctx context.Context, c cursor, limit int, wait time.Duration) (*reply[SyncPage], error) {
	l, err := a.listen(ctx)
	if err != nil {
		return nil, a.problem(err)
	}
	defer l.leave()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for over := false; ; {
		page, err := a.changesAfter(ctx, c, limit)
		if err != nil {
			return nil, a.problem(err)
		}
		if over || len(page.Conversations) > 0 {
			return &reply[SyncPage]{*page}, nil
		}
		select {
		case <-l.hint:
		case <-timer.C:
			over = true
		case <-l.ended:
			return nil, a.problem(errHubClosed)
		case <-ctx.Done():
			return nil, ctx.Err() // nobody reads it
		}
	}
}
