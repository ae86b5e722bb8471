package admin

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sparkleim/sparkle/sip/trunk"
	"github.com/sparkleim/sparkle/store"
)

// calls holds calls in progress, settings and hunt groups.
type calls struct {
	live     []store.CallRecord
	settings map[store.UserID]store.CallSettings
	groups   []store.HuntGroup
	dialled  []string
	hungUp   []string
	err      error
}

func (f *calls) Live() []store.CallRecord { return f.live }

func (f *calls) LiveCall(id int64) (store.CallRecord, error) {
	for _, r := range f.live {
		if r.ID == id {
			return r, nil
		}
	}
	return store.CallRecord{}, store.ErrNotFound
}

func (f *calls) HangUp(_ context.Context, id int64, by string) error {
	for _, r := range f.live {
		if r.ID == id {
			f.hungUp = append(f.hungUp, by)
			return f.err
		}
	}
	return store.ErrNotFound
}

func (f *calls) Dial(_ context.Context, u store.User, to string) (int64, error) {
	f.dialled = append(f.dialled, u.Username+" "+to)
	return 0x77, f.err
}

func (f *calls) Settings(u store.UserID) store.CallSettings {
	s := f.settings[u]
	s.User = u
	return s
}

func (f *calls) SetSettings(_ context.Context, s store.CallSettings) (store.CallSettings, error) {
	s.Version++
	f.settings[s.User] = s
	return s, f.err
}

func (f *calls) HuntGroups() []store.HuntGroup { return f.groups }

func (f *calls) SetHuntGroup(_ context.Context, g store.HuntGroup) (store.HuntGroup, error) {
	f.groups = slices.DeleteFunc(f.groups, func(x store.HuntGroup) bool { return x.Name == g.Name })
	g.Version++
	f.groups = append(f.groups, g)
	return g, f.err
}

func (f *calls) RemoveHuntGroup(_ context.Context, name string) error {
	before := len(f.groups)
	f.groups = slices.DeleteFunc(f.groups, func(x store.HuntGroup) bool { return x.Name == name })
	if len(f.groups) == before {
		return fmt.Errorf("hunt group %s: %w", name, store.ErrNotFound)
	}
	return f.err
}

// callRecords holds records, the oldest first.
type callRecords struct{ all []store.CallRecord }

func (f *callRecords) Call(_ context.Context, id int64) (store.CallRecord, error) {
	for _, r := range f.all {
		if r.ID == id {
			return r, nil
		}
	}
	return store.CallRecord{}, fmt.Errorf("call %s: %w", store.GIDString(id), store.ErrNotFound)
}

func (f *callRecords) ListCalls(_ context.Context, q store.CallQuery) ([]store.CallRecord, error) {
	var found []store.CallRecord
	for _, r := range slices.Backward(f.all) {
		if (q.Before == 0 || r.ID < q.Before) && f.wanted(q, &r) && len(found) < q.Limit {
			found = append(found, r)
		}
	}
	return found, nil
}

func (f *callRecords) wanted(q store.CallQuery, r *store.CallRecord) bool {
	return (q.User == 0 || q.User == r.Caller.User || q.User == r.Callee.User) && (!q.Failed || r.Answered == nil) &&
		(q.Trunk == "" || q.Trunk == r.Callee.Trunk) && strings.Contains(r.Dialled, q.Text)
}

func (f *callRecords) ExportCalls(_ context.Context, q store.CallQuery, fn func(*store.CallRecord) error) error {
	for i := range f.all {
		if !f.wanted(q, &f.all[i]) {
			continue
		}
		if err := fn(&f.all[i]); err != nil {
			return err
		}
	}
	return nil
}

// border holds trunks and classes.
type border struct {
	trunks  []trunk.Status
	classes []store.ClassOfService
	out     map[string]bool
	err     error
}

func (f *border) Trunks() []trunk.Status { return f.trunks }

