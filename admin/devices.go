package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sparkleim/sparkle/store"
)

func (a *API) registerDevices(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/v1/devices", "list-devices", "List devices"), a.listDevices)
	huma.Register(api, operation(http.MethodDelete, "/v1/devices/{id}", "revoke-device", "Revoke a device: it is disconnected and may not register again"), a.revokeDevice)
}

func (a *API) listDevices(ctx context.Context, in *struct {
	User string `query:"user" doc:"Username or number; absent: the devices of all users."`
}) (*reply[Page[store.Device]], error) {
	var owner store.UserID
	if in.User != "" {
		u, err := a.Accounts.Find(ctx, in.User)
		if err != nil {
			return nil, a.problem(err)
		}
		owner = u.ID
	}
	devices, err := a.Accounts.Devices(ctx, owner)
	if err != nil {
		return nil, a.problem(err)
	}
	return &reply[Page[store.Device]]{Page[store.Device]{Items: devices}}, nil
}

func (a *API) revokeDevice(ctx context.Context, in *struct {
	ID int64 `path:"id"`
}) (*reply[store.Device], error) {
	d, err := a.Accounts.RevokeDevice(ctx, store.DeviceID(in.ID))
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.audit(ctx, "device.revoke", d.Instance, d); err != nil {
		return nil, err
	}
	return &reply[store.Device]{d}, nil
}
