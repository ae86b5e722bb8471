package group

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/sparkleim/sparkle/store"
)

// checkEvents checks what the observers were told: each group's versions are
// dense, and each event begins where the one before ended.
func checkEvents(t *testing.T, events []Event) {
	t.Helper()
	last := map[store.GroupID]*Snapshot{}
	for _, e := range events {
		if last[e.After.ID] != e.Before {
			t.Fatalf("group %d: the event to version %d does not begin where the last one ended", e.After.ID, e.After.Version)
		}
		version := int64(0)
		if e.Before != nil {
			version = e.Before.Version
		}
		for _, c := range e.Changes {
			if version++; c.Version != version {
				t.Fatalf("group %d: version %d came for %d", e.After.ID, c.Version, version)
			}
		}
		if version != e.After.Version {
			t.Fatalf("group %d: events to %d, version %d", e.After.ID, version, e.After.Version)
		}
		last[e.After.ID] = e.After
	}
}

// TestManyChangeOneGroup: everybody comes, renames himself and goes, at once.
func TestManyChangeOneGroup(t *testing.T) {
	const people, rounds = 16, 30
	w := newWorld(t, people+10, nil)
	w.store.after = func(c store.GroupChange) error { // now and then another version gets in between
		if c.Group.Version%17 == 0 {
			k := w.store.groups[c.Group.ID]
			k.record.Version++
			k.events = append(k.events, store.GroupEvent{Version: k.record.Version, Action: ActionPicture})
		}
		return nil
	}
	g := w.make(as(zhang), store.Group{Subject: "产品"}, li)
	var all sync.WaitGroup
	for u := store.UserID(3); u < 3+people; u++ {
		all.Go(func() {
			for range rounds {
				for _, step := range []struct {
					by     Actor
					change Change
				}{
					{as(li), Add{Users: []store.UserID{u}}},
					{as(u), SetNickname{u, fmt.Sprintf("名%d", u)}},
					{as(u), Remove{[]store.UserID{u}}},
				} {
					if _, err := w.Change(t.Context(), step.by, g.ID, step.change); err != nil {
						t.Errorf("%d: %v", u, err)
						return
					}
				}
			}
		})
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() { // each reader sees whole groups only
		for version := int64(0); ; {
			select {
			case <-stop:
				return
			default:
			}
			now, _ := w.ByID(g.ID)
			if now.Version < version || now.Owner() != zhang || len(users(now)) != now.Size() {
				t.Errorf("version %d after %d, %d members", now.Version, version, now.Size())
				return
			}
			version = now.Version
			for _, mine := range w.Of(5) {
				if mine.roleOf(5) == 0 {
					t.Error("a group of somebody who is not in it")
				}
			}
		}
	})
	all.Wait()
	close(stop)
	readers.Wait()
	if now := w.is(g, zhang, li); now.Version < 1+3*people*rounds {
		t.Errorf("version %d after %d changes", now.Version, 3*people*rounds)
	}
	checkEvents(t, w.events)
}

// TestGroupsDoNotWaitForEachOther: one whose commit hangs holds nobody else up.
func TestGroupsDoNotWaitForEachOther(t *testing.T) {
	w := newWorld(t, 5, nil)
	slow := w.make(as(zhang), store.Group{Subject: "慢"}, li)
	quick := w.make(as(zhang), store.Group{Subject: "快"}, li)
	release, hanging := make(chan struct{}), make(chan struct{})
	w.store.before = func(c store.GroupChange) error {
		if c.Group.ID == slow.ID {
			w.store.mu.Unlock()
			close(hanging)
			<-release
			w.store.mu.Lock()
		}
		return nil
	}
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := w.Change(t.Context(), as(zhang), slow.ID, Rename{"更慢"}); err != nil {
			t.Error(err)
		}
	})
	<-hanging
	w.do(as(zhang), quick, Rename{"更快"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Change(ctx, as(zhang), slow.ID, Rename{"x"}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("who gave up waiting got %v", err)
	}
	if now, _ := w.ByID(slow.ID); now.Subject != "慢" {
		t.Error("a change was seen before its commit")
	}
	close(release)
	all.Wait()
}

// TestCreationIsToldFirst: who finds a new group at once changes it after the
// observers have heard that it exists.
func TestCreationIsToldFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 5, nil)
		s, err := New(t.Context(), Config{Store: w.store, Domain: "example.com"})
		if err != nil {
			t.Fatal(err)
		}
		var told []string
		s.Observe(func(e Event) {
			if e.Before == nil {
				go s.Change(t.Context(), as(zhang), e.After.ID, Rename{"设计"})
				synctest.Wait()
			}
		})
		s.Observe(func(e Event) { told = append(told, e.Changes[0].Action) })
		if _, err := s.Create(t.Context(), as(zhang), store.Group{Subject: "产品"}, nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if !slices.Equal(told, []string{ActionCreate, ActionSubject}) {
			t.Errorf("told %v", told)
		}
	})
}

