package call

import (
	"context"

	"github.com/sparkleim/sparkle/store"
)

// Dial rings the devices of a user and, once one has answered, connects it with
// to (an address or a number, as the user would dial it). It returns when the
// first device rings or has failed.
func (s *Service) Dial(ctx context.Context, u store.User, to string) (id int64, err error) {
	panic("contract")
}

// Settings of a user; the zero value for one who has none.
func (s *Service) Settings(u store.UserID) store.CallSettings { panic("contract") }

// SetSettings checks, stores and applies them.
func (s *Service) SetSettings(ctx context.Context, c store.CallSettings) (store.CallSettings, error) {
	panic("contract")
}

// HuntGroups lists them by name.
func (s *Service) HuntGroups() []store.HuntGroup { panic("contract") }

// SetHuntGroup checks, stores and applies a group.
func (s *Service) SetHuntGroup(ctx context.Context, g store.HuntGroup) (store.HuntGroup, error) {
	panic("contract")
}

// RemoveHuntGroup removes a group; ErrNotFound when there is none.
func (s *Service) RemoveHuntGroup(ctx context.Context, name string) error { panic("contract") }
