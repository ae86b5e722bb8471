package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sparkleim/sparkle/admin"
	"github.com/spf13/cobra"
)

func (c *cli) traceCommand() *cobra.Command {
	var limit time.Duration
	cmd := &cobra.Command{
		Use:   "trace [USER|ADDRESS]",
		Short: "Follow the SIP messages of a user or of an IP address",
		Long: "Follow the SIP messages of a user (name or number) or of an IP address, or of\n" +
			"everybody, as they pass. Credentials and the text of messages are left out.",
		Args: arguments(cobra.MaximumNArgs(1)),
	}
	cmd.Flags().DurationVar(&limit, "for", time.Minute, "how long to follow, at most 1h")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		query := url.Values{"seconds": {strconv.Itoa(int(limit.Seconds()))}}
		if who := first(args); who != "" {
			key := "user"
			if _, err := netip.ParseAddr(who); err == nil {
				key = "address"
			}
			query.Set(key, who)
		}
		api, err := c.client()
		if err != nil {
			return err
		}
		events, err := api.stream(cmd.Context(), http.MethodGet, "/v1/trace?"+query.Encode(), "", nil)
		if err != nil {
			return err
		}
		defer events.Close()
		if c.json {
			_, err = io.Copy(cmd.OutOrStdout(), events)
			return err
		}
		return printTrace(cmd.OutOrStdout(), events)
	}
	return cmd
}

func printTrace(w io.Writer, events io.Reader) error {
	lines := bufio.NewScanner(events)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			continue // tells that the trace is on
		}
		var e admin.TraceEvent
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return err
		}
		arrow := "→"
		if e.Received {
			arrow = "←"
		}
		fmt.Fprintf(w, "%s %s %s %s\n", e.At.Local().Format("15:04:05.000"), arrow, e.Transport, e.Remote)
		for line := range strings.Lines(e.Message) {
			fmt.Fprintf(w, "    %s\n", printable(strings.TrimRight(line, "\r\n")))
		}
	}
	return lines.Err()
}
