package admin

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/store"
)

// Bounds of those who listen for hints: what is above is refused.
const (
	maxListeners   = 20_000 // in all
	maxListenersOf = 8      // of one user
)

var (
	errManyListeners = errors.New("this user has 8 connections already that wait for changes: close one of them")
	errManyInAll     = errors.New("too many connections wait for changes: try again later")
	errHubClosed     = errors.New("the server ends, or the token is no longer good: connect again")
)

// hub tells the devices of users that something has changed for them. It keeps
// no data: a hint that is lost is made up for by the next sync.
//
// The store calls changed after each commit. Without listeners that is one load.
// The members of a group are looked for in the background, and only as far as
// they listen; messages that come meanwhile are one hint.
type hub struct {
	groups  Groups
	metrics *hubMetrics

	listening atomic.Int64 // how many there are in all

	mu     sync.RWMutex // never held while something blocks
	users  map[store.UserID][]*listener
	closed bool

	waiting   sync.Mutex
	pending   map[store.GroupID]struct{} // groups whose listeners are not told yet: each once
	spreading bool
}

// listener is one connection that waits for changes.
type listener struct {
	hub   *hub
	user  store.UserID
	token int64
	hint  chan struct{} // capacity 1: many hints are one
	ended chan struct{} // closed when the connection has to end
	once  sync.Once
}

func newHub(groups Groups, r prometheus.Registerer) *hub {
	h := &hub{groups: groups, users: make(map[store.UserID][]*listener), pending: make(map[store.GroupID]struct{})}
	h.metrics = newHubMetrics(h, r)
	return h
}

// listen begins to wait for changes of a user. The caller calls leave.
func (h *hub) listen(u store.UserID, token int64) (*listener, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return nil, errHubClosed
	case len(h.users[u]) >= maxListenersOf:
		h.metrics.refused.Inc()
		return nil, errManyListeners
	case h.listening.Load() >= maxListeners:
		h.metrics.refused.Inc()
		return nil, errManyInAll
	}
	l := &listener{hub: h, user: u, token: token, hint: make(chan struct{}, 1), ended: make(chan struct{})}
	h.users[u] = append(h.users[u], l)
	h.listening.Add(1)
	return l, nil
}

// listen begins to wait for changes of the user who asks. Whether his token is good
// is asked again when the hub knows of him: what ended it just before that has
// found no connection to end. The caller calls leave.
func (a *API) listen(ctx context.Context) (*listener, error) {
	token := holder(ctx)
	l, err := a.hub.listen(token.User, token.ID)
	if err != nil {
		return nil, err
	}
	if _, err = a.Tokens.TokenByHash(ctx, token.Hash); err == nil {
		return l, nil
	}
	l.leave()
	if errors.Is(err, errNotFound) {
		err = errTokenRefused
	}
	return nil, err
}

func (l *listener) leave() {
	h := l.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	rest := make([]*listener, 0, len(h.users[l.user]))
	for _, other := range h.users[l.user] {
		if other != l {
			rest = append(rest, other)
		}
	}
	if len(rest) == len(h.users[l.user]) {
		return
	}
	h.listening.Add(-1)
	if len(rest) == 0 {
		delete(h.users, l.user)
		return
	}
	h.users[l.user] = rest
}

func (l *listener) end() { l.once.Do(func() { close(l.ended) }) }

// endIf ends connections. They leave by themselves.
func (h *hub) endIf(which func(*listener) bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, ls := range h.users {
		for _, l := range ls {
			if which(l) {
				l.end()
			}
		}
	}
}

// close ends all connections and takes no more.
func (h *hub) close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.endIf(func(*listener) bool { return true })
}

// changed is told by the store what a commit has changed. It does not block.
func (h *hub) changed(c store.Changed) {
	if h.listening.Load() == 0 {
		return
	}
	h.mu.RLock()
	for _, u := range c.Users {
		h.tell(u)
	}
	h.mu.RUnlock()
	if len(c.Groups) == 0 {
		return
	}
	h.waiting.Lock()
	defer h.waiting.Unlock()
	for _, g := range c.Groups {
		h.pending[g] = struct{}{}
	}
	if !h.spreading {
		h.spreading = true
		go h.spread()
	}
}

// tell hints to a user's connections. The lock is held.
func (h *hub) tell(u store.UserID) {
	for _, l := range h.users[u] {
		select {
		case l.hint <- struct{}{}:
		default: // it has one to come
		}
	}
}

// spread tells the listeners of groups until no group is pending.
func (h *hub) spread() {
	for {
		h.waiting.Lock()
		if len(h.pending) == 0 {
			h.spreading = false
			h.waiting.Unlock()
			return
		}
		groups := h.pending
		h.pending = make(map[store.GroupID]struct{})
		h.waiting.Unlock()
		for g := range groups {
			h.tellGroup(g)
		}
	}
}

// tellGroup goes through whichever are fewer, members or listeners. Who has just
// gone out of the group was named by the commit that took him out.
func (h *hub) tellGroup(id store.GroupID) {
	g, ok := h.groups.ByID(id)
	if !ok {
		return
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	if g.Size() <= len(h.users) {
		for _, m := range g.Members() {
			h.tell(m.User)
		}
		return
	}
	for u := range h.users {
		if _, member := g.Member(u); member {
			h.tell(u)
		}
	}
}

// hubMetrics count hints.
type hubMetrics struct {
	hints, refused, dropped prometheus.Counter
}

func newHubMetrics(h *hub, r prometheus.Registerer) *hubMetrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "sparkle_events_" + name, Help: help})
	}
	m := &hubMetrics{
		hints:   counter("hints_total", "Hints sent to devices over WebSocket."),
		refused: counter("refused_total", "Connections for hints refused, because there are too many."),
		dropped: counter("dropped_total", "WebSockets closed because the device did not read, or did not answer a ping."),
	}
	if r != nil {
		r.MustRegister(m.hints, m.refused, m.dropped, prometheus.NewGaugeFunc(
			prometheus.GaugeOpts{Name: "sparkle_events_listeners", Help: "Connections that wait for changes: WebSockets and long polls."},
			func() float64 { return float64(h.listening.Load()) }))
	}
	return m
}
