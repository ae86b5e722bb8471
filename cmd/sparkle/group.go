package main

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/sparkleim/sparkle/admin"
	"github.com/spf13/cobra"
)

func (c *cli) groupCommand() *cobra.Command {
	cmd := commands("group", "Manage groups: addresses that are chat rooms", c.groupList(), c.groupShow(), c.groupAdd(),
		c.memberCommand(), c.groupPicture(), c.groupHistory(), c.groupMessages())
	cmd.AddCommand(c.groupChanges()...)
	cmd.Long = "Manage groups: addresses that are chat rooms. A GROUP is named by the user part\n" +
		"of its address or by its number (sparkle group list shows both).\n\n" +
		"  sparkle group add tech --subject 技术组 --member alice --member lisi\n" +
		"  sparkle group add yanfa --unit 公司/研发部 --sub-units\n" +
		"  sparkle group member add tech bob\n" +
		"  sparkle group show tech"
	return cmd
}

func groupURL(name string) string { return "/v1/groups/" + url.PathEscape(strings.ToLower(name)) }

func (c *cli) groupList() *cobra.Command {
	var kind, member string
	cmd := &cobra.Command{Use: "list [PART]", Short: "List groups, or those whose name or title contains PART", Args: arguments(cobra.MaximumNArgs(1))}
	cmd.Flags().StringVar(&kind, "kind", "", "only groups of this kind: manual, discussion, fixed or pair")
	cmd.Flags().StringVar(&member, "member", "", "only groups of this user")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := c.client()
		if err != nil {
			return err
		}
		query := url.Values{"limit": {"1000"}}
		for key, value := range map[string]string{"match": first(args), "kind": kind, "member": member} {
			if value != "" {
				query.Set(key, value)
			}
		}
		groups, err := all[admin.Group](cmd.Context(), api, "/v1/groups", query)
		if err != nil {
			return err
		}
		if c.json {
			return writeJSON(cmd.OutOrStdout(), groups)
		}
		printGroups(cmd.OutOrStdout(), groups)
		return nil
	}
	return cmd
}

func printGroups(w io.Writer, groups []admin.Group) {
	t := newTable("NUMBER", "ADDRESS", "TITLE", "KIND", "MEMBERS", "OWNER")
	for _, g := range groups {
		t.add(g.ID, g.Address, shorten(g.Title, 40), g.Kind, g.Members, orDash(g.Owner))
	}
	t.write(w)
}

func (c *cli) groupShow() *cobra.Command {
	return &cobra.Command{
		Use: "show GROUP", Short: "Show a group, its rules and its members; by its number also one that is dissolved", Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			var g admin.Group
			if err := api.call(cmd.Context(), http.MethodGet, groupURL(args[0]), nil, &g); err != nil {
				return err
			}
			members, err := c.members(cmd, api, args[0])
			if err != nil {
				return err
			}
			if c.json {
				return writeJSON(cmd.OutOrStdout(), groupWithMembers{g, members})
			}
			printGroup(cmd.OutOrStdout(), g)
			fmt.Fprintln(cmd.OutOrStdout())
			printMembers(cmd.OutOrStdout(), members)
			return nil
		},
	}
}

// groupWithMembers is what show prints for programs.
type groupWithMembers struct {
	admin.Group
	MemberList []admin.Member `json:"member_list"`
}

func printGroup(w io.Writer, g admin.Group) {
	for _, line := range [][2]string{
		{"group", g.Address}, {"number", fmt.Sprint(g.ID)}, {"title", g.Title}, {"kind", string(g.Kind)}, {"follows", followsText(g.Follows)},
		{"members", fmt.Sprint(g.Members)}, {"owner", g.Owner}, {"announcement", announcementText(g.Announcement)},
		{"pinned", strings.Join(g.Pinned, " ")}, {"muted", mutedAllText(g.MutedAll)}, {"picture", g.Picture},
		{"made", day(g.Created) + " by " + cmp.Or(g.CreatedBy, "an administrator of the server")}, {"dissolved", dissolvedText(g)},
	} {
		if line[1] != "" {
			fmt.Fprintf(w, "%-13s %s\n", line[0], printable(line[1]))
		}
	}
}

func followsText(f *admin.GroupFollows) string {
	if f == nil {
		return ""
	}
	text := f.Unit
	if f.SubUnits {
		text += " with the units below"
	}
	if f.Title != "" {
		text += ", titles with " + f.Title
	}
	if f.Orphan == "convert" {
		return text + "; becomes a manual group when the unit is removed"
	}
	return text + "; dissolved when the unit is removed"
}

func announcementText(n *admin.GroupAnnouncement) string {
	if n == nil {
		return ""
	}
	return fmt.Sprintf("%s (%s, %s)", n.Text, cmp.Or(n.By, "an administrator of the server"), day(n.At))
}

func mutedAllText(all bool) string {
	if all {
		return "all but the owner and administrators"
	}
	return ""
}

func dissolvedText(g admin.Group) string {
	if g.Dissolved == nil {
		return ""
	}
	return day(*g.Dissolved) + " (the members are the last ones)"
}

func (c *cli) groupAdd() *cobra.Command {
	var n admin.NewGroup
	var f admin.GroupFollows
	cmd := &cobra.Command{
		Use:   "add [NAME]",
		Short: "Make a group of people, or one that follows a unit",
		Long: "Make a group. NAME becomes the user part of its address and is never changed;\n" +
			"without it one is made. The first member owns the group. A group that follows a\n" +
			"unit has the members of the unit, today and later:\n\n" +
			"  sparkle group add tech --subject 技术组 --member alice --member lisi\n" +
			"  sparkle group add yanfa --unit 公司/研发部 --sub-units\n" +
			"  sparkle group add managers --unit 公司 --sub-units --title 经理 --subject 经理们",
		Args: arguments(cobra.MaximumNArgs(1)),
	}
	cmd.Flags().StringVar(&n.Subject, "subject", "", "name that people see")
	cmd.Flags().StringSliceVar(&n.Members, "member", nil, "username or number of a member (may be repeated); the first one owns the group")
	cmd.Flags().StringVar(&n.Kind, "kind", "", "manual or discussion (default: manual with a subject, else discussion)")
	cmd.Flags().StringVar(&f.Unit, "unit", "", "unit that the group follows, by path or name")
	cmd.Flags().BoolVar(&f.SubUnits, "sub-units", false, "with everybody in the units below")
	cmd.Flags().StringVar(&f.Title, "title", "", "only people whose title in the unit contains this")
	cmd.Flags().StringVar(&f.Orphan, "orphan", "", "when the unit is removed: dissolve the group, or convert it into a manual one (default dissolve)")
	rules := policyFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		n.Name = first(args)
		if f.Unit != "" {
			n.Follows = &f
		} else if f != (admin.GroupFollows{}) {
			return usageError{fmt.Errorf("--sub-units, --title and --orphan need --unit")}
		}
		rules.apply(&n.Policy)
		var g admin.Group
		return c.change(cmd, http.MethodPost, "/v1/groups", n, &g, func(w io.Writer) { fmt.Fprintf(w, "added %s: %s, %d members\n", g.Address, g.Title, g.Members) })
	}
	return cmd
}

// change sends a request that changes something, and prints what came of it.
func (c *cli) change(cmd *cobra.Command, method, path string, in, out any, show func(w io.Writer)) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	if err := api.call(cmd.Context(), method, path, in, out); err != nil {
		return err
	}
	if c.json {
		return writeJSON(cmd.OutOrStdout(), out)
	}
	show(cmd.OutOrStdout())
	return nil
}
