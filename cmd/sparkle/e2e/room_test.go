package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// makeRoom lets a Linphone make a group, whose subject is one word, and returns its
// address.
func (p *linphone) makeRoom(t *testing.T, subject string, members ...string) string {
	t.Helper()
	command := "create " + subject
	for _, m := range members {
		command += " " + p.address(m)
	}
	return p.awaitNewRoom(t, subject, command)
}

// pair lets a Linphone make a room with one other.
func (p *linphone) pair(t *testing.T, with string) string {
	t.Helper()
	return p.awaitNewRoom(t, "pair", "pair "+p.address(with))
}

func (p *linphone) awaitNewRoom(t *testing.T, subject, command string) (room string) {
	t.Helper()
	p.tell(t, "%s", command)
	eventually(t, limit, p.user+"'s Linphone has made a room", func() bool {
		p.out.count(func(l string) bool {
			if f := strings.Split(l, "\t"); f[0] == "room" && f[2] == "created" && f[3] == subject {
				room = f[1]
			}
			return false
		})
		return room != ""
	})
	return room
}

// rooms are the rooms that the client has come into, in their order.
func (p *linphone) rooms() (rooms []string) {
	p.out.count(func(l string) bool {
		if f := strings.Split(l, "\t"); f[0] == "room" && f[2] == "created" {
			rooms = append(rooms, f[1])
		}
		return false
	})
	return rooms
}

func (p *linphone) address(user string) string { return "sip:" + user + "@" + p.domain }

// awaitRoom waits until the client is in a room, without anybody having told it to.
func (p *linphone) awaitRoom(t *testing.T, room string) {
	t.Helper()
	eventually(t, limit, p.user+"'s Linphone has the room", func() bool { return slices.Contains(p.rooms(), room) })
}

// awaitGone waits until the client knows that it is no longer in a room.
func (p *linphone) awaitGone(t *testing.T, room string) {
	t.Helper()
	eventually(t, limit, p.user+"'s Linphone has left the room", func() bool {
		return strings.Contains(p.out.last("room\t"+room), "\tleft\t")
	})
}

// awaitRoster waits until the client shows a room so: "Subject: alice* bob", those
// with a star may change it.
func (p *linphone) awaitRoster(t *testing.T, room, want string) {
	t.Helper()
	var asked time.Time
	shown := ""
	defer func() {
		if shown != want {
			t.Logf("%s's Linphone shows %q, not %q", p.user, shown, want)
		}
	}()
	eventually(t, limit, p.user+"'s Linphone shows "+want, func() bool {
		if time.Since(asked) > 200*time.Millisecond {
			asked = time.Now()
			p.tell(t, "roster %s", room)
		}
		shown = p.roster(p.out.last("roster\t" + room + "\t"))
		return shown == want
	})
}

// roster reads the event of that name.
func (p *linphone) roster(line string) string {
	f := strings.Split(line, "\t")
	if len(f) < 4 {
		return line
	}
	var members []string
	for _, member := range f[3:] {
		name, admin, _ := strings.Cut(strings.Replace(member, "me=", p.address(p.user)+"=", 1), "=")
		name, _, _ = strings.Cut(strings.TrimPrefix(name, "sip:"), "@")
		members = append(members, name+strings.Repeat("*", strings.Count(admin, "1")))
	}
	slices.Sort(members)
	return f[2] + ": " + strings.Join(members, " ")
}

// say returns the name of the message.
func (p *linphone) say(t *testing.T, room, text string) (id string) {
	t.Helper()
	before := p.out.last("sent\t")
	p.tell(t, "say %s %s", room, text)
	eventually(t, limit, p.user+"'s Linphone sends", func() bool { id = p.out.last("sent\t"); return id != before })
	return strings.TrimPrefix(id, "sent\t")
}

// heard tells how often the client was told exactly this text, by that user, in a
// room. mark is "reply", "forward" or "-".
func (p *linphone) heard(room, from, mark, text string) int {
	return p.out.count(func(l string) bool {
		f := strings.SplitN(l, "\t", 5)
		return len(f) == 5 && f[0] == "said" && f[1] == room && strings.HasPrefix(f[2], p.address(from)) && f[3] == mark && f[4] == text
	})
}

// awaitHeard waits until clients were told a text in a room.
func awaitHeard(t *testing.T, room, from, text string, by ...*linphone) {
	t.Helper()
	for _, p := range by {
		eventually(t, limit, fmt.Sprintf("%s hears %q of %s", p.user, text, from), func() bool { return p.heard(room, from, "-", text) > 0 })
	}
}

// awaitState waits until a message of the client's own has been in a state.
func (p *linphone) awaitState(t *testing.T, id, state string) {
	t.Helper()
	eventually(t, limit, fmt.Sprintf("%s sees %s %s", p.user, id, state), func() bool { return slices.Contains(p.States(id), state) })
}

// history is what the client keeps of a room: "alice out - text", oldest first.
func (p *linphone) history(t *testing.T, room string) (all []string) {
	t.Helper()
	ended := func(l string) bool { return l == "history\t"+room+"\tend" }
	before := p.out.count(ended)
	p.tell(t, "history %s", room)
	eventually(t, limit, p.user+"'s Linphone tells its history", func() bool { return p.out.count(ended) > before })
	p.out.count(func(l string) bool {
		switch f := strings.SplitN(l, "\t", 8); {
		case ended(l):
			before--
		case before == 0 && len(f) == 8 && f[0] == "history" && f[1] == room:
			name, _, _ := strings.Cut(strings.TrimPrefix(f[3], "sip:"), "@")
			all = append(all, strings.Join([]string{name, f[4], f[6], f[7]}, " "))
		}
		return false
	})
	return all
}
