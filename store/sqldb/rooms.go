package sqldb

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/sparkleim/sparkle/store"
)

// roomKey is the primary key of a device in a room.
type roomKey struct {
	group  store.GroupID
	device store.DeviceID
}

// subscriptionKey is the primary key of a subscription.
type subscriptionKey struct{ callID, localTag, remoteTag, event string }

func keyOfSubscription(s *store.Subscription) subscriptionKey {
	return subscriptionKey{s.CallID, s.LocalTag, s.RemoteTag, s.Event}
}

// SaveRooms implements store.Groups.
func (db *DB) SaveRooms(save, remove []store.RoomDevice) {
	db.relax(func(s *relaxedSet) {
		for i := range remove {
			s.rooms[roomKey{remove[i].Group, remove[i].Device}] = nil
		}
		for _, r := range save {
			s.rooms[roomKey{r.Group, r.Device}] = &r
		}
	})
}

// SaveSubscriptions implements store.Groups.
func (db *DB) SaveSubscriptions(save, remove []store.Subscription) {
	db.relax(func(s *relaxedSet) {
		for i := range remove {
			s.subscriptions[keyOfSubscription(&remove[i])] = nil
		}
		for _, sub := range save {
			s.subscriptions[keyOfSubscription(&sub)] = &sub
		}
	})
}

func (w *writer) applyRoom(k roomKey, r *store.RoomDevice) error {
	if r == nil {
		_, err := w.tx.exec(`DELETE FROM room_device WHERE group_id = $1 AND device_id = $2`, int64(k.group), int64(k.device))
		return err
	}
	record, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = w.tx.exec(`INSERT INTO room_device (group_id, device_id, user_id, record) VALUES ($1, $2, $3, $4)
		ON CONFLICT (group_id, device_id) DO UPDATE SET user_id = excluded.user_id, record = excluded.record`,
		int64(k.group), int64(k.device), int64(r.User), string(record))
	return err
}

func (w *writer) applySubscription(k subscriptionKey, s *store.Subscription) error {
	if s == nil {
		_, err := w.tx.exec(`DELETE FROM subscription WHERE call_id = $1 AND local_tag = $2 AND remote_tag = $3 AND event = $4`,
			k.callID, k.localTag, k.remoteTag, k.event)
		return err
	}
	record, err := json.Marshal(s)
	if err != nil {
		return err
	}
	_, err = w.tx.exec(`INSERT INTO subscription (call_id, local_tag, remote_tag, event, user_id, record) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (call_id, local_tag, remote_tag, event) DO UPDATE SET user_id = excluded.user_id, record = excluded.record`,
		k.callID, k.localTag, k.remoteTag, k.event, int64(s.User), string(record))
	return err
}

// AllRooms implements store.Groups.
func (db *DB) AllRooms(ctx context.Context, fn func(store.RoomDevice) error) error {
	return eachRecord(ctx, db, `SELECT record FROM room_device ORDER BY group_id, device_id`, "devices in rooms", fn)
}

// AllSubscriptions implements store.Groups.
func (db *DB) AllSubscriptions(ctx context.Context, fn func(store.Subscription) error) error {
	return eachRecord(ctx, db, `SELECT record FROM subscription ORDER BY call_id, local_tag, remote_tag, event`, "subscriptions", fn)
}

// eachRecord calls fn for what is kept as JSON.
func eachRecord[T any](ctx context.Context, db *DB, query, what string, fn func(T) error) error {
	rows, err := db.reader.QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer rows.Close()
	for rows.Next() {
		var text []byte
		if err := rows.Scan(&text); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		var r T
		if err := json.Unmarshal(text, &r); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if err := fn(r); err != nil {
			return err
		}
	}
	return rows.Err()
}
