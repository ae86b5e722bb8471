package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/sparkleim/sparkle/store"
	"github.com/spf13/cobra"
)

func (c *cli) deviceCommand() *cobra.Command {
	return commands("device", "Manage the devices of users", c.deviceList(), c.deviceRevoke())
}

func (c *cli) deviceList() *cobra.Command {
	return &cobra.Command{
		Use: "list [USER]", Short: "List devices", Args: arguments(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			query := url.Values{}
			if len(args) == 1 {
				query.Set("user", args[0])
			}
			devices, err := all[store.Device](cmd.Context(), api, "/v1/devices", query)
			if err != nil {
				return err
			}
			if c.json {
				return writeJSON(cmd.OutOrStdout(), devices)
			}
			users, err := all[store.User](cmd.Context(), api, "/v1/users", url.Values{"limit": {"1000"}})
			if err != nil {
				return err
			}
			printDevices(cmd, devices, users)
			return nil
		},
	}
}

func printDevices(cmd *cobra.Command, devices []store.Device, users []store.User) {
	owners := map[store.UserID]string{}
	for _, u := range users {
		owners[u.ID] = u.AOR()
	}
	t := newTable("ID", "USER", "PROGRAM", "INSTANCE", "LAST SEEN", "STATE")
	for _, d := range devices {
		state := "active"
		if d.Revoked != nil {
			state = "revoked " + day(*d.Revoked)
		}
		t.add(d.ID, owners[d.User], shorten(d.UserAgent, 40), d.Instance, day(d.LastSeen), state)
	}
	t.write(cmd.OutOrStdout())
}

func (c *cli) deviceRevoke() *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Short: "Revoke a device: it is disconnected and may not register again", Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := strconv.ParseInt(args[0], 10, 64); err != nil {
				return usageError{fmt.Errorf("%q is not the id of a device: `sparkle device list` shows them", args[0])}
			}
			api, err := c.client()
			if err != nil {
				return err
			}
			var d store.Device
			if err := api.call(cmd.Context(), http.MethodDelete, "/v1/devices/"+args[0], nil, &d); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "revoked device %d (%s)\n", d.ID, d.Instance)
			return nil
		},
	}
}
