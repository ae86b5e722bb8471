package assistant

import (
	"slices"
	"strings"
	"unicode"

	"github.com/sparkleim/sparkle/store"
)

// command is something that people may want.
type command struct {
	english, chinese []string // names; help shows the first
	place            place
	arguments        both
	purpose          both
	do               func(r *request) (string, error)
}

// both is a text in English and in Chinese.
type both struct{ english, chinese string }

// commands is the table of what the assistant knows, in the order of help.
func commands() []command {
	return []command{
		{[]string{"help", "?"}, []string{"帮助"}, nowhere, both{}, both{"this list", "查看命令"}, (*request).help},
		{[]string{"groups"}, []string{"群", "群列表", "我的群"}, nowhere, both{}, both{"my groups", "我的群"}, (*request).listGroups},
		{[]string{"unread"}, []string{"未读"}, nowhere, both{}, both{"what I have not read", "未读会话"}, (*request).unread},
		{[]string{"who"}, []string{"查", "谁"}, nowhere, both{"1001", "1001"}, both{"who somebody is", "查找联系人"}, (*request).who},
		{[]string{"new"}, []string{"建群"}, nowhere, both{"NAME 1001 1002", "群名 1001 1002"}, both{"make a group", "创建群聊"}, (*request).create},

		{[]string{"read"}, []string{"已读"}, ofSomeOrAll, both{}, both{"mark as read", "标记已读"}, (*request).read},
		{[]string{"history"}, []string{"记录", "历史"}, ofConversation, both{"10", "10"}, both{"the last messages", "最近消息"}, (*request).history},
		{[]string{"pin"}, []string{"置顶"}, ofConversation, both{}, both{"keep on top of my list", "置顶会话"}, (*request).pin},
		{[]string{"unpin"}, []string{"取消置顶"}, ofConversation, both{}, both{"no longer on top", "取消置顶会话"}, (*request).unpin},
		{[]string{"dnd"}, []string{"免打扰"}, ofConversation, both{"2h | mentions | off", "2小时 | 提及 | 关"}, both{"do not disturb", "消息免打扰"}, (*request).doNotDisturb},

		{[]string{"members"}, []string{"成员", "群成员"}, ofGroup, both{}, both{"who is in the group", "群成员"}, (*request).members},
		{[]string{"add", "invite"}, []string{"邀请", "添加"}, ofGroup, both{"1001 1002", "1001 1002"}, both{"invite people", "邀请成员"}, (*request).add},
		{[]string{"kick", "remove"}, []string{"踢出", "移出"}, ofGroup, both{"1001", "1001"}, both{"remove members", "移出成员"}, (*request).kick},
		{[]string{"leave"}, []string{"退群"}, ofGroup, both{}, both{"leave the group", "退出群聊"}, (*request).leave},
		{[]string{"nick"}, []string{"昵称"}, ofGroup, both{"NICKNAME | off", "昵称 | 清除"}, both{"my name in the group", "我的群昵称"}, (*request).nick},
		{[]string{"rename"}, []string{"改名", "群名"}, ofGroup, both{"NAME", "新群名"}, both{"rename the group", "修改群名"}, (*request).rename},
		{[]string{"announce"}, []string{"公告", "群公告"}, ofGroup, both{"TEXT | off", "内容 | 清除"}, both{"show or set the announcement", "查看或发布公告"}, (*request).announce},
		{[]string{"pins"}, []string{"置顶列表"}, ofGroup, both{}, both{"pinned messages", "查看置顶消息"}, (*request).pins},
		{[]string{"pinmsg"}, []string{"置顶消息"}, ofGroup, both{"12", "12"}, both{"pin a message, or the last one", "置顶某条或最后一条消息"}, (*request).pinMessage},
		{[]string{"unpinmsg"}, []string{"取消置顶消息"}, ofGroup, both{"12", "12"}, both{"unpin a message", "取消置顶消息"}, (*request).unpinMessage},
		{[]string{"mute"}, []string{"禁言"}, ofGroup, both{"1001 30m", "1001 30分钟"}, both{"a member may not write", "禁言成员"}, (*request).mute},
		{[]string{"unmute"}, []string{"解除禁言", "取消禁言"}, ofGroup, both{"1001", "1001"}, both{"he may write again", "解除禁言"}, (*request).unmute},
		{[]string{"muteall"}, []string{"全员禁言"}, ofGroup, both{"on | off", "开 | 关"}, both{"only administrators write", "全员禁言"}, (*request).muteAll},
		{[]string{"admin"}, []string{"管理员", "设管理员"}, ofGroup, both{"1001", "1001"}, both{"make an administrator", "设为管理员"}, roleOf(store.RoleAdministrator)},
		{[]string{"unadmin"}, []string{"取消管理员"}, ofGroup, both{"1001", "1001"}, both{"an administrator no more", "取消管理员"}, roleOf(store.RoleMember)},
		{[]string{"owner"}, []string{"转让", "群主"}, ofGroup, both{"1001", "1001"}, both{"hand the group over", "转让群主"}, roleOf(store.RoleOwner)},
		{[]string{"dissolve"}, []string{"解散"}, ofGroup, both{}, both{"end the group", "解散群聊"}, (*request).dissolve},
	}
}

// help lists the commands, or tells about one.
func (r *request) help() (string, error) {
	if name := strings.ToLower(strings.TrimLeft(r.rest, slashes)); name != "" {
		known, ok := r.Service.names[name]
		if !ok {
			return "", refusal(r.words.say(r.words.unknownCommand, oneLine(name, maxShownName), r.words.nameOf(r.command)))
		}
		r.command = known.command
		return r.form() + "\n" + r.words.pick(known.command.purpose), nil
	}
	var lines []string
	for i := range r.commands {
		about := &request{words: r.words, in: r.in, command: &r.commands[i]}
		lines = append(lines, about.form()+" – "+r.words.pick(r.commands[i].purpose))
	}
	if r.in == nil {
		lines = append(lines, r.words.inGroups)
	}
	return strings.Join(lines, "\n"), nil
}

// on reads a switch: without a word it is switched on.
func (r *request) on() (bool, error) {
	switch strings.ToLower(r.rest) {
	case "", "on", "开", "开启", "打开":
		return true, nil
	}
	if isOff(r.rest) {
		return false, nil
	}
	return false, r.usage()
}

// isAll tells whether a word means everything.
func isAll(word string) bool {
	return slices.Contains([]string{"all", "全部", "所有"}, strings.ToLower(word))
}

// isOff tells whether a word takes something back.
func isOff(word string) bool {
	return slices.Contains([]string{"off", "关", "关闭", "取消", "清除", "无"}, strings.ToLower(word))
}

// number reads a whole number from 1 on, with or without the brackets in which
// history shows it.
func number(word string) (int64, bool) {
	word = strings.Trim(word, "[]")
	var n int64
	for _, c := range word {
		if !unicode.IsDigit(c) || c > '9' || n > 1e15 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, n > 0
}
