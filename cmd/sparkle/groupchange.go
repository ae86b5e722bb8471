package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/sparkleim/sparkle/admin"
	"github.com/spf13/cobra"
)

// groupChanges are the commands that change a group itself.
func (c *cli) groupChanges() []*cobra.Command {
	return []*cobra.Command{c.groupRename(), c.groupAnnounce(), c.groupPolicy(), c.groupMuteAll(), c.groupPin(), c.groupUnpin(),
		c.groupHandOver(), c.groupConvert(), c.groupDissolve()}
}

// changeGroup changes a group and says in a form of words with its address what
// has become of it.
func (c *cli) changeGroup(cmd *cobra.Command, name string, change admin.GroupChange, done string) error {
	var g admin.Group
	return c.change(cmd, http.MethodPatch, groupURL(name), change, &g, func(w io.Writer) { fmt.Fprintf(w, done+"\n", g.Address) })
}

func (c *cli) groupRename() *cobra.Command {
	return &cobra.Command{
		Use: "rename GROUP SUBJECT", Short: "Give a group another subject; its address stays", Args: arguments(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.changeGroup(cmd, args[0], admin.GroupChange{Subject: &args[1]}, "renamed %s")
		},
	}
}

func (c *cli) groupAnnounce() *cobra.Command {
	return &cobra.Command{
		Use: "announce GROUP TEXT", Short: "Set the announcement of a group; an empty TEXT removes it", Args: arguments(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			done := "announced in %s"
			if args[1] == "" {
				done = "removed the announcement of %s"
			}
			return c.changeGroup(cmd, args[0], admin.GroupChange{Announcement: &args[1]}, done)
		},
	}
}

func (c *cli) groupMuteAll() *cobra.Command {
	return &cobra.Command{
		Use: "mute-all GROUP on|off", Short: "Let only the owner and administrators write, or everybody again", Args: arguments(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			on := args[1] == "on"
			if !on && args[1] != "off" {
				return usageError{fmt.Errorf("%q: write on or off", args[1])}
			}
			done := "everybody may write into %s"
			if on {
				done = "only the owner and administrators may write into %s"
			}
			return c.changeGroup(cmd, args[0], admin.GroupChange{MutedAll: &on}, done)
		},
	}
}

func (c *cli) groupHandOver() *cobra.Command {
	return &cobra.Command{
		Use: "hand-over GROUP USER", Short: "Make a member the owner; who owned the group becomes an administrator", Args: arguments(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.changeGroup(cmd, args[0], admin.GroupChange{Owner: &args[1]}, "handed over %s")
		},
	}
}

func (c *cli) groupConvert() *cobra.Command {
	return &cobra.Command{
		Use: "convert GROUP", Short: "Make a manual group of a discussion, or of a group that follows a unit; its members stay", Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			manual := "manual"
			return c.changeGroup(cmd, args[0], admin.GroupChange{Kind: &manual}, "%s is a manual group")
		},
	}
}

func (c *cli) groupDissolve() *cobra.Command {
	return &cobra.Command{
		Use: "dissolve GROUP", Short: "Dissolve a group; the archive keeps its messages, and nobody else gets its address", Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			if err := api.call(cmd.Context(), http.MethodDelete, groupURL(args[0]), nil, nil); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "dissolved %s\n", args[0])
			return nil
		},
	}
}

func pinURL(args []string) string { return groupURL(args[0]) + "/pins/" + url.PathEscape(args[1]) }

func (c *cli) groupPin() *cobra.Command {
	return &cobra.Command{
		Use: "pin GROUP MESSAGE", Short: "Pin a message; sparkle group messages shows their ids", Args: arguments(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			var g admin.Group
			return c.change(cmd, http.MethodPut, pinURL(args), nil, &g, func(w io.Writer) { fmt.Fprintf(w, "pinned %s in %s\n", args[1], g.Address) })
		},
	}
}

func (c *cli) groupUnpin() *cobra.Command {
	return &cobra.Command{
		Use: "unpin GROUP MESSAGE", Short: "Take a pinned message away; it stays in the archive", Args: arguments(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.remove(cmd, pinURL(args), "the pin of "+args[1])
		},
	}
}

func (c *cli) groupHistory() *cobra.Command {
	return &cobra.Command{
		Use: "history GROUP", Short: "Show what became of a group: who came, who left, who changed what", Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			events, err := all[admin.GroupEvent](cmd.Context(), api, groupURL(args[0])+"/events", url.Values{"limit": {"1000"}})
			if err != nil {
				return err
			}
			if c.json {
				return writeJSON(cmd.OutOrStdout(), events)
			}
			t := newTable("VERSION", "AT", "BY", "ACTION", "USER", "DETAIL")
			for _, e := range events {
				t.add(e.Version, day(e.At), orDash(e.By), e.Action, orDash(e.User), orDash(shorten(e.Detail, 60)))
			}
			t.write(cmd.OutOrStdout())
			return nil
		},
	}
}

func (c *cli) groupMessages() *cobra.Command {
	var limit int
	var cursor int64
	cmd := &cobra.Command{Use: "messages GROUP", Short: "Read the messages of a group, newest first", Args: arguments(cobra.ExactArgs(1))}
	cmd.Flags().IntVar(&limit, "limit", 50, "how many messages to show, at most 1000")
	cmd.Flags().Int64Var(&cursor, "before", 0, "only messages before this place in the group")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		query := url.Values{"limit": {strconv.Itoa(limit)}}
		if cursor > 0 {
			query.Set("cursor", strconv.FormatInt(cursor, 10))
		}
		return c.printHistory(cmd, groupURL(args[0])+"/messages?"+query.Encode())
	}
	return cmd
}
