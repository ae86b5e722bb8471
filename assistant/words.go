package assistant

import (
	"fmt"

	"github.com/sparkleim/sparkle/store"
)

// words are what the assistant says in one language.
type words struct {
	isChinese bool

	comma, time                 string
	groupWord, conversationWord string // in the form of commands
	someone, server, noText     string
	ownerWord, adminWord        string
	memberWord                  string

	greeting       string // %s: commands, help
	unknownCommand string // %s: its name, help
	usage          string // %s: the form
	inGroups       string

	gone, impossible, unsure, later string

	noGroup, noGroupBut         string // %s: the name, groups
	severalGroups               string // %s: the name, addresses
	nobody, noMember            string // %s: the name
	severalPeople               string // %s: the name, usernames
	tooManyPeople               string // %d
	noConversation              string // %s: with whom
	noGroups, noMessage, noPins string
	noMessages, allRead         string
	leaveInstead                string

	added, kicked, left       string // %s
	renamed, nicknamed        string // %s
	nicknameGone              string
	announcement              string // %s: text, who, when
	noAnnouncement            string
	announced, retracted      string
	muted                     string // %s: whom, until
	mutedForGood, unmuted     string // %s: whom
	allMuted, allUnmuted      string
	isNow                     string // %s: who, role
	sayAgain                  string // %s: the group, the command
	dissolved                 string // %s
	created                   string // %s %d %s: name, members, address
	pinnedMessage             string // %s: the message
	unpinnedMessage           string
	pinned, unpinned          string // %s: the conversation
	quiet, loud, onlyMentions string // %s: the conversation
	until                     string // %s: a moment
	readOne                   string // %s
	readAll                   string // %d
	memberCount               string // %s %d: group, members
	more                      string // %d: in all
	mutedMark                 string
	unreadCount, mentions     string // %d
	markedUnread, formerGroup string
	message                   string // %d %s %s %s: number, when, who, text
	notice                    string // %s %s: when, text
	numbers, shared           string // %s
}

// say fills a form of words.
func (w *words) say(form string, args ...any) string { return fmt.Sprintf(form, args...) }

// pick takes the text of this language.
func (w *words) pick(b both) string {
	if w.isChinese {
		return b.chinese
	}
	return b.english
}

// nameOf is the name of a command in this language.
func (w *words) nameOf(c *command) string {
	if w.isChinese {
		return c.chinese[0]
	}
	return c.english[0]
}

func (w *words) role(r store.Role) string {
	switch r {
	case store.RoleOwner:
		return w.ownerWord
	case store.RoleAdministrator:
		return w.adminWord
	}
	return w.memberWord
}

func chinese() *words {
	return &words{
		isChinese: true,
		comma:     "、", time: "2006-01-02 15:04",
		groupWord: "群名", conversationWord: "群名或联系人",
		someone: "某用户", server: "系统", noText: "[非文本消息]",
		ownerWord: "群主", adminWord: "管理员", memberWord: "普通成员",

		greeting:       "您好，我是小助手。给我发送命令即可管理群聊和会话：\n%s\n发送 /%s 查看用法。",
		unknownCommand: "没有 /%s 这个命令，发送 /%s 查看全部命令。",
		usage:          "用法：%s",
		inGroups:       "在群里发送时不必写群名，只有您能看到回复。",

		gone: "没有这个群，或您不在群中。", impossible: "无法完成此操作。",
		unsure: "不确定是否已完成，请稍后查看。", later: "暂时无法完成，请稍后再试。",

		noGroup: "没有找到群“%s”。", noGroupBut: "没有找到群“%s”，您要找的是：%s？",
		severalGroups: "有多个群叫“%s”，请改用群地址：%s",
		nobody:        "没有找到“%s”。", noMember: "群里没有“%s”。",
		severalPeople: "有多人叫“%s”，请改用号码：%s", tooManyPeople: "一次最多 %d 人。",
		noConversation: "您和%s还没有会话。",
		noGroups:       "您还没有加入任何群。", noMessage: "没有找到这条消息。", noPins: "没有置顶消息。",
		noMessages: "没有消息。", allRead: "没有未读消息。",
		leaveInstead: "要离开群聊，请发送 /退群。",

		added: "已邀请%s。", kicked: "已移出%s。", left: "已退出“%s”。",
		renamed: "群名已改为“%s”。", nicknamed: "您的群昵称已改为“%s”。", nicknameGone: "已清除您的群昵称。",
		announcement: "%s\n（%s，%s）", noAnnouncement: "没有群公告。", announced: "公告已发布。", retracted: "公告已清除。",
		muted: "已将%s禁言至 %s。", mutedForGood: "已将%s禁言。", unmuted: "已解除%s的禁言。",
		allMuted: "已开启全员禁言。", allUnmuted: "已关闭全员禁言。",
		isNow:     "%s现在是%s。",
		sayAgain:  "解散后无法恢复。确定解散“%s”请发送：\n%s",
		dissolved: "已解散“%s”。", created: "已创建“%s”（%d 人）：%s",
		pinnedMessage: "已置顶：%s", unpinnedMessage: "已取消置顶消息。",
		pinned: "已置顶“%s”。", unpinned: "已取消置顶“%s”。",
		quiet: "“%s”已开启免打扰。", loud: "“%s”已关闭免打扰。", onlyMentions: "“%s”只提醒 @ 您的消息。",
		until:   "至 %s。",
		readOne: "“%s”已标为已读。", readAll: "已将 %d 个会话标为已读。",
		memberCount: "%s（%d 人）", more: "…共 %d 个", mutedMark: "禁言中",
		unreadCount: "未读 %d", mentions: "@我 %d", markedUnread: "未读", formerGroup: "已退出的群",
		message: "[%d] %s %s：%s", notice: "%s %s",
		numbers: "号码：%s", shared: "共同的群：%s",
	}
}

