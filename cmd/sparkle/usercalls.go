package main

import (
	"cmp"
	"fmt"
	"io"
	"net/http"

	"github.com/sparkleim/sparkle/store"
	"github.com/spf13/cobra"
)

func (c *cli) userCalls() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "calls USER",
		Short: "Show or change a user's call settings: forwards, do-not-disturb, class, lock",
		Long: "Show a user's call settings, or change those that are given as flags.\n" +
			"A forward goes to a user, a hunt group, a number or an address; off ends it:\n\n" +
			"  sparkle user calls alice --dnd\n" +
			"  sparkle user calls alice --dnd=false --forward-no-answer bob --no-answer-after 15\n" +
			"  sparkle user calls alice --forward-always +8613800000000\n" +
			"  sparkle user calls alice --forward-always off --class abroad",
		Args: arguments(cobra.ExactArgs(1)),
	}
	e := editsOf[store.CallSettings](cmd)
	e.flag("dnd", "do not disturb: no device rings, calls go where busy or unanswered ones go", func(s *store.CallSettings) *bool { return &s.DoNotDisturb })
	e.text("forward-always", "where all calls go", func(s *store.CallSettings) *string { return &s.ForwardAlways })
	e.text("forward-busy", "where calls go while the user is busy", func(s *store.CallSettings) *string { return &s.ForwardBusy })
	e.text("forward-no-answer", "where calls go that are not answered in time", func(s *store.CallSettings) *string { return &s.ForwardNoAnswer })
	e.text("forward-offline", "where calls go while no device is there", func(s *store.CallSettings) *string { return &s.ForwardOffline })
	e.number("no-answer-after", "seconds until a call counts as not answered; 0 for 20", func(s *store.CallSettings) *int { return &s.NoAnswerAfter })
	e.text("class", "class of service: where the user may call (sparkle class list shows them)", func(s *store.CallSettings) *string { return &s.Class })
	e.flag("lock", "no calls to carriers but emergency calls", func(s *store.CallSettings) *bool { return &s.Locked })
	e.number("max-calls", "calls at the same time; 0 for the server's limit", func(s *store.CallSettings) *int { return &s.MaxCalls })
	e.text("caller", "which of the user's numbers carriers show; empty for the first one that fits", func(s *store.CallSettings) *string { return &s.Caller })
	e.flag("withhold", "show no number to those who are called outside", func(s *store.CallSettings) *bool { return &s.Withhold })
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := c.client()
		if err != nil {
			return err
		}
		path := userURL(args[0]) + "/calls"
		var s store.CallSettings
		if err := api.call(cmd.Context(), http.MethodGet, path, nil, &s); err != nil {
			return err
		}
		if e.apply(&s) {
			endForwards(&s)
			if err := api.call(cmd.Context(), http.MethodPut, path, s, &s); err != nil {
				return err
			}
		}
		if c.json {
			return writeJSON(cmd.OutOrStdout(), s)
		}
		printCallSettings(cmd.OutOrStdout(), s)
		return nil
	}
	return cmd
}

// endForwards understands off as no forward.
func endForwards(s *store.CallSettings) {
	for _, forward := range []*string{&s.ForwardAlways, &s.ForwardBusy, &s.ForwardNoAnswer, &s.ForwardOffline} {
		if *forward == "off" {
			*forward = ""
		}
	}
}

func printCallSettings(w io.Writer, s store.CallSettings) {
	yes := func(b bool) string {
		if b {
			return "yes"
		}
		return "no"
	}
	limit := "the server's limit"
	if s.MaxCalls > 0 {
		limit = fmt.Sprint(s.MaxCalls)
	}
	for _, line := range [][2]string{
		{"do not disturb", yes(s.DoNotDisturb)},
		{"forward always", cmp.Or(s.ForwardAlways, "-")},
		{"forward when busy", cmp.Or(s.ForwardBusy, "-")},
		{"forward when not answered", fmt.Sprintf("%s (after %d s)", cmp.Or(s.ForwardNoAnswer, "-"), cmp.Or(s.NoAnswerAfter, 20))},
		{"forward when offline", cmp.Or(s.ForwardOffline, "-")},
		{"class of service", cmp.Or(s.Class, "default")},
		{"locked for carriers", yes(s.Locked)},
		{"calls at a time", limit},
		{"number shown outside", cmp.Or(s.Caller, "the first that fits")},
		{"number withheld", yes(s.Withhold)},
	} {
		fmt.Fprintf(w, "%-26s %s\n", line[0], printable(line[1]))
	}
}
