package e2e

import (
	"net/netip"
	"testing"

	"github.com/sparkleim/sparkle/cmd/sipload/agent"
)

// A re-INVITE that repeats the caller's offer, as session timers want it every few
// minutes, changes nothing: what is said meanwhile arrives, in the same stream, by
// the same ports and keys, and the callee is told the same again.
func TestRefreshLeavesMediaAlone(t *testing.T) {
	t.Parallel()
	s := startOffice(t, nil)
	alice, bob := s.newSpeaker(t, "alice", "tls", true), s.newSpeaker(t, "bob", "tls", true)
	offer := alice.offer()
	d, err := alice.Call(short(t), "bob", offer)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := alice.take(string(d.Answer)); err != nil {
		t.Fatal(err)
	}
	talk(t, alice, bob)
	settle(t, alice, bob)
	remotes := [2]netip.AddrPort{alice.remote(), bob.remote()}
	keys := [2]string{alice.inKey, bob.inKey}
	said, heard := len(alice.sent), bob.count("alice")

	bob.invited = func(*agent.Message) { alice.say(10) }
	for range 3 {
		res, err := d.Do(short(t), &agent.Request{Method: "INVITE", ContentType: "application/sdp", Body: offer})
		if err != nil || res.Status() != 200 {
			t.Fatal(res, err)
		}
		if _, _, err := alice.take(string(res.Body)); err != nil {
			t.Fatal(err)
		}
		alice.say(10)
	}
	said = len(alice.sent) - said
	eventually(t, limit, "all that alice said arrives", func() bool { return bob.count("alice") == heard+said })
	if err := d.Bye(short(t)); err != nil {
		t.Error(err)
	}
	bob.mu.Lock()
	defer bob.mu.Unlock()
	if len(bob.numbers) != 1 || bob.unclear != 0 {
		t.Errorf("bob heard %d streams, and %d packets with other keys", len(bob.numbers), bob.unclear)
	}
	for _, list := range bob.numbers {
		for i := 1; i < len(list); i++ {
			if list[i] != list[i-1]+1 {
				t.Errorf("number %d came after %d", list[i], list[i-1])
			}
		}
	}
	if n := len(bob.offers); n != 4 || bob.offers[n-1] != bob.offers[n-2] {
		t.Errorf("bob was told something else with each refresh:\n%s", bob.offers)
	}
	if now := [2]netip.AddrPort{alice.remote(), bob.to}; now != remotes {
		t.Errorf("media goes to %v, was %v", now, remotes)
	}
	if now := [2]string{alice.inKey, bob.inKey}; now != keys {
		t.Error("the keys have changed")
	}
}