func english() *words {
	return &words{
		comma: ", ", time: "2006-01-02 15:04",
		groupWord: "GROUP", conversationWord: "GROUP|PERSON",
		someone: "Somebody", server: "The server", noText: "[not a text]",
		ownerWord: "owner", adminWord: "administrator", memberWord: "ordinary member",

		greeting:       "Hello, I am the assistant. Send me commands for your groups and conversations:\n%s\nSend /%s to see how they are used.",
		unknownCommand: "There is no command /%s. Send /%s to see all of them.",
		usage:          "Use: %s",
		inGroups:       "Inside a group leave its name out; only you see the answer.",

		gone: "There is no such group, or you are not in it.", impossible: "This cannot be done.",
		unsure: "This was perhaps done: please look again in a moment.", later: "This cannot be done now: please try again later.",

		noGroup: "You have no group “%s”.", noGroupBut: "You have no group “%s”. Did you mean: %s?",
		severalGroups: "Several groups are called “%s”. Say which by its address: %s",
		nobody:        "There is nobody called “%s”.", noMember: "Nobody in the group is called “%s”.",
		severalPeople: "Several people are called “%s”. Say who by number: %s", tooManyPeople: "At most %d people at once.",
		noConversation: "You have no conversation with %s.",
		noGroups:       "You are in no group.", noMessage: "There is no such message.", noPins: "No message is pinned.",
		noMessages: "There are no messages.", allRead: "Nothing is unread.",
		leaveInstead: "To leave the group send /leave.",

		added: "Invited %s.", kicked: "Removed %s.", left: "You have left “%s”.",
		renamed: "The group is now called “%s”.", nicknamed: "You are now called “%s” in the group.", nicknameGone: "You have no nickname in the group any more.",
		announcement: "%s\n(%s, %s)", noAnnouncement: "There is no announcement.", announced: "Announced.", retracted: "The announcement is gone.",
		muted: "%s may not write until %s.", mutedForGood: "%s may not write any more.", unmuted: "%s may write again.",
		allMuted: "Only the owner and administrators may write now.", allUnmuted: "Everybody may write again.",
		isNow:     "%s: %s.",
		sayAgain:  "This cannot be taken back. To dissolve “%s” send:\n%s",
		dissolved: "“%s” is dissolved.", created: "Made “%s” (%d members): %s",
		pinnedMessage: "Pinned: %s", unpinnedMessage: "Unpinned.",
		pinned: "“%s” stays on top of your list.", unpinned: "“%s” no longer stays on top.",
		quiet: "“%s” does not disturb you any more.", loud: "You hear everything of “%s” again.", onlyMentions: "Of “%s” you hear only what addresses you.",
		until:   " Until %s.",
		readOne: "“%s” is marked as read.", readAll: "%d conversations are marked as read.",
		memberCount: "%s (%d members)", more: "… %d in all", mutedMark: "muted",
		unreadCount: "%d unread", mentions: "%d to me", markedUnread: "unread", formerGroup: "A group you have left",
		message: "[%d] %s %s: %s", notice: "%s %s",
		numbers: "Numbers: %s", shared: "Groups you share: %s",
	}
}
