package sdp

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// The bounds of a description: over one of them it is refused as a whole.
const (
	MaxSize       = 64 << 10 // bytes
	MaxMedia      = 32       // m-lines
	MaxLines      = 2000
	MaxAttributes = 256 // a= lines of the session or of one m-line
)

// Why a description is refused.
var (
	ErrTooLarge = errors.New("sdp: over a limit (64 kB, 32 m-lines, 2000 lines, 256 attributes a section)")
	ErrNoSDP    = errors.New("sdp: neither v= nor m= is there")
	ErrNUL      = errors.New("sdp: a NUL byte is there")
)

// Description is a session description, line by line.
type Description struct {
	Session []Line // before the first m=
	Media   []Media
}

// Media is an m-line and what belongs to it.
type Media struct {
	Kind    string // "audio", "video", "image"…, as written
	Port    int    // 0 also when it is no port number: such a line can only be refused
	Proto   string // as written
	Formats string // the rest, words with spaces between
	Lines   []Line
}

// Line is one line: a type and a value without the spaces around it.
type Line struct {
	Type  byte // 0: the line has no type, Value is all of it
	Value string
}

// Attribute splits the value of an a= line; value is empty for a property
// ("sendrecv").
func (l Line) Attribute() (name, value string) {
	name, value, _ = strings.Cut(l.Value, ":")
	return trim(name), trim(value)
}

// Parse reads a description. It fails with one of the errors of this package only.
func Parse(text []byte) (*Description, error) {
	if len(text) > MaxSize {
		return nil, ErrTooLarge
	}
	if bytes.IndexByte(text, 0) >= 0 {
		return nil, ErrNUL
	}
	p := newParser(text)
	for rest := string(text); rest != ""; {
		var line string
		line, rest = cutLine(rest)
		if line = trim(line); line == "" {
			continue
		}
		if err := p.take(split(line)); err != nil {
			return nil, err
		}
	}
	p.endSection()
	if !p.version && len(p.d.Media) == 0 {
		return nil, ErrNoSDP
	}
	return p.d, nil
}

// parser gathers the lines of all sections in one slice.
type parser struct {
	d          *Description
	lines      []Line
	begin      int // of the current section in lines
	count      int // of lines, m= among them
	attributes int // of the current section
	version    bool
}

// newParser makes room for what an ordinary text needs.
func newParser(text []byte) parser {
	lines := min(bytes.Count(text, []byte{'\n'})+1, MaxLines)
	media := min(bytes.Count(text, []byte("\nm=")), MaxMedia)
	return parser{d: &Description{Media: make([]Media, 0, media)}, lines: make([]Line, 0, lines)}
}

func (p *parser) take(l Line) error {
	if p.count++; p.count > MaxLines {
		return ErrTooLarge
	}
	switch l.Type {
	case 'm':
		p.endSection()
		if len(p.d.Media) == MaxMedia {
			return ErrTooLarge
		}
		p.d.Media = append(p.d.Media, parseMedia(l.Value))
		return nil
	case 'v':
		p.version = true
	case 'a':
		if p.attributes++; p.attributes > MaxAttributes {
			return ErrTooLarge
		}
	}
	p.lines = append(p.lines, l)
	return nil
}

// endSection gives the lines since the last m= to their owner.
func (p *parser) endSection() {
	section := p.lines[p.begin:len(p.lines):len(p.lines)]
	if n := len(p.d.Media); n > 0 {
		p.d.Media[n-1].Lines = section
	} else {
		p.d.Session = section
	}
	p.begin, p.attributes = len(p.lines), 0
}

// parseMedia reads "audio 17000/2 RTP/AVP 0 8" and whatever is left of it.
func parseMedia(value string) Media {
	kind, rest := cutWord(value)
	port, rest := cutWord(rest)
	proto, formats := cutWord(rest)
	port, _, _ = strings.Cut(port, "/") // a number of ports: hierarchical streams, which nobody has
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		n = 0
	}
	return Media{Kind: kind, Port: int(n), Proto: proto, Formats: formats}
}

// split reads "a=value", with or without spaces around "=".
func split(line string) Line {
	rest := trim(line[1:])
	if rest == "" || rest[0] != '=' {
		return Line{Value: line}
	}
	kind := line[0]
	if 'A' <= kind && kind <= 'Z' {
		kind += 'a' - 'A'
	}
	return Line{Type: kind, Value: trim(rest[1:])}
}

// cutLine cuts at CR LF, LF or CR.
func cutLine(s string) (line, rest string) {
	for i := range len(s) {
		if s[i] == '\n' || s[i] == '\r' {
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// cutWord cuts the first word of s and the spaces after it.
func cutWord(s string) (word, rest string) {
	i := strings.IndexAny(s, " \t")
	if i < 0 {
		return s, ""
	}
	return s[:i], trim(s[i:])
}

// Words gives the words of a value one by one.
func Words(value string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for word, rest := cutWord(trim(value)); word != ""; word, rest = cutWord(rest) {
			if !yield(word) {
				return
			}
		}
	}
}

// trim cuts the spaces and tabs around s.
func trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}
