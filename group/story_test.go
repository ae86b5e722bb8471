package group

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/store"
)

func TestLifeOfAGroup(t *testing.T) {
	w := newWorld(t, 6, nil)
	g := w.make(as(zhang), store.Group{Subject: " 产品讨论 "}, li, wang, li, zhang)
	steps := []struct {
		by      store.UserID
		change  Change
		told    string
		version int64
	}{
		{li, Add{Users: []store.UserID{zhao}}, "李四邀请赵六加入群聊", 2},
		{zhang, Rename{"设计"}, "张三将群名称修改为“设计”", 3},
		{zhang, SetRole{li, store.RoleAdministrator}, "李四成为管理员", 4},
		{li, Mute{wang, noon.Add(2 * time.Hour)}, "王五被禁言至 2026-03-02 14:00", 5},
		{li, Mute{wang, time.Time{}}, "王五已被解除禁言", 6},
		{li, MuteAll{true}, "李四开启了全员禁言", 7},
		{li, MuteAll{false}, "李四关闭了全员禁言", 8},
		{li, Announce{"明天十点开会"}, "李四发布了群公告：明天十点开会", 9},
		{li, Announce{}, "李四删除了群公告", 10},
		{wang, SetNickname{wang, "小王"}, "", 11},
		{li, Remove{[]store.UserID{zhao}}, "李四将赵六移出了群聊", 12},
		{wang, Remove{[]store.UserID{wang}}, "小王退出了群聊", 13},
		{zhang, Remove{[]store.UserID{zhang}}, "张三退出了群聊\n李四成为群主", 15},
		{li, Remove{[]store.UserID{li}}, "李四退出了群聊\n李四解散了群聊", 17},
	}
	for _, step := range steps {
		g = w.do(as(step.by), g, step.change)
		if told := strings.Join(w.told(), "\n"); told != step.told {
			t.Errorf("%+v: told %q, want %q", step.change, told, step.told)
		}
		if g.Version != step.version {
			t.Errorf("%+v: version %d, want %d", step.change, g.Version, step.version)
		}
	}
	if _, there := w.Find(g.Name); there || g.Dissolved == nil || len(w.Of(li)) != 0 || len(w.All()) != 0 {
		t.Error("the group is there after its last member has left")
	}
	if _, err := w.Create(t.Context(), as(zhang), store.Group{Subject: "x", Name: g.Name}, nil); err == nil {
		t.Error("the address of a dissolved group was given again")
	}
}

