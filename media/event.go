package media

import "context"

// EventKind is something that a session tells its owner.
type EventKind uint8

const (
	EventSilent EventKind = iota // nothing was received on the connected Leg for Config.Silence, or once more as long: end the call if it was answered
	EventFailed                  // the media of this session ended by an internal error
	EventAttack                  // many packets that nobody of this call sent; once a minute at most
)

// Event of a session.
type Event struct {
	Kind EventKind
	Leg  *Leg   // of EventSilent, nil for the others
	Text string // for the log
}

// notice is an event on its way to its owner.
type notice struct {
	on    func(Event)
	event Event
}

// maxNotices bounds the events that wait for their owners. The loop that finds
// no place tries again with its next tick: no event is lost.
const maxNotices = 1024

// tell hands an event to the owner of the session; false: try again later. It
// never waits, for the loop calls it.
func (s *Session) tell(kind EventKind, l *Leg, text string) bool {
	if s.on == nil {
		return true
	}
	select {
	case s.engine.notices <- notice{s.on, Event{kind, l, text}}:
		s.engine.metrics.events[kind].Add(1)
		return true
	default:
		return false
	}
}

// deliver calls the owners until ctx ends.
func (e *Engine) deliver(ctx context.Context) {
	for {
		select {
		case n := <-e.notices:
			n.on(n.event)
		case <-ctx.Done():
			return
		}
	}
}
