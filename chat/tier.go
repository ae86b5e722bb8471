package chat

import (
	"slices"
	"strings"

	"github.com/sparkleim/sparkle/store"
)

// ability is what a device can show.
//
// It is known, in this order, from what the device said when it refused a type
// (415 with Accept), from the Accept of its REGISTER, and from the class of its
// program: a Linphone shows everything it sends itself, all others text.
type ability struct {
	linphone bool
	types    []string // media types, also "text/*"; text/plain is always shown
}

// abilityOf reads a device's registration.
func abilityOf(d *store.Device) ability {
	return ability{linphone: isLinphone(d), types: d.Accept}
}

// isLinphone tells the class of devices that show CPIM, receipts and files:
// every program made of liblinphone registers at least one of these.
func isLinphone(d *store.Device) bool {
	return d.Specs != "" || strings.Contains(strings.ToLower(d.UserAgent), "linphone") ||
		slices.Contains(d.Accept, fileType)
}

// refusing is the ability of a device that refused a type with 415 or 406:
// what its Accept lists (RFC 3261 §21.4.13), without one plain text only.
func refusing(accept []string) ability {
	types := make([]string, 0, min(len(accept), maxAccept))
	for _, a := range accept {
		if typ, _ := mediaType(a); typ != "" && len(types) < maxAccept {
			types = append(types, typ)
		}
	}
	return ability{types: types}
}

// maxAccept bounds what is kept of an Accept header.
const maxAccept = 16

// shows tells whether the device shows bodies of a type as they are.
func (a ability) shows(typ string) bool {
	if typ == plainType {
		return true
	}
	if a.linphone {
		switch typ {
		case cpimType, imdnType, composingType, fileType, multipartType:
			return true
		}
	}
	for _, t := range a.types {
		if strings.EqualFold(t, typ) {
			return true
		}
		if main, ok := strings.CutSuffix(t, "/*"); ok && (main == "*" || strings.HasPrefix(typ, main+"/")) && personal(typ) {
			return true
		}
	}
	return false
}

// personal tells types that a wildcard in Accept may stand for: a phone that
// says */* would show the XML of a receipt as if somebody had written it.
func personal(typ string) bool {
	return typ != imdnType && typ != composingType && typ != cpimType && typ != fileType
}

// showsContent tells whether the device shows a whole message as it is: its
// outer type and everything in it.
func (a ability) showsContent(outer string, c *content) bool {
	if !a.shows(outer) {
		return false
	}
	return outer == c.typ || a.linphone || a.shows(c.typ)
}
