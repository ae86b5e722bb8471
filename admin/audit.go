package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sparkleim/sparkle/store"
)

// audit records what was done. detail must hold no secret; nil for none.
func (a *API) audit(ctx context.Context, action, object string, detail any) error {
	text := ""
	if detail != nil {
		b, err := json.Marshal(detail)
		if err != nil {
			return a.problem(err)
		}
		text = string(b)
	}
	// The change is made: the client that hangs up must not keep it out of the log.
	err := a.Audit.Record(context.WithoutCancel(ctx), store.AuditEntry{
		At: a.Now(), Actor: actor(ctx), Action: action, Object: object, Detail: text,
	})
	if err != nil {
		a.Log.Error("audit entry lost", "actor", actor(ctx), "action", action, "object", object, "error", err)
		return huma.Error500InternalServerError("done, but it could not be written to the audit log: see the server's log")
	}
	return nil
}

func (a *API) registerAudit(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/v1/audit", "list-audit", "List who changed what, newest first"), a.listAudit)
}

func (a *API) listAudit(ctx context.Context, in *struct {
	Cursor int64 `query:"cursor"`
	Limit  int   `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}) (*reply[Page[store.AuditEntry]], error) {
	entries, err := a.Audit.ListAudit(ctx, in.Cursor, in.Limit)
	if err != nil {
		return nil, a.problem(err)
	}
	page := Page[store.AuditEntry]{Items: entries}
	if len(entries) == in.Limit {
		page.Next = strconv.FormatInt(entries[len(entries)-1].ID, 10)
	}
	return &reply[Page[store.AuditEntry]]{page}, nil
}
