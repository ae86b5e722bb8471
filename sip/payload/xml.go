package payload

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// Small is the size of a document about one thing: a receipt, a file.
const Small = 64 << 10

// Bounds of every document.
const (
	maxDepth     = 16
	bytesPerNode = 32 // on average at least
)

// ErrXML is returned for what is no document, too large, too deep, or has a DTD.
var ErrXML = errors.New("not an XML document we read")

// Element is what the XML formats of messaging need of an element: they have no
// mixed content and no repetition that matters to us.
type Element struct {
	Name  xml.Name
	Attrs []xml.Attr
	Text  string
	Kids  []*Element
}

// ParseXML reads a document of at most size bytes, without DTD and without anything
// after its root. encoding/xml alone would accept trailing junk.
func ParseXML(b []byte, size int) (*Element, error) {
	if len(b) > size {
		return nil, ErrXML
	}
	dec := xml.NewDecoder(bytes.NewReader(b))
	var open []*Element
	var texts [][]byte // of those
	var root *Element
	for range max(64, size/bytesPerNode) {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) && root != nil && len(open) == 0 {
			return root, nil
		}
		if err != nil {
			return nil, ErrXML
		}
		switch t := tok.(type) {
		case xml.Directive: // <!DOCTYPE, <!ENTITY
			return nil, ErrXML
		case xml.StartElement:
			e := &Element{Name: t.Name, Attrs: t.Copy().Attr}
			switch {
			case len(open) == maxDepth || len(open) == 0 && root != nil:
				return nil, ErrXML
			case len(open) == 0:
				root = e
			default:
				parent := open[len(open)-1]
				parent.Kids = append(parent.Kids, e)
			}
			open, texts = append(open, e), append(texts, nil)
		case xml.EndElement:
			last := len(open) - 1
			open[last].Text = string(texts[last])
			open, texts = open[:last], texts[:last]
		case xml.CharData:
			if last := len(open) - 1; last >= 0 {
				texts[last] = append(texts[last], t...)
			} else if len(bytes.TrimSpace(t)) > 0 {
				return nil, ErrXML
			}
		}
	}
	return nil, ErrXML
}

// Child returns the first child of that name in the namespace, nil without one.
func (e *Element) Child(namespace, local string) *Element {
	if e == nil {
		return nil
	}
	for _, k := range e.Kids {
		if k.Name.Local == local && k.Name.Space == namespace {
			return k
		}
	}
	return nil
}

// Is tells whether e has that name.
func (e *Element) Is(namespace, local string) bool {
	return e.Name.Local == local && e.Name.Space == namespace
}

// Value is the text of e without surrounding space; "" for nil.
func (e *Element) Value() string {
	if e == nil {
		return ""
	}
	return strings.TrimSpace(e.Text)
}

// Attr returns the attribute of that name without namespace.
func (e *Element) Attr(name string) string {
	if e == nil {
		return ""
	}
	for _, a := range e.Attrs {
		if a.Name.Local == name && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}

// EscapeXML makes s safe as character data.
func EscapeXML(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder does not fail
	return b.String()
}
