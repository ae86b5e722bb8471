package chat

import (
	"bytes"
	"errors"
	"slices"
	"strings"
)

// Namespaces of CPIM headers that mean something to us.
const (
	nsIMDN     = "urn:ietf:params:imdn"                   // RFC 5438 §6
	nsLinphone = "tag:linphone.org,2020:params:groupchat" // replies, reactions
)

// Bounds of a CPIM head. What is longer is not CPIM to us.
const (
	maxCPIMHead    = 16 << 10
	maxCPIMHeaders = 64
)

var errCPIM = errors.New("not a CPIM message (RFC 3862)")

// field is one header line of a CPIM message, its value as written.
type field struct{ name, value string }

// cpim is a message/cpim body (RFC 3862 §2): message headers, a blank line, the
// headers of the content, a blank line, the content.
type cpim struct {
	headers []field
	content []field
	body    []byte
	spaces  map[string]string // prefix → namespace, from NS headers
}

// parseCPIM reads a message/cpim body. Lines may end in LF alone.
func parseCPIM(b []byte) (*cpim, error) {
	c := &cpim{}
	var err error
	if c.headers, b, err = parseFields(b); err != nil {
		return nil, err
	}
	if c.content, b, err = parseFields(b); err != nil {
		return nil, err
	}
	if len(c.headers) == 0 || len(c.content) == 0 {
		return nil, errCPIM
	}
	c.body = b
	c.readSpaces()
	return c, nil
}

// parseFields reads header lines up to and with the blank line after them.
func parseFields(b []byte) (fields []field, rest []byte, err error) {
	head := 0
	for {
		line, after, found := bytes.Cut(b, []byte("\n"))
		head += len(line) + 1
		if !found || head > maxCPIMHead || len(fields) > maxCPIMHeaders {
			return nil, nil, errCPIM
		}
		b = after
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) == 0 {
			return fields, b, nil
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok || !isFieldName(name) || bytes.ContainsAny(value, "\x00\r") {
			return nil, nil, errCPIM
		}
		fields = append(fields, field{string(name), string(bytes.Trim(value, " \t"))})
	}
}

// isFieldName tells whether b is a name, perhaps with a prefix and a dot.
func isFieldName(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return len(b) > 0
}

// readSpaces collects the prefixes that NS headers declare (RFC 3862 §3.4).
func (c *cpim) readSpaces() {
	for _, f := range c.headers {
		if !strings.EqualFold(f.name, "NS") {
			continue
		}
		prefix, uri, ok := strings.Cut(f.value, "<")
		uri, _, closed := strings.Cut(uri, ">")
		if !ok || !closed {
			continue
		}
		if c.spaces == nil {
			c.spaces = make(map[string]string, 2)
		}
		c.spaces[strings.TrimSpace(prefix)] = uri
	}
}

// header returns the value of a message header without namespace, unescaped.
func (c *cpim) header(name string) string {
	for _, f := range c.headers {
		if strings.EqualFold(f.name, name) {
			return unescapeCPIM(f.value)
		}
	}
	return ""
}

// extension returns the value of a header of the namespace, whatever prefix the
// sender chose. usual is the prefix that counts even when it was not declared.
func (c *cpim) extension(namespace, usual, name string) (string, bool) {
	for _, f := range c.headers {
		prefix, local, ok := strings.Cut(f.name, ".")
		if !ok || !strings.EqualFold(local, name) {
			continue
		}
		declared, known := c.spaces[prefix]
		if declared == namespace || !known && strings.EqualFold(prefix, usual) {
			return unescapeCPIM(f.value), true
		}
	}
	return "", false
}

// imdn returns a header of RFC 5438: Message-ID, Disposition-Notification …
func (c *cpim) imdn(name string) string {
	v, _ := c.extension(nsIMDN, "imdn", name)
	return v
}

// contentHeader returns a header of the content.
func (c *cpim) contentHeader(name string) string {
	for _, f := range c.content {
		if strings.EqualFold(f.name, name) {
			return f.value
		}
	}
	return ""
}

// january tells whether DateTime lies in January as it is written: liblinphone
// up to 5.5 takes the month for one too low and refuses the message with 488.
func (c *cpim) january() bool {
	v := c.header("DateTime") // RFC 3339: 2026-01-…
	return len(v) >= 7 && v[4:7] == "-01"
}

// without returns c without the message header of that name.
func (c *cpim) without(name string) *cpim {
	d := *c
	d.headers = slices.DeleteFunc(slices.Clone(c.headers), func(f field) bool {
		return strings.EqualFold(f.name, name)
	})
	return &d
}

// bytes writes c in wire form.
func (c *cpim) bytes() []byte {
	var b bytes.Buffer
	for _, part := range [][]field{c.headers, c.content} {
		for _, f := range part {
			b.WriteString(f.name)
			b.WriteString(": ")
			b.WriteString(f.value)
			b.WriteString("\r\n")
		}
		b.WriteString("\r\n")
	}
	b.Write(c.body)
	return b.Bytes()
}

// unescapeCPIM undoes the backslash escapes of header values (RFC 3862 §2.3.2).
func unescapeCPIM(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case 'b':
			b.WriteByte('\b')
		case 't':
			b.WriteByte('\t')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 'u':
			r, ok := hexRune(s[i+1:])
			if !ok {
				b.WriteByte('u')
				continue
			}
			b.WriteRune(r)
			i += 4
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// hexRune reads the four digits of \uXXXX.
func hexRune(s string) (r rune, ok bool) {
	if len(s) < 4 {
		return 0, false
	}
	for i := range 4 {
		d := strings.IndexByte("0123456789abcdef", s[i]|0x20)
		if s[i] >= '0' && s[i] <= '9' {
			d = int(s[i] - '0')
		}
		if d < 0 {
			return 0, false
		}
		r = r<<4 | rune(d)
	}
	return r, true
}
