package admin

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sparkleim/sparkle/sip/trunk"
	"github.com/sparkleim/sparkle/store"
)

// Trunks is the border to carriers. It checks what it is given: ErrInvalid says
// what is wrong.
type Trunks interface {
	Trunks() []trunk.Status
	SetTrunk(ctx context.Context, t store.Trunk) (store.Trunk, error)
	RemoveTrunk(ctx context.Context, name string) error
	// TakeOut takes a gateway out of service until the next start, or puts it back.
	TakeOut(trunk, gateway string, out bool) error

	Classes() []store.ClassOfService
	SetClass(ctx context.Context, c store.ClassOfService) (store.ClassOfService, error)
	RemoveClass(ctx context.Context, name string) error
}

var _ Trunks = (*trunk.Border)(nil)

// Trunk is a trunk and its state.
type Trunk struct {
	store.Trunk
	HasPassword bool                  `json:"has_password" doc:"The password itself is never shown."`
	CallsIn     int                   `json:"calls_in" doc:"Calls from the carrier at the moment."`
	CallsOut    int                   `json:"calls_out"`
	State       []trunk.GatewayStatus `json:"state" doc:"Of each gateway: up, down, out (taken out of service) or unknown (not probed yet)."`
}

// TrunkSetup is a trunk to be added, or what is to replace it.
type TrunkSetup struct {
	store.Trunk
	Password string `json:"password,omitempty" writeOnly:"true" doc:"Absent: the one that is stored stays."`
}

// GatewayPath names a gateway in a path.
type GatewayPath struct {
	Name    string `path:"name" doc:"The trunk."`
	Gateway string `path:"gateway"`
}

func (a *API) registerTrunks(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/v1/trunks", "list-trunks", "List trunks with the state of their gateways"), a.listTrunks)
	huma.Register(api, operation(http.MethodGet, "/v1/trunks/{name}", "get-trunk", "Show a trunk with the state of its gateways"), a.getTrunk)
	huma.Register(api, operation(http.MethodPut, "/v1/trunks/{name}", "set-trunk", "Add a trunk (without version), or replace the version that was read"), a.setTrunk)
	huma.Register(api, operation(http.MethodDelete, "/v1/trunks/{name}", "remove-trunk", "Remove a trunk; calls in progress go on"), a.removeTrunk)
	for _, way := range []struct {
		name, id, summary string
		out               bool
	}{
		{"out", "gateway-out", "Take a gateway out of service until the next start; calls in progress go on", true},
		{"in", "gateway-in", "Put a gateway back into service", false},
	} {
		op := operation(http.MethodPost, "/v1/trunks/{name}/gateways/{gateway}/"+way.name, way.id, way.summary)
		huma.Register(api, op, func(ctx context.Context, in *GatewayPath) (*struct{}, error) {
			if err := a.Trunks.TakeOut(in.Name, in.Gateway, way.out); err != nil {
				return nil, a.problem(err)
			}
			return nil, a.audit(ctx, "gateway."+way.name, in.Name+"/"+in.Gateway, nil)
		})
	}
}

func trunkOf(s trunk.Status) Trunk {
	return Trunk{Trunk: s.Trunk, HasPassword: s.HasPassword, CallsIn: s.In, CallsOut: s.Out, State: notNil(s.Gateways)}
}

func (a *API) listTrunks(context.Context, *struct{}) (*reply[Page[Trunk]], error) {
	page := Page[Trunk]{Items: []Trunk{}}
	for _, s := range a.Trunks.Trunks() {
		page.Items = append(page.Items, trunkOf(s))
	}
	return &reply[Page[Trunk]]{page}, nil
}

// findTrunk returns ErrNotFound for a trunk that does not exist.
func (a *API) findTrunk(name string) (trunk.Status, error) {
	all := a.Trunks.Trunks()
	i := slices.IndexFunc(all, func(s trunk.Status) bool { return s.Name == name })
	if i < 0 {
		return trunk.Status{}, fmt.Errorf("trunk %q: %w", name, store.ErrNotFound)
	}
	return all[i], nil
}

func (a *API) getTrunk(_ context.Context, in *NamePath) (*reply[Trunk], error) {
	s, err := a.findTrunk(in.Name)
	if err != nil {
		return nil, a.problem(err)
	}
	return &reply[Trunk]{trunkOf(s)}, nil
}

func (a *API) setTrunk(ctx context.Context, in *struct {
	NamePath
	Body TrunkSetup
}) (*reply[Trunk], error) {
	t := in.Body.Trunk
	t.ID, t.Name, t.Password = 0, in.Name, in.Body.Password
	known, err := a.findTrunk(in.Name)
	if err == nil {
		t.ID = known.ID
	}
	if hasControl(t.Password) {
		return nil, a.problem(invalid("password: use no control characters"))
	}
	if err = a.checkInward(ctx, t.Numbers.Inward, known.Numbers.Inward); err == nil {
		t, err = a.Trunks.SetTrunk(ctx, t)
	}
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.audit(ctx, "trunk.set", t.Name, t); err != nil { // its JSON has no password
		return nil, err
	}
	s, err := a.findTrunk(t.Name)
	if err != nil {
		return nil, a.problem(err)
	}
	return &reply[Trunk]{trunkOf(s)}, nil
}

// checkInward refuses names that are nobody's. Those with a * depend on the number;
// those that are there already were somebody's, and hinder no other change.
func (a *API) checkInward(ctx context.Context, all, before []store.Inward) error {
	for _, in := range all {
		if strings.Contains(in.To, "*") || slices.Contains(before, in) {
			continue
		}
		if err := a.checkDestinations(ctx, in.Number, in.To); err != nil {
			return err
		}
	}
	return nil
}

func (a *API) removeTrunk(ctx context.Context, in *NamePath) (*struct{}, error) {
	if err := a.Trunks.RemoveTrunk(ctx, in.Name); err != nil {
		return nil, a.problem(err)
	}
	return nil, a.audit(ctx, "trunk.remove", in.Name, nil)
}
