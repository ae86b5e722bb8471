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
	hiding, encoded := false, false
	for line := range bytes.Lines(head) {
		if continued := line[0] == ' ' || line[0] == '\t'; continued && hiding {
			continue
		}
		name, value := headerLine(line)
		hiding = secretHeader(name)
		encoded = encoded || name == "content-encoding" || name == "e"
		if hiding {
			scheme, _, _ := bytes.Cut(value, []byte(" "))
			out.Write(line[:bytes.IndexByte(line, ':')+1])
			out.WriteString(" " + string(scheme) + " (masked)\r\n")
			continue
		}
		out.Write(line)
	}
	switch {
	case len(rest) == 0:
	case !body:
		out.WriteString("(body not shown)")
	case encoded:
		out.WriteString("(encoded body not shown: it could hide keys)")
	default:
		maskBody(&out, rest)
	}
	return out.String()
}

// secretHeader tells whether a header carries what proves an identity.
func secretHeader(name string) bool {
	return name == "authorization" || name == "proxy-authorization" || name == "authentication-info"
}

// maskBody copies a body without media keys: SDES (RFC 4568), MIKEY (RFC 4567)
// and the old k= line (RFC 4566 §5.12).
func maskBody(out *strings.Builder, body []byte) {
	for line := range bytes.Lines(body) {
		low := bytes.ToLower(line)
		shown := len(line)
		switch i := bytes.Index(low, []byte("inline:")); {
		case i >= 0:
			shown = i + len("inline:")
		case bytes.HasPrefix(low, []byte("a=crypto:")), bytes.HasPrefix(low, []byte("a=key-mgmt:")):
			shown = bytes.IndexByte(line, ':') + 1
		case bytes.HasPrefix(low, []byte("k=")):
			shown = len("k=")
		}
		out.Write(line[:shown])
		if shown < len(line) {
			out.WriteString("(masked)\r\n")
		}
	}
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
