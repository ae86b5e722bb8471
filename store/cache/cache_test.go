package cache_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sparkleim/sparkle/store"
	"github.com/sparkleim/sparkle/store/cache"
)

// people is a store that counts how often it is asked and answers after 10 ms.
type people struct {
	ages  map[string]int
	asked int
	err   error
}

func (p *people) load(_ context.Context, name string) (int, error) {
	p.asked++
	time.Sleep(10 * time.Millisecond)
	if p.err != nil {
		return 0, p.err
	}
	age, ok := p.ages[name]
	if !ok {
		return 0, fmt.Errorf("%s: %w", name, store.ErrNotFound)
	}
	return age, nil
}

func newCache(p *people) *cache.Cache[string, int] {
	return cache.New(cache.Config[string, int]{
		Load: p.load, Size: 3, Keep: time.Minute, KeepNone: 5 * time.Second,
		Loads: 1, Queue: 4, Timeout: time.Second,
	})
}

func TestAnswersFromMemoryUntilItIsTooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &people{ages: map[string]int{"alice": 30}}
		c := newCache(p)
		if _, ok := c.Get("alice"); ok {
			t.Fatal("an empty cache knows alice")
		}
		var got int
		c.Fetch("alice", func(v int, err error) { got = v })
		c.Fetch("nobody", func(_ int, err error) {
			if !errors.Is(err, store.ErrNotFound) {
				t.Errorf("nobody: %v", err)
			}
		})
		time.Sleep(time.Second)
		synctest.Wait()
		if e, ok := c.Get("alice"); !ok || !e.Found || e.Value != 30 || got != 30 {
			t.Errorf("alice: %+v %v, fetched %d", e, ok, got)
		}
		if e, ok := c.Get("nobody"); !ok || e.Found {
			t.Errorf("nobody: %+v %v", e, ok)
		}
		time.Sleep(5 * time.Second)
		if _, ok := c.Get("nobody"); ok {
			t.Error("nobody is still remembered after 6 s")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if _, ok := c.Get("alice"); ok {
			t.Error("alice is still remembered after a minute")
		}
	})
}

func TestFewLoadsAnswerEverybodyInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &people{ages: map[string]int{"alice": 30}}
		c := newCache(p)
		var order []int
		for i := range 5 {
			c.Fetch("alice", func(int, error) {
				order = append(order, i)
				if i == 0 { // asked while the answers are given: still in line
					if _, ok := c.Get("alice"); ok {
						t.Error("the answer is visible before those who waited have it")
					}
					c.Fetch("alice", func(int, error) { order = append(order, 5) })
				}
			})
		}
		synctest.Wait()
		time.Sleep(time.Second)
		synctest.Wait()
		if !slices.Equal(order, []int{0, 1, 2, 3, 4, 5}) || p.asked > 3 {
			t.Errorf("order %v, the store was asked %d times", order, p.asked)
		}
	})
}

func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &people{ages: map[string]int{}}
		for i := range 20 {
			p.ages[fmt.Sprint(i)] = i
		}
		c := newCache(p)
		answered, refused := 0, 0
		for i := range 20 {
			if err := c.Fetch(fmt.Sprint(i), func(int, error) { answered++ }); errors.Is(err, store.ErrUnavailable) {
				refused++
			}
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if answered+refused != 20 || refused < 15 {
			t.Errorf("%d answered, %d refused", answered, refused)
		}
		known := 0
		for i := range 20 {
			if _, ok := c.Get(fmt.Sprint(i)); ok {
				known++
			}
		}
		if known != 3 {
			t.Errorf("%d entries, the bound is 3", known)
		}
	})
}

// TestAsksAgain: Fetch replaces what is remembered, which answers meanwhile.
func TestAsksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &people{ages: map[string]int{"alice": 30}}
		c := newCache(p)
		c.Fetch("alice", func(int, error) {})
		time.Sleep(time.Second)
		synctest.Wait()
		p.ages["alice"] = 31
		changed := time.Now()
		if e, _ := c.Get("alice"); !e.At.Before(changed) {
			t.Error("the entry does not tell that it is older than the change")
		}
		c.Fetch("alice", func(int, error) {})
		if e, ok := c.Get("alice"); !ok || e.Value != 30 {
			t.Errorf("while it is loaded: %+v %v", e, ok)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if e, ok := c.Get("alice"); !ok || e.Value != 31 || e.At.Before(changed) {
			t.Errorf("afterwards: %+v %v", e, ok)
		}
	})
}

func TestFailureIsNotRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &people{err: store.ErrUnavailable}
		c := newCache(p)
		var got error
		c.Fetch("alice", func(_ int, err error) { got = err })
		time.Sleep(time.Second)
		synctest.Wait()
		if _, ok := c.Get("alice"); ok || !errors.Is(got, store.ErrUnavailable) {
			t.Errorf("remembered: %v, error %v", ok, got)
		}
	})
}
