package main

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sparkleim/sparkle/admin"
	"github.com/sparkleim/sparkle/store"
	"github.com/spf13/cobra"
)

func (c *cli) memberCommand() *cobra.Command {
	cmd := commands("member", "Manage the members of a group", c.memberList(), c.memberAdd(), c.memberRemove(),
		c.memberRole(), c.memberNickname(), c.memberMute(), c.memberUnmute())
	cmd.Long = "Manage the members of a group. Those of a group that follows a unit come and go\n" +
		"with the unit (sparkle unit member).\n\n" +
		"  sparkle group member add tech bob carol\n" +
		"  sparkle group member role tech bob administrator\n" +
		"  sparkle group member mute tech carol 30m"
	return cmd
}

func membersURL(group string) string { return groupURL(group) + "/members" }

func memberURL(group, user string) string { return membersURL(group) + "/" + url.PathEscape(user) }

func (c *cli) members(cmd *cobra.Command, api *client, group string) ([]admin.Member, error) {
	return all[admin.Member](cmd.Context(), api, membersURL(group), url.Values{"limit": {"1000"}})
}

func (c *cli) memberList() *cobra.Command {
	return &cobra.Command{
		Use: "list GROUP", Short: "List the members of a group, those with a higher role first", Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			members, err := c.members(cmd, api, args[0])
			if err != nil {
				return err
			}
			if c.json {
				return writeJSON(cmd.OutOrStdout(), members)
			}
			printMembers(cmd.OutOrStdout(), members)
			return nil
		},
	}
}

// printMembers puts those with a higher role first, and then who came first.
func printMembers(w io.Writer, members []admin.Member) {
	rank := []string{store.RoleOwner.String(), store.RoleAdministrator.String(), store.RoleMember.String()}
	slices.SortStableFunc(members, func(a, b admin.Member) int {
		return cmp.Or(slices.Index(rank, a.Role)-slices.Index(rank, b.Role), a.Joined.Compare(b.Joined))
	})
	t := newTable("MEMBER", "NAME", "NICKNAME", "ROLE", "JOINED", "MUTED")
	for _, m := range members {
		t.add(m.User, orDash(m.Name), orDash(m.Nickname), m.Role, day(m.Joined), mutedText(m.MutedUntil))
	}
	t.write(w)
}

// longMute is how far away the end of a muting is that nobody waits for.
const longMute = 50 * 365 * 24 * time.Hour

func mutedText(until *time.Time) string {
	switch {
	case until == nil:
		return "-"
	case time.Until(*until) > longMute:
		return "for good"
	}
	return "until " + day(*until)
}

func (c *cli) memberAdd() *cobra.Command {
	var n admin.NewMembers
	cmd := &cobra.Command{Use: "add GROUP USER...", Short: "Add people to a group", Args: arguments(cobra.MinimumNArgs(2))}
	cmd.Flags().StringVar(&n.Role, "role", "", "member or administrator (default member)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		n.Users = args[1:]
		var g admin.Group
		return c.change(cmd, http.MethodPost, membersURL(args[0]), n, &g, func(w io.Writer) { fmt.Fprintf(w, "%s has %d members\n", g.Address, g.Members) })
	}
	return cmd
}

func (c *cli) memberRemove() *cobra.Command {
	return &cobra.Command{
		Use: "remove GROUP USER...", Short: "Take people out of a group; with the last one the group is dissolved", Args: arguments(cobra.MinimumNArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, user := range args[1:] {
				if err := c.remove(cmd, memberURL(args[0], user), user+" from "+args[0]); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func (c *cli) changeMember(cmd *cobra.Command, args []string, change admin.MemberChange) error {
	var m admin.Member
	return c.change(cmd, http.MethodPatch, memberURL(args[0], args[1]), change, &m, func(w io.Writer) { printMembers(w, []admin.Member{m}) })
}

func (c *cli) memberRole() *cobra.Command {
	return &cobra.Command{
		Use: "role GROUP USER ROLE", Short: "Make a member an administrator, or a member again; owner hands the group over", Args: arguments(cobra.ExactArgs(3)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.changeMember(cmd, args, admin.MemberChange{Role: &args[2]})
		},
	}
}

func (c *cli) memberNickname() *cobra.Command {
	return &cobra.Command{
		Use: "nickname GROUP USER NAME", Short: "Set how a member is called in the group; an empty NAME ends that", Args: arguments(cobra.ExactArgs(3)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.changeMember(cmd, args, admin.MemberChange{Nickname: &args[2]})
		},
	}
}

func (c *cli) memberMute() *cobra.Command {
	return &cobra.Command{
		Use: "mute GROUP USER [TIME]", Short: "Keep a member from writing, for a TIME such as 30m, 2h or 7d, or for good", Args: arguments(cobra.RangeArgs(2, 3)),
		RunE: func(cmd *cobra.Command, args []string) error {
			muted := true
			change := admin.MemberChange{Muted: &muted}
			if len(args) == 3 {
				span, err := parseSpan(args[2])
				if err != nil {
					return usageError{err}
				}
				until := time.Now().Add(span)
				change.MutedUntil = &until
			}
			return c.changeMember(cmd, args, change)
		},
	}
}

// parseSpan reads a time span, also in days.
func parseSpan(s string) (time.Duration, error) {
	span, err := time.ParseDuration(s)
	if number, ok := strings.CutSuffix(s, "d"); ok {
		var days int
		days, err = strconv.Atoi(number)
		span = time.Duration(days) * 24 * time.Hour
	}
	if err != nil || span <= 0 {
		return 0, fmt.Errorf("%q is not a time: write 30m, 2h or 7d", s)
	}
	return span, nil
}

func (c *cli) memberUnmute() *cobra.Command {
	return &cobra.Command{
		Use: "unmute GROUP USER", Short: "Let a member write again", Args: arguments(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.changeMember(cmd, args, admin.MemberChange{Muted: new(bool)})
		},
	}
}
