package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/sparkleim/sparkle/admin"
	"github.com/spf13/cobra"
)

func (c *cli) unitMemberCommand() *cobra.Command {
	return commands("member", "Manage the people of a unit", c.unitMemberList(), c.unitMemberAdd(), c.unitMemberRemove())
}

func unitMemberURL(unit, user string) string {
	return unitURL(unit) + "/members/" + url.PathEscape(user)
}

func (c *cli) unitMemberList() *cobra.Command {
	var below bool
	cmd := &cobra.Command{Use: "list UNIT", Short: "List the people of a unit", Args: arguments(cobra.ExactArgs(1))}
	cmd.Flags().BoolVar(&below, "sub-units", false, "with everybody in the units below")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := c.client()
		if err != nil {
			return err
		}
		query := url.Values{"limit": {"1000"}}
		if below {
			query.Set("sub_units", "true")
		}
		people, err := all[admin.UnitMember](cmd.Context(), api, unitURL(args[0])+"/members", query)
		if err != nil {
			return err
		}
		if c.json {
			return writeJSON(cmd.OutOrStdout(), people)
		}
		t := newTable("USER", "NAME", "TITLE", "UNIT", "GROUPS OF THE UNIT")
		for _, p := range people {
			groups := "joined"
			if p.Hidden {
				groups = "hidden"
			}
			t.add(p.User, orDash(p.Name), orDash(p.Title), p.Unit, groups)
		}
		t.write(cmd.OutOrStdout())
		return nil
	}
	return cmd
}

func (c *cli) unitMemberAdd() *cobra.Command {
	var place admin.UnitPlace
	cmd := &cobra.Command{
		Use: "add UNIT USER...", Short: "Put people into a unit, or change what is told of those who are there", Args: arguments(cobra.MinimumNArgs(2)),
	}
	cmd.Flags().StringVar(&place.Title, "title", "", "what they are in the unit")
	cmd.Flags().BoolVar(&place.Hidden, "hidden", false, "do not join them to the groups of the unit")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.changePeople(cmd, http.MethodPut, place, args, "%s is in %s\n")
	}
	return cmd
}

func (c *cli) unitMemberRemove() *cobra.Command {
	return &cobra.Command{
		Use: "remove UNIT USER...", Short: "Take people out of a unit, and out of the groups that follow it", Args: arguments(cobra.MinimumNArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.changePeople(cmd, http.MethodDelete, nil, args, "removed %s from %s\n")
		},
	}
}

// changePeople changes one after the other, up to the first who cannot be.
func (c *cli) changePeople(cmd *cobra.Command, method string, in any, args []string, done string) error {
	for _, user := range args[1:] {
		var changed admin.ChangedPeople
		err := c.change(cmd, method, unitMemberURL(args[0], user), in, &changed, func(w io.Writer) { fmt.Fprintf(w, done, user, args[0]) })
		warnOf(cmd, changed.Followed)
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *cli) unitImport() *cobra.Command {
	var replace bool
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Import units and their people from CSV: unit path,user,title,hidden",
		Long: "Import units and their people from CSV, one place of one person a row:\n\n" +
			"  unit path,user,title,hidden\n" +
			"  公司/研发部/后端,alice,工程师,no\n\n" +
			"Units that are not there yet are made; a row without a user only makes its unit.\n" +
			"The users must exist. UTF-8 and GB18030 are recognised. With a problem in any row\n" +
			"nothing is imported and every problem is printed. - reads standard input.",
		Args: arguments(cobra.ExactArgs(1)),
	}
	cmd.Flags().BoolVar(&replace, "replace", false, "who is in a unit of the file, but not in the file, leaves the unit")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var report admin.UnitImport
		path := fmt.Sprintf("/v1/units/import?replace=%t", replace)
		return c.importFile(cmd, path, args[0], &report, func(w io.Writer) {
			fmt.Fprintf(w, "%d units added; people: %d added, %d updated, %d removed (%s)\n",
				report.Units, report.Added, report.Updated, report.Removed, report.Encoding)
			warnOf(cmd, report.Followed)
		})
	}
	return cmd
}
