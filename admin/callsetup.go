package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sparkleim/sparkle/store"
)

// NamePath names a hunt group, class or trunk in a path.
type NamePath struct {
	Name string `path:"name"`
}

func (a *API) registerCallSetup(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/v1/users/{user}/calls", "get-call-settings", "Show what a user decided about calls"), a.getCallSettings)
	huma.Register(api, operation(http.MethodPut, "/v1/users/{user}/calls", "set-call-settings", "Replace a user's call settings; version is that of the settings that were read"), a.setCallSettings)
	huma.Register(api, operation(http.MethodGet, "/v1/hunt-groups", "list-hunt-groups", "List hunt groups"), a.listHuntGroups)
	huma.Register(api, operation(http.MethodGet, "/v1/hunt-groups/{name}", "get-hunt-group", "Show a hunt group"), a.getHuntGroup)
	huma.Register(api, operation(http.MethodPut, "/v1/hunt-groups/{name}", "set-hunt-group", "Add a hunt group (without version), or replace the version that was read"), a.setHuntGroup)
	huma.Register(api, operation(http.MethodDelete, "/v1/hunt-groups/{name}", "remove-hunt-group", "Remove a hunt group"), a.removeHuntGroup)
	huma.Register(api, operation(http.MethodGet, "/v1/classes", "list-classes", "List classes of service: who may call where"), a.listClasses)
	huma.Register(api, operation(http.MethodGet, "/v1/classes/{name}", "get-class", "Show a class of service"), a.getClass)
	huma.Register(api, operation(http.MethodPut, "/v1/classes/{name}", "set-class", "Add a class of service (without version), or replace the version that was read"), a.setClass)
	huma.Register(api, operation(http.MethodDelete, "/v1/classes/{name}", "remove-class", "Remove a class of service that no user has"), a.removeClass)
}

func (a *API) getCallSettings(ctx context.Context, in *UserPath) (*reply[store.CallSettings], error) {
	u, err := a.Accounts.Find(ctx, in.User)
	if err != nil {
		return nil, a.problem(err)
	}
	return &reply[store.CallSettings]{a.Calls.Settings(u.ID)}, nil
}

func (a *API) setCallSettings(ctx context.Context, in *struct {
	UserPath
	Body store.CallSettings
}) (*reply[store.CallSettings], error) {
	u, err := a.Accounts.Find(ctx, in.User)
	var set store.CallSettings
	if err == nil {
		in.Body.User = u.ID
		err = a.checkForwards(ctx, &in.Body)
	}
	if err == nil {
		set, err = a.Calls.SetSettings(ctx, in.Body)
	}
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.audit(ctx, "user.calls", u.AOR(), set); err != nil {
		return nil, err
	}
	return &reply[store.CallSettings]{set}, nil
}

func (a *API) checkForwards(ctx context.Context, s *store.CallSettings) error {
	for _, f := range [][2]string{
		{"forward_always", s.ForwardAlways}, {"forward_busy", s.ForwardBusy}, {"forward_no_answer", s.ForwardNoAnswer}, {"forward_offline", s.ForwardOffline},
	} {
		if err := a.checkDestinations(ctx, f[0], f[1]); err != nil {
			return err
		}
	}
	return nil
}

func (a *API) listHuntGroups(context.Context, *struct{}) (*reply[Page[store.HuntGroup]], error) {
	return &reply[Page[store.HuntGroup]]{Page[store.HuntGroup]{Items: notNil(a.Calls.HuntGroups())}}, nil
}

// notNil makes an empty list [] in JSON.
func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (a *API) getHuntGroup(_ context.Context, in *NamePath) (*reply[store.HuntGroup], error) {
	groups := a.Calls.HuntGroups()
	i := slices.IndexFunc(groups, func(g store.HuntGroup) bool { return strings.EqualFold(g.Name, in.Name) })
	if i < 0 {
		return nil, a.problem(fmt.Errorf("hunt group %q: %w", in.Name, store.ErrNotFound))
	}
	return &reply[store.HuntGroup]{groups[i]}, nil
}

func (a *API) setHuntGroup(ctx context.Context, in *struct {
	NamePath
	Body store.HuntGroup
}) (*reply[store.HuntGroup], error) {
	in.Body.Name = in.Name
	err := checkName("hunt group", in.Name)
	if err == nil { // the rest as for a user
		err = checkUser(store.User{Username: in.Name, DisplayName: in.Body.DisplayName, Numbers: in.Body.Numbers})
	}
	if err == nil {
		err = a.checkDestinations(ctx, "members", in.Body.Members...)
	}
	if err == nil {
		err = a.checkDestinations(ctx, "overflow", in.Body.Overflow)
	}
	var set store.HuntGroup
	if err == nil {
		set, err = a.Calls.SetHuntGroup(ctx, in.Body)
	}
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.audit(ctx, "hunt.set", set.Name, set); err != nil {
		return nil, err
	}
	return &reply[store.HuntGroup]{set}, nil
}

// checkDestinations refuses names that are nobody's: a misspelt one would lose
// calls. What is no plain name may lead to a carrier.
func (a *API) checkDestinations(ctx context.Context, field string, names ...string) error {
	for _, name := range names {
		name = strings.TrimSpace(name)
		if strings.ContainsAny(name, "@:") || !strings.ContainsFunc(name, unicode.IsLetter) {
			continue
		}
		_, err := a.Accounts.Find(ctx, name)
		if errors.Is(err, store.ErrNotFound) {
			if slices.ContainsFunc(a.Calls.HuntGroups(), func(g store.HuntGroup) bool { return strings.EqualFold(g.Name, name) }) {
				continue
			}
			err = invalid("%s: there is neither a user nor a hunt group %q", field, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *API) removeHuntGroup(ctx context.Context, in *NamePath) (*struct{}, error) {
	if err := a.Calls.RemoveHuntGroup(ctx, in.Name); err != nil {
		return nil, a.problem(err)
	}
	return nil, a.audit(ctx, "hunt.remove", in.Name, nil)
}

func (a *API) listClasses(context.Context, *struct{}) (*reply[Page[store.ClassOfService]], error) {
	return &reply[Page[store.ClassOfService]]{Page[store.ClassOfService]{Items: notNil(a.Trunks.Classes())}}, nil
}

func (a *API) getClass(_ context.Context, in *NamePath) (*reply[store.ClassOfService], error) {
	classes := a.Trunks.Classes()
	i := slices.IndexFunc(classes, func(c store.ClassOfService) bool { return c.Name == in.Name })
	if i < 0 {
		return nil, a.problem(fmt.Errorf("class %q: %w", in.Name, store.ErrNotFound))
	}
	return &reply[store.ClassOfService]{classes[i]}, nil
}

func (a *API) setClass(ctx context.Context, in *struct {
	NamePath
	Body store.ClassOfService
}) (*reply[store.ClassOfService], error) {
	in.Body.Name = in.Name
	set, err := a.Trunks.SetClass(ctx, in.Body)
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.audit(ctx, "class.set", set.Name, set); err != nil {
		return nil, err
	}
	return &reply[store.ClassOfService]{set}, nil
}

func (a *API) removeClass(ctx context.Context, in *NamePath) (*struct{}, error) {
	if err := a.Trunks.RemoveClass(ctx, in.Name); err != nil {
		return nil, a.problem(err)
	}
	return nil, a.audit(ctx, "class.remove", in.Name, nil)
}
