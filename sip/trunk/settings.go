package trunk

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// Status of a trunk.
type Status struct {
	store.Trunk      // without its password
	HasPassword bool // one is stored
	In, Out     int  // calls at the moment
	Gateways    []GatewayStatus
}

// State of a trunk as a whole: "disabled", "up" when a gateway is, "unknown"
// while one may turn out to be, else "down".
func (s Status) State() string {
	is := func(state string) bool {
		return slices.ContainsFunc(s.Gateways, func(g GatewayStatus) bool { return g.State == state })
	}
	switch {
	case s.Disabled:
		return "disabled"
	case is(stateUp):
		return stateUp
	case is(stateUnknown):
		return stateUnknown
	}
	return stateDown
}

// GatewayStatus is the state of one gateway.
type GatewayStatus struct {
	Name       string        `json:"name"`
	State      string        `json:"state"` // "up", "down", "out" (taken out of service), "unknown" (not probed yet)
	Since      time.Time     `json:"since"`
	Registered *time.Time    `json:"registered,omitempty"` // until when
	Latency    time.Duration `json:"latency"`              // of the last OPTIONS
	Error      string        `json:"error,omitempty"`      // the last one
}

// load reads everything at the start. A trunk that cannot be used is left out
// with a log line rather than keeping the server down.
func (b *Border) load() error {
	ctx := context.Background()
	trunks, err := b.cfg.Store.Trunks(ctx)
	if err != nil {
		return fmt.Errorf("read trunks: %w", err)
	}
	classes, err := b.cfg.Store.Classes(ctx)
	if err != nil {
		return fmt.Errorf("read classes of service: %w", err)
	}
	for _, c := range classes {
		b.classes[c.Name] = c
	}
	for _, t := range trunks {
		if err := b.apply(t); err != nil {
			b.log.Error("a trunk cannot be used", "trunk", t.Name, "error", err)
		}
	}
	b.watchSources()
	return nil
}

// apply puts a trunk in the place of the one of the same ID.
func (b *Border) apply(t store.Trunk) error {
	g, err := newGroup(t)
	if err != nil {
		return err
	}
	b.mu.Lock()
	old := b.replace(t.ID, g)
	ctx := b.running
	b.mu.Unlock()
	if old != nil {
		g.inherit(old)
		old.end()
		b.metrics.end(old)
	}
	for _, gw := range g.gateways {
		if _, err := netip.ParseAddr(gw.uri.Host); err == nil { // no name server is asked
			_ = b.lookUp(context.Background(), gw)
		}
	}
	b.watchSources()
	if ctx != nil {
		b.start(ctx, g)
	}
	return nil
}

// replace changes the list of trunks; g nil takes one out. b.mu is held.
func (b *Border) replace(id int64, g *group) (old *group) {
	trunks := slices.Clone(b.trunks)
	if i := slices.IndexFunc(trunks, func(t *group) bool { return t.ID == id }); i >= 0 {
		old = trunks[i]
		trunks = slices.Delete(trunks, i, i+1)
	}
	if g != nil {
		trunks = append(trunks, g)
	}
	slices.SortFunc(trunks, byPriority)
	b.trunks = trunks
	return old
}

// end stops what keeps the gateways of a group and waits until it is over: what
// takes a registration back must not overtake the next one.
func (g *group) end() {
	if g.stop != nil {
		g.stop()
		g.keepers.Wait()
	}
}

// Trunks lists all trunks with their state.
func (b *Border) Trunks() []Status {
	var list []Status
	for _, t := range b.all() {
		s := Status{Trunk: t.Trunk, HasPassword: t.Password != ""}
		s.Password = ""
		s.In, s.Out = t.calls()
		for _, g := range t.gateways {
			s.Gateways = append(s.Gateways, g.status())
		}
		list = append(list, s)
	}
	return list
}

// SetTrunk checks, stores and applies a trunk; calls in progress go on. With ID 0
// it is a new one. An empty password keeps the stored one. store.ErrInvalid says
// what to correct.
func (b *Border) SetTrunk(ctx context.Context, t store.Trunk) (store.Trunk, error) {
	if err := checkTrunk(&t); err != nil {
		return store.Trunk{}, err
	}
	b.saving.Lock()
	defer b.saving.Unlock()
	saved, err := b.cfg.Store.SetTrunk(ctx, t) // with its password
	if err != nil {
		return store.Trunk{}, err
	}
	if err := b.apply(saved); err != nil {
		return store.Trunk{}, err
	}
	b.log.Info("a trunk was changed", "trunk", t.Name)
	saved.Password = ""
	return saved, nil
}

// RemoveTrunk forgets a trunk; calls in progress go on.
func (b *Border) RemoveTrunk(ctx context.Context, name string) error {
	b.saving.Lock()
	defer b.saving.Unlock()
	t := b.byName(name)
	if t == nil {
		return fmt.Errorf("trunk %q: %w", name, store.ErrNotFound)
	}
	if err := b.cfg.Store.RemoveTrunk(ctx, t.ID); err != nil {
		return err
	}
	b.mu.Lock()
	b.replace(t.ID, nil)
	b.mu.Unlock()
	t.end()
	b.metrics.end(t)
	b.watchSources()
	b.log.Info("a trunk was removed", "trunk", name)
	return nil
}

// TakeOut takes a gateway out of service until the next start, or puts it back.
func (b *Border) TakeOut(trunk, gateway string, out bool) error {
	if t := b.byName(trunk); t != nil {
		for _, g := range t.gateways {
			if g.Name == gateway {
				g.mu.Lock()
				g.out = out
				g.mu.Unlock()
				b.metrics.gateway(g)
				b.log.Info("a gateway was taken out of service or put back", "trunk", trunk, "gateway", gateway, "out", out)
				return nil
			}
		}
	}
	return fmt.Errorf("gateway %q of trunk %q: %w", gateway, trunk, store.ErrNotFound)
}

func (b *Border) byName(name string) *group {
	all := b.all()
	if i := slices.IndexFunc(all, func(t *group) bool { return t.Name == name }); i >= 0 {
		return all[i]
	}
	return nil
}

// defaultClass holds for everybody without another.
const defaultClass = "default"

// Classes lists the classes of service by name.
func (b *Border) Classes() []store.ClassOfService {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []store.ClassOfService
	for _, c := range b.classes {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b store.ClassOfService) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// SetClass checks and stores a class of service.
func (b *Border) SetClass(ctx context.Context, c store.ClassOfService) (store.ClassOfService, error) {
	if err := checkClass(&c); err != nil {
		return c, err
	}
	b.saving.Lock()
	defer b.saving.Unlock()
	c, err := b.cfg.Store.SetClass(ctx, c)
	if err != nil {
		return c, err
	}
	b.mu.Lock()
	b.classes[c.Name] = c
	b.mu.Unlock()
	b.log.Info("a class of service was changed", "class", c.Name)
	return c, nil
}

// RemoveClass removes a class that no user has; store.ErrConflict when some have.
func (b *Border) RemoveClass(ctx context.Context, name string) error {
	b.saving.Lock()
	defer b.saving.Unlock()
	if err := b.cfg.Store.RemoveClass(ctx, name); err != nil {
		return err
	}
	b.mu.Lock()
	delete(b.classes, name)
	b.mu.Unlock()
	b.log.Info("a class of service was removed", "class", name)
	return nil
}
