package group

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/store"
	"github.com/sparkleim/sparkle/store/sqldb"
)

// alike compares snapshots as people see them: the same moments in whatever zone.
func alike(t *testing.T, got, want *Snapshot) {
	t.Helper()
	flat := func(g *Snapshot) (store.Group, []store.Member) {
		record := g.Group
		record.Created = record.Created.UTC()
		if a := record.Announcement; a != nil {
			record.Announcement = &store.Announcement{Text: a.Text, By: a.By, At: a.At.UTC()}
		}
		var members []store.Member
		for _, m := range g.Members() {
			m.Joined, m.MutedUntil = m.Joined.UTC(), m.MutedUntil.UTC()
			members = append(members, m)
		}
		return record, members
	}
	gotRecord, gotMembers := flat(got)
	wantRecord, wantMembers := flat(want)
	if !reflect.DeepEqual(gotRecord, wantRecord) || !reflect.DeepEqual(gotMembers, wantMembers) || got.Owner() != want.Owner() {
		t.Errorf("group %d:\n got %+v %+v\nwant %+v %+v", want.ID, gotRecord, gotMembers, wantRecord, wantMembers)
	}
}

// TestPinsAreSeenByWhoPins: nobody gives away, or asks after, what he does not see.
func TestPinsAreSeenByWhoPins(t *testing.T) {
	db, err := sqldb.Open(sqldb.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var ids []store.UserID
	for _, name := range []string{"zhang", "li"} {
		u, err := db.AddUser(t.Context(), store.User{Username: name, Domain: "example.com"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, u.ID)
	}
	s, err := New(t.Context(), Config{Store: db, Domain: "example.com", Language: "en"})
	if err != nil {
		t.Fatal(err)
	}
	g, err := s.Create(t.Context(), as(ids[0]), store.Group{Subject: "Team", Policy: store.GroupPolicy{History: -1}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	other, err := s.Create(t.Context(), as(ids[1]), store.Group{Subject: "Other"}, ids[:1])
	if err != nil {
		t.Fatal(err)
	}
	write := func(m store.NewMessage) int64 {
		t.Helper()
		m.From, m.ContentType, m.Body = ids[0], "text/plain", []byte("x")
		var place store.Accepted
		var err error
		done := make(chan struct{})
		db.Append(&m, func(a store.Accepted, failed error) {
			place, err = a, failed
			close(done)
		})
		if <-done; err != nil {
			t.Fatal(err)
		}
		return place.GID
	}
	before := write(store.NewMessage{Kind: store.KindText, Group: g.ID, Text: "before li came"})
	if g, err = s.Change(t.Context(), as(ids[0]), g.ID, Add{ids[1:], store.RoleAdministrator}); err != nil {
		t.Fatal(err)
	}
	after := write(store.NewMessage{Kind: store.KindText, Group: g.ID, Text: "after"})
	deleted := write(store.NewMessage{Kind: store.KindText, Group: g.ID, Text: "deleted"})
	if err := db.HideMessage(t.Context(), ids[1], deleted); err != nil {
		t.Fatal(err)
	}
	reaction := write(store.NewMessage{Kind: store.KindText, Group: g.ID})
	receipt := write(store.NewMessage{Kind: store.KindReceipt, Group: g.ID, To: ids[1]})
	notice := write(store.NewMessage{Kind: store.KindNotice, Group: g.ID, Text: "came"})
	private := write(store.NewMessage{Kind: store.KindText, To: ids[1], Text: "between two"})
	foreign := write(store.NewMessage{Kind: store.KindText, Group: other.ID, Text: "elsewhere"})
	for _, c := range []struct {
		name                          string
		gid                           int64
		byLi, byZhang, byServersOwner bool
	}{
		{"before he came", before, false, true, true},
		{"after he came", after, true, true, true},
		{"deleted for himself", deleted, false, true, true},
		{"a reaction", reaction, false, false, false},
		{"a receipt", receipt, false, false, false},
		{"a notice", notice, false, false, false},
		{"between two", private, false, false, false},
		{"of another group", foreign, false, false, false},
		{"nothing", foreign + 1000, false, false, false},
	} {
		for _, by := range []struct {
			Actor
			may bool
		}{{as(ids[1]), c.byLi}, {as(ids[0]), c.byZhang}, {organisation, c.byServersOwner}} {
			_, err := s.Change(t.Context(), by.Actor, g.ID, Pin{c.gid, true})
			if said := said(t, err); (said == "") != by.may || !by.may && said != "This message is not in the group" {
				t.Errorf("%s, pinned by %+v: %q", c.name, by.Actor, said)
			}
			if _, err := s.Change(t.Context(), by.Actor, g.ID, Pin{c.gid, false}); err != nil {
				t.Errorf("%s, unpinned by %+v: %v", c.name, by.Actor, err)
			}
		}
	}
}

// TestOverTheRealStore: what the service has in memory is what a start reads, and
// the archive has the notices where newcomers begin to see.
func TestOverTheRealStore(t *testing.T) {
	db, err := sqldb.Open(sqldb.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var ids []store.UserID
	for name := range strings.FieldsSeq("zhang li wang zhao qian sun") {
		u, err := db.AddUser(t.Context(), store.User{Username: name, Domain: "example.com", DisplayName: strings.ToUpper(name)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, u.ID)
	}
	unit, err := db.SetUnit(t.Context(), store.Unit{Name: "研发"})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range ids[:3] {
		if err := db.SetUnitMember(t.Context(), store.UnitMember{Unit: unit.ID, User: u}); err != nil {
			t.Fatal(err)
		}
	}
	open := func() *Service {
		s, err := New(t.Context(), Config{Store: db, Domain: "example.com", Language: "en"})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	change := func(s *Service, by Actor, g *Snapshot, cs ...Change) *Snapshot {
		t.Helper()
		next, err := s.Change(t.Context(), by, g.ID, cs...)
		if err != nil {
			t.Fatalf("%+v: %v", cs, err)
		}
		return next
	}
	var told []store.Message
	s.Observe(func(e Event) { told = append(told, e.Notices...) })

	g, err := s.Create(t.Context(), as(ids[0]), store.Group{Name: "Team.One", Subject: "Team"}, ids[1:3])
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		g = change(s, as(ids[0]), g, Rename{strings.Repeat("x", i+1)})
	}
	g = change(s, as(ids[0]), g, SetPolicy{store.GroupPolicy{History: 2, Pin: store.RoleMember}}, MuteAll{true},
		SetRole{ids[1], store.RoleAdministrator}, Announce{"Hello\nall"}, SetNickname{ids[0], "Z"}, SetPicture{"p.jpg"},
		Mute{ids[2], time.Now().Add(time.Hour)}, Add{Users: ids[3:5]}, Remove{ids[2:3]})
	if m, _ := g.Member(ids[4]); m.JoinedSeq != 3 { // five notices before
		t.Errorf("sees what comes after %d", m.JoinedSeq)
	}
	change(s, as(ids[0]), g, Remove{ids[1:2]}, Add{Users: ids[1:2]}) // out and in at once
	fixed, err := s.Create(t.Context(), organisation, store.Group{Kind: store.GroupFixed, Follows: &store.Follows{Unit: unit.ID}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.RemoveUnitMember(t.Context(), unit.ID, ids[0]); err != nil {
		t.Fatal(err)
	}
	if err := s.Follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	if fixed, _ = s.ByID(fixed.ID); !slices.Equal(users(fixed), ids[1:3]) {
		t.Errorf("the unit's group has %v", users(fixed))
	}
	pair, err := s.Create(t.Context(), as(ids[0]), store.Group{Kind: store.GroupPair}, ids[1:2])
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range told {
		if kept, err := db.Message(t.Context(), m.GID); err != nil || kept.Text != m.Text || kept.Group != m.Group || kept.Seq != m.Seq {
			t.Errorf("told %+v, archived %+v: %v", m, kept, err)
		}
	}
	again := open()
	for _, want := range s.All() {
		got, there := again.ByID(want.ID)
		if !there {
			t.Fatalf("group %d is not there after a start", want.ID)
		}
		alike(t, got, want)
	}
	for _, name := range []string{"team.one", "zhang"} {
		if _, err := s.Create(t.Context(), as(ids[0]), store.Group{Name: name, Subject: "x"}, nil); !errors.Is(err, store.ErrConflict) {
			t.Errorf("the name %s was given again: %v", name, err)
		}
	}

	// Both change the group that the other one has changed.
	alone, err := s.Create(t.Context(), as(ids[0]), store.Group{Subject: "Both"}, ids)
	if err != nil {
		t.Fatal(err)
	}
	same := open() // two over one store, as two nodes would be
	var both sync.WaitGroup
	for i, s := range []*Service{s, same} {
		both.Go(func() {
			for j := range 20 {
				// Now and then the other one is quicker four times in a row.
				_, err := s.Change(t.Context(), as(ids[0]), alone.ID, Announce{strings.Repeat("y", 1+i+2*j)})
				if err != nil && !errors.Is(err, store.ErrUnavailable) {
					t.Error(err)
				}
			}
		})
	}
	both.Wait()
	left, right := change(s, as(ids[0]), alone, Rename{"left"}), change(same, as(ids[0]), alone, Rename{"right"})
	if right.Version != left.Version+1 {
		t.Errorf("versions %d and %d", left.Version, right.Version)
	}

	// The end.
	change(s, as(ids[1]), pair, Remove{ids[1:2]})
	if err := s.UserRemoved(t.Context(), ids[0]); err != nil {
		t.Fatal(err)
	}
	if left := s.Of(ids[0]); len(left) != 0 {
		t.Errorf("who was removed is in %d groups", len(left))
	}
	if err := db.RemoveUnit(t.Context(), unit.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.Follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, there := s.ByID(fixed.ID); there {
		t.Error("the group of the unit outlived it")
	}
	var report strings.Builder
	if problems, err := db.Verify(t.Context(), &report); err != nil || problems > 0 {
		t.Errorf("%d problems, %v:\n%s", problems, err, report.String())
	}
}
