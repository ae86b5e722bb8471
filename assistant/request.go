package assistant

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/store"
)

// place says what a command is about.
type place int

const (
	nowhere        place = iota
	ofGroup              // a group: the one it is written in, or the one that it names
	ofConversation       // the same, or what one has with a person
	ofSomeOrAll          // the same, or all that one has
)

// request is a command that is being answered.
type request struct {
	*Service
	ctx     context.Context
	by      store.User
	words   *words
	command *command
	in      *group.Snapshot // where it was written, nil: to the assistant
	rest    string          // what is still to be read

	group        *group.Snapshot      // nil: the conversation is one with a person
	conversation store.ConversationID // with place ofGroup and ofConversation
	title        string               // of group or conversation
}

// run finds what the command is about, and does it.
func (r *request) run() (string, error) {
	if r.command.place == nowhere || r.command.place == ofSomeOrAll && (isAll(r.rest) || r.in == nil && r.rest == "") {
		return r.command.do(r)
	}
	named, err := r.findGroup()
	if err != nil && r.command.place != ofGroup && r.rest != "" && !strings.HasPrefix(r.rest, "#") {
		switch personal := r.findPeer(); {
		case personal == nil:
			return r.command.do(r)
		case !errors.As(personal, new(noSuch)):
			return "", personal
		}
	}
	if err != nil {
		return "", err
	}
	r.group, r.conversation, r.title = named, named.Conversation, r.cfg.Groups.Title(named, r.by.ID)
	return r.command.do(r)
}

// findGroup finds the group that a command is about: the one that it names with
// #, else the one it is written in, else what it begins with.
func (r *request) findGroup() (*group.Snapshot, error) {
	name, marked := strings.CutPrefix(r.rest, "#")
	switch {
	case r.in != nil && !marked:
		g, there := r.cfg.Groups.ByID(r.in.ID)
		if !there || !isMember(g, r.by.ID) {
			return nil, refusal(r.words.gone)
		}
		return g, nil
	case strings.TrimSpace(name) == "":
		return nil, r.usage()
	}
	mine := r.cfg.Groups.Of(r.by.ID)
	names, rests := prefixes(name)
	for i, n := range names {
		found := r.called(mine, n)
		if len(found) > 1 {
			return nil, refusal(r.words.say(r.words.severalGroups, n, r.addresses(found)))
		}
		if len(found) == 1 {
			r.rest = rests[i]
			return found[0], nil
		}
	}
	return nil, r.noGroup(mine, names[len(names)-1])
}

// called returns the groups that a name fits: an address fits one, a title perhaps
// several.
func (r *request) called(groups []*group.Snapshot, name string) []*group.Snapshot {
	address := strings.TrimPrefix(strings.ToLower(name), "sip:")
	var titled []*group.Snapshot
	for _, g := range groups {
		if address == g.Name || address == g.AOR() {
			return []*group.Snapshot{g}
		}
		if strings.EqualFold(name, r.cfg.Groups.Title(g, r.by.ID)) {
			titled = append(titled, g)
		}
	}
	return titled
}

// noGroup tells that a name fits no group, and which were perhaps meant.
func (r *request) noGroup(groups []*group.Snapshot, name string) error {
	var near []string
	for _, g := range groups {
		title := r.cfg.Groups.Title(g, r.by.ID)
		if len(near) < maxSuggestions && strings.Contains(strings.ToLower(title), strings.ToLower(name)) {
			near = append(near, title)
		}
	}
	if len(near) > 0 {
		return refusal(r.words.say(r.words.noGroupBut, oneLine(name, maxShownName), strings.Join(near, r.words.comma)))
	}
	return refusal(r.words.say(r.words.noGroup, oneLine(name, maxShownName)))
}

// maxSuggestions is how many are named that were perhaps meant.
const maxSuggestions = 5

// addresses names groups by what is unique.
func (r *request) addresses(groups []*group.Snapshot) string {
	var all []string
	for _, g := range groups[:min(len(groups), maxSuggestions)] {
		all = append(all, g.Name)
	}
	return strings.Join(all, r.words.comma)
}

// findPeer finds the conversation with the person that a command begins with.
func (r *request) findPeer() error {
	names, rests := prefixes(r.rest)
	var err error
	for i, n := range names {
		var peer store.User
		if peer, err = r.person(n); err != nil {
			if errors.As(err, new(noSuch)) {
				continue
			}
			return err
		}
		r.title = nameOf(peer)
		r.conversation, err = r.cfg.Conversations.ConversationWith(r.ctx, r.by.ID, peer.ID)
		if errors.Is(err, store.ErrNotFound) {
			return refusal(r.words.say(r.words.noConversation, r.title))
		}
		r.rest = rests[i]
		return err
	}
	return err
}

// change changes the group.
func (r *request) change(changes ...group.Change) error {
	_, err := r.cfg.Groups.Change(r.ctx, group.Actor{User: r.by.ID}, r.group.ID, changes...)
	return err
}

// usage tells how the command is written.
func (r *request) usage() error {
	return refusal(r.words.say(r.words.usage, r.form()))
}

// form is how the command is written where the user is.
func (r *request) form() string {
	form := "/" + r.words.nameOf(r.command)
	if r.in == nil {
		switch r.command.place {
		case ofGroup:
			form += " " + r.words.groupWord
		case ofConversation, ofSomeOrAll:
			form += " " + r.words.conversationWord
		}
	}
	if args := r.words.pick(r.command.arguments); args != "" {
		form += " " + args
	}
	return form
}

func isMember(g *group.Snapshot, u store.UserID) bool {
	_, is := g.Member(u)
	return is
}

// nameOf is what somebody is called outside of groups.
func nameOf(u store.User) string { return cmp.Or(u.DisplayName, u.Username) }
