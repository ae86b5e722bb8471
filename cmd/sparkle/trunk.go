package main

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sparkleim/sparkle/admin"
	"github.com/sparkleim/sparkle/sip/trunk"
	"github.com/sparkleim/sparkle/store"
	"github.com/spf13/cobra"
)

func (c *cli) trunkCommand() *cobra.Command {
	return commands("trunk", "Manage trunks: ways to carriers", list(c, "List trunks and the state of their gateways", "/v1/trunks", printTrunks),
		c.trunkShow(), c.trunkAdd(), c.trunkChange(), c.trunkRemove(),
		c.trunkGateway("out", "Take a gateway out of service until the next start; calls in progress go on"),
		c.trunkGateway("in", "Put a gateway back into service"))
}

func trunkURL(name string) string { return "/v1/trunks/" + url.PathEscape(name) }

func printTrunks(w io.Writer, trunks []admin.Trunk) {
	t := newTable("TRUNK", "PRIORITY", "STATE", "GATEWAYS UP", "CALLS IN", "CALLS OUT", "LIMIT")
	for _, trunk := range trunks {
		limit := "no limit"
		if trunk.MaxCalls > 0 {
			limit = fmt.Sprint(trunk.MaxCalls)
		}
		t.add(trunk.Name, trunk.Priority, trunkState(trunk), gatewaysUp(trunk), trunk.CallsIn, trunk.CallsOut, limit)
	}
	t.write(w)
}

func trunkState(t admin.Trunk) string { return trunk.Status{Trunk: t.Trunk, Gateways: t.State}.State() }

func gatewaysUp(t admin.Trunk) string {
	up := 0
	for _, g := range t.State {
		if g.State == "up" {
			up++
		}
	}
	return fmt.Sprintf("%d of %d", up, len(t.State))
}

func (c *cli) trunkShow() *cobra.Command {
	return &cobra.Command{
		Use: "show TRUNK", Short: "Show a trunk, its numbers and its gateways; --json prints what --file of add and change takes", Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			var t admin.Trunk
			if err := api.call(cmd.Context(), http.MethodGet, trunkURL(args[0]), nil, &t); err != nil {
				return err
			}
			return c.printTrunk(cmd.OutOrStdout(), t)
		},
	}
}

func (c *cli) printTrunk(w io.Writer, t admin.Trunk) error {
	if c.json {
		return writeJSON(w, t)
	}
	fmt.Fprintf(w, "trunk %s: %s, %s gateways up, %d calls in, %d out\n\n", t.Name, trunkState(t), gatewaysUp(t), t.CallsIn, t.CallsOut)
	printGateways(w, t)
	fmt.Fprintln(w)
	for _, line := range [][2]string{
		{"account", account(t)}, {"encryption", cmp.Or(t.SRTP, "forbid")},
		{"calls from", sources(t.Gateways)}, {"media from", cmp.Or(strings.Join(t.Networks, " "), "where its session descriptions say")},
		{"number plan", plan(t.Numbers)}, {"serves", servedPrefixes(t.Trunk)},
		{"priority", fmt.Sprint(t.Priority)}, {"limits", limits(t.Trunk)},
		{"number shown", cmp.Or(t.Numbers.Default, "the caller's own, else the call is refused")}, {"emergency", words(t.Numbers.Emergency)},
	} {
		fmt.Fprintf(w, "%-13s %s\n", line[0], printable(line[1]))
	}
	if len(t.Numbers.Inward) > 0 {
		fmt.Fprintln(w)
		inward := newTable("NUMBER", "GOES TO")
		for _, i := range t.Numbers.Inward {
			inward.add(i.Number, i.To)
		}
		inward.write(w)
	}
	return nil
}

func printGateways(w io.Writer, t admin.Trunk) {
	settings := map[string]store.Gateway{}
	for _, g := range t.Gateways {
		settings[g.Name] = g
	}
	table := newTable("GATEWAY", "ADDRESS", "TRANSPORT", "PROBED", "STATE", "SINCE", "REGISTERED UNTIL", "LATENCY", "LAST ERROR")
	for _, s := range t.State {
		g := settings[s.Name]
		registered, latency := "-", "-"
		if s.Registered != nil {
			registered = day(*s.Registered)
		}
		if s.Latency > 0 {
			latency = s.Latency.Round(time.Millisecond / 10).String()
		}
		table.add(s.Name, g.Address, cmp.Or(g.Transport, "udp"), probing(g.Probe), s.State, day(s.Since), registered, latency, cmp.Or(s.Error, "-"))
	}
	table.write(w)
}

// probing is how often a gateway is asked with OPTIONS.
func probing(seconds int) string {
	if seconds < 0 {
		return "never"
	}
	return fmt.Sprintf("every %d s", cmp.Or(seconds, 30))
}

func account(t admin.Trunk) string {
	if t.Username == "" {
		return "none: the carrier knows our address"
	}
	text := t.Username
	if t.Realm != "" {
		text += " in " + t.Realm
	}
	if !t.HasPassword {
		text += ", WITHOUT A PASSWORD"
	}
	if t.Register {
		text += ", registers"
	}
	return text
}

func plan(p store.NumberPlan) string {
	text := "country " + cmp.Or(p.Country, "-") + ", area " + cmp.Or(p.Area, "-")
	text += ", prefixes " + cmp.Or(p.National, "0") + " (national) and " + cmp.Or(p.International, "00") + " (international)"
	return text + ", out as " + cmp.Or(p.Out, "+e164") + ", in as " + cmp.Or(p.In, "their prefix says")
}

// sources is where requests of the carrier may come from.
func sources(gateways []store.Gateway) string {
	var list []string
	for _, g := range gateways {
		list = append(list, g.Name+": "+cmp.Or(strings.Join(g.Sources, " "), "its address"))
	}
	return strings.Join(list, "; ")
}

func limits(t store.Trunk) string {
	var list []string
	for _, l := range []struct {
		most int
		of   string
	}{{t.MaxCalls, "calls at a time"}, {t.MaxIn, "in"}, {t.MaxOut, "out"}, {t.CallsPerHour, "out in an hour"}} {
		if l.most > 0 {
			list = append(list, fmt.Sprint(l.most, " ", l.of))
		}
	}
	return cmp.Or(strings.Join(list, ", "), "none")
}

func servedPrefixes(t store.Trunk) string {
	text := "all numbers"
	if len(t.Prefixes) > 0 {
		text = words(t.Prefixes)
	}
	if len(t.Deny) > 0 {
		text += " but " + words(t.Deny)
	}
	return text
}

func (c *cli) trunkRemove() *cobra.Command {
	return &cobra.Command{
		Use: "remove TRUNK", Short: "Remove a trunk; calls in progress go on", Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.remove(cmd, trunkURL(args[0]), "trunk "+args[0])
		},
	}
}

func (c *cli) trunkGateway(way, short string) *cobra.Command {
	return &cobra.Command{
		Use: way + " TRUNK GATEWAY", Short: short, Args: arguments(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			path := trunkURL(args[0]) + "/gateways/" + url.PathEscape(args[1]) + "/" + way
			if err := api.call(cmd.Context(), http.MethodPost, path, nil, nil); err != nil {
				return err
			}
			state := map[string]string{"out": "out of service", "in": "in service"}[way]
			fmt.Fprintf(cmd.OutOrStdout(), "gateway %s of trunk %s is %s\n", args[1], args[0], state)
			return nil
		},
	}
}
