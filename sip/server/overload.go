package server

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
	"golang.org/x/time/rate"
)

// admit turns requests away when the system is nearly full, the least urgent
// first (the aims of RFC 7339). It costs less than anything behind it.
func (s *Server) admit(r *Request) verdict {
	if s.cfg.Load == nil || s.cfg.Load() < s.ceiling(r) {
		return pass
	}
	return s.turnAway(r, &Error{Status: 503, RetryAfter: soon(), Warning: "the server is overloaded, try again later"})
}

// ceiling is the load at which r is turned away.
func (s *Server) ceiling(r *Request) float64 {
	const always = 1e9
	isProven := r.Flow.Value() != nil
	switch r.Method {
	case sip.ACK, sip.CANCEL, sip.BYE:
		return always // they make room
	case sip.REGISTER:
		if isProven {
			return 0.98 // a refresh that fails brings a storm
		}
		return 0.8
	}
	switch {
	case s.inDialog(r):
		return always
	case r.Method == sip.INVITE || r.Method == sip.MESSAGE:
		return 0.9
	}
	return 0.85
}

// limit bounds what an address may ask before it has proved who it is.
func (s *Server) limit(r *Request) verdict {
	switch {
	case s.sources == nil, r.Flow.Value() != nil, r.Method == sip.ACK, r.Trusted, r.foreign:
		return pass
	case s.sources.allow(r.Flow.Remote.Addr()), s.inDialog(r):
		return pass
	}
	return s.turnAway(r, &Error{Status: 503, RetryAfter: soon(), Warning: "too many requests from your address"})
}

// maxSources bounds the addresses that are remembered, about 250 bytes each;
// the one that was quiet for the longest time is forgotten.
const maxSources = 65536

// sources is a token bucket for each address.
type sources struct {
	rate      rate.Limit
	burst     int
	unlimited []netip.Prefix

	mu     sync.Mutex
	recent *list.List // of *source, the latest in front
	known  map[netip.Prefix]*list.Element
}

type source struct {
	prefix netip.Prefix
	bucket *rate.Limiter
}

func newSources(perSecond float64, unlimited []netip.Prefix) *sources {
	if perSecond == 0 {
		perSecond = 100
	}
	if unlimited == nil {
		unlimited = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	}
	return &sources{
		rate:      rate.Limit(perSecond),
		burst:     int(4 * perSecond),
		unlimited: unlimited,
		recent:    list.New(),
		known:     make(map[netip.Prefix]*list.Element),
	}
}

func (s *sources) allow(a netip.Addr) bool {
	a = a.Unmap()
	for _, p := range s.unlimited {
		if p.Contains(a) {
			return true
		}
	}
	bits := 32
	if a.Is6() {
		bits = 64 // who has one address of a /64 has them all
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return true // no address: a flow inside this process
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bucket(p).AllowN(time.Now(), 1)
}

func (s *sources) bucket(p netip.Prefix) *rate.Limiter {
	if e, ok := s.known[p]; ok {
		s.recent.MoveToFront(e)
		return e.Value.(*source).bucket
	}
	if s.recent.Len() >= maxSources {
		oldest := s.recent.Back()
		delete(s.known, s.recent.Remove(oldest).(*source).prefix)
	}
	src := &source{p, rate.NewLimiter(s.rate, s.burst)}
	s.known[p] = s.recent.PushFront(src)
	return src.bucket
}
