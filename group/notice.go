package group

import (
	"fmt"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// narrator tells what happened in a group, for clients that show no list of
// members.
type narrator struct {
	*words
	zone *time.Location
	// called is how somebody is called in the group.
	called func(u store.UserID) string
}

// tell makes texts of events, in their order. People who came or went together
// are told in one. Who is who is asked only for the names that are shown.
func (n narrator) tell(g *Snapshot, events []store.GroupEvent) []string {
	if g.Kind == store.GroupPair {
		return nil
	}
	var texts []string
	for len(events) > 0 {
		run := 1
		for run < len(events) && together(events[0], events[run]) {
			run++
		}
		if text := n.sentence(events[:run]); text != "" {
			texts = append(texts, text)
		}
		events = events[run:]
	}
	return texts
}

// together tells whether two events are one thing that happened to several.
func together(a, b store.GroupEvent) bool {
	return a.Action == b.Action && a.By == b.By && (a.Action == ActionJoin || a.Action == ActionKick || a.Action == ActionLeave)
}

// sentence tells one event, or several that belong together. What nobody needs
// to be told is "".
func (n narrator) sentence(run []store.GroupEvent) string {
	switch e := run[0]; e.Action {
	case ActionJoin:
		if e.By == 0 {
			return fmt.Sprintf(n.joined, n.whom(run))
		}
		return fmt.Sprintf(n.invited, n.called(e.By), n.whom(run))
	case ActionLeave, ActionKick:
		switch e.By {
		case 0:
			return fmt.Sprintf(n.removed, n.whom(run))
		case e.User:
			return fmt.Sprintf(n.left, n.called(e.User))
		}
		return fmt.Sprintf(n.kicked, n.called(e.By), n.whom(run))
	case ActionRole:
		return fmt.Sprintf(n.roleWords(e.Detail), n.called(e.User))
	case ActionMute:
		return n.mute(e)
	case ActionDissolve, ActionConvert:
		return n.end(e)
	default:
		return n.setting(e)
	}
}

// setting tells a change of the group's record.
func (n narrator) setting(e store.GroupEvent) string {
	who := n.who(e.By)
	switch e.Action {
	case ActionMuteAll:
		if e.Detail == "on" {
			return fmt.Sprintf(n.allMuted, who)
		}
		return fmt.Sprintf(n.allUnmuted, who)
	case ActionSubject:
		if e.Detail == "" {
			return ""
		}
		return fmt.Sprintf(n.renamed, who, e.Detail)
	case ActionAnnounce:
		if e.Detail == "" {
			return fmt.Sprintf(n.retracted, who)
		}
		return fmt.Sprintf(n.announced, who, e.Detail)
	case ActionPin:
		return fmt.Sprintf(n.pinned, who)
	case ActionUnpin:
		return fmt.Sprintf(n.unpinned, who)
	}
	return ""
}

func (n narrator) roleWords(role string) string {
	switch role {
	case store.RoleOwner.String():
		return n.owner
	case store.RoleAdministrator.String():
		return n.promoted
	}
	return n.demoted
}

func (n narrator) mute(e store.GroupEvent) string {
	whom := n.called(e.User)
	if e.Detail == "" {
		return fmt.Sprintf(n.unmuted, whom)
	}
	until, err := time.Parse(time.RFC3339, e.Detail)
	if err != nil || until.Sub(e.At) > foreverAfter {
		return fmt.Sprintf(n.mutedLong, whom)
	}
	return fmt.Sprintf(n.muted, whom, until.In(n.zone).Format(n.time))
}

func (n narrator) end(e store.GroupEvent) string {
	switch {
	case e.Action == ActionConvert && e.By == 0:
		return n.becameManual
	case e.Action == ActionConvert:
		return fmt.Sprintf(n.converted, n.called(e.By))
	case e.By == 0:
		return n.wasEnded
	}
	return fmt.Sprintf(n.dissolved, n.called(e.By))
}

// creation tells who made a group for whom.
func (n narrator) creation(g *Snapshot, by store.UserID) []string {
	if by == 0 || g.Kind == store.GroupPair || g.Kind == store.GroupFixed {
		return nil
	}
	var names []string
	for _, m := range g.Eldest() {
		if m.User != by && len(names) < shownNames {
			names = append(names, n.called(m.User))
		}
	}
	if len(names) == 0 {
		return []string{fmt.Sprintf(n.created, n.called(by))}
	}
	others := g.Size() - 1
	if g.roleOf(by) == 0 {
		others = g.Size()
	}
	return []string{fmt.Sprintf(n.createdWith, n.called(by), n.people(names, others))}
}

// who is the actor of an event.
func (n narrator) who(by store.UserID) string {
	if by == 0 {
		return n.administrationOf
	}
	return n.called(by)
}

// whom names the people of events that belong together.
func (n narrator) whom(run []store.GroupEvent) string {
	names := make([]string, 0, shownNames)
	for _, e := range run[:min(len(run), shownNames)] {
		names = append(names, n.called(e.User))
	}
	return n.people(names, len(run))
}
