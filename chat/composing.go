package chat

import "github.com/sparkleim/sparkle/sip/payload"

// composingType is the media type of "is typing" (RFC 3994).
const composingType = "application/im-iscomposing+xml"

const nsComposing = "urn:ietf:params:xml:ns:im-iscomposing"

// parseComposing reads the state of RFC 3994 §4: "active", "idle" or a word of
// an extension. It is checked before it is passed on: devices see no document
// that is not what its type says.
func parseComposing(b []byte) (state string, err error) {
	root, err := payload.ParseXML(b, payload.Small)
	if err != nil {
		return "", err
	}
	state = root.Child(nsComposing, "state").Value()
	if !root.Is(nsComposing, "isComposing") || state == "" {
		return "", payload.ErrXML
	}
	return state, nil
}
