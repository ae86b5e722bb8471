package media

import (
	"fmt"
	"time"

	"github.com/sparkleim/sparkle/media/transport"
)

const (
	// Each tick a loop looks after one share of its sessions, so that packets never
	// wait for all of them: after each session every half second.
	tick   = 50 * time.Millisecond
	shares = 10
	// holdSilence is how long a peer may send nothing at all that need not send.
	holdSilence = int64(time.Hour)
	// largestReport is what an RTCP packet of ours may have, with what encryption adds.
	largestReport = 1500

	// An attack is told of when assaultPackets that nobody of the call sent came in
	// assaultWindow: as many as a stream of voice has.
	assaultPackets = 250
	assaultWindow  = int64(5 * time.Second)
	assaultPause   = int64(time.Minute)
)

// worker looks after the sessions of one loop, on which all of it lives.
type worker struct {
	engine   *Engine
	loop     *transport.Loop
	sessions []*Session
	next     int    // of sessions to be looked after
	scratch  []byte // of an RTCP packet that is being made

	// Since the last tick.
	relayed tally
	drops   [reasons]uint64
}

func newWorker(e *Engine, l *transport.Loop) *worker {
	w := &worker{engine: e, loop: l, scratch: make([]byte, 0, largestReport)}
	l.Every(tick, w.tick)
	return w
}

func (w *worker) enter(s *Session) {
	if !s.entered {
		s.entered, s.place = true, len(w.sessions)
		w.sessions = append(w.sessions, s)
	}
}

func (w *worker) leave(s *Session) {
	if !s.entered {
		return
	}
	s.entered = false
	last := len(w.sessions) - 1
	w.sessions[s.place] = w.sessions[last]
	w.sessions[s.place].place = s.place
	w.sessions[last] = nil
	w.sessions = w.sessions[:last]
}

// tick does what time brings.
func (w *worker) tick(now int64) {
	w.engine.metrics.collect(w)
	for range (len(w.sessions) + shares - 1) / shares {
		w.next = (w.next + 1) % len(w.sessions)
		w.look(w.sessions[w.next], now)
	}
}

// look looks after one session; what goes wrong there ends nothing else.
func (w *worker) look(s *Session, now int64) {
	defer s.survive()
	if s.untold {
		s.untold = !s.tell(EventFailed, nil, "the media of the session ended by an internal error")
	}
	s.assault.look(s, now)
	for _, l := range s.live {
		for _, stream := range l.streams {
			stream.tick(now)
		}
		l.listen(now)
	}
}

// listen tells the owner when the peer of a connected leg is silent for too long,
// and again as often as it stays so.
func (l *Leg) listen(now int64) {
	if l.since == 0 {
		return
	}
	limit := l.patience()
	quiet := now - max(l.heard, l.since)
	if quiet < limit || now-l.told < limit {
		return
	}
	text := fmt.Sprintf("nothing was received for %v", time.Duration(quiet).Round(time.Second))
	if l.session.tell(EventSilent, l, text) {
		l.told = now
	}
}

// patience is how long the peer may be silent: long if it is not to send.
func (l *Leg) patience() int64 {
	limit := int64(l.session.engine.config.Silence)
	for _, s := range l.streams {
		if s.link != nil && s.plan.Receive && (s.peer == nil || s.peer.plan.Send) {
			return limit
		}
	}
	return max(limit, holdSilence)
}

// assault counts the packets that nobody of the call sent.
type assault struct {
	count int
	since int64 // when counting began
	told  int64 // 0: never
}

func (a *assault) look(s *Session, now int64) {
	if a.count >= assaultPackets && (a.told == 0 || now-a.told >= assaultPause) {
		text := fmt.Sprintf("%d packets that nobody of this call sent", a.count)
		if s.tell(EventAttack, nil, text) {
			a.told = now
		}
	}
	if now-a.since >= assaultWindow {
		a.count, a.since = 0, now
	}
}
