package chat

import (
	"sync/atomic"

	"github.com/sparkleim/sparkle/store"
)

// item is a message on its way to devices, with the people it is between. All
// devices that it goes to share it.
type item struct {
	msg      *store.Message
	from, to *store.User // from is nil when nobody speaks, to is nil in a group
	room     *room       // the group, nil between two

	// forms are what devices get of a message of a group, each made when the
	// first device asks for it.
	forms [formKinds]atomic.Pointer[rendering]
}

// written tells whether the message was sent from that device.
func (it *item) written(u store.UserID, d store.DeviceID) bool {
	return it.msg.From == u && it.msg.FromDevice == d
}

// copyFor tells whether another device of u has sent the message.
func (it *item) copyFor(u store.UserID) bool {
	return it.msg.From == u && it.msg.To != u && it.msg.Kind != store.KindNotice
}

// returnAddress is the URI to which receipts for the message go.
func (it *item) returnAddress() string {
	if it.room != nil {
		return it.room.uri
	}
	return "sip:" + it.from.AOR()
}
