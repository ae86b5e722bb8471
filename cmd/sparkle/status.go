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
	fmt.Fprintf(w, "%d users, %d devices, %d connections, %d groups\n", s.Users, s.Devices, s.Connections, s.Groups)
	fmt.Fprintf(w, "%d messages in %.1f MB; %d operations wait, %d messages are not searchable yet\n", s.Messages, float64(s.Bytes)/1e6, s.Queue, s.IndexLag)
	fmt.Fprintf(w, "calls in progress: %d\n", s.Calls)
	fmt.Fprintf(w, "media ports: %d in use, %d free\n", s.MediaPorts.Used, s.MediaPorts.Free)
	fmt.Fprintln(w, trunksText(s.Trunks))
	for _, l := range s.Listeners {
		fmt.Fprintf(w, "%-7s %s\n", strings.ToLower(l.Transport), l.Address)
	}
}

// trunksText counts the trunks in each state, and names those that need a look:
// "trunks: 2 up, 1 down (telco)".
func trunksText(trunks []admin.TrunkStatus) string {
	if len(trunks) == 0 {
		return "trunks: none"
	}
	names := map[string][]string{}
	for _, t := range trunks {
		names[t.State] = append(names[t.State], t.Name)
	}
	text := []string{fmt.Sprintf("%d up", len(names["up"]))}
	for _, state := range []string{"down", "unknown", "disabled"} {
		if n := names[state]; len(n) > 0 {
			text = append(text, fmt.Sprintf("%d %s (%s)", len(n), state, strings.Join(n, ", ")))
		}
	}
	return "trunks: " + strings.Join(text, ", ")
}
