package assistant

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// Bounds of answers.
const (
	maxMembers      = 50
	maxGroups       = 30
	maxUnread       = 20
	maxHistory      = 50
	defaultHistory  = 10
	maxMessageShown = 120 // characters

	listPage   = 100 // conversations
	maxScanned = 1000
)

// at is a moment as people are told it: without the day when it is today.
func (r *request) at(t time.Time) string {
	now := r.cfg.Now()
	t = t.In(now.Location())
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format("15:04")
	}
	return t.Format(r.words.time)
}

// members lists the members: the owner and administrators first, then the eldest.
func (r *request) members() (string, error) {
	members := make([]store.Member, 0, r.group.Size())
	for _, m := range r.group.Members() {
		members = append(members, m)
	}
	slices.SortStableFunc(members, func(a, b store.Member) int {
		return cmp.Or(cmp.Compare(b.Role, a.Role), a.Joined.Compare(b.Joined))
	})
	lines := []string{r.words.say(r.words.memberCount, r.title, len(members))}
	for _, m := range members[:min(len(members), maxMembers)] {
		lines = append(lines, r.memberLine(m))
	}
	return r.joined(lines, len(members), maxMembers), nil
}

func (r *request) memberLine(m store.Member) string {
	line := cmp.Or(m.Nickname, r.words.someone)
	if u, err := r.cfg.Users.User(r.ctx, m.User); err == nil {
		line = r.nameIn(u)
		if n := numberOf(u); n != line {
			line += " " + n
		}
	}
	if m.Role != store.RoleMember {
		line += " · " + r.words.role(m.Role)
	}
	if m.MutedUntil.After(r.cfg.Now()) {
		line += " · " + r.words.mutedMark
	}
	return line
}

// joined joins lines, and tells how many there are when not all are shown.
func (r *request) joined(lines []string, total, shown int) string {
	if total > shown {
		lines = append(lines, r.words.say(r.words.more, total))
	}
	return strings.Join(lines, "\n")
}

// listGroups lists the user's groups with their addresses and what is unread.
func (r *request) listGroups() (string, error) {
	mine := r.cfg.Groups.Of(r.by.ID)
	if len(mine) == 0 {
		return r.words.noGroups, nil
	}
	var lines []string
	for _, g := range mine[:min(len(mine), maxGroups)] {
		line := r.cfg.Groups.Title(g, r.by.ID) + " " + g.AOR()
		row, err := r.cfg.Conversations.ConversationOf(r.ctx, r.by.ID, g.Conversation)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return "", err
		}
		lines = append(lines, line+r.unreadMark(&row))
	}
	return r.joined(lines, len(mine), maxGroups), nil
}

// unreadMark tells how much is unread, "" for nothing.
func (r *request) unreadMark(row *store.ConversationRow) string {
	mark := ""
	switch {
	case row.UnreadCount > 0:
		mark = " · " + r.words.say(r.words.unreadCount, row.UnreadCount)
	case row.State.Unread:
		mark = " · " + r.words.markedUnread
	}
	if row.Mentions > 0 {
		mark += " · " + r.words.say(r.words.mentions, row.Mentions)
	}
	return mark
}

// isUnread leaves out what the assistant itself has answered.
func (r *request) isUnread(row *store.ConversationRow) bool {
	return (row.UnreadCount > 0 || row.State.Unread) && (row.Group != 0 || row.Peer != r.cfg.Self)
}

// allUnread finds the unread conversations among the first of the list.
func (r *request) allUnread() ([]store.ConversationRow, error) {
	var found []store.ConversationRow
	var before *store.ConversationRow
	for scanned := 0; scanned < maxScanned; scanned += listPage {
		page, err := r.cfg.Conversations.ListConversations(r.ctx, r.by.ID, before, listPage)
		if err != nil {
			return nil, err
		}
		for i := range page {
			if r.isUnread(&page[i]) {
				found = append(found, page[i])
			}
		}
		if len(page) < listPage {
			break
		}
		before = &page[len(page)-1]
	}
	return found, nil
}

func (r *request) unread() (string, error) {
	rows, err := r.allUnread()
	if err != nil {
		return "", err
	}
	if len(rows) == 0 {
		return r.words.allRead, nil
	}
	var lines []string
	for i := range rows[:min(len(rows), maxUnread)] {
		lines = append(lines, r.titleOf(&rows[i])+r.unreadMark(&rows[i]))
	}
	return r.joined(lines, len(rows), maxUnread), nil
}

// titleOf is the name of a conversation.
func (r *request) titleOf(row *store.ConversationRow) string {
	if row.Group == 0 {
		return r.nameByID(row.Peer)
	}
	if g, there := r.cfg.Groups.ByID(row.Group); there {
		return r.cfg.Groups.Title(g, r.by.ID)
	}
	return r.words.formerGroup
}

