package focus

import (
	"context"
	"errors"
	"fmt"

	"github.com/sparkleim/sparkle/store"
)

// restoreJump is added to the sequence numbers of restored dialogs: those of the
// last moments may not have been written.
const restoreJump = 100

// Restore reads the rooms of an earlier run, and who the members are. Rooms of
// devices that are no more are forgotten. Call it before anything is served.
func (s *Service) Restore(ctx context.Context) error {
	if err := s.people.load(ctx); err != nil {
		return err
	}
	devices, err := s.cfg.Users.ListDevices(ctx, 0)
	if err != nil {
		return fmt.Errorf("read devices: %w", err)
	}
	owners := make(map[store.DeviceID]store.UserID, len(devices))
	for i := range devices {
		if d := &devices[i]; d.Revoked == nil {
			owners[d.ID] = d.User
		}
	}
	var rows []store.RoomDevice
	err = s.cfg.Rooms.AllRooms(ctx, func(row store.RoomDevice) error {
		rows = append(rows, row)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read devices in rooms: %w", err)
	}
	names := map[store.GroupID]string{}
	var remove []store.RoomDevice
	for _, row := range rows {
		name, err := s.nameOf(ctx, row.Group, names)
		if err != nil {
			return err
		}
		if owners[row.Device] != row.User || name == "" {
			remove = append(remove, row)
			continue
		}
		row.LocalCSeq += restoreJump
		s.restore(row, name)
	}
	s.cfg.Rooms.SaveRooms(nil, remove)
	s.log.Info("rooms restored", "devices in rooms", len(rows)-len(remove), "forgotten", len(remove))
	return nil
}

// restore takes a row.
func (s *Service) restore(row store.RoomDevice, name string) {
	_, member := s.memberOf(row.User)(row.Group)
	sh := s.devices.of(row.User)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.make(row.User, row.Device).put(&room{RoomDevice: row, name: name, leaving: !member})
}

// nameOf is the user part of a group's address, dissolved or not; "" when there
// never was one.
func (s *Service) nameOf(ctx context.Context, id store.GroupID, known map[store.GroupID]string) (string, error) {
	if g, ok := s.cfg.Groups.ByID(id); ok {
		return g.Name, nil
	}
	if name, ok := known[id]; ok {
		return name, nil
	}
	g, _, err := s.cfg.Rooms.Group(ctx, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return "", fmt.Errorf("read group %d: %w", id, err)
	}
	known[id] = g.Name
	return g.Name, nil
}
