package chat

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/sparkleim/sparkle/sip/payload"
	"golang.org/x/text/encoding/htmlindex"
)

// Media types that we know apart from the ones with a file of their own.
const (
	cpimType      = "message/cpim"
	multipartType = "multipart/mixed"
	plainType     = "text/plain"
)

// Bounds of a multipart body.
const (
	maxParts      = 32
	maxPartsDepth = 3
)

// class says what a message is for.
type class int8

const (
	classText      class = iota // what a person wrote, of whatever type
	classReceipt                // IMDN
	classComposing              // "is typing"
)

// content is the body of a message with its wrapping taken off.
type content struct {
	class       class
	cpim        *cpim // the CPIM around it, nil without
	typ         string
	params      map[string]string
	disposition string // of the content inside CPIM, lower case
	body        []byte
}

// openContent takes off Content-Encoding and CPIM. What does not parse as CPIM
// stays an opaque body of that type.
func openContent(contentType, encoding string, body []byte) (content, error) {
	body, err := payload.Decode(encoding, body)
	if err != nil {
		return content{}, err
	}
	c := content{body: body}
	c.typ, c.params = mediaType(contentType)
	if c.typ == cpimType {
		c.unwrap()
	}
	c.class = c.classify()
	return c, nil
}

// unwrap replaces c by what its CPIM carries.
func (c *content) unwrap() {
	m, err := parseCPIM(c.body)
	if err != nil {
		return
	}
	c.cpim, c.body = m, m.body
	c.typ, c.params = mediaType(m.contentHeader("Content-Type"))
	c.disposition, _, _ = strings.Cut(strings.ToLower(m.contentHeader("Content-Disposition")), ";")
}

// nestedType is how a part of a multipart body says that it is CPIM.
var nestedType = regexp.MustCompile(`(?im)^content-type[ \t]*:\s*message/cpim`)

// nestsCPIM tells whether there is CPIM inside the message, or may be for another
// parser: its From, which devices show as the author, is checked by nobody.
func (c *content) nestsCPIM() bool {
	if strings.HasPrefix(c.typ, "multipart/") && nestedType.Match(c.body) {
		return true
	}
	if c.cpim == nil {
		return false
	}
	types := 0
	for _, f := range c.cpim.content {
		if strings.EqualFold(f.name, "Content-Type") {
			types++
		}
	}
	return types > 1 || strings.HasPrefix(c.typ, cpimType)
}

// classify tells receipts and is-composing from what people write. Linphone
// puts several receipts into one multipart.
func (c *content) classify() class {
	switch c.typ {
	case imdnType:
		return classReceipt
	case composingType:
		return classComposing
	case multipartType:
		if parts := c.parts(); len(parts) > 0 && parts[0].typ == imdnType {
			return classReceipt
		}
	}
	return classText
}

// parts returns the parts of a multipart body, none when it is not one.
func (c *content) parts() []content {
	boundary := c.params["boundary"]
	if !strings.HasPrefix(c.typ, "multipart/") || boundary == "" {
		return nil
	}
	var parts []content
	for r := multipart.NewReader(bytes.NewReader(c.body), boundary); len(parts) < maxParts; {
		p, err := r.NextPart()
		if err != nil {
			break
		}
		body, err := io.ReadAll(p)
		if err != nil {
			break
		}
		part := content{body: body}
		part.typ, part.params = mediaType(p.Header.Get("Content-Type"))
		parts = append(parts, part)
	}
	return parts
}

// messageID is the imdn.Message-ID, "" without CPIM.
func (c *content) messageID() string {
	if c.cpim == nil {
		return ""
	}
	return c.cpim.imdn("Message-ID")
}

// asks tells whether the sender asked for that notification in CPIM. A bare
// MESSAGE asks for nothing that we could answer for its recipient.
func (c *content) asks(what string) bool {
	return c.cpim != nil && c.class == classText && asks(c.cpim.imdn("Disposition-Notification"), what)
}

// receipts returns the receipts that c carries.
func (c *content) receipts() []receipt {
	docs := []content{*c}
	if c.typ == multipartType {
		docs = c.parts()
	}
	var rs []receipt
	for _, d := range docs {
		if r, err := parseReceipt(d.body); err == nil && d.typ == imdnType {
			rs = append(rs, r)
		}
	}
	return rs
}

// plain returns the body as UTF-8 text whatever its charset; what no charset
// explains is cleaned of what is not text.
func (c *content) plain() string {
	if cs := c.params["charset"]; cs != "" && !strings.EqualFold(cs, "utf-8") {
		if enc, err := htmlindex.Get(cs); err == nil {
			if out, err := enc.NewDecoder().Bytes(c.body); err == nil {
				return string(out)
			}
		}
	}
	if utf8.Valid(c.body) {
		return string(c.body)
	}
	return strings.ToValidUTF8(string(c.body), "\ufffd")
}

// mediaType splits a Content-Type into its type in lower case and parameters.
// Parameters that cannot be read are left out.
func mediaType(s string) (typ string, params map[string]string) {
	if !strings.Contains(s, ";") {
		return strings.ToLower(strings.TrimSpace(s)), nil
	}
	if typ, params, err := mime.ParseMediaType(s); err == nil {
		return typ, params
	}
	typ, _, _ = strings.Cut(s, ";")
	return strings.ToLower(strings.TrimSpace(typ)), nil
}
