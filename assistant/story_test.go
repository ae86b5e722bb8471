package assistant

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/store"
	"github.com/sparkleim/sparkle/store/sqldb"
)

// noon is the day on which the tests take place.
var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.FixedZone("CST", 8*3600))

// world is an assistant over real groups and a real store.
type world struct {
	t  testing.TB
	db *sqldb.DB
	*Service
	people map[string]store.User
}

func newWorld(t testing.TB, language string) *world {
	t.Helper()
	clock := func() time.Time { return noon }
	db, err := sqldb.Open(sqldb.Config{Dir: t.TempDir(), Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	groups, err := group.New(t.Context(), group.Config{Store: db, Domain: "example.com", Language: language, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, db: db, people: map[string]store.User{}}
	self := w.hire("assistant", "小助手")
	w.hire("zhang", "张三", "1001")
	w.hire("li", "李四", "1002", "+861012345678")
	w.hire("wang", "王五", "1003")
	w.hire("john", "John Smith", "1004")
	w.hire("li2", "李四", "1005")
	w.hire("zhao", "", "1006")
	w.Service = New(Config{
		Groups: groups, Conversations: db, Users: db, Messages: db, Self: self.ID, Language: language, Now: clock,
	})
	return w
}

func (w *world) hire(username, name string, numbers ...string) store.User {
	w.t.Helper()
	u, err := w.db.AddUser(w.t.Context(), store.User{Username: username, Domain: "example.com", DisplayName: name, Numbers: numbers}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.people[username] = u
	return u
}

// found makes a group of people, the first of whom owns it.
func (w *world) found(name, subject string, usernames ...string) *group.Snapshot {
	w.t.Helper()
	var members []store.UserID
	for _, n := range usernames {
		members = append(members, w.people[n].ID)
	}
	g, err := w.cfg.Groups.Create(w.t.Context(), group.Actor{User: members[0]}, store.Group{Name: name, Subject: subject}, members[1:])
	if err != nil {
		w.t.Fatal(err)
	}
	return g
}

// writes archives a message in a group, or with peer in their conversation.
func (w *world) writes(from string, in *group.Snapshot, peer, text string) {
	w.t.Helper()
	m := store.NewMessage{Kind: store.KindText, From: w.people[from].ID, To: w.people[peer].ID, ContentType: "text/plain", Body: []byte(text), Text: text}
	if in != nil {
		m.Group = in.ID
	}
	done := make(chan error)
	w.db.Append(&m, func(_ store.Accepted, err error) { done <- err })
	if err := <-done; err != nil {
		w.t.Fatal(err)
	}
}

// step is a text that somebody writes, and what he is told; … stands for any end.
type step struct{ by, text, want string }

// plays lets people write into a group, or with nil to the assistant.
func (w *world) plays(in *group.Snapshot, steps ...step) {
	w.t.Helper()
	for _, s := range steps {
		got := w.Do(w.t.Context(), w.people[s.by], in, s.text)
		if begin, open := strings.CutSuffix(s.want, "…"); got != s.want && !(open && strings.HasPrefix(got, begin)) {
			w.t.Errorf("%s: %s\n got %q\nwant %q", s.by, s.text, got, s.want)
		}
	}
}

func TestAGroupIsRunByText(t *testing.T) {
	w := newWorld(t, "zh")
	g := w.found("dev", "研发群", "zhang", "li", "wang")
	w.plays(g,
		step{"zhang", "/成员", "研发群（3 人）\n张三 1001 · 群主\n李四 1002\n王五 1003"},
		step{"li", "/邀请 1004、zhao", "已邀请John Smith、zhao。"},
		step{"li", "/add John Smith", "已邀请John Smith。"}, // he is there already: nothing happens
		step{"li", "/邀请 1009", "没有找到“1009”。"},
		step{"li", "/邀请 assistant", "没有找到“assistant”。"},
		step{"li", "/邀请 zhang@elsewhere.org", "没有找到“zhang@elsewhere.org”。"},
		step{"wang", "/邀请 李四", "有多人叫“李四”，请改用号码：1002、1005"},
		step{"li", "/邀请", "用法：/邀请 1001 1002"},
		step{"wang", "/踢出 1004", "只有群主和管理员可以移出成员"},
		step{"zhang", "/管理员 @李四", "李四现在是管理员。"},
		step{"li", "/踢出 John Smith", "已移出John Smith。"},
		step{"li", "/踢出 John Smith", "群里没有“John”。"},
		step{"li", "/踢出 张三", "不能对群主或同级管理员进行此操作"},
		step{"li", "/踢出 1002", "要离开群聊，请发送 /退群。"},
		step{"wang", "/昵称 小  王", "您的群昵称已改为“小 王”。"},
		step{"li", "/禁言 小 王 半小时", "已将小 王禁言至 12:30。"},
		step{"li", "/成员", "研发群（4 人）\n张三 1001 · 群主\n李四 1002 · 管理员\n小 王 1003 · 禁言中\nzhao 1006"},
		step{"li", "/解除禁言 王五", "已解除小 王的禁言。"},
		step{"li", "/禁言 1003", "已将小 王禁言。"},
		step{"li", "/mute 1003 2d", "已将小 王禁言至 2026-03-04 12:00。"},
		step{"wang", "/昵称 清除", "已清除您的群昵称。"},
		step{"li", "/全员禁言", "已开启全员禁言。"},
		step{"li", "/全员禁言 关", "已关闭全员禁言。"},
		step{"li", "/全员禁言 也许", "用法：/全员禁言 开 | 关"},
		step{"zhao", "/改名 我的群", "只有群主和管理员可以修改群名称、头像和公告"},
		step{"li", "/改名 研发 一组", "群名已改为“研发 一组”。"},
		step{"zhao", "/公告", "没有群公告。"},
		step{"li", "/公告 周五聚餐\n七点", "公告已发布。"},
		step{"zhao", "/公告", "周五聚餐\n七点\n（李四，12:00）"},
		step{"li", "/公告 清除", "公告已清除。"},
		step{"li", "/转让 1003", "只有群主可以转让群主"},
		step{"zhang", "/转让 1002", "李四现在是群主。"},
		step{"li", "/取消管理员 1001", "张三现在是普通成员。"},
		step{"zhao", "/退群", "已退出“研发 一组”。"},
		step{"zhao", "/成员", "没有这个群，或您不在群中。"},
		step{"zhang", "/解散", "解散后无法恢复。确定解散“研发 一组”请发送：\n/解散 研发 一组"},
		step{"zhang", "/解散 研发 一组", "只有群主可以解散群聊"},
		step{"li", "/解散 研发 一组", "已解散“研发 一组”。"},
		step{"li", "/成员", "没有这个群，或您不在群中。"},
	)
}

func TestGroupsAreNamedToTheAssistant(t *testing.T) {
	w := newWorld(t, "en")
	w.found("shift", "Night Shift", "zhang", "li")
	w.found("news-1", "News", "zhang", "li", "john")
	n2 := w.found("news-2", "news", "zhang", "wang")
	w.found("wang-only", "Wang only", "wang")
	w.plays(nil,
		step{"zhang", "/members Night Shift", "Night Shift (2 members)\n张三 1001 · owner\n李四 1002"},
		step{"zhang", "/members #shift", "Night Shift (2 members)\n张三 1001 · owner\n李四 1002"},
		step{"zhang", "/members sip:shift@example.com", "Night Shift (2 members)\n张三 1001 · owner\n李四 1002"},
		step{"zhang", "/members night", "You have no group “night”. Did you mean: Night Shift?"},
		step{"zhang", "/members Wang only", "You have no group “Wang”."},
		step{"zhang", "/members wang-only", "You have no group “wang-only”."},
		step{"zhang", "/members news", "Several groups are called “news”. Say which by its address: news-1, news-2"},
		step{"zhang", "/members", "Use: /members GROUP"},
		step{"zhang", "/kick Night Shift", "Use: /kick GROUP 1001"},
		step{"zhang", "/mute “Night Shift” 1002 2小时", "李四 may not write until 14:00."},
		step{"zhang", "/kick news-2 1003", "Removed 王五."},
		step{"zhang", "/dissolve news-2", "This cannot be taken back. To dissolve “news” send:\n/dissolve news-2 news"},
		step{"zhang", "/dissolve news-2 news", "“news” is dissolved."},
		step{"zhang", "/who John Smith", "John Smith\njohn@example.com\nNumbers: 1004\nGroups you share: News"},
		step{"zhang", "/who 1006", "zhao\nzhao@example.com\nNumbers: 1006"},
		step{"zhang", "/who nobody", "There is nobody called “nobody”."},
		step{"zhang", "/new", "Use: /new NAME 1001 1002"},
		step{"zhang", "/new “Late lunch” 1002 john", "Made “Late lunch” (3 members): g-…"},
		step{"zhao", "/groups", "You are in no group."},
		step{"li", "/groups", "Night Shift shift@example.com\nNews news-1@example.com\nLate lunch g-…"},
	)
	w.plays(n2, step{"zhang", "/members #shift", "Night Shift (2 members)\n张三 1001 · owner\n李四 1002 · muted"})
}

func TestConversationsByText(t *testing.T) {
	w := newWorld(t, "zh")
	g := w.found("dev", "研发群", "zhang", "li", "wang")
	w.writes("li", g, "", "第一条")
	w.writes("wang", g, "", "第二条\n很长"+strings.Repeat("长", 200))
	w.writes("wang", nil, "zhang", "在吗")
	w.writes("assistant", nil, "zhang", "没有未读消息。")
	w.plays(nil,
		step{"zhang", "/未读", "王五 · 未读 1\n研发群 · 未读 2"},
		step{"zhang", "/群", "研发群 dev@example.com · 未读 2"},
		step{"zhang", "/已读 王五", "“王五”已标为已读。"},
		step{"zhang", "/unread", "研发群 · 未读 2"},
		step{"zhang", "/已读 全部", "已将 1 个会话标为已读。"},
		step{"zhang", "/未读", "没有未读消息。"},
		step{"zhang", "/记录 王五", "[1] 12:00 王五：在吗"},
		step{"zhang", "/记录 1006", "您和zhao还没有会话。"},
		step{"zhang", "/置顶 1003", "已置顶“王五”。"},
		step{"zhang", "/免打扰 王五 提及 1天", "“王五”只提醒 @ 您的消息。至 2026-03-03 12:00。"},
		step{"zhang", "/免打扰 nobody", "没有找到群“nobody”。"},
		step{"zhang", "/免打扰", "用法：/免打扰 群名或联系人 2小时 | 提及 | 关"},
	)
	w.plays(g,
		step{"wang", "/记录1", "[3] 12:00 王五：第二条 很长" + strings.Repeat("长", 114) + "…"},
		step{"wang", "/记录 5", "12:00 张三创建了群聊，并邀请了李四、王五\n[2] 12:00 李四：第一条\n[3] 12:00 王五：第二条 很长" + strings.Repeat("长", 114) + "…"},
		step{"wang", "/记录 x", "用法：/记录 10"},
		step{"wang", "/置顶消息", "只有群主和管理员可以置顶消息"},
		step{"zhang", "/置顶消息 2", "已置顶：[2] 12:00 李四：第一条"},
		step{"zhang", "/置顶消息 99", "没有找到这条消息。"},
		step{"wang", "/置顶列表", "[2] 12:00 李四：第一条"},
		step{"zhang", "/邀请 1004", "已邀请John Smith。"},
		step{"john", "/pins", "没有置顶消息。"}, // it is from before he came
		step{"john", "/history", "12:00 张三邀请John Smith加入群聊"},
		step{"zhang", "/取消置顶消息", "已取消置顶消息。"},
		step{"zhang", "/取消置顶消息", "没有置顶消息。"},
		step{"li", "/已读", "“研发群”已标为已读。"},
		step{"li", "/免打扰 2小时", "“研发群”已开启免打扰。至 14:00。"},
		step{"li", "/dnd off", "“研发群”已关闭免打扰。"},
		step{"li", "/dnd", "“研发群”已开启免打扰。"},
		step{"li", "/置顶", "已置顶“研发群”。"},
	)
	row, err := w.db.ConversationOf(t.Context(), w.people["li"].ID, g.Conversation)
	if err != nil || row.State.Pinned == nil || row.State.Mute != store.MuteAll || row.State.MuteUntil != nil || row.UnreadCount != 0 {
		t.Errorf("Li's state is %+v, %d unread, %v", row.State, row.UnreadCount, err)
	}
	w.plays(g, step{"li", "/取消置顶", "已取消置顶“研发群”。"})
	if row, _ = w.db.ConversationOf(t.Context(), w.people["li"].ID, g.Conversation); row.State.Pinned != nil {
		t.Error("the conversation is still pinned")
	}
}

func TestWhoKnowsNoCommand(t *testing.T) {
	w := newWorld(t, "en")
	for text, want := range map[string]string{
		"hello":     "Hello, I am the assistant.",
		"你好":        "您好，我是小助手。",
		"":          "Hello, I am the assistant.",
		"/membres":  "There is no command /membres. Send /help",
		"/成圆":       "没有 /成圆 这个命令，发送 /帮助",
		"/help":     "/help – this list\n/groups – my groups\n",
		"/帮助":       "/帮助 – 查看命令\n",
		"/help /禁言": "/mute GROUP 1001 30m\na member may not write",
	} {
		if got := w.Do(t.Context(), w.people["zhang"], nil, text); !strings.HasPrefix(got, want) {
			t.Errorf("%q: %q, want %q…", text, got, want)
		}
	}
	g := w.found("dev", "R&D", "zhang", "li")
	if got := w.Do(t.Context(), w.people["zhang"], g, "/help mute"); got != "/mute 1001 30m\na member may not write" {
		t.Errorf("in a group: %q", got)
	}
}

// TestBigGroup: the answer is short whatever the size.
func TestBigGroup(t *testing.T) {
	w := newWorld(t, "zh")
	names := []string{"zhang"}
	for i := range 120 {
		n := fmt.Sprintf("user%03d", i)
		w.hire(n, "")
		names = append(names, n)
	}
	g := w.found("whole", "全体", names...)
	lines := strings.Split(w.Do(t.Context(), w.people["zhang"], g, "/成员"), "\n")
	if len(lines) != maxMembers+2 || lines[0] != "全体（121 人）" || lines[len(lines)-1] != "…共 121 个" {
		t.Errorf("%d lines, %q … %q", len(lines), lines[0], lines[len(lines)-1])
	}
	many := "/踢出 " + strings.Join(names[1:53], " ")
	if got := w.Do(t.Context(), w.people["zhang"], g, many); got != "一次最多 50 人。" {
		t.Errorf("52 people at once: %q", got)
	}
}

// TestFailuresAreNotTold: what is wrong with the disk is nobody's business.
func TestFailuresAreNotTold(t *testing.T) {
	w := newWorld(t, "en")
	g := w.found("dev", "R&D", "zhang", "li")
	w.cfg.Conversations = broken{w.db}
	w.plays(g, step{"zhang", "/pin", "This cannot be done now: please try again later."})
	w.cfg.Conversations = w.db
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := w.Do(ctx, w.people["zhang"], g, "/who 1002"); got != "This cannot be done now: please try again later." {
		t.Errorf("told %q", got)
	}
}

// broken is a store whose disk is full.
type broken struct{ *sqldb.DB }

func (broken) ChangeConversation(context.Context, store.UserID, store.ConversationID, store.StateChange) (store.ConversationRow, error) {
	return store.ConversationRow{}, errors.New("/var/lib/sparkle/sparkle.db: disk full")
}

// FuzzDo: whatever is typed gets an answer that fits on a phone and tells nothing
// of the inside.
func FuzzDo(f *testing.F) {
	w := newWorld(f, "zh")
	in := w.found("dev", "研发群", "zhang", "li", "wang")
	w.found("shift", "Night Shift", "zhang", "li")
	w.writes("li", in, "", "第一条")
	for _, c := range w.commands {
		f.Add("/"+c.english[0]+" #shift 1002 30m", true)
		f.Add("/"+c.chinese[0]+" “Night Shift” 李四、1003", false)
	}
	f.Fuzz(func(t *testing.T, text string, inside bool) {
		g := in
		if !inside {
			g = nil
		}
		answer := w.Do(t.Context(), w.people["li"], g, text)
		if answer == "" || len(answer) > 16<<10 {
			t.Fatalf("%q: %d bytes", text, len(answer))
		}
		for _, inner := range []string{"sql", "SQL", "invalid:", "not found", "context"} {
			if strings.Contains(answer, inner) && !strings.Contains(text, inner) {
				t.Fatalf("%q: %q", text, answer)
			}
		}
	})
}
