package storetest

import (
	"context"
	"sync"

	"github.com/sparkleim/sparkle/store"
)

// Faulty is a store whose calls fail when a test says so.
type Faulty struct {
	store.Store
	mu    sync.Mutex
	plans map[string]plan
}

type plan struct {
	skip int // calls that still succeed
	n    int // calls that fail after them
	err  error
}

// NewFaulty wraps a store.
func NewFaulty(s store.Store) *Faulty {
	return &Faulty{Store: s, plans: make(map[string]plan)}
}

// Fail makes n calls of a method fail with err, after skip more that succeed.
// Methods are Append, Pending, StartCursors, TouchDevice, UserByAddress,
// Credential and Record.
func (f *Faulty) Fail(method string, skip, n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plans[method] = plan{skip, n, err}
}

func (f *Faulty) fault(method string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.plans[method]
	switch {
	case p.skip > 0:
		p.skip--
	case p.n > 0:
		p.n--
		f.plans[method] = p
		return p.err
	}
	f.plans[method] = p
	return nil
}

// Append fails as a full queue does: done is called before Append returns.
func (f *Faulty) Append(m *store.NewMessage, done func(store.Accepted, error)) {
	if err := f.fault("Append"); err != nil {
		done(store.Accepted{}, err)
		return
	}
	f.Store.Append(m, done)
}

func (f *Faulty) Pending(ctx context.Context, u store.UserID, d store.DeviceID, limit int) ([]store.Message, error) {
	if err := f.fault("Pending"); err != nil {
		return nil, err
	}
	return f.Store.Pending(ctx, u, d, limit)
}

func (f *Faulty) StartCursors(ctx context.Context, u store.UserID, d store.DeviceID) error {
	if err := f.fault("StartCursors"); err != nil {
		return err
	}
	return f.Store.StartCursors(ctx, u, d)
}

func (f *Faulty) TouchDevice(ctx context.Context, d store.Device) (store.Device, error) {
	if err := f.fault("TouchDevice"); err != nil {
		return store.Device{}, err
	}
	return f.Store.TouchDevice(ctx, d)
}

func (f *Faulty) UserByAddress(ctx context.Context, user, domain string) (store.User, error) {
	if err := f.fault("UserByAddress"); err != nil {
		return store.User{}, err
	}
	return f.Store.UserByAddress(ctx, user, domain)
}

func (f *Faulty) Credential(ctx context.Context, username, realm string) (store.Credential, error) {
	if err := f.fault("Credential"); err != nil {
		return store.Credential{}, err
	}
	return f.Store.Credential(ctx, username, realm)
}

func (f *Faulty) Record(ctx context.Context, e store.AuditEntry) error {
	if err := f.fault("Record"); err != nil {
		return err
	}
	return f.Store.Record(ctx, e)
}
