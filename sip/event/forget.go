package event

import "github.com/sparkleim/sparkle/store"

// Forget ends all subscriptions of a user whose account was removed or disabled. None
// of his devices can be reached any more, so nobody is told.
func (n *Notifier) Forget(u store.UserID) { n.drop(n.table.ofUser(u)) }

// ForgetDevice ends the subscriptions of a device that was revoked.
func (n *Notifier) ForgetDevice(u store.UserID, d store.DeviceID) {
	n.drop(n.table.of(deviceKey{u, d}))
}

func (n *Notifier) drop(list []*subscription) {
	for _, s := range list {
		s.in.withdraw(withdrawal{everything: true})
	}
	n.ready.add(list...)
}
