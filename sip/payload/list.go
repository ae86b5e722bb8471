package payload

import "errors"

// maxListBytes is the size of a list of addresses: a thousand with long names.
const maxListBytes = 256 << 10

// ResourceLists is the media type of lists of addresses (RFC 4826 §3).
const ResourceLists = "application/resource-lists+xml"

const listsNamespace = "urn:ietf:params:xml:ns:resource-lists"

// ErrListSize is returned for a list of more entries than are allowed.
var ErrListSize = errors.New("the list has more entries than are allowed")

// ParseList reads a resource-lists document (RFC 4826 §3.1) and returns the URIs
// of its entries in their order, those of nested lists among them: at most limit.
// What points elsewhere (entry-ref, external) is passed over, because we fetch
// nothing (RFC 5363 §5.1). The URIs are not checked, and one may stand there twice.
// The error is ErrXML or ErrListSize.
func ParseList(b []byte, limit int) ([]string, error) {
	if len(b) > maxListBytes {
		return nil, ErrListSize
	}
	root, err := ParseXML(b, maxListBytes)
	if err != nil {
		return nil, err
	}
	if !root.Is(listsNamespace, "resource-lists") {
		return nil, ErrXML
	}
	uris := appendEntries(nil, root.Kids)
	if len(uris) > limit {
		return nil, ErrListSize
	}
	return uris, nil
}

// appendEntries appends the URIs of the entries below an element.
func appendEntries(uris []string, kids []*Element) []string {
	for _, k := range kids {
		switch {
		case k.Is(listsNamespace, "list"):
			uris = appendEntries(uris, k.Kids)
		case k.Is(listsNamespace, "entry"):
			if uri := k.Attr("uri"); uri != "" {
				uris = append(uris, uri)
			}
		}
	}
	return uris
}
