package chat

// composingType is the media type of "is typing" (RFC 3994).
const composingType = "application/im-iscomposing+xml"

const nsComposing = "urn:ietf:params:xml:ns:im-iscomposing"

// parseComposing reads the state of RFC 3994 §4: "active", "idle" or a word of
// an extension. It is checked before it is passed on: devices see no document
// that is not what its type says.
func parseComposing(b []byte) (state string, err error) {
	root, err := parseXML(b)
	if err != nil {
		return "", err
	}
	state = root.child(nsComposing, "state").value()
	if !root.is(nsComposing, "isComposing") || state == "" {
		return "", errXML
	}
	return state, nil
}
