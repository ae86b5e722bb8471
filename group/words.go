package group

import "strings"

// words are what the service says to people.
type words struct {
	actions [actions]string // what somebody may not

	ownerOnly, administratorsOnly string // %s: an action
	nobody, fixed                 string // %s: an action
	notMember, noSuchMember       string
	higher                        string
	ownerStays, noLeaving         string
	tooMany, tooManyGroups        string // %d: the limit
	tooLong                       string // %d: characters
	badText, noSubject            string
	tooManyPins                   string // %d: the limit
	foreignPin                    string
	mutedAll, mutedForGood        string
	mutedUntil                    string // the time follows
	quota                         string // %d: a day
	noTwo                         string

	time       string // layout of times
	comma, and string
	andMore    string // %d: how many in all
	someone    string
	group      string // the name of a group without a name and without others

	created, createdWith   string // %s: who, whom
	joined                 string // %s: who; nobody invited him
	invited                string // %s: who, whom
	left, removed, kicked  string // %s: who; whom; who, whom
	owner                  string // %s: who
	promoted, demoted      string // %s: whom
	renamed, announced     string // %s: who, text
	retracted              string // %s: who
	muted, unmuted         string // %s: whom, time; whom
	mutedLong              string // %s: whom
	allMuted, allUnmuted   string // %s: who
	pinned, unpinned       string // %s: who
	converted, dissolved   string // %s: who
	administrationOf       string // who it was when it was no member
	becameManual, wasEnded string // by the organisation
}

// wordsOf returns the words of a language: "zh" (also for "") or "en".
func wordsOf(language string) *words {
	if strings.HasPrefix(strings.ToLower(language), "en") {
		return english()
	}
	return chinese()
}

func chinese() *words {
	return &words{
		actions: [actions]string{
			actInvite: "邀请成员", actRemove: "移出成员", actRename: "修改群名称、头像和公告", actPin: "置顶消息",
			actMentionAll: "@所有人", actSpeak: "发言", actPrivate: "在群内私聊", actNickname: "修改他人的群昵称",
			actMute: "禁言成员", actMuteAll: "设置全员禁言", actPromote: "设置管理员", actHandOver: "转让群主",
			actPolicy: "修改群设置", actConvert: "转为普通群", actDissolve: "解散群聊",
		},
		ownerOnly: "只有群主可以%s", administratorsOnly: "只有群主和管理员可以%s",
		nobody: "本群不允许%s", fixed: "本群由组织架构管理，不能%s", noLeaving: "本群由组织架构管理，不能退出",
		notMember: "您不在该群中", noSuchMember: "对方不在该群中", higher: "不能对群主或同级管理员进行此操作",
		ownerStays: "群主须先转让群主身份",
		tooMany:    "群成员已达上限（%d 人）", tooManyGroups: "您创建的群已达上限（%d 个）",
		tooLong: "内容过长，最多 %d 个字", badText: "内容含有不允许的字符", noSubject: "群名称不能为空",
		tooManyPins: "最多置顶 %d 条消息", foreignPin: "该消息不在本群中",
		mutedAll: "全员禁言中，只有群主和管理员可以发言", mutedForGood: "您已被禁言", mutedUntil: "您已被禁言，禁言至 ",
		quota: "今天 @所有人 的次数已用完（每天 %d 次）",
		noTwo: "需要恰好两名成员",

		time: "2006-01-02 15:04", comma: "、", and: "、", andMore: "等%d人", someone: "某用户", group: "群聊",

		created: "%s创建了群聊", createdWith: "%s创建了群聊，并邀请了%s",
		joined: "%s加入了群聊", invited: "%s邀请%s加入群聊",
		left: "%s退出了群聊", removed: "%s已离开群聊", kicked: "%s将%s移出了群聊",
		owner: "%s成为群主", promoted: "%s成为管理员", demoted: "%s不再是管理员",
		renamed: "%s将群名称修改为“%s”", announced: "%s发布了群公告：%s", retracted: "%s删除了群公告",
		muted: "%s被禁言至 %s", mutedLong: "%s被禁言", unmuted: "%s已被解除禁言",
		allMuted: "%s开启了全员禁言", allUnmuted: "%s关闭了全员禁言",
		pinned: "%s置顶了一条消息", unpinned: "%s取消了一条置顶消息",
		converted: "%s将群转为普通群", dissolved: "%s解散了群聊", administrationOf: "系统管理员",
		becameManual: "本群已转为普通群", wasEnded: "本群已解散",
	}
}

func english() *words {
	return &words{
		actions: [actions]string{
			actInvite: "invite people", actRemove: "remove members", actRename: "change the name, picture and announcement",
			actPin: "pin messages", actMentionAll: "address everybody", actSpeak: "write here",
			actPrivate: "write to single members through the group", actNickname: "change the nickname of others",
			actMute: "mute members", actMuteAll: "mute the whole group", actPromote: "appoint administrators",
			actHandOver: "hand the group over", actPolicy: "change the rules of the group",
			actConvert: "make this an ordinary group", actDissolve: "dissolve the group",
		},
		ownerOnly: "Only the owner may %s", administratorsOnly: "Only the owner and administrators may %s",
		nobody: "Nobody in this group may %s", fixed: "This group follows the organisation: nobody may %s",
		noLeaving: "This group follows the organisation: you cannot leave it",
		notMember: "You are not in this group", noSuchMember: "He or she is not in this group", higher: "This cannot be done to the owner or another administrator",
		ownerStays: "Hand the group over first",
		tooMany:    "The group is full (%d members)", tooManyGroups: "You have made as many groups as you may (%d)",
		tooLong: "The text is too long: %d characters at most", badText: "The text has characters that are not allowed",
		noSubject:   "The group needs a name",
		tooManyPins: "At most %d messages may be pinned", foreignPin: "This message is not in the group",
		mutedAll:     "Only the owner and administrators may write at the moment",
		mutedForGood: "You have been muted", mutedUntil: "You are muted until ",
		quota: "You have addressed everybody as often as you may today (%d times)",
		noTwo: "This needs exactly two members",

		time: "2006-01-02 15:04", comma: ", ", and: " and ", andMore: " and others, %d in all", someone: "Somebody",
		group: "Group",

		created: "%s made the group", createdWith: "%s made the group and invited %s",
		joined: "%s joined the group", invited: "%s invited %s to the group",
		left: "%s left the group", removed: "%s is no longer in the group", kicked: "%s removed %s from the group",
		owner: "%s now owns the group", promoted: "%s became an administrator", demoted: "%s is no longer an administrator",
		renamed: "%s named the group “%s”", announced: "%s announced: %s", retracted: "%s took the announcement back",
		muted: "%s may not write until %s", mutedLong: "%s may not write any more", unmuted: "%s may write again",
		allMuted: "%s muted the whole group", allUnmuted: "%s lets everybody write again",
		pinned: "%s pinned a message", unpinned: "%s unpinned a message",
		converted: "%s made this an ordinary group", dissolved: "%s dissolved the group", administrationOf: "The administrator",
		becameManual: "This is an ordinary group from now on", wasEnded: "This group has been dissolved",
	}
}
