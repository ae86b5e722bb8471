package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/sparkleim/sparkle/admin"
	"github.com/spf13/cobra"
)

func (c *cli) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show the state of the running server", Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			var s admin.Status
			if err := api.call(cmd.Context(), http.MethodGet, "/v1/status", nil, &s); err != nil {
				return err
			}
			if c.json {
				return writeJSON(cmd.OutOrStdout(), s)
			}
			printStatus(cmd.OutOrStdout(), s)
			return nil
		},
	}
}

func printStatus(w io.Writer, s admin.Status) {
	state := "ready"
	if s.Problem != "" {
		state = "NOT READY: " + s.Problem
	}
	fmt.Fprintf(w, "sparkle %s for %s, up %s, %s\n", s.Version, strings.Join(s.Domains, ", "), time.Since(s.Started).Round(time.Second), state)
	fmt.Fprintf(w, "%d users, %d devices, %d connections\n", s.Users, s.Devices, s.Connections)
	fmt.Fprintf(w, "%d messages in %.1f MB; %d operations wait, %d messages are not searchable yet\n", s.Messages, float64(s.Bytes)/1e6, s.Queue, s.IndexLag)
	for _, l := range s.Listeners {
		fmt.Fprintf(w, "%-7s %s\n", l.Transport, l.Address)
	}
}
