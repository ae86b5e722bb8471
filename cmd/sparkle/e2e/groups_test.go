package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// The life of a group in three Linphones, each over another transport: one member
// is away when it is made, one is sent away and comes back, one starts anew and one
// gets a second device. The server is killed in the middle.
func TestGroupOfLinphones(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	carolDir := t.TempDir()
	alice := s.newLinphone(t, "alice", "tls", t.TempDir())
	bob := s.newLinphone(t, "bob", "tcp", t.TempDir())
	room := alice.makeRoom(t, "Team", "bob", "carol")
	bob.awaitRoom(t, room)
	awaitRosters(t, room, "Team: alice* bob carol", alice, bob)
	first := alice.say(t, room, "早上好 1")
	awaitHeard(t, room, "alice", "早上好 1", bob)

	// Who was away finds the room and what was said in it.
	carol := s.newLinphone(t, "carol", "udp", carolDir)
	carol.awaitRoom(t, room)
	awaitRosters(t, room, "Team: alice* bob carol", carol)
	awaitHeard(t, room, "alice", "早上好 1", carol)

	// Receipts: delivered and read are what all have.
	alice.awaitState(t, first, "DeliveredToUser")
	for _, p := range []*linphone{bob, carol} {
		p.tell(t, "seen %s", room)
	}
	alice.awaitState(t, first, "Displayed")
	bob.tell(t, "typing %s", room)
	eventually(t, limit, "alice sees somebody writing", func() bool {
		return alice.out.count(func(l string) bool { return strings.HasPrefix(l, "composing\t"+room) && strings.HasSuffix(l, "\t1") }) > 0
	})

	// A name, a second administrator, a member who has to go and is let in again.
	alice.tell(t, "subject %s 项目 组", room)
	awaitRosters(t, room, "项目 组: alice* bob carol", alice, bob, carol)
	alice.tell(t, "promote %s %s", room, bob.address("bob"))
	awaitRosters(t, room, "项目 组: alice* bob* carol", alice, bob, carol)
	bob.tell(t, "remove %s %s", room, bob.address("carol"))
	carol.awaitGone(t, room)
	awaitRosters(t, room, "项目 组: alice* bob*", alice, bob)
	carol.wantNoTextOf(t, room)
	alice.say(t, room, "without carol")
	awaitHeard(t, room, "alice", "without carol", bob)
	bob.tell(t, "add %s %s", room, bob.address("carol"))
	awaitRosters(t, room, "项目 组: alice* bob* carol", alice, bob, carol)
	alice.tell(t, "demote %s %s", room, alice.address("bob"))
	awaitRosters(t, room, "项目 组: alice* bob carol", alice, bob, carol)
	carol.say(t, room, "back again")
	awaitHeard(t, room, "carol", "back again", alice, bob)

	// Answers and what is passed on keep their mark.
	bob.tell(t, "reply %s an answer", room)
	for _, p := range []*linphone{alice, carol} {
		eventually(t, limit, p.user+" is shown an answer", func() bool { return p.heard(room, "bob", "reply", "an answer") == 1 })
	}
	carol.tell(t, "forward %s %s", room, room)
	for _, p := range []*linphone{alice, bob} {
		eventually(t, limit, p.user+" is shown what is passed on", func() bool { return p.heard(room, "carol", "forward", "an answer") == 1 })
	}

	// What happens while a client is down it finds when it starts, and only once.
	carol.Quit(t)
	alice.tell(t, "subject %s Quartal", room)
	alice.tell(t, "add %s %s", room, alice.address("lisi"))
	awaitRosters(t, room, "Quartal: alice* bob carol lisi", alice, bob)
	bob.say(t, room, "carol is down")
	awaitHeard(t, room, "bob", "carol is down", alice)
	carol = s.newLinphone(t, "carol", "udp", carolDir)
	awaitRosters(t, room, "Quartal: alice* bob carol lisi", carol)
	awaitHeard(t, room, "bob", "carol is down", carol)

	// The server crashes, and with it the network of those who have a connection.
	s.crash(t, alice, bob)
	alice.say(t, room, "after the crash")
	awaitHeard(t, room, "alice", "after the crash", bob, carol)
	alice.tell(t, "subject %s Bilanz", room)
	alice.tell(t, "remove %s %s", room, alice.address("lisi"))
	awaitRosters(t, room, "Bilanz: alice* bob carol", alice, bob, carol)
	bob.say(t, room, "still here")
	awaitHeard(t, room, "bob", "still here", alice, carol)

	// A second device finds the room, and what its user himself has said.
	pocket := s.newLinphone(t, "alice", "tls", t.TempDir())
	pocket.awaitRoom(t, room)
	awaitRosters(t, room, "Bilanz: alice* bob carol", pocket)
	said := []string{"alice out - 早上好 1", "alice out - without carol", "carol in - back again", "bob in reply an answer", "carol in forward an answer",
		"bob in - carol is down", "alice out - after the crash", "bob in - still here"}
	awaitHistory(t, pocket, room, said)
	bob.say(t, room, "to both")
	awaitHeard(t, room, "bob", "to both", pocket, alice)
	pocket.say(t, room, "from the pocket")
	awaitHeard(t, room, "alice", "from the pocket", bob, carol)
	awaitHistory(t, alice, room, append(said, "bob in - to both", "alice out - from the pocket"))

	// Who leaves is gone; the others stay.
	alice.tell(t, "leave %s", room)
	alice.awaitGone(t, room)
	pocket.awaitGone(t, room)
	for _, p := range []*linphone{alice, bob, carol, pocket} {
		p.wantNoTextOf(t, room)
	}
	awaitRosters(t, room, "Bilanz: bob* carol", bob, carol)
	awaitHistory(t, carol, room, []string{"alice in - 早上好 1", "carol out - back again", "bob in reply an answer", "carol out forward an answer",
		"bob in - carol is down", "alice in - after the crash", "bob in - still here", "bob in - to both", "alice in - from the pocket"})
}

// wantNoTextOf holds that the client was sent nothing as phones are that know no rooms:
// it would open a second room with the group as its only member.
func (p *linphone) wantNoTextOf(t *testing.T, room string) {
	t.Helper()
	if l := p.out.last("message\t" + room + "\t"); l != "" {
		t.Errorf("%s's Linphone is told %q as by the group", p.user, l)
	}
}

// crash kills the server and starts it anew. Meanwhile some have no network; who keeps
// his, over TCP, waits a minute until he subscribes again.
func (s *server) crash(t *testing.T, offline ...*linphone) {
	t.Helper()
	for _, p := range offline {
		p.tell(t, "network off")
	}
	s.kill(t)
	s.start(t)
	for _, p := range offline {
		before := p.registrations()
		p.tell(t, "network on")
		p.awaitRegistered(t, before+1)
	}
}

// awaitRosters waits until clients show a room so.
func awaitRosters(t *testing.T, room, want string, by ...*linphone) {
	t.Helper()
	for _, p := range by {
		p.awaitRoster(t, room, want)
	}
}

// awaitHistory waits until a client keeps exactly these messages of a room, in this
// order.
func awaitHistory(t *testing.T, p *linphone, room string, want []string) {
	t.Helper()
	var kept []string
	defer func() {
		if !slices.Equal(kept, want) {
			t.Logf("%s's Linphone keeps\n%s\nand not\n%s", p.user, strings.Join(kept, "\n"), strings.Join(want, "\n"))
		}
	}()
	eventually(t, limit, fmt.Sprintf("%s's Linphone keeps %d messages of the room", p.user, len(want)), func() bool {
		kept = p.history(t, room)
		return slices.Equal(kept, want)
	})
}
