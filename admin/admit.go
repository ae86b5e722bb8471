package admin

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sparkleim/sparkle/store"
	"golang.org/x/time/rate"
)

// Bounds of what one user may have the server do.
const (
	patience    = time.Second      // for the own request before, when only one is done at a time
	searchLimit = 10 * time.Second // for a search, with its wait for those of others
	fullLoad    = 0.9              // of the server, from which on nothing is sent: as a MESSAGE is judged
)

var (
	errTooOften   = errors.New("these are too many requests of one user: send them more slowly")
	errOneAtATime = errors.New("another request of this kind of yours is still being done: wait for its answer")
	errSearchBusy = errors.New("too many people search at the moment: try again later")
	errOverloaded = errors.New("the server is overloaded: try again later")
)

// paces is a token bucket for each user: some 100 bytes for each who ever came.
type paces struct {
	rate rate.Limit // 0: no limit

	mu sync.Mutex
	of map[store.UserID]*rate.Limiter
}

func newPaces(perSecond int) *paces {
	return &paces{rate: rate.Limit(perSecond), of: make(map[store.UserID]*rate.Limiter)}
}

// allow counts one more request of a user.
func (p *paces) allow(u store.UserID, now time.Time) bool {
	if p.rate == 0 {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	bucket := p.of[u]
	if bucket == nil {
		bucket = rate.NewLimiter(p.rate, int(4*p.rate))
		p.of[u] = bucket
	}
	return bucket.AllowN(now, 1)
}

// admit turns a request of a user away that is one too many, or sends something
// while the server has more to do than it can: he would be told the same by SIP.
func (a *API) admit(r *http.Request, u store.UserID) error {
	switch {
	case !a.paces.allow(u, a.Now()):
		return errTooOften
	case r.Method == http.MethodPost && a.Load != nil && a.Load() >= fullLoad:
		return errOverloaded
	}
	return nil
}

// turns let each user do one thing at a time.
type turns struct {
	mu sync.Mutex
	of map[store.UserID]*turn
}

type turn struct {
	token chan struct{} // held by whoever has the turn
	users int           // who has it or waits for it; needs the lock of the turns
}

// take waits a little for the turn of a user, for whoever types ahead of his own
// search. The caller gives it back.
func (t *turns) take(ctx context.Context, u store.UserID) (back func(), err error) {
	t.mu.Lock()
	mine := t.of[u]
	if mine == nil {
		mine = &turn{token: make(chan struct{}, 1)}
		t.of[u] = mine
	}
	mine.users++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if mine.users--; mine.users == 0 {
			delete(t.of, u)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case mine.token <- struct{}{}:
		return func() { <-mine.token; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, errOneAtATime
	}
}

// oneAtATime lets each user do an operation that costs much once at a time; who
// has to wait has sent no body yet.
func (a *API) oneAtATime(api huma.API, op huma.Operation) huma.Operation {
	t := &turns{of: make(map[store.UserID]*turn)}
	op.Middlewares = append(op.Middlewares, func(c huma.Context, next func(huma.Context)) {
		back, err := t.take(c.Context(), me(c.Context()))
		if err != nil {
			status, text := explain(err)
			for name, values := range retryAfter(status) {
				c.SetHeader(name, values[0])
			}
			huma.WriteErr(api, c, status, text)
			return
		}
		defer back()
		next(c)
	})
	return op
}

// search is Own.Search, and ends when too many others search.
func (a *API) search(ctx context.Context, q store.SearchQuery) (store.SearchResult, error) {
	ctx, cancel := context.WithTimeout(ctx, searchLimit)
	defer cancel()
	r, err := a.Own.Search(ctx, q)
	if errors.Is(err, context.DeadlineExceeded) {
		err = errSearchBusy
	}
	return r, err
}
