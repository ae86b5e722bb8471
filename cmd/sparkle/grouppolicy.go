package main

import (
	"fmt"
	"io"
	"net/http"

	"github.com/sparkleim/sparkle/admin"
	"github.com/spf13/cobra"
)

func (c *cli) groupPolicy() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy GROUP",
		Short: "Show or change the rules of a group: from which role on something is allowed",
		Long: "Show the rules of a group, or change those that are given as flags. A role is\n" +
			"member, administrator, owner or nobody; default leaves it to the server:\n\n" +
			"  sparkle group policy tech --speak administrator\n" +
			"  sparkle group policy tech --invite default --history 50",
		Args: arguments(cobra.ExactArgs(1)),
	}
	rules := policyFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var p admin.Policy
		var g admin.Group
		show := func(w io.Writer) { printPolicy(w, g) }
		if rules.apply(&p) {
			return c.change(cmd, http.MethodPatch, groupURL(args[0]), admin.GroupChange{Policy: &p}, &g, show)
		}
		return c.change(cmd, http.MethodGet, groupURL(args[0]), nil, &g, show)
	}
	return cmd
}

// policyFlags are the rules of a group as flags.
func policyFlags(cmd *cobra.Command) *edits[admin.Policy] {
	e := editsOf[admin.Policy](cmd)
	e.text("invite", "from which role on one may add people", func(p *admin.Policy) *string { return &p.Invite })
	e.text("rename", "who may change name, picture and announcement", func(p *admin.Policy) *string { return &p.Rename })
	e.text("pin", "who may pin messages", func(p *admin.Policy) *string { return &p.Pin })
	e.text("mention-all", "who may address everybody with @all", func(p *admin.Policy) *string { return &p.MentionAll })
	e.text("speak", "who may write", func(p *admin.Policy) *string { return &p.Speak })
	e.text("private", "who may write to one member through the group", func(p *admin.Policy) *string { return &p.Private })
	e.text("promote", "who may make others administrators", func(p *admin.Policy) *string { return &p.Promote })
	e.number("all-daily", "how often a day one who is no administrator may address everybody; 0 for the server's default", pointed(func(p *admin.Policy) **int { return &p.AllDaily }))
	e.number("max-members", "how many members the group may have; 0 for the server's limit", pointed(func(p *admin.Policy) **int { return &p.MaxMembers }))
	e.number("history", "messages from before that a new member sees; -1 for none, 0 for the server's default", pointed(func(p *admin.Policy) **int { return &p.History }))
	return e
}

// pointed is the field behind a pointer, which is made.
func pointed[T any](field func(*T) **int) func(*T) *int {
	return func(t *T) *int {
		p := field(t)
		*p = new(int)
		return *p
	}
}

// printPolicy tells of each rule what holds, and whether the group decides it.
func printPolicy(w io.Writer, g admin.Group) {
	own, holds := g.Policy, g.Policy
	if g.InForce != nil {
		holds = *g.InForce
	}
	t := newTable("RULE", "FROM", "DECIDED BY")
	decided := func(here bool) string {
		if here {
			return "the group"
		}
		return "the server"
	}
	for _, r := range []struct{ rule, own, holds string }{
		{"add people", own.Invite, holds.Invite}, {"change name, picture, announcement", own.Rename, holds.Rename},
		{"pin messages", own.Pin, holds.Pin}, {"address everybody", own.MentionAll, holds.MentionAll}, {"write", own.Speak, holds.Speak},
		{"write to one member through the group", own.Private, holds.Private}, {"make administrators", own.Promote, holds.Promote},
	} {
		t.add(r.rule, orDash(r.holds), decided(r.own != ""))
	}
	t.write(w)
	fmt.Fprintln(w)
	t = newTable("LIMIT", "VALUE", "DECIDED BY")
	for _, l := range []struct {
		limit      string
		own, holds *int
	}{
		{"members", own.MaxMembers, holds.MaxMembers}, {"addresses everybody a day", own.AllDaily, holds.AllDaily},
		{"messages from before that a new member sees", own.History, holds.History},
	} {
		value := "none"
		if l.holds != nil && *l.holds > 0 {
			value = fmt.Sprint(*l.holds)
		}
		t.add(l.limit, value, decided(l.own != nil))
	}
	t.write(w)
}