func (f *border) SetTrunk(_ context.Context, t store.Trunk) (store.Trunk, error) {
	if f.err != nil {
		return t, f.err
	}
	i := slices.IndexFunc(f.trunks, func(s trunk.Status) bool { return s.ID == t.ID })
	if i < 0 {
		t.ID = int64(len(f.trunks) + 1)
		f.trunks = append(f.trunks, trunk.Status{})
		i = len(f.trunks) - 1
	}
	t.Version++
	f.trunks[i].Trunk = t
	return t, nil
}

func (f *border) RemoveTrunk(_ context.Context, name string) error {
	if len(f.trunks) == 0 || f.trunks[0].Name != name {
		return fmt.Errorf("trunk %s: %w", name, store.ErrNotFound)
	}
	f.trunks = f.trunks[1:]
	return f.err
}

func (f *border) TakeOut(trunk, gateway string, out bool) error {
	if gateway != "a" {
		return fmt.Errorf("gateway %s of trunk %s: %w", gateway, trunk, store.ErrNotFound)
	}
	f.out[trunk+"/"+gateway] = out
	return f.err
}

func (f *border) Classes() []store.ClassOfService { return f.classes }

func (f *border) SetClass(_ context.Context, c store.ClassOfService) (store.ClassOfService, error) {
	c.Version++
	f.classes = append(f.classes, c)
	return c, f.err
}

func (f *border) RemoveClass(_ context.Context, name string) error {
	if name != "default" {
		return fmt.Errorf("class %s: %w", name, store.ErrNotFound)
	}
	return f.err
}

// newCalls has a call in progress, and one that is over with everything that a
// phone or a carrier can write into a record.
func newCalls() (*calls, *callRecords, *border) {
	over := store.CallRecord{
		ID: 0x51, CallID: "+call@id", TraceID: "t1", Direction: "out", Started: noon, Ended: &noon,
		Caller:  store.CallParty{User: 1, Address: "alice@example.com", Shown: "+861055500003", Device: `=HYPERLINK("http://evil.example","Linphone")`},
		Dialled: "-1+1", Number: "+4917612345",
		Callee: store.CallParty{Address: "@SUM(A1)", Shown: "＝1+1", Device: "\tcarrier\x1b[31m", Trunk: "telco"},
		Status: 503, Reason: "+好", Cause: 41, EndedBy: "carrier",
		Attempts: []store.CallAttempt{{Target: "=gateway a sip:192.0.2.1", Trunk: "backup", Status: 503}, {Target: "gateway b", Trunk: "telco", Status: 503}},
		Quality: []store.CallQuality{
			{Leg: "caller", Kind: "audio", Codec: "=opus", Security: "AEAD_AES_128_GCM", Lost: 3, MOS: 4.2},
			{Leg: "callee", Kind: "audio", Codec: "PCMA", Lost: 4, MOS: 3.91},
			{Leg: "callee", Kind: "video", Lost: 1000, MOS: 1},
		},
	}
	live := store.CallRecord{
		ID: 0x61, CallID: "c2", Direction: "internal", Started: noon, Answered: &noon, Dialled: "1001",
		Caller: store.CallParty{User: 1, Address: "alice@example.com"}, Callee: store.CallParty{User: 2, Address: "zhangsan@example.com"},
	}
	begun := live
	begun.Answered = nil // the store is behind
	return &calls{
			live: []store.CallRecord{live}, settings: map[store.UserID]store.CallSettings{2: {DoNotDisturb: true, Version: 3}},
			groups: []store.HuntGroup{{Name: "sales", DisplayName: "销售部", Members: []string{"alice"}, Version: 1}},
		}, &callRecords{all: []store.CallRecord{over, begun}}, &border{
			out: map[string]bool{},
			trunks: []trunk.Status{{
				Trunk:       store.Trunk{ID: 1, Name: "telco", Username: "u", Password: "correct horse", Version: 1, Gateways: []store.Gateway{{Name: "a", Address: "192.0.2.1"}}},
				HasPassword: true, In: 1, Out: 2, Gateways: []trunk.GatewayStatus{{Name: "a", State: "up", Since: noon}},
			}},
			classes: []store.ClassOfService{{Name: "default", Deny: []string{"+"}, Version: 1}},
		}
}
