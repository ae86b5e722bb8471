package chat

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// Bounds of an XML document that a message may carry. What is larger is shown
// as an attachment of an unknown kind, never parsed.
const (
	maxXML      = 64 << 10
	maxXMLDepth = 16
	maxXMLNodes = 2048
)

var errXML = errors.New("not an XML document we read")

// element is what the XML formats of messaging need of an element: they have no
// mixed content and no repetition that matters to us.
type element struct {
	name  xml.Name
	attrs []xml.Attr
	text  string
	kids  []*element
}

// parseXML reads a small document without DTD and without anything after its
// root. encoding/xml alone would accept trailing junk.
func parseXML(b []byte) (*element, error) {
	if len(b) > maxXML {
		return nil, errXML
	}
	dec := xml.NewDecoder(bytes.NewReader(b))
	var open []*element
	var root *element
	for range maxXMLNodes {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) && root != nil && len(open) == 0 {
			return root, nil
		}
		if err != nil {
			return nil, errXML
		}
		switch t := tok.(type) {
		case xml.Directive: // <!DOCTYPE, <!ENTITY
			return nil, errXML
		case xml.StartElement:
			e := &element{name: t.Name, attrs: t.Copy().Attr}
			switch {
			case len(open) == maxXMLDepth || len(open) == 0 && root != nil:
				return nil, errXML
			case len(open) == 0:
				root = e
			default:
				parent := open[len(open)-1]
				parent.kids = append(parent.kids, e)
			}
			open = append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].text += string(t)
			} else if len(bytes.TrimSpace(t)) > 0 {
				return nil, errXML
			}
		}
	}
	return nil, errXML
}

// child returns the first child of that name in the namespace, nil without one.
func (e *element) child(namespace, local string) *element {
	if e == nil {
		return nil
	}
	for _, k := range e.kids {
		if k.name.Local == local && k.name.Space == namespace {
			return k
		}
	}
	return nil
}

// is tells whether e has that name.
func (e *element) is(namespace, local string) bool {
	return e.name.Local == local && e.name.Space == namespace
}

// value is the text of e without surrounding space; "" for nil.
func (e *element) value() string {
	if e == nil {
		return ""
	}
	return strings.TrimSpace(e.text)
}

// attr returns the attribute of that name without namespace.
func (e *element) attr(name string) string {
	if e == nil {
		return ""
	}
	for _, a := range e.attrs {
		if a.Name.Local == name && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}

// escapeXML makes s safe as character data.
func escapeXML(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder does not fail
	return b.String()
}
