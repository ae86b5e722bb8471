package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/sparkleim/sparkle/admin"
	"github.com/spf13/cobra"
)

func (c *cli) unitCommand() *cobra.Command {
	cmd := commands("unit", "Manage units: the tree of the organisation", c.unitList(), c.unitAdd(), c.unitRename(), c.unitMove(), c.unitRemove(),
		c.unitMemberCommand(), c.unitImport())
	cmd.Long = "Manage units: the tree of the organisation, which groups can follow. A UNIT is\n" +
		"named by its path, by its name when no other unit has it, or by its number:\n\n" +
		"  sparkle unit add 公司\n" +
		"  sparkle unit add 公司/研发部\n" +
		"  sparkle unit member add 研发部 alice lisi --title 工程师\n" +
		"  sparkle group add yanfa --unit 研发部 --sub-units"
	return cmd
}

func unitURL(unit string) string { return "/v1/units/" + url.PathEscape(unit) }

func (c *cli) unitList() *cobra.Command {
	var user string
	cmd := &cobra.Command{Use: "list", Short: "List the tree of units", Args: arguments(cobra.NoArgs)}
	cmd.Flags().StringVar(&user, "user", "", "only units of this user")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		api, err := c.client()
		if err != nil {
			return err
		}
		query := url.Values{}
		if user != "" {
			query.Set("user", user)
		}
		units, err := all[admin.Unit](cmd.Context(), api, "/v1/units", query)
		if err != nil {
			return err
		}
		if c.json {
			return writeJSON(cmd.OutOrStdout(), units)
		}
		printUnits(cmd.OutOrStdout(), units, user == "")
		return nil
	}
	return cmd
}

// printUnits shows a tree by its indentation, and single units by their paths.
func printUnits(w io.Writer, units []admin.Unit, tree bool) {
	t := newTable("UNIT", "PEOPLE", "NUMBER")
	for _, u := range units {
		name := u.Path
		if tree {
			name = strings.Repeat("  ", strings.Count(u.Path, "/")) + u.Name
		}
		t.add(name, u.People, u.ID)
	}
	t.write(w)
}

// changeUnit sends a change of a unit and says what has become of it.
func (c *cli) changeUnit(cmd *cobra.Command, method, path string, in any, done string) error {
	var u admin.ChangedUnit
	err := c.change(cmd, method, path, in, &u, func(w io.Writer) { fmt.Fprintf(w, "%s %s\n", done, u.Path) })
	warnOf(cmd, u.Followed)
	return err
}

// warnOf tells that groups have not followed a change of the tree.
func warnOf(cmd *cobra.Command, f admin.Followed) {
	if f.Problem != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "groups are not in line with the units yet: %s\nthe next change of a unit, or start of the server, tries again\n", f.Problem)
	}
}

func (c *cli) unitAdd() *cobra.Command {
	var order int
	cmd := &cobra.Command{
		Use: "add PATH", Short: "Add a unit, below those that PATH names before its last /: 公司/研发部", Args: arguments(cobra.ExactArgs(1)),
	}
	cmd.Flags().IntVar(&order, "order", 0, "place among its siblings (default: the last)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path := strings.Trim(args[0], "/")
		n := admin.NewUnit{Name: path}
		if i := strings.LastIndex(path, "/"); i >= 0 {
			n.Parent, n.Name = path[:i], path[i+1:]
		}
		if cmd.Flags().Changed("order") {
			n.Order = &order
		}
		return c.changeUnit(cmd, http.MethodPost, "/v1/units", n, "added")
	}
	return cmd
}

func (c *cli) unitRename() *cobra.Command {
	return &cobra.Command{
		Use: "rename UNIT NAME", Short: "Rename a unit; groups that follow it and are called like it are renamed, too", Args: arguments(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.changeUnit(cmd, http.MethodPatch, unitURL(args[0]), admin.UnitChange{Name: &args[1]}, "renamed to")
		},
	}
}

func (c *cli) unitMove() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "move UNIT",
		Short: "Move a unit with all that is below it, or change its place among its siblings",
		Long: "Move a unit with all that is below it, or change its place among its siblings:\n\n" +
			"  sparkle unit move 测试组 --to 公司/研发部\n" +
			"  sparkle unit move 测试组 --to /\n" +
			"  sparkle unit move 测试组 --order 1",
		Args: arguments(cobra.ExactArgs(1)),
	}
	to := cmd.Flags().String("to", "", "unit that it becomes a part of; / for none")
	order := cmd.Flags().Int("order", 0, "place among its siblings; those with the same are sorted by name")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var change admin.UnitChange
		if cmd.Flags().Changed("to") {
			parent := strings.Trim(*to, "/")
			change.Parent = &parent
		}
		if cmd.Flags().Changed("order") {
			change.Order = order
		}
		if change == (admin.UnitChange{}) {
			return usageError{fmt.Errorf("say where to: --to, --order or both")}
		}
		return c.changeUnit(cmd, http.MethodPatch, unitURL(args[0]), change, "moved to")
	}
	return cmd
}

func (c *cli) unitRemove() *cobra.Command {
	return &cobra.Command{
		Use:   "remove UNIT",
		Short: "Remove a unit that has none below it; its people stay users",
		Long: "Remove a unit that has no units below it. Its people stay users. Groups that\n" +
			"follow the unit are dissolved or become manual ones, as they were told.",
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			var f admin.Followed
			err := c.change(cmd, http.MethodDelete, unitURL(args[0]), nil, &f, func(w io.Writer) { fmt.Fprintf(w, "removed %s\n", args[0]) })
			warnOf(cmd, f)
			return err
		},
	}
}
