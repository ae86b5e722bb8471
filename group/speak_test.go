package group

import (
	"errors"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// said is the refusal of a word, "" when it may be said.
func said(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var denied *Denied
	if !errors.As(err, &denied) {
		t.Fatalf("%v is no refusal in words", err)
	}
	return denied.Text
}

func TestMaySpeak(t *testing.T) {
	w := newWorld(t, 8, nil)
	g := w.make(as(zhang), store.Group{Subject: "产品"}, li, wang, zhao, 5)
	g = w.do(as(zhang), g, SetRole{li, store.RoleAdministrator}, Mute{wang, noon.Add(90 * time.Minute)},
		Mute{zhao, noon.AddDate(100, 0, 0)})
	silent := w.do(as(zhang), g, MuteAll{true})
	readers := w.do(as(zhang), silent, MuteAll{false}, SetPolicy{store.GroupPolicy{Speak: store.RoleNobody}})
	gone := w.do(as(zhang), readers, Dissolve{})
	const administratorsOnly = "全员禁言中，只有群主和管理员可以发言"
	for _, c := range []struct {
		name string
		g    *Snapshot
		u    store.UserID
		all  bool
		want string
	}{
		{"member", g, 5, false, ""},
		{"muted", g, wang, false, "您已被禁言，禁言至 2026-03-02 13:30"},
		{"muted for good", g, zhao, false, "您已被禁言"},
		{"stranger", g, 7, false, "您不在该群中"},
		{"member to all", g, 5, true, "只有群主和管理员可以@所有人"},
		{"administrator to all", g, li, true, ""},
		{"silent member", silent, 5, false, administratorsOnly},
		{"silent administrator", silent, li, false, ""},
		{"silent owner", silent, zhang, true, ""},
		{"read only", readers, zhang, false, "本群不允许发言"},
		{"dissolved", gone, zhang, false, "您不在该群中"},
	} {
		if got := said(t, w.MaySpeak(c.g, c.u, c.all)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	var denied *Denied
	if errors.As(w.MaySpeak(g, wang, false), &denied); !denied.Until.Equal(noon.Add(90 * time.Minute)) {
		t.Errorf("muted until %v", denied.Until)
	}
	w.pass(90 * time.Minute)
	if err := w.MaySpeak(g, wang, false); err != nil {
		t.Errorf("after the muting: %v", err)
	}
}

// TestMutingOutlivesMembership: who goes and comes back may write no sooner.
func TestMutingOutlivesMembership(t *testing.T) {
	one := func(u store.UserID) []store.UserID { return []store.UserID{u} }
	w := newWorld(t, 6, nil)
	g := w.make(as(zhang), store.Group{Subject: "产品"}, li, wang, zhao, 5)
	w.unit(1, 0, li, wang)
	fixed := w.make(organisation, store.Group{Kind: store.GroupFixed, Follows: &store.Follows{Unit: 1}})
	until := noon.Add(2 * time.Hour)
	w.do(organisation, fixed, Mute{li, until})
	w.moved(func(m *memory) { delete(m.people, unitUser{1, li}) })
	g = w.do(as(zhang), g, Mute{li, until}, Mute{wang, noon.AddDate(100, 0, 0)}, Mute{zhao, until}, Mute{5, until}, Mute{5, time.Time{}})
	g = w.do(as(li), g, Remove{one(li)})
	g = w.do(as(zhang), g, Remove{[]store.UserID{wang, 5}})
	w.pass(time.Hour)
	w.restart(nil)
	g = w.do(as(zhao), g, Add{[]store.UserID{li, wang, 5, 6}, 0})
	g = w.do(as(zhang), g, Remove{one(zhao)}, Add{one(zhao), 0}) // at once
	w.moved(func(m *memory) { m.people[unitUser{1, li}] = store.UnitMember{Unit: 1, User: li} })
	fixed, _ = w.ByID(fixed.ID)
	const muted = "您已被禁言，禁言至 2026-03-02 14:00"
	for _, c := range []struct {
		name string
		g    *Snapshot
		u    store.UserID
		want string
	}{
		{"left and was added", g, li, muted},
		{"was removed and added", g, wang, "您已被禁言"},
		{"out and in at once", g, zhao, muted},
		{"might write when he left", g, 5, ""},
		{"is new", g, 6, ""},
		{"left the unit and came back", fixed, li, muted},
		{"stayed in the unit", fixed, wang, ""},
	} {
		if got := said(t, w.MaySpeak(c.g, c.u, false)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	w.do(as(zhang), g, Remove{one(li)}, Add{one(li), 0}, Mute{li, time.Time{}})
	g = w.do(as(zhang), g, Remove{one(zhao)})
	w.pass(time.Hour)
	g = w.do(as(zhang), g, Add{one(zhao), 0})
	for _, u := range []store.UserID{li, zhao} {
		if m, _ := g.Member(u); !m.MutedUntil.IsZero() || w.MaySpeak(g, u, false) != nil {
			t.Errorf("%d is muted until %v", u, m.MutedUntil)
		}
	}
}

func TestPrivateMessages(t *testing.T) {
	w := newWorld(t, 8, nil)
	g := w.make(as(zhang), store.Group{Subject: "产品"}, li, wang, zhao)
	g = w.do(as(zhang), g, Mute{wang, noon.Add(time.Hour)})
	strict := w.do(as(zhang), g, SetPolicy{store.GroupPolicy{Private: store.RoleAdministrator}})
	pair := w.make(as(zhang), store.Group{Kind: store.GroupPair}, li)
	for _, c := range []struct {
		name  string
		g     *Snapshot
		u, to store.UserID
		want  string
	}{
		{"members", g, li, zhao, ""},
		{"to a stranger", g, li, 7, "对方不在该群中"},
		{"from a stranger", g, 7, li, "您不在该群中"},
		{"from who is muted", g, wang, li, "您已被禁言，禁言至 2026-03-02 13:00"},
		{"forbidden", strict, li, zhao, "只有群主和管理员可以在群内私聊"},
		{"forbidden but to the owner", strict, zhang, zhao, ""},
		{"in a room of two", pair, zhang, li, "本群不允许在群内私聊"},
	} {
		if got := said(t, w.MaySpeakTo(c.g, c.u, c.to)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestQuotaOfAddressingEverybody(t *testing.T) {
	w := newWorld(t, 5, func(c *Config) { c.Defaults.MentionAll = store.RoleMember })
	g := w.make(as(zhang), store.Group{Subject: "产品"}, li, wang)
	other := w.make(as(zhang), store.Group{Subject: "设计", Policy: store.GroupPolicy{AllDaily: 1}}, li, wang)
	ask := func(g *Snapshot, u store.UserID, want string) {
		t.Helper()
		if got := said(t, w.MaySpeak(g, u, true)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for range defaultAllDaily {
		ask(g, li, "")
	}
	ask(g, li, "今天 @所有人 的次数已用完（每天 3 次）")
	if err := w.MaySpeak(g, li, false); err != nil {
		t.Errorf("without addressing everybody: %v", err)
	}
	ask(g, wang, "") // each has his own
	ask(other, li, "")
	ask(other, li, "今天 @所有人 的次数已用完（每天 1 次）")
	pair := w.make(as(zhang), store.Group{Kind: store.GroupPair}, li)
	for range 20 {
		ask(g, zhang, "")
		ask(pair, li, "")
	}
	w.pass(11*time.Hour + 59*time.Minute)
	ask(other, li, "今天 @所有人 的次数已用完（每天 1 次）")
	w.pass(time.Minute) // midnight where the server stands
	ask(other, li, "")
}

// BenchmarkMessageIsJudged is what each message to a large group costs here.
func BenchmarkMessageIsJudged(b *testing.B) {
	s, err := New(b.Context(), Config{Store: newMemory()})
	if err != nil {
		b.Fatal(err)
	}
	g := tableGroup(store.GroupManual).Group
	s.index.add(newEntry(newSnapshot(g, crowd(5000))), false)
	b.ReportAllocs()
	for b.Loop() {
		found, _ := s.Find("g-table")
		if err := s.MaySpeak(found, 2500, false); err != nil {
			b.Fatal(err)
		}
	}
}
