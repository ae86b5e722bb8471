package chat

import (
	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/focus"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/store"
)

// transient builds the MESSAGE with something that is not kept, nil when the
// device does not show it.
func (s *Service) transient(it *item, t *registrar.Target) *sip.Request {
	var how *rendering
	switch {
	case it.room == nil:
		how = s.words.render(it.msg, abilityOf(&t.Device), false, false)
	case s.standing(it.room.id, &t.Device) != focus.Inside:
		return nil
	case it.copyFor(t.User):
		how = s.shape(it, toInsideOwn)
	default:
		how = s.shape(it, toInside)
	}
	if how.skip || it.msg.Kind != store.KindText && how.name == asText {
		return nil
	}
	return s.outgoing(it, how, t, false)
}
