package main

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/sparkleim/sparkle/store"
	"github.com/spf13/cobra"
)

func (c *cli) huntCommand() *cobra.Command {
	return commands("hunt", "Manage hunt groups: addresses that ring several users", list(c, "List hunt groups", "/v1/hunt-groups", printHuntGroups),
		c.huntSet("add", "Add a hunt group", true), c.huntSet("change", "Change a hunt group; a list that is given replaces the whole list", false), c.huntRemove())
}

func huntURL(name string) string { return "/v1/hunt-groups/" + url.PathEscape(strings.ToLower(name)) }

func printHuntGroups(w io.Writer, groups []store.HuntGroup) {
	t := newTable("GROUP", "NAME", "NUMBERS", "RINGS", "MEMBERS", "OVERFLOW")
	for _, g := range groups {
		rings := "all at once"
		if g.Serial {
			rings = "one by one"
		}
		rings += fmt.Sprintf(", %d s", cmp.Or(g.RingTime, 20))
		t.add(g.Name, cmp.Or(g.DisplayName, "-"), words(g.Numbers), rings, words(g.Members), cmp.Or(g.Overflow, "-"))
	}
	t.write(w)
}

// words is a list for a table.
func words(list []string) string { return cmp.Or(strings.Join(list, " "), "-") }

func (c *cli) huntSet(use, short string, isNew bool) *cobra.Command {
	cmd := &cobra.Command{Use: use + " GROUP", Short: short, Args: arguments(cobra.ExactArgs(1))}
	e := editsOf[store.HuntGroup](cmd)
	e.list("member", "username or telephone number that rings (may be repeated)", func(g *store.HuntGroup) *[]string { return &g.Members })
	e.list("number", "further number that reaches the group (may be repeated)", func(g *store.HuntGroup) *[]string { return &g.Numbers })
	e.text("name", "display name", func(g *store.HuntGroup) *string { return &g.DisplayName })
	e.flag("serial", "ring one member after the other instead of all at once", func(g *store.HuntGroup) *bool { return &g.Serial })
	e.number("ring-time", "seconds that a member (serial) or all of them ring; 0 for 20", func(g *store.HuntGroup) *int { return &g.RingTime })
	e.text("overflow", "where calls go that nobody answers", func(g *store.HuntGroup) *string { return &g.Overflow })
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := c.client()
		if err != nil {
			return err
		}
		var g store.HuntGroup
		if !isNew {
			if err := api.call(cmd.Context(), http.MethodGet, huntURL(args[0]), nil, &g); err != nil {
				return err
			}
		}
		e.apply(&g)
		if err := api.call(cmd.Context(), http.MethodPut, huntURL(args[0]), g, &g); err != nil {
			return err
		}
		if c.json {
			return writeJSON(cmd.OutOrStdout(), g)
		}
		printHuntGroups(cmd.OutOrStdout(), []store.HuntGroup{g})
		return nil
	}
	return cmd
}

func (c *cli) huntRemove() *cobra.Command {
	return &cobra.Command{
		Use: "remove GROUP", Short: "Remove a hunt group", Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.remove(cmd, huntURL(args[0]), "hunt group "+args[0])
		},
	}
}

// remove sends a DELETE and tells that it is done.
func (c *cli) remove(cmd *cobra.Command, path, what string) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	if err := api.call(cmd.Context(), http.MethodDelete, path, nil, nil); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "removed %s\n", what)
	return nil
}
