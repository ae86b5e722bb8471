package transport

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// TraceFilter chooses the messages that a trace shows. Zero fields match all.
type TraceFilter struct {
	User   string        // part of the Request-URI, From or To, in any case
	Addr   netip.Addr    // address of the peer
	Bodies bool          // show bodies too; never the SRTP keys in them
	For    time.Duration // the trace ends by itself; default 10 min, at most 1 h
}

// TraceEvent is one message as it was on the wire, with credentials and media
// keys masked.
type TraceEvent struct {
	Time      time.Time
	Sent      bool // by us
	Flow      uint64
	Transport string
	Local     netip.AddrPort
	Remote    netip.AddrPort
	Text      string
	Lost      int // events that were dropped before this one: the reader is slow
}

// traceQueue is how many events wait for a slow reader.
const traceQueue = 256

// trace is the subscribers. While there is none a message costs one load.
type trace struct {
	mu   sync.Mutex
	taps atomic.Pointer[tapList]
}

type tapList []*tap

// tap is one subscriber.
type tap struct {
	filter TraceFilter
	events chan TraceEvent

	mu     sync.Mutex
	closed bool
	lost   int
}

// Trace delivers copies of the messages that match f. The channel is closed
// when the time is over or stop is called (more than once does no harm).
func (s *Stack) Trace(f TraceFilter) (events <-chan TraceEvent, stop func()) {
	if f.For <= 0 {
		f.For = 10 * time.Minute
	}
	f.For = min(f.For, time.Hour)
	f.User = strings.ToLower(f.User)
	t := &tap{filter: f, events: make(chan TraceEvent, traceQueue)}
	s.trace.add(t)
	end := func() {
		s.trace.remove(t)
		t.close()
	}
	timer := time.AfterFunc(f.For, end)
	return t.events, func() { timer.Stop(); end() }
}

// active returns the subscribers, nil when there is none.
func (tr *trace) active() *tapList { return tr.taps.Load() }

func (tr *trace) add(t *tap) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	list := tapList{t}
	if old := tr.taps.Load(); old != nil {
		list = append(list, *old...)
	}
	tr.taps.Store(&list)
}

func (tr *trace) remove(t *tap) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	old := tr.taps.Load()
	if old == nil {
		return
	}
	list := slices.DeleteFunc(slices.Clone(*old), func(o *tap) bool { return o == t })
	if len(list) == 0 {
		tr.taps.Store(nil)
		return
	}
	tr.taps.Store(&list)
}

// offer gives a message in wire form to the subscribers whose filter it passes.
func (l *tapList) offer(f *Flow, sent bool, b []byte) {
	var masked [2]string // without and with the body, made once each
	for _, t := range *l {
		if !t.filter.matches(f, b) {
			continue
		}
		i := 0
		if t.filter.Bodies {
			i = 1
		}
		if masked[i] == "" {
			masked[i] = mask(b, t.filter.Bodies)
		}
		t.give(TraceEvent{Time: time.Now(), Sent: sent, Flow: f.ID, Transport: f.Transport,
			Local: f.Local, Remote: f.Remote, Text: masked[i]})
	}
}

func (t *tap) give(e TraceEvent) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	e.Lost = t.lost
	select {
	case t.events <- e:
		t.lost = 0
	default:
		t.lost++
	}
}

func (t *tap) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.closed = true
		close(t.events)
	}
}

func (f *TraceFilter) matches(flow *Flow, b []byte) bool {
	if f.Addr.IsValid() && f.Addr != flow.Remote.Addr() {
		return false
	}
	if f.User == "" {
		return true
	}
	head, _ := splitMessage(b)
	first := true
	for line := range bytes.Lines(head) {
		name, value := headerLine(line)
		about := first || name == "from" || name == "f" || name == "to" || name == "t"
		if first {
			value = line
		}
		first = false
		if about && strings.Contains(strings.ToLower(string(value)), f.User) {
			return true
		}
	}
	return false
}

// mask returns the text of a message without what nobody may read.
func mask(b []byte, body bool) string {
	head, rest := splitMessage(b)
	var out strings.Builder
	out.Grow(len(b))
	maskLines(&out, head)
	switch {
	case len(rest) == 0:
	case !body:
		out.WriteString("(body not shown)")
	case encoded(head):
		out.WriteString("(encoded body not shown: it could hide keys)")
	default:
		maskLines(&out, rest)
	}
	return out.String()
}

// encoded tells whether a head announces a Content-Encoding.
func encoded(head []byte) bool {
	for line := range bytes.Lines(head) {
		if name, _ := headerLine(line); name == "content-encoding" || name == "e" {
			return true
		}
	}
	return false
}

// maskLines copies the lines of a head or a body (which may be a message too)
// without secrets and without the continuations of a secret line.
func maskLines(out *strings.Builder, text []byte) {
	hiding := false
	for line := range bytes.Lines(text) {
		if hiding && (line[0] == ' ' || line[0] == '\t') {
			continue
		}
		shown := public(line)
		hiding = shown < len(line)
		out.Write(line[:shown])
		if hiding {
			out.WriteString("(masked)\r\n")
		}
	}
}

// public is the length of the part of a line that may be shown: all but
// credentials and media keys, which are SDES (RFC 4568), MIKEY (RFC 4567) and the
// old k= line (RFC 4566 §5.12).
func public(line []byte) int {
	low := lowerASCII(line)
	if i := bytes.Index(low, []byte("inline:")); i >= 0 {
		return i + len("inline:")
	}
	if bytes.HasPrefix(low, []byte("k=")) {
		return len("k=")
	}
	switch name, _ := headerLine(line); name {
	case "authorization", "proxy-authorization", "authentication-info", "a=crypto", "a=key-mgmt":
		return bytes.IndexByte(line, ':') + 1
	}
	return len(line)
}

// lowerASCII returns a copy with A to Z in lower case. Unlike bytes.ToLower it
// leaves every octet where it was, whatever the text is encoded in.
func lowerASCII(b []byte) []byte {
	low := bytes.Clone(b)
	for i, c := range low {
		if 'A' <= c && c <= 'Z' {
			low[i] = c + 'a' - 'A'
		}
	}
	return low
}

// splitMessage cuts a message behind the empty line.
func splitMessage(b []byte) (head, body []byte) {
	const end = "\r\n\r\n"
	if i := bytes.Index(b, []byte(end)); i >= 0 {
		return b[:i+len(end)], b[i+len(end):]
	}
	return b, nil
}

// headerLine cuts a line into the name in lower case and the value.
func headerLine(line []byte) (name string, value []byte) {
	n, v, found := bytes.Cut(line, []byte(":"))
	if !found {
		return "", nil
	}
	return strings.ToLower(string(bytes.TrimSpace(n))), bytes.TrimSpace(v)
}