// read marks one conversation as read, or all that are unread.
func (r *request) read() (string, error) {
	if r.conversation != 0 {
		return r.words.say(r.words.readOne, r.title), r.alter(store.StateChange{ReadSeq: new(endOfConversation)})
	}
	rows, err := r.allUnread()
	if err != nil {
		return "", err
	}
	for i := range rows {
		r.conversation = rows[i].Conversation
		if err := r.alter(store.StateChange{ReadSeq: new(rows[i].HeadSeq)}); err != nil {
			return "", err
		}
	}
	return r.words.say(r.words.readAll, len(rows)), nil
}

// endOfConversation is beyond every message: what is there is meant.
const endOfConversation = int64(1) << 40

// alter changes what the user has decided about the conversation.
func (r *request) alter(c store.StateChange) error {
	_, err := r.cfg.Conversations.ChangeConversation(r.ctx, r.by.ID, r.conversation, c)
	return err
}

func (r *request) pin() (string, error) {
	return r.words.say(r.words.pinned, r.title), r.alter(store.StateChange{Pinned: new(true)})
}

func (r *request) unpin() (string, error) {
	return r.words.say(r.words.unpinned, r.title), r.alter(store.StateChange{Pinned: new(false)})
}

// doNotDisturb reads how much is to be heard, and for how long, in any order.
func (r *request) doNotDisturb() (string, error) {
	mode := store.MuteAll
	var until *time.Time
	for rest := r.rest; rest != ""; {
		var word string
		word, rest = cutWord(rest)
		switch d, isLength := duration(word); {
		case isLength:
			until = new(r.cfg.Now().Add(d))
		case isOff(word):
			mode = store.MuteNone
		case slices.Contains([]string{"mentions", "mention", "@", "提及", "仅提及"}, strings.ToLower(word)):
			mode = store.MuteMentions
		case isAll(word), slices.Contains([]string{"on", "开", "开启"}, strings.ToLower(word)):
			mode = store.MuteAll
		default:
			return "", r.usage()
		}
	}
	if mode == store.MuteNone {
		until = nil
	}
	if err := r.alter(store.StateChange{Mute: &mode, MuteUntil: until}); err != nil {
		return "", err
	}
	answer := r.words.quiet
	switch mode {
	case store.MuteNone:
		answer = r.words.loud
	case store.MuteMentions:
		answer = r.words.onlyMentions
	}
	answer = r.words.say(answer, r.title)
	if until != nil {
		answer += r.words.say(r.words.until, r.at(*until))
	}
	return answer, nil
}

// history shows the last messages, the newest at the end.
func (r *request) history() (string, error) {
	limit := int64(defaultHistory)
	if r.rest != "" {
		n, ok := number(r.rest)
		if !ok {
			return "", r.usage()
		}
		limit = min(n, maxHistory)
	}
	found, err := r.cfg.Conversations.MessagesBefore(r.ctx, r.by.ID, r.conversation, 0, int(limit))
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return r.words.noMessages, nil
	}
	var lines []string
	for i := range slices.Backward(found) {
		lines = append(lines, r.line(&found[i]))
	}
	return strings.Join(lines, "\n"), nil
}

// line shows a message with the number that pinmsg takes.
func (r *request) line(m *store.Message) string {
	text := cmp.Or(oneLine(m.Text, maxMessageShown), r.words.noText)
	if m.Kind == store.KindNotice {
		return r.words.say(r.words.notice, r.at(m.At), text)
	}
	return r.words.say(r.words.message, m.Seq, r.at(m.At), r.author(m.From), text)
}

// author is who wrote something; nobody is the server.
func (r *request) author(id store.UserID) string {
	if id == 0 {
		return r.words.server
	}
	return r.nameByID(id)
}

// pins shows the pinned messages, as far as the user may see them.
func (r *request) pins() (string, error) {
	own, _ := r.group.Member(r.by.ID)
	var lines []string
	for _, gid := range r.group.Pinned {
		m, err := r.cfg.Messages.Message(r.ctx, gid)
		switch {
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			return "", err
		case m.Seq > own.JoinedSeq:
			lines = append(lines, r.line(&m))
		}
	}
	if len(lines) == 0 {
		return r.words.noPins, nil
	}
	return strings.Join(lines, "\n"), nil
}

// who tells who somebody is, and which groups one shares with him.
func (r *request) who() (string, error) {
	if r.rest == "" {
		return "", r.usage()
	}
	u, err := r.person(r.rest)
	if err != nil {
		return "", err
	}
	lines := []string{nameOf(u), u.AOR()}
	if len(u.Numbers) > 0 {
		lines = append(lines, r.words.say(r.words.numbers, strings.Join(u.Numbers, r.words.comma)))
	}
	var shared []string
	for _, g := range r.cfg.Groups.Of(r.by.ID) {
		if isMember(g, u.ID) && len(shared) < maxSuggestions && u.ID != r.by.ID {
			shared = append(shared, r.cfg.Groups.Title(g, r.by.ID))
		}
	}
	if len(shared) > 0 {
		lines = append(lines, r.words.say(r.words.shared, strings.Join(shared, r.words.comma)))
	}
	return strings.Join(lines, "\n"), nil
}
