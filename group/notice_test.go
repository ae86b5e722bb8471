package group

import (
	"slices"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/store"
)

func TestNotices(t *testing.T) {
	names := map[store.UserID]string{1: "张三", 2: "李四", 3: "王五", 4: "赵六", 5: "Eve", 6: "Fay"}
	coming := func(by store.UserID, users ...store.UserID) (events []store.GroupEvent) {
		for _, u := range users {
			events = append(events, store.GroupEvent{Action: ActionJoin, By: by, User: u})
		}
		return events
	}
	one := func(action string, by, u store.UserID, detail string) []store.GroupEvent {
		return []store.GroupEvent{{Action: action, By: by, User: u, Detail: detail, At: noon}}
	}
	for _, c := range []struct {
		name   string
		events []store.GroupEvent
		zh, en string
	}{
		{"one comes", coming(1, 2), "张三邀请李四加入群聊", "张三 invited 李四 to the group"},
		{"two come", coming(1, 2, 3), "张三邀请李四、王五加入群聊", "张三 invited 李四 and 王五 to the group"},
		{"four come", coming(1, 2, 3, 4, 5), "张三邀请李四、王五、赵六、Eve加入群聊", "张三 invited 李四, 王五, 赵六 and Eve to the group"},
		{"five come", coming(1, 2, 3, 4, 5, 6), "张三邀请李四、王五、赵六、Eve等5人加入群聊",
			"张三 invited 李四, 王五, 赵六, Eve and others, 5 in all to the group"},
		{"by the tree", coming(0, 2, 3), "李四、王五加入了群聊", "李四 and 王五 joined the group"},
		{"unknown", coming(0, 99), "某用户加入了群聊", "Somebody joined the group"},
		{"leaving", one(ActionLeave, 2, 2, ""), "李四退出了群聊", "李四 left the group"},
		{"taken out", one(ActionLeave, 0, 2, ""), "李四已离开群聊", "李四 is no longer in the group"},
		{"kicked", one(ActionKick, 1, 2, ""), "张三将李四移出了群聊", "张三 removed 李四 from the group"},
		{"kicked by the server", one(ActionKick, 0, 2, ""), "李四已离开群聊", "李四 is no longer in the group"},
		{"owner", one(ActionRole, 1, 2, "owner"), "李四成为群主", "李四 now owns the group"},
		{"administrator", one(ActionRole, 1, 2, "administrator"), "李四成为管理员", "李四 became an administrator"},
		{"member", one(ActionRole, 1, 2, "member"), "李四不再是管理员", "李四 is no longer an administrator"},
		{"muted", one(ActionMute, 1, 2, "2026-03-02T05:30:00Z"), "李四被禁言至 2026-03-02 13:30", "李四 may not write until 2026-03-02 13:30"},
		{"muted for good", one(ActionMute, 1, 2, "2126-03-02T05:30:00Z"), "李四被禁言", "李四 may not write any more"},
		{"heard again", one(ActionMute, 1, 2, ""), "李四已被解除禁言", "李四 may write again"},
		{"silence", one(ActionMuteAll, 1, 0, "on"), "张三开启了全员禁言", "张三 muted the whole group"},
		{"no silence", one(ActionMuteAll, 0, 0, "off"), "系统管理员关闭了全员禁言", "The administrator lets everybody write again"},
		{"name", one(ActionSubject, 1, 0, "新名"), "张三将群名称修改为“新名”", "张三 named the group “新名”"},
		{"no name", one(ActionSubject, 1, 0, ""), "", ""},
		{"announcement", one(ActionAnnounce, 1, 0, "开会"), "张三发布了群公告：开会", "张三 announced: 开会"},
		{"no announcement", one(ActionAnnounce, 0, 0, ""), "系统管理员删除了群公告", "The administrator took the announcement back"},
		{"pin", one(ActionPin, 1, 0, "c"), "张三置顶了一条消息", "张三 pinned a message"},
		{"unpin", one(ActionUnpin, 1, 0, "c"), "张三取消了一条置顶消息", "张三 unpinned a message"},
		{"converted", one(ActionConvert, 1, 0, ""), "张三将群转为普通群", "张三 made this an ordinary group"},
		{"converted by the tree", one(ActionConvert, 0, 0, ""), "本群已转为普通群", "This is an ordinary group from now on"},
		{"dissolved", one(ActionDissolve, 1, 0, ""), "张三解散了群聊", "张三 dissolved the group"},
		{"dissolved by the tree", one(ActionDissolve, 0, 0, ""), "本群已解散", "This group has been dissolved"},
		{"nickname", one(ActionNickname, 1, 1, "x"), "", ""},
		{"picture", one(ActionPicture, 1, 0, "x"), "", ""},
		{"policy", one(ActionPolicy, 1, 0, ""), "", ""},
	} {
		for language, want := range map[string]string{"": c.zh, "zh-CN": c.zh, "en": c.en} {
			n := narrator{words: wordsOf(language), zone: noon.Location(), called: func(u store.UserID) string {
				if name := names[u]; name != "" {
					return name
				}
				return wordsOf(language).someone
			}}
			var texts []string
			if want != "" {
				texts = []string{want}
			}
			if got := n.tell(tableGroup(store.GroupManual), c.events); !slices.Equal(got, texts) {
				t.Errorf("%s: %q, want %q", c.name, got, want)
			}
			if got := n.tell(tableGroup(store.GroupPair), c.events); got != nil {
				t.Errorf("%s: a room of two is told %q", c.name, got)
			}
		}
	}
}

// TestNoticesKeepTheOrder: only what follows each other is told together.
func TestNoticesKeepTheOrder(t *testing.T) {
	n := narrator{words: chinese(), zone: time.UTC, called: func(u store.UserID) string { return string(rune('A' + u)) }}
	got := n.tell(tableGroup(store.GroupManual), []store.GroupEvent{
		{Action: ActionJoin, By: 1, User: 2}, {Action: ActionJoin, By: 1, User: 3}, {Action: ActionJoin, By: 4, User: 5},
		{Action: ActionKick, By: 1, User: 2}, {Action: ActionJoin, By: 1, User: 2},
	})
	want := []string{"B邀请C、D加入群聊", "E邀请F加入群聊", "B将C移出了群聊", "B邀请C加入群聊"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
