package transaction

import "time"

// kind is one of the four machines of RFC 3261 §17.
type kind uint8

const (
	inviteClient kind = iota
	client
	inviteServer
	server
	kinds
)

func (k kind) String() string {
	return [...]string{"invite_client", "client", "invite_server", "server"}[k]
}

// state is a state of any of the four machines.
type state uint8

const (
	calling state = iota // INVITE client
	trying               // not INVITE
	proceeding
	completed
	confirmed // INVITE server
	accepted  // INVITE, RFC 6026
	terminated
	states = terminated // that last
)

func (s state) String() string {
	return [...]string{"calling", "trying", "proceeding", "completed", "confirmed", "accepted", "terminated"}[s]
}

// pending tells whether the final response is still to come.
func (s state) pending() bool { return s == calling || s == trying || s == proceeding }

const (
	timer100 = 200 * time.Millisecond // RFC 3261 §17.2.1: until the layer sends 100 by itself
	timerD   = 32 * time.Second       // RFC 3261 §17.1.1.2: the least for unreliable transports
)
