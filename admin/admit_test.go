package admin

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sparkleim/sparkle/store"
)

// slowArchive has two places for those who search, as the store has, and answers
// when it is told to.
type slowArchive struct {
	store.Conversations
	places, answers chan struct{}
	searching       chan store.UserID // who begins
}

func newSlowArchive() *slowArchive {
	return &slowArchive{places: make(chan struct{}, 2), answers: make(chan struct{}), searching: make(chan store.UserID, 10)}
}

func (*slowArchive) Watch(func(store.Changed)) {}

func (*slowArchive) People(context.Context, []store.UserID) (map[store.UserID]store.User, error) {
	return nil, nil
}

func (s *slowArchive) Search(ctx context.Context, q store.SearchQuery) (store.SearchResult, error) {
	select {
	case s.places <- struct{}{}:
		defer func() { <-s.places }()
	case <-ctx.Done():
		return store.SearchResult{}, ctx.Err()
	}
	s.searching <- q.Viewer
	select {
	case <-s.answers:
		return store.SearchResult{}, nil
	case <-ctx.Done():
		return store.SearchResult{}, ctx.Err()
	}
}

// slowGallery keeps a picture when it is told to.
type slowGallery struct {
	*gallery
	answers chan struct{}
}

func (g slowGallery) Put(ctx context.Context, r io.Reader) (string, func(), error) {
	<-g.answers
	return g.gallery.Put(ctx, r)
}

// crowdAPI is an API for users a to z, whose tokens are sparkle_a to sparkle_z.
func crowdAPI(c Config) *API {
	all := &tokens{}
	for i, name := range strings.Split("abcdefghijklmnopqrstuvwxyz", "") {
		all.AddToken(context.Background(), store.Token{Name: name, User: store.UserID(i + 1), Hash: hashToken("sparkle_" + name)})
	}
	c.Tokens, c.Log = all, slog.New(slog.DiscardHandler)
	if c.Own == nil {
		c.Own = newSlowArchive()
	}
	if c.Pictures == nil {
		c.Pictures = &gallery{}
	}
	return New(c)
}

// ask is the answer to a request of a user, when it comes.
func ask(a *API, user, method, path string) <-chan *httptest.ResponseRecorder {
	answer := make(chan *httptest.ResponseRecorder, 1)
	r := httptest.NewRequest(method, path, strings.NewReader("body"))
	r.Header.Set("Authorization", "Bearer sparkle_"+user)
	go func() {
		w := httptest.NewRecorder()
		a.Remote().ServeHTTP(w, r)
		answer <- w
	}()
	return answer
}

// wantProblem wants to be turned away for a while, in words.
func wantProblem(t *testing.T, w *httptest.ResponseRecorder, status int, text string) {
	t.Helper()
	var p huma.ErrorModel
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != status || p.Detail != text || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %v %s, want %d %q", w.Code, w.Header(), w.Body, status, text)
	}
}

// TestNobodySearchesForTwo: one user never takes both places.
func TestNobodySearchesForTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		own := newSlowArchive()
		a := crowdAPI(Config{Own: own})
		const search = "/v1/me/search?q=x"
		first := ask(a, "a", "GET", search)
		<-own.searching
		begin := time.Now()
		ahead, other := ask(a, "a", "GET", search), ask(a, "b", "GET", search)
		if u := <-own.searching; u != 2 || time.Since(begin) > 0 {
			t.Errorf("%d searches after %v", u, time.Since(begin))
		}
		wantProblem(t, <-ahead, 429, errOneAtATime.Error())
		if time.Since(begin) != patience {
			t.Errorf("refused after %v", time.Since(begin))
		}
		next := ask(a, "a", "GET", search) // begins when the one before has ended
		synctest.Wait()
		own.answers <- struct{}{}
		own.answers <- struct{}{}
		own.answers <- struct{}{}
		for _, answer := range []<-chan *httptest.ResponseRecorder{first, other, next} {
			if w := <-answer; w.Code != http.StatusOK {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		}
		if time.Since(begin) != patience {
			t.Errorf("all is answered after %v", time.Since(begin))
		}
	})
}

// TestSearchesOfManyEnd: who finds no place is told so in time.
func TestSearchesOfManyEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		own := newSlowArchive()
		a := crowdAPI(Config{Own: own})
		own.places <- struct{}{}
		own.places <- struct{}{}
		begin := time.Now()
		w := <-ask(a, "a", "GET", "/v1/me/search?q=x")
		wantProblem(t, w, 503, errSearchBusy.Error())
		if time.Since(begin) != searchLimit {
			t.Errorf("after %v", time.Since(begin))
		}
	})
}

// TestOneUploadAtATime: a second one of the same user is refused before it is read.
func TestOneUploadAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := slowGallery{&gallery{}, make(chan struct{})}
		a := crowdAPI(Config{Pictures: g, Accounts: &accounts{users: []store.User{{ID: 1, Username: "a"}, {ID: 2, Username: "b"}}}})
		first := ask(a, "a", "PUT", "/v1/me/picture")
		synctest.Wait()
		second, other := ask(a, "a", "PUT", "/v1/me/picture"), ask(a, "b", "PUT", "/v1/me/picture")
		wantProblem(t, <-second, 429, errOneAtATime.Error())
		for _, answer := range []<-chan *httptest.ResponseRecorder{first, other} {
			g.answers <- struct{}{}
			if w := <-answer; w.Code != http.StatusOK {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		}
	})
}

// TestPaceOfAUser: each has his own, whatever he asks for.
func TestPaceOfAUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := crowdAPI(Config{Rate: 5, Now: time.Now})
		for i := range 21 {
			w := <-ask(a, "a", "POST", "/v1/me/nothing")
			if i < 20 && w.Code != http.StatusNotFound {
				t.Fatalf("request %d: %d %s", i, w.Code, w.Body)
			}
			if i == 20 {
				wantProblem(t, w, 429, errTooOften.Error())
			}
		}
		if w := <-ask(a, "b", "POST", "/v1/me/nothing"); w.Code != http.StatusNotFound {
			t.Errorf("another user: %d", w.Code)
		}
		time.Sleep(time.Second / 5)
		if w := <-ask(a, "a", "POST", "/v1/me/nothing"); w.Code != http.StatusNotFound {
			t.Errorf("after a while: %d", w.Code)
		}
	})
}

// TestNothingIsSentWhenOverloaded: as by MESSAGE; reading goes on.
func TestNothingIsSentWhenOverloaded(t *testing.T) {
	load := 0.89
	a := crowdAPI(Config{Load: func() float64 { return load }})
	if w := <-ask(a, "a", "POST", "/v1/me/messages"); w.Code == http.StatusServiceUnavailable {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	load = 0.9
	wantProblem(t, <-ask(a, "a", "POST", "/v1/me/messages"), 503, errOverloaded.Error())
	if w := <-ask(a, "a", "GET", "/v1/me"); w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