func TestCreation(t *testing.T) {
	w := newWorld(t, 8, nil)
	g := w.make(as(zhang), store.Group{Subject: "产品"}, li, wang)
	if told := w.told(); !slices.Equal(told, []string{"张三创建了群聊，并邀请了李四、王五"}) {
		t.Errorf("told %q", told)
	}
	if g.Kind != store.GroupManual || g.Owner() != zhang || g.Size() != 3 || g.Version != 1 || g.CreatedBy != zhang {
		t.Errorf("made %+v", g.Group)
	}
	if !strings.HasPrefix(g.Name, "g-") || len(g.Name) != 12 || g.Name != strings.ToLower(g.Name) {
		t.Errorf("its name is %q", g.Name)
	}
	if g.URI() != "sip:"+g.Name+"@example.com" {
		t.Errorf("its address is %q", g.URI())
	}
	for _, look := range []func() (*Snapshot, bool){
		func() (*Snapshot, bool) { return w.Find(g.Name) },
		func() (*Snapshot, bool) { return w.ByID(g.ID) },
		func() (*Snapshot, bool) { return w.ByConversation(g.Conversation) },
		func() (*Snapshot, bool) { return w.Of(wang)[0], true },
	} {
		if found, ok := look(); !ok || found != g {
			t.Error("the group was not found")
		}
	}
	w.make(as(zhang), store.Group{Subject: "大家"}, 2, 3, 4, 5, 6, 7)
	if told := w.told(); !slices.Equal(told, []string{"张三创建了群聊，并邀请了李四、王五、赵六、user5等6人"}) {
		t.Errorf("told %q", told)
	}
	w.make(Actor{User: zhang, System: true}, store.Group{Subject: "别人"}, 2, 3, 4, 5, 6)
	if told := w.told(); !slices.Equal(told, []string{"张三创建了群聊，并邀请了李四、王五、赵六、user5等5人"}) {
		t.Errorf("told %q", told)
	}
	w.make(organisation, store.Group{Subject: "公司"}, wang, li)
	if e := w.events[len(w.events)-1]; e.After.Owner() != wang || len(e.Notices) != 0 || e.Before != nil {
		t.Errorf("the organisation made %+v", e)
	}
	for name, bad := range map[string]store.Group{
		"no subject":   {Kind: store.GroupManual},
		"long subject": {Subject: strings.Repeat("长", 65)},
		"control":      {Subject: "a\x07b"},
		"direction":    {Subject: "a\u202eb"},
		"not UTF-8":    {Subject: "a\xffb"},
		"kind":         {Kind: "club", Subject: "x"},
		"fixed":        {Kind: store.GroupFixed, Subject: "x", Follows: &store.Follows{Unit: 1}},
		"policy":       {Subject: "x", Policy: store.GroupPolicy{Invite: 5}},
		"picture":      {Subject: "x", Picture: "../etc"},
		"taken name":   {Subject: "x", Name: g.Name},
		"number":       {Subject: "x", Name: "10086"},
	} {
		if made, err := w.Create(t.Context(), as(zhang), bad, []store.UserID{li}); err == nil {
			t.Errorf("%s: made %+v", name, made.Group)
		}
	}
	if _, err := w.Create(t.Context(), as(zhang), store.Group{Subject: "x"}, []store.UserID{99}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("made a group with nobody: %v", err)
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{"产品", "ab", "Team", "team--x", "-team", "team-", "1001", "86-10-1234", "g-abcdefghij", "sos.fire",
		"assistant", "conference-factory", "team x", "team@x", "team;gr", "a%41b", "+team", "front-desk", strings.Repeat("x", 49)} {
		if err := checkName(name, []string{"front-desk"}); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"team", "team-1", "a.b_c-d", "3d-print", strings.Repeat("x", 48)} {
		if err := checkName(name, nil); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for range 100 {
		if name := randomName(); len(name) != 12 || strings.Trim(name[2:], "abcdefghijklmnopqrstuvwxyz234567") != "" {
			t.Fatalf("%q", name)
		}
	}
}

func TestTheSameMembersFindTheSameGroup(t *testing.T) {
	w := newWorld(t, 5, nil)
	talk := w.make(as(zhang), store.Group{}, li, wang)
	pair := w.make(as(zhang), store.Group{Kind: store.GroupPair}, li)
	if talk.Kind != store.GroupDiscussion {
		t.Fatalf("a group without a subject is %s", talk.Kind)
	}
	w.restart(nil)
	if again := w.make(as(wang), store.Group{}, zhang, li); again.ID != talk.ID {
		t.Error("the discussion was made twice")
	}
	if again := w.make(as(li), store.Group{Kind: store.GroupPair}, zhang); again.ID != pair.ID {
		t.Error("the pair was made twice")
	}
	if other := w.make(as(zhang), store.Group{}, li); other.ID == pair.ID {
		t.Error("a discussion of two is a pair")
	}
	w.do(as(li), talk, Add{Users: []store.UserID{zhao}})
	if again := w.make(as(wang), store.Group{}, zhang, li, zhao); again.ID != talk.ID {
		t.Error("the discussion was not found with its new members")
	}
	if other := w.make(as(wang), store.Group{}, zhang, li); other.ID == talk.ID {
		t.Error("the discussion was found with its old members")
	}
	w.do(as(zhang), talk, Rename{"有名字"})
	if other := w.make(as(wang), store.Group{}, zhang, li, zhao); other.ID == talk.ID {
		t.Error("a discussion with a name was found")
	}
	// A room of two ends when one goes, and begins anew.
	w.do(as(li), pair, Remove{[]store.UserID{li}})
	if other := w.make(as(zhang), store.Group{Kind: store.GroupPair}, li); other.ID == pair.ID {
		t.Error("a pair that was left was found")
	}
	for _, members := range [][]store.UserID{{}, {zhang}, {li, wang}} {
		if _, err := w.Create(t.Context(), as(zhang), store.Group{Kind: store.GroupPair}, members); err == nil {
			t.Errorf("a pair of %v", members)
		}
	}
}

func TestTitle(t *testing.T) {
	w := newWorld(t, 12, nil)
	pair := w.make(as(zhang), store.Group{Kind: store.GroupPair}, li)
	small := w.make(as(zhang), store.Group{}, li, wang)
	large := w.make(as(zhang), store.Group{}, 2, 3, 4, 5, 6)
	alone := w.make(as(zhang), store.Group{})
	named := w.make(as(zhang), store.Group{Subject: "产品"}, li)
	small = w.do(as(wang), small, SetNickname{wang, "小王"})
	w.restart(nil) // names come from the store again
	for _, c := range []struct {
		g      *Snapshot
		viewer store.UserID
		want   string
	}{
		{pair, zhang, "李四"},
		{pair, li, "张三"},
		{small, zhang, "李四、小王"},
		{small, wang, "张三、李四"},
		{small, 0, "张三、李四、小王"},
		{large, zhang, "李四、王五、赵六、user5等6人"},
		{large, 6, "张三、李四、王五、赵六等6人"},
		{alone, zhang, "群聊"},
		{named, zhang, "产品"},
	} {
		if got := w.Title(c.g, c.viewer); got != c.want {
			t.Errorf("group %d for %d: %q, want %q", c.g.ID, c.viewer, got, c.want)
		}
	}
	w.UserChanged(store.User{ID: li, DisplayName: "李思"})
	if got := w.Title(pair, zhang); got != "李思" {
		t.Errorf("after a change of name: %q", got)
	}
	// Who comes into the title when an elder one leaves is known, too.
	large = w.do(as(li), large, Remove{[]store.UserID{li}})
	if got := w.Title(large, zhang); got != "王五、赵六、user5、user6" {
		t.Errorf("after one left: %q", got)
	}
	w.restart(func(c *Config) { c.Language = "en" })
	if got := w.Title(small, zhang); got != "李四 and 小王" {
		t.Errorf("in English: %q", got)
	}
}
