package cache

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// Config says how a cache behaves. All fields are needed.
type Config[K comparable, V any] struct {
	// Load asks the store. store.ErrNotFound is an answer that is remembered,
	// any other error is not.
	Load func(ctx context.Context, key K) (V, error)

	Size     int           // entries
	Keep     time.Duration // how long what was found is remembered
	KeepNone time.Duration // how long "not found" is remembered
	Loads    int           // loads at a time
	Queue    int           // keys that may wait for a load
	Timeout  time.Duration // of one load
}

// Cache remembers answers of the store. It is safe for concurrent use.
type Cache[K comparable, V any] struct {
	cfg Config[K, V]

	mu      sync.RWMutex
	entries map[K]Entry[V]
	loading map[K]*load[V]
	queue   []K // keys of loading that no worker has taken
	workers int
}

// Entry is a remembered answer.
type Entry[V any] struct {
	Value V
	Found bool
	At    time.Time // before the store was asked
}

// load is a question on its way to the store and those who wait for it.
type load[V any] struct {
	waiting []func(V, error)
}

// New makes an empty cache.
func New[K comparable, V any](cfg Config[K, V]) *Cache[K, V] {
	return &Cache[K, V]{
		cfg:     cfg,
		entries: make(map[K]Entry[V]),
		loading: make(map[K]*load[V]),
	}
}

// Get returns what is remembered of key; ok is false when that is nothing.
func (c *Cache[K, V]) Get(key K) (e Entry[V], ok bool) {
	c.mu.RLock()
	e, ok = c.entries[key]
	c.mu.RUnlock()
	if !ok {
		return e, false
	}
	keep := c.cfg.Keep
	if !e.Found {
		keep = c.cfg.KeepNone
	}
	return e, time.Since(e.At) < keep
}

// Fetch asks the store and calls then, on another goroutine, with the answer:
// the value, store.ErrNotFound, or why the store could not be asked. The store
// is asked after Fetch was called, never before. The error of Fetch itself is store.ErrUnavailable when too many keys are waiting; then
// is not called.
func (c *Cache[K, V]) Fetch(key K, then func(V, error)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l, ok := c.loading[key]; ok {
		l.waiting = append(l.waiting, then)
		return nil
	}
	if len(c.queue) >= c.cfg.Queue {
		return fmt.Errorf("%w: %d lookups are waiting", store.ErrUnavailable, len(c.queue))
	}
	c.loading[key] = &load[V]{waiting: []func(V, error){then}}
	c.queue = append(c.queue, key)
	if c.workers < c.cfg.Loads {
		c.workers++
		go c.work()
	}
	return nil
}

// work loads keys until none is waiting.
func (c *Cache[K, V]) work() {
	for {
		c.mu.Lock()
		if len(c.queue) == 0 {
			c.queue = nil // lets go of the array that a burst made
			c.workers--
			c.mu.Unlock()
			return
		}
		key := c.queue[0]
		c.queue = c.queue[1:]
		l := c.loading[key]
		c.mu.Unlock()
		c.load(key, l)
	}
}

// load asks for one key and answers those who wait, in order, until nobody does.
// Only then the entry becomes visible, so nobody overtakes.
func (c *Cache[K, V]) load(key K, l *load[V]) {
	var e Entry[V]
	var err error
	for {
		waiting := c.take(key, l, e, err)
		if waiting == nil {
			return
		}
		e.At = time.Now()
		e.Value, err = c.ask(key)
		e.Found = err == nil
		for _, then := range waiting {
			then(e.Value, err)
		}
	}
}

func (c *Cache[K, V]) ask(key K) (V, error) {
	ctx, cancel := context.WithTimeout(context.Background(), c.cfg.Timeout)
	defer cancel()
	return c.cfg.Load(ctx, key)
}

// take returns who waits for l; when nobody does, l ends and its last answer is
// remembered.
func (c *Cache[K, V]) take(key K, l *load[V], e Entry[V], err error) []func(V, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if waiting := l.waiting; len(waiting) > 0 {
		l.waiting = nil
		return waiting
	}
	delete(c.loading, key)
	if err == nil || errors.Is(err, store.ErrNotFound) {
		c.put(key, e)
	}
	return nil
}

// put remembers e. A full cache loses an arbitrary entry.
func (c *Cache[K, V]) put(key K, e Entry[V]) {
	if _, ok := c.entries[key]; !ok && len(c.entries) >= c.cfg.Size {
		for k := range c.entries {
			delete(c.entries, k)
			break
		}
	}
	c.entries[key] = e
}
