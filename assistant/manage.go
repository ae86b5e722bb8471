package assistant

import (
	"errors"
	"strings"
	"time"

	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/store"
)

// forGood is the length of a muting without an end.
const forGood = 100 * 365 * day

func (r *request) add() (string, error) {
	people, err := r.people(r.person)
	if err != nil {
		return "", err
	}
	if err := r.change(group.Add{Users: ids(people)}); err != nil {
		return "", err
	}
	return r.words.say(r.words.added, r.names(people)), nil
}

func (r *request) kick() (string, error) {
	people, err := r.people(r.member)
	if err != nil {
		return "", err
	}
	for _, u := range people {
		if u.ID == r.by.ID {
			return "", refusal(r.words.leaveInstead)
		}
	}
	if err := r.change(group.Remove{Users: ids(people)}); err != nil {
		return "", err
	}
	return r.words.say(r.words.kicked, r.names(people)), nil
}

func (r *request) leave() (string, error) {
	if r.rest != "" {
		return "", r.usage()
	}
	if err := r.change(group.Remove{Users: []store.UserID{r.by.ID}}); err != nil {
		return "", err
	}
	return r.words.say(r.words.left, r.title), nil
}

func (r *request) rename() (string, error) {
	if r.rest == "" {
		return "", r.usage()
	}
	name := strings.Join(strings.Fields(r.rest), " ")
	if err := r.change(group.Rename{Subject: name}); err != nil {
		return "", err
	}
	return r.words.say(r.words.renamed, name), nil
}

func (r *request) nick() (string, error) {
	if r.rest == "" {
		return "", r.usage()
	}
	name := strings.Join(strings.Fields(r.rest), " ")
	if isOff(name) {
		name = ""
	}
	if err := r.change(group.SetNickname{User: r.by.ID, Nickname: name}); err != nil {
		return "", err
	}
	if name == "" {
		return r.words.nicknameGone, nil
	}
	return r.words.say(r.words.nicknamed, name), nil
}

// announce shows the announcement, sets it, or takes it back.
func (r *request) announce() (string, error) {
	if r.rest == "" {
		a := r.group.Announcement
		if a == nil {
			return r.words.noAnnouncement, nil
		}
		return r.words.say(r.words.announcement, a.Text, r.author(a.By), r.at(a.At)), nil
	}
	text := r.rest
	if isOff(text) {
		text = ""
	}
	if err := r.change(group.Announce{Text: text}); err != nil {
		return "", err
	}
	if text == "" {
		return r.words.retracted, nil
	}
	return r.words.announced, nil
}

// mute reads a member and perhaps a length of time.
func (r *request) mute() (string, error) {
	length := time.Duration(forGood)
	name, last := cutLast(r.rest)
	if d, ok := duration(last); ok && name != "" {
		length, r.rest = d, name
	}
	u, err := r.oneMember()
	if err != nil {
		return "", err
	}
	until := r.cfg.Now().Add(length)
	if err := r.change(group.Mute{User: u.ID, Until: until}); err != nil {
		return "", err
	}
	if length == forGood {
		return r.words.say(r.words.mutedForGood, r.nameIn(u)), nil
	}
	return r.words.say(r.words.muted, r.nameIn(u), r.at(until)), nil
}

func (r *request) unmute() (string, error) {
	u, err := r.oneMember()
	if err != nil {
		return "", err
	}
	if err := r.change(group.Mute{User: u.ID}); err != nil {
		return "", err
	}
	return r.words.say(r.words.unmuted, r.nameIn(u)), nil
}

func (r *request) muteAll() (string, error) {
	on, err := r.on()
	if err != nil {
		return "", err
	}
	if err := r.change(group.MuteAll{On: on}); err != nil {
		return "", err
	}
	if on {
		return r.words.allMuted, nil
	}
	return r.words.allUnmuted, nil
}

// roleOf makes the command that gives a member a role.
func roleOf(role store.Role) func(*request) (string, error) {
	return func(r *request) (string, error) {
		u, err := r.oneMember()
		if err != nil {
			return "", err
		}
		if err := r.change(group.SetRole{User: u.ID, Role: role}); err != nil {
			return "", err
		}
		return r.words.say(r.words.isNow, r.nameIn(u), r.words.role(role)), nil
	}
}

// dissolve wants the name of the group once more.
func (r *request) dissolve() (string, error) {
	if !strings.EqualFold(r.rest, r.title) && !strings.EqualFold(r.rest, r.group.Name) {
		again := "/" + r.words.nameOf(r.command)
		if r.in == nil {
			again += " " + r.group.Name
		}
		return "", refusal(r.words.say(r.words.sayAgain, r.title, again+" "+r.title))
	}
	if err := r.change(group.Dissolve{}); err != nil {
		return "", err
	}
	return r.words.say(r.words.dissolved, r.title), nil
}

// create makes a group: its name comes first, in quotes when it has spaces.
func (r *request) create() (string, error) {
	subject, rest, _ := cutName(r.rest)
	if subject == "" || rest == "" {
		return "", r.usage()
	}
	r.rest = rest
	people, err := r.people(r.person)
	if err != nil {
		return "", err
	}
	g, err := r.cfg.Groups.Create(r.ctx, group.Actor{User: r.by.ID},
		store.Group{Kind: store.GroupManual, Subject: subject}, ids(people))
	if err != nil {
		return "", err
	}
	return r.words.say(r.words.created, subject, g.Size(), g.AOR()), nil
}

func (r *request) pinMessage() (string, error) {
	m, err := r.theMessage()
	if err != nil {
		return "", err
	}
	if err := r.change(group.Pin{GID: m.GID, On: true}); err != nil {
		return "", err
	}
	return r.words.say(r.words.pinnedMessage, r.line(&m)), nil
}

// unpinMessage takes back the pin of a message, without a number the newest pin.
func (r *request) unpinMessage() (string, error) {
	if len(r.group.Pinned) == 0 {
		return "", refusal(r.words.noPins)
	}
	gid := r.group.Pinned[0]
	if r.rest != "" {
		m, err := r.theMessage()
		if err != nil {
			return "", err
		}
		gid = m.GID
	}
	if err := r.change(group.Pin{GID: gid}); err != nil {
		return "", err
	}
	return r.words.unpinnedMessage, nil
}

// theMessage is the one whose number is given, or the last one that a person
// wrote.
func (r *request) theMessage() (store.Message, error) {
	seq, limit := int64(0), maxHistory
	if r.rest != "" {
		n, ok := number(r.rest)
		if !ok {
			return store.Message{}, r.usage()
		}
		seq, limit = n+1, 1
	}
	found, err := r.cfg.Conversations.MessagesBefore(r.ctx, r.by.ID, r.conversation, seq, limit)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return store.Message{}, err
	}
	for _, m := range found {
		if m.Kind == store.KindText && (seq == 0 || m.Seq == seq-1) {
			return m, nil
		}
	}
	return store.Message{}, refusal(r.words.noMessage)
}