// TestPairIsMadeOnce: both open their room at the same time.
func TestPairIsMadeOnce(t *testing.T) {
	w := newWorld(t, 5, nil)
	var all sync.WaitGroup
	ids := make([]store.GroupID, 20)
	for i := range ids {
		all.Go(func() {
			by, other := zhang, li
			if i%2 == 0 {
				by, other = li, zhang
			}
			g, err := w.Create(t.Context(), as(by), store.Group{Kind: store.GroupPair}, []store.UserID{other})
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = g.ID
		})
	}
	all.Wait()
	if slices.Sort(ids); ids[0] != ids[len(ids)-1] || len(w.events) != 1 {
		t.Errorf("made %v in %d events", ids, len(w.events))
	}
}

// TestAnotherWriter: a change on what is not the stored group is made on the
// stored one, and the observers miss nothing.
func TestAnotherWriter(t *testing.T) {
	w := newWorld(t, 6, nil)
	g := w.make(as(zhang), store.Group{Subject: "产品"}, li, wang)
	k := w.store.groups[g.ID]
	k.record.Version, k.record.Subject = 3, "别人改的"
	k.members[5] = store.Member{User: 5, Role: store.RoleMember, Joined: noon}
	delete(k.members, wang)
	k.events = append(k.events, store.GroupEvent{Version: 2, Action: ActionJoin, User: 5},
		store.GroupEvent{Version: 3, Action: ActionKick, User: wang})
	g = w.do(as(zhang), g, Announce{"早"})
	if g.Version != 4 || g.Subject != "别人改的" || !slices.Equal(users(g), []store.UserID{zhang, li, 5}) {
		t.Errorf("became %+v with %v", g.Group, users(g))
	}
	if len(w.Of(5)) != 1 || len(w.Of(wang)) != 0 {
		t.Error("who came and went is not found")
	}
	checkEvents(t, w.events)
	// And when the other writer has dissolved it, it is gone.
	k.record.Version, k.record.Dissolved = 5, &noon
	k.events = append(k.events, store.GroupEvent{Version: 5, Action: ActionDissolve})
	if err := w.refusedAtAll(g, Rename{"x"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("changing what is dissolved: %v", err)
	}
	if _, there := w.ByID(g.ID); there {
		t.Error("it is there")
	}
	checkEvents(t, w.events)
}

// refusedAtAll is a change of the owner's that fails.
func (w *world) refusedAtAll(g *Snapshot, c Change) error {
	_, err := w.Change(w.t.Context(), organisation, g.ID, c)
	return err
}

// TestUnknownOutcome: the commit was done, and its answer lost.
func TestUnknownOutcome(t *testing.T) {
	w := newWorld(t, 6, nil)
	g := w.make(as(zhang), store.Group{Subject: "产品"}, li)
	w.store.after = func(store.GroupChange) error { return fmt.Errorf("commit: %w", store.ErrUnknown) }
	if err := w.refusedAtAll(g, Rename{"设计"}); !errors.Is(err, store.ErrUnknown) {
		t.Fatalf("renamed: %v", err)
	}
	w.store.after = nil
	if now, _ := w.ByID(g.ID); now.Subject != "设计" {
		t.Error("what was committed after all is not seen")
	}
	g = w.do(as(zhang), g, Rename{"测试"})
	if g.Version != 3 {
		t.Errorf("version %d", g.Version)
	}
	checkEvents(t, w.events)
}

// TestRefusedCommitChangesNothing: the store says no, and all is as it was.
func TestRefusedCommitChangesNothing(t *testing.T) {
	w := newWorld(t, 6, func(c *Config) { c.MaxGroups = 2 })
	g := w.make(as(zhang), store.Group{Subject: "产品"}, li)
	w.store.before = func(store.GroupChange) error { return fmt.Errorf("%w: the disk is full", store.ErrUnavailable) }
	if err := w.refused(as(zhang), g, Rename{"设计"}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("renamed: %v", err)
	}
	for range 5 {
		if _, err := w.Create(t.Context(), as(zhang), store.Group{Subject: "x"}, nil); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("made: %v", err)
		}
	}
	if len(w.events) != 1 {
		t.Errorf("%d events", len(w.events))
	}
	w.store.before = nil
	w.do(as(zhang), g, Rename{"设计"})
	w.make(as(zhang), store.Group{Subject: "第二"}) // the failed ones do not count
}

