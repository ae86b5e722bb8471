package e2e

import "testing"

// Two Linphones that want a room of two have one, on all their devices; what is said
// before the other one is there waits for him.
func TestPairRoom(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	alice := s.newLinphone(t, "alice", "tls", t.TempDir())
	room := alice.pair(t, "bob")
	alice.awaitRoster(t, room, "Bob: alice bob")
	first := alice.say(t, room, "are you there?")
	bob := s.newLinphone(t, "bob", "tcp", t.TempDir())
	bob.awaitRoster(t, room, "Alice: alice bob")
	awaitHeard(t, room, "alice", "are you there?", bob)
	alice.awaitState(t, first, "DeliveredToUser")
	bob.tell(t, "seen %s", room)
	alice.awaitState(t, first, "Displayed")
	bob.tell(t, "reply %s yes", room)
	eventually(t, limit, "alice is shown an answer", func() bool { return alice.heard(room, "bob", "reply", "yes") == 1 })

	pocket := s.newLinphone(t, "bob", "udp", t.TempDir())
	pocket.awaitRoster(t, room, "Alice: alice bob")
	awaitHistory(t, pocket, room, []string{"alice in - are you there?", "bob out reply yes"})
	pocket.say(t, room, "from the pocket")
	awaitHeard(t, room, "bob", "from the pocket", alice)
	awaitHistory(t, bob, room, []string{"alice in - are you there?", "bob out reply yes", "bob out - from the pocket"})
}
