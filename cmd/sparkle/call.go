package main

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sparkleim/sparkle/admin"
	"github.com/sparkleim/sparkle/store"
	"github.com/spf13/cobra"
)

func (c *cli) callCommand() *cobra.Command {
	return commands("call", "List, explain, export, end and begin calls", c.callList(), c.callShow(),
		c.export("Export call records as JSON lines or as CSV for spreadsheets, oldest first", "/v1/calls/export", &callSelection{}),
		c.callHangUp(), c.callDial())
}

func callURL(id string) string { return "/v1/calls/" + url.PathEscape(id) }

// callSelection is the flags that select calls.
type callSelection struct {
	period
	user, trunk, direction, callID string
	failed                         bool
}

func (s *callSelection) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.user, "user", "", "who takes part, on either side")
	f.StringVar(&s.trunk, "trunk", "", "carrier that the call came from or was tried on")
	f.StringVar(&s.direction, "direction", "", "internal, in (from a carrier), out (to one) or click (begun by sparkle call dial)")
	f.StringVar(&s.callID, "call-id", "", "Call-ID of the caller's INVITE")
	s.period.flags(cmd)
	f.BoolVar(&s.failed, "failed", false, "only calls that nobody answered")
}

func (s *callSelection) query(text string) (url.Values, error) {
	q := url.Values{}
	for key, value := range map[string]string{"text": text, "user": s.user, "trunk": s.trunk, "direction": s.direction, "call_id": s.callID} {
		if value != "" {
			q.Set(key, value)
		}
	}
	if s.failed {
		q.Set("failed", "true")
	}
	return q, s.set(q)
}

func (c *cli) callList() *cobra.Command {
	var s callSelection
	var live bool
	var limit int
	cmd := &cobra.Command{
		Use:   "list [PART]",
		Short: "List calls, newest first, or those whose addresses or numbers contain PART",
		Args:  arguments(cobra.MaximumNArgs(1)),
	}
	s.flags(cmd)
	cmd.Flags().BoolVar(&live, "live", false, "calls in progress, the oldest first")
	cmd.Flags().IntVar(&limit, "limit", 50, "how many calls to show, at most 1000")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		query, err := s.query(first(args))
		if err != nil {
			return err
		}
		query.Set("limit", strconv.Itoa(limit))
		if live {
			query.Set("live", "true")
		}
		api, err := c.client()
		if err != nil {
			return err
		}
		var page admin.Page[admin.Call]
		if err := api.call(cmd.Context(), http.MethodGet, "/v1/calls?"+query.Encode(), nil, &page); err != nil {
			return err
		}
		if c.json {
			return writeJSON(cmd.OutOrStdout(), page.Items)
		}
		printCalls(cmd.OutOrStdout(), page.Items)
		return nil
	}
	return cmd
}

func printCalls(w io.Writer, calls []admin.Call) {
	t := newTable("ID", "STARTED", "CALLER", "DIALLED", "CALLEE", "TALKED", "RESULT")
	for i := range calls {
		call := &calls[i].CallRecord
		t.add(calls[i].ID, day(call.Started), cmp.Or(call.Caller.Address, "(withheld)"), shorten(bare(call.Dialled), 30), cmp.Or(call.Callee.Address, "-"),
			talkTime(call, time.Now()), callResult(call))
	}
	t.write(w)
}

// talkTime is how long the two have talked, so far or in the end.
func talkTime(r *store.CallRecord, now time.Time) string {
	if r.Answered == nil {
		return "-"
	}
	if r.Ended != nil {
		now = *r.Ended
	}
	return clock(now.Sub(*r.Answered))
}

// clock writes a duration as a phone does: 1:05, 2:00:01.
func clock(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

func (c *cli) callShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Tell the story of a call: who, what was tried, how it ended and sounded", Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			var call admin.Call
			if err := api.call(cmd.Context(), http.MethodGet, callURL(args[0]), nil, &call); err != nil {
				return err
			}
			if c.json {
				return writeJSON(cmd.OutOrStdout(), call)
			}
			printCallStory(cmd.OutOrStdout(), call, time.Now())
			return nil
		},
	}
}

func (c *cli) callHangUp() *cobra.Command {
	return &cobra.Command{
		Use: "hangup ID", Short: "End a call for both sides; `sparkle call list --live` shows the ids", Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			if err := api.call(cmd.Context(), http.MethodDelete, callURL(args[0]), nil, nil); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "ended call %s\n", args[0])
			return nil
		},
	}
}

func (c *cli) callDial() *cobra.Command {
	return &cobra.Command{
		Use: "dial USER NUMBER", Short: "Ring a user's devices and connect the one that answers with a number or address", Args: arguments(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			var added admin.AddedCall
			if err := api.call(cmd.Context(), http.MethodPost, "/v1/calls", admin.NewCall{User: args[0], To: args[1]}, &added); err != nil {
				return err
			}
			if c.json {
				return writeJSON(cmd.OutOrStdout(), added)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "the devices of %s ring: call %s\n", args[0], added.ID)
			return nil
		},
	}
}