func TestLimits(t *testing.T) {
	w := newWorld(t, 20, func(c *Config) { c.MaxMembers, c.MaxGroups = 5, 2 })
	g := w.make(as(zhang), store.Group{Subject: "一"}, li, wang)
	if err := w.refused(as(zhang), g, Add{Users: []store.UserID{5, 6, 7}}); err.Error() != "群成员已达上限（5 人）" {
		t.Errorf("too many: %v", err)
	}
	w.do(as(zhang), g, Add{Users: []store.UserID{5, 6}})
	if _, err := w.Create(t.Context(), as(li), store.Group{Subject: "大"}, []store.UserID{3, 4, 5, 6, 7}); said(t, err) == "" {
		t.Error("made a group that is too large")
	}
	second := w.make(as(zhang), store.Group{}, li)
	make3 := func() error {
		_, err := w.Create(t.Context(), as(zhang), store.Group{Subject: "三"}, nil)
		return err
	}
	if got := said(t, make3()); got != "您创建的群已达上限（2 个）" {
		t.Errorf("the third group: %q", got)
	}
	w.make(as(zhang), store.Group{Kind: store.GroupPair}, li) // rooms of two do not count
	w.make(organisation, store.Group{Subject: "公司"}, zhang)
	w.do(as(zhang), second, Dissolve{})
	if err := make3(); err != nil {
		t.Errorf("after one was dissolved: %v", err)
	}
	w.restart(func(c *Config) { c.MaxGroups = 2 })
	if err := make3(); err == nil {
		t.Error("a restart forgot who made what")
	}
}

// TestStrangers learn nothing of a group: neither that it is, nor who has an account.
func TestStrangers(t *testing.T) {
	w := newWorld(t, 6, nil)
	g := w.make(as(zhang), store.Group{Subject: "产品"}, li)
	for _, c := range []Change{
		Add{Users: []store.UserID{99}}, Add{Users: []store.UserID{5}}, Remove{[]store.UserID{zhang}}, Remove{[]store.UserID{6}},
		Pin{1, true}, Rename{strings.Repeat("x", 100)}, Dissolve{},
	} {
		there := w.refused(as(6), g, c)
		_, nowhere := w.Change(t.Context(), as(6), 12345, c)
		if want := strings.ReplaceAll(nowhere.Error(), "12345", "1"); there.Error() != want {
			t.Errorf("%T: %q and %q", c, there, want)
		}
	}
}

func TestPinsAreOfTheGroup(t *testing.T) {
	w := newWorld(t, 6, nil)
	g := w.make(as(zhang), store.Group{Subject: "产品"}, li)
	other := w.make(as(wang), store.Group{Subject: "秘密"}, zhao)
	own, foreign := w.store.write(g.ID, zhang), w.store.write(other.ID, wang)
	for gid, want := range map[int64]string{own: "", foreign: "该消息不在本群中", 999: "该消息不在本群中"} {
		_, err := w.Change(t.Context(), as(zhang), g.ID, Pin{gid, true})
		if got := said(t, err); got != want {
			t.Errorf("%d: %q, want %q", gid, got, want)
		}
	}
}

// TestWhatNewcomersSee: as much of the past as the policy says.
func TestWhatNewcomersSee(t *testing.T) {
	for history, want := range map[int]int64{-1: 11, 0: 4, 5: 6, 100: 0} {
		w := newWorld(t, 6, func(c *Config) { c.Defaults.History = 7 })
		g := w.make(as(zhang), store.Group{Subject: "产品", Policy: store.GroupPolicy{History: history}}, li) // one notice
		for range 10 {
			w.store.write(g.ID, zhang)
		}
		g = w.do(as(zhang), g, Add{Users: []store.UserID{wang}})
		if m, _ := g.Member(wang); m.JoinedSeq != want {
			t.Errorf("history %d: sees what comes after %d, want %d", history, m.JoinedSeq, want)
		}
	}
}

// TestRestart: what is in memory after a start is what was there before.
func TestRestart(t *testing.T) {
	w := newWorld(t, 9, nil)
	g := w.make(as(zhang), store.Group{Subject: "产品"}, li, wang, zhao)
	g = w.do(as(zhang), g, SetRole{wang, store.RoleOwner}, SetNickname{zhang, "老张"}, Remove{[]store.UserID{zhao}})
	gone := w.make(as(zhang), store.Group{Subject: "短"})
	w.do(as(zhang), gone, Dissolve{})
	w.restart(nil)
	again, ok := w.Find(g.Name)
	if !ok || again.Version != g.Version || again.Owner() != wang || !slices.Equal(users(again), users(g)) ||
		!slices.Equal(again.Eldest(), g.Eldest()) {
		t.Errorf("read %+v", again)
	}
	if _, there := w.ByID(gone.ID); there {
		t.Error("a dissolved group was read")
	}
}
