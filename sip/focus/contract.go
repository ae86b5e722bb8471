package focus

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/sip/event"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/store"
)

// Rooms keeps which device is in which room.
type Rooms interface {
	SaveRooms(save, remove []store.RoomDevice)
	AllRooms(ctx context.Context, fn func(store.RoomDevice) error) error
}

// Config of a Service.
type Config struct {
	Groups       *group.Service
	Rooms        Rooms
	Locations    event.Locations
	Transactions event.Transactions
	Flows        interface {
		Local(f *transport.Flow) (host string, port int)
	}
	Domain     string
	Factory    string // user part of the factory's URI: "conference-factory"
	Log        *slog.Logger
	Registerer prometheus.Registerer
}

// Service is the focus of every group. It is the conference event package too.
type Service struct{}

var (
	_ event.Package  = (*Service)(nil)
	_ server.Handler = (*Service)(nil)
)

func New(c Config) *Service { panic("contract") }

// Restore reads the rooms of an earlier run.
func (s *Service) Restore(ctx context.Context) error { panic("contract") }

// Notifies sets where changes are published; once, before anything is served.
func (s *Service) Notifies(n *event.Notifier) { panic("contract") }

// ServeSIP takes INVITE, ACK, BYE, REFER, OPTIONS … for the factory and groups.
func (s *Service) ServeSIP(r *server.Request) { panic("contract") }

// Name, Subscribe and Current are the conference event package.
func (s *Service) Name() string                                               { return "conference" }
func (s *Service) Subscribe(sub *event.Subscription, r *server.Request) error { panic("contract") }
func (s *Service) Current(sub *event.Subscription, resource string) []event.Document {
	panic("contract")
}

// Changed is a committed change of a group (group.Service.Observe).
func (s *Service) Changed(e group.Event) { panic("contract") }

// Reachable is a REGISTER of a device: what is owed to it goes out. then is called
// when nothing is under way to it any more: messages may follow.
func (s *Service) Reachable(u store.UserID, d store.DeviceID, then func()) { panic("contract") }

// Standing is what a device is to a group.
type Standing int8

const (
	Outside Standing = iota // shows no rooms, or refused: text with the writer's name
	Joining                 // an INVITE is under way or owed: messages wait
	Inside
)

// Standing does not block.
func (s *Service) Standing(g store.GroupID, d *store.Device) Standing { panic("contract") }

// OnJoined adds a function called when a device has come into a room, or will not.
func (s *Service) OnJoined(fn func(store.UserID, store.DeviceID)) { panic("contract") }
func (s *Service) Close()                                         { panic("contract") }
