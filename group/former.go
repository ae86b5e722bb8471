package group

import (
	"context"
	"errors"

	"github.com/sparkleim/sparkle/store"
)

// Records are the events of groups, as they are kept.
type Records interface {
	LastGroupEvent(ctx context.Context, id store.GroupID, upTo int64, u store.UserID, actions ...string) (store.GroupEvent, error)
}

// LastSubject is the subject of a group as who is no longer in it knows it: what it
// was when he left, or when the group was dissolved with him in it.
func LastSubject(ctx context.Context, records Records, id store.GroupID, viewer store.UserID) (string, error) {
	upTo := int64(0)
	last, err := records.LastGroupEvent(ctx, id, 0, viewer, ActionJoin, ActionLeave, ActionKick)
	switch {
	case err == nil && last.Action != ActionJoin:
		upTo = last.Version
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return "", err
	}
	named, err := records.LastGroupEvent(ctx, id, upTo, 0, ActionSubject, ActionCreate)
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return named.Detail, err
}
