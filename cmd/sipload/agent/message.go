package agent

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Message is a SIP message as text: the start line, the header lines in order
// ("Name: value", folding undone) and the body.
type Message struct {
	Start   string
	Headers []string
	Body    []byte
}

// compact maps RFC 3261 §7.3.3 compact names to the ones that Get takes.
var compact = map[string]string{
	"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact",
	"l": "content-length", "c": "content-type", "k": "supported", "e": "content-encoding",
}

func split(line string) (name, value string) {
	name, value, _ = strings.Cut(line, ":")
	name = strings.ToLower(strings.TrimSpace(name))
	if full, ok := compact[name]; ok {
		name = full
	}
	return name, strings.TrimSpace(value)
}

// Get returns the first header of that lower-case name, "" when there is none.
func (m *Message) Get(name string) string {
	for _, h := range m.Headers {
		if k, v := split(h); k == name {
			return v
		}
	}
	return ""
}

// All returns every header line of that lower-case name.
func (m *Message) All(name string) []string {
	var out []string
	for _, h := range m.Headers {
		if k, v := split(h); k == name {
			out = append(out, v)
		}
	}
	return out
}

// Status is the status code of a response, 0 for a request.
func (m *Message) Status() int {
	rest, ok := strings.CutPrefix(m.Start, "SIP/2.0 ")
	if !ok || len(rest) < 3 {
		return 0
	}
	n, err := strconv.Atoi(rest[:3])
	if err != nil {
		return 0
	}
	return n
}

// Method is the method of a request.
func (m *Message) Method() string {
	method, _, _ := strings.Cut(m.Start, " ")
	return method
}

// URI is the Request-URI.
func (m *Message) URI() string {
	f := strings.Fields(m.Start)
	if len(f) < 2 {
		return ""
	}
	return f[1]
}

// Bytes is the message in wire form; Content-Length is taken as it stands.
func (m *Message) Bytes() []byte {
	var b bytes.Buffer
	b.WriteString(m.Start + "\r\n")
	for _, h := range m.Headers {
		b.WriteString(h + "\r\n")
	}
	b.WriteString("\r\n")
	b.Write(m.Body)
	return b.Bytes()
}

var errNotSIP = errors.New("not a SIP message")

// ParseDatagram reads one message from a datagram.
func ParseDatagram(b []byte) (*Message, error) {
	head, body, ok := bytes.Cut(b, []byte("\r\n\r\n"))
	if !ok {
		return nil, errNotSIP
	}
	m := parseHead(string(head))
	m.Body = bytes.Clone(body)
	return m, nil
}

// ReadMessage reads one message from a stream, passing over keep-alives.
func ReadMessage(r *bufio.Reader) (*Message, error) {
	var head []byte
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(line)) > 0 {
			head = append(head, line...)
			continue
		}
		if len(head) > 0 {
			break
		}
	}
	m := parseHead(string(bytes.TrimRight(head, "\r\n")))
	n, err := strconv.Atoi(m.Get("content-length"))
	if err != nil {
		return nil, fmt.Errorf("%w: no Content-Length in %q", errNotSIP, m.Start)
	}
	if n > 0 {
		m.Body = make([]byte, n)
		if _, err := io.ReadFull(r, m.Body); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func parseHead(head string) *Message {
	start, rest, _ := strings.Cut(head, "\r\n")
	m := &Message{Start: start}
	for rest != "" {
		var line string
		line, rest, _ = strings.Cut(rest, "\r\n")
		if n := len(m.Headers); n > 0 && line != "" && (line[0] == ' ' || line[0] == '\t') {
			m.Headers[n-1] += " " + strings.TrimSpace(line)
			continue
		}
		m.Headers = append(m.Headers, line)
	}
	return m
}

// Param finds name=value in a header of comma or semicolon separated
// parameters, quotes removed.
func Param(s, name string) string {
	for len(s) > 0 {
		s = strings.TrimLeft(s, " ,;\t")
		i := strings.IndexAny(s, "=,; ")
		if i < 0 {
			return ""
		}
		key := s[:i]
		if s[i] != '=' {
			s = s[i+1:]
			continue
		}
		var value string
		value, s = cutValue(s[i+1:])
		if strings.EqualFold(key, name) {
			return value
		}
	}
	return ""
}

func cutValue(s string) (value, rest string) {
	if strings.HasPrefix(s, `"`) {
		if j := strings.IndexByte(s[1:], '"'); j >= 0 {
			return s[1 : 1+j], s[j+2:]
		}
		return s[1:], ""
	}
	if j := strings.IndexAny(s, ",; "); j >= 0 {
		return s[:j], s[j:]
	}
	return s, ""
}

// URIOf returns the URI in a From, To, Contact or Route value.
func URIOf(s string) string {
	if i := strings.IndexByte(s, '<'); i >= 0 {
		if j := strings.IndexByte(s[i:], '>'); j > 0 {
			return s[i+1 : i+j]
		}
	}
	u, _, _ := strings.Cut(s, ";")
	return strings.TrimSpace(u)
}
