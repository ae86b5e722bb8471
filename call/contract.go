package call

import (
	"context"

	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/store"
)

// Service is all calls. It is safe for concurrent use.
type Service struct{}

// ServeSIP takes an INVITE outside of dialogs.
func (s *Service) ServeSIP(r *server.Request) { panic("contract") }

// Live lists the calls in progress, the oldest first, with their quality so far.
func (s *Service) Live() []store.CallRecord { panic("contract") }

// HangUp ends a call for both sides; by stands in its record. ErrNotFound when
// it is over.
func (s *Service) HangUp(ctx context.Context, id int64, by string) error { panic("contract") }

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
