package main

import (
	"github.com/sparkleim/sparkle/admin"
	"github.com/spf13/cobra"
)

// policyFlags are the rules of a group as flags.
func policyFlags(cmd *cobra.Command) *edits[admin.Policy] {
	e := editsOf[admin.Policy](cmd)
	const roles = ": member, administrator, owner, nobody or default"
	e.text("invite", "who may add people"+roles, func(p *admin.Policy) *string { return &p.Invite })
	e.text("rename", "who may change name, picture and announcement", func(p *admin.Policy) *string { return &p.Rename })
	e.text("pin", "who may pin messages", func(p *admin.Policy) *string { return &p.Pin })
	e.text("mention-all", "who may address everybody with @all", func(p *admin.Policy) *string { return &p.MentionAll })
	e.text("speak", "who may write", func(p *admin.Policy) *string { return &p.Speak })
	e.text("private", "who may write to one member through the group", func(p *admin.Policy) *string { return &p.Private })
	e.text("promote", "who may make others administrators, and members again", func(p *admin.Policy) *string { return &p.Promote })
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
