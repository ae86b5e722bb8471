package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/admin"
	"github.com/sparkleim/sparkle/store"
)

// commandStep is a command line and what it must print: a part of it for an error,
// else the beginning.
type commandStep struct {
	line string // ' groups words
	in   string
	code int
	want string
}

// follow runs commands one after the other.
func (d *demo) follow(t *testing.T, steps []commandStep) {
	t.Helper()
	for _, s := range steps {
		code, out, errOut := d.command(t, s.in, wordsOf(s.line)...)
		good := strings.HasPrefix(out, s.want)
		if s.code != exitDone {
			good = strings.Contains(errOut, s.want)
		}
		if code != s.code || !good {
			t.Errorf("sparkle %s: exit code %d, want %d\ngot  %s%swant %s", s.line, code, s.code, out, errOut, s.want)
		}
	}
}

// wordsOf splits a command line; what stands between ' is one word.
func wordsOf(line string) []string {
	var all []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			all = append(all, part)
			continue
		}
		all = append(all, strings.Fields(part)...)
	}
	return all
}

// TestGroupCommands makes a group, does everything with it and dissolves it.
func TestGroupCommands(t *testing.T) {
	d := startDemo(t, t.TempDir())
	d.follow(t, []commandStep{
		{"group add tech --subject 技术组 --member alice --member 1002 --speak administrator", "", exitDone, "added tech@localhost: 技术组, 2 members\n"},
		{"group add tech --subject 又一个 --member bob", "", exitFailed, "tech is the name of a group, or was"},
		{"group add other --subject x --member nobody", "", exitFailed, `there is no user "nobody"`},
		{"group add other --sub-units", "", exitUsage, "--sub-units, --title and --orphan need --unit"},
		{"group add --member bob --member carol", "", exitDone, "added g-"},
		{"group member add tech bob carol", "", exitDone, "tech@localhost has 4 members\n"},
		{"group member mute tech lisi", "", exitDone, "MEMBER          NAME  NICKNAME  ROLE    JOINED               MUTED\nlisi@localhost  李四  -         member  "},
		{"group member mute tech lisi soon", "", exitUsage, `"soon" is not a time: write 30m, 2h or 7d`},
		{"group member mute tech carol 7d", "", exitDone, "MEMBER"},
		{"group member unmute tech carol", "", exitDone, "MEMBER"},
		{"group member nickname tech carol 卡罗", "", exitDone, "MEMBER           NAME   NICKNAME  ROLE    JOINED               MUTED\ncarol@localhost  Carol  卡罗      member  "},
		{"group member role tech carol administrator", "", exitDone, "MEMBER"},
		{"group member role tech carol king", "", exitFailed, "expected value to be one of"},
		{"group member role tech wangwu member", "", exitFailed, "wangwu in group tech: not found"},
		{"group hand-over tech bob", "", exitDone, "handed over tech@localhost\n"},
		{"group hand-over tech wangwu", "", exitFailed, "wangwu is not in the group: add him first"},
		{"group member remove tech alice", "", exitDone, "removed alice from tech\n"},
		{"group member list tech", "", exitDone, "MEMBER           NAME   NICKNAME  ROLE           JOINED               MUTED\nbob@localhost    Bob    -         owner          "},
		{"group rename tech '技 术 部'", "", exitDone, "renamed tech@localhost\n"},
		{"group rename tech ''", "", exitFailed, "sparkle: "},
		{"group announce tech '周五例会'", "", exitDone, "announced in tech@localhost\n"},
		{"group announce tech ''", "", exitDone, "removed the announcement of tech@localhost\n"},
		{"group mute-all tech on", "", exitDone, "only the owner and administrators may write into tech@localhost\n"},
		{"group mute-all tech maybe", "", exitUsage, `"maybe": write on or off`},
		{"group mute-all tech off", "", exitDone, "everybody may write into tech@localhost\n"},
		{"group policy tech --invite nobody --history -1", "", exitDone, "RULE "},
		{"group policy tech", "", exitDone, "RULE                                   FROM           DECIDED BY\nadd people                             nobody         the group\n"},
		{"group list 术", "", exitDone, "NUMBER  ADDRESS         TITLE     KIND    MEMBERS  OWNER\n3       tech@localhost  技 术 部  manual  3        bob@localhost\n"},
		{"group list --member zhangsan --kind fixed", "", exitDone, "NUMBER  ADDRESS          TITLE   KIND   MEMBERS  OWNER\n1       yanfa@localhost  研发部  fixed  3        -\n"},
		{"group show tech", "", exitDone, "group         tech@localhost\nnumber        3\ntitle         技 术 部\n"},
		{"group show nothing", "", exitFailed, `group "nothing": not found`},
		{"group convert tech", "", exitDone, "tech@localhost is a manual group\n"},
		{"group convert yanfa", "", exitDone, "yanfa@localhost is a manual group\n"},
		{"group member add yanfa carol", "", exitDone, "yanfa@localhost has 4 members\n"},
		{"group dissolve tech", "", exitDone, "dissolved tech\n"},
		{"group show tech", "", exitFailed, `group "tech": not found`},
		{"group show 3", "", exitDone, "group         tech@localhost\n"},
		{"verify", "", exitDone, "ok: "},
		{"status", "", exitDone, "sparkle "},
	})
	var actions []string
	for _, line := range strings.Split(d.output(t, "group", "history", "3"), "\n")[1:] {
		if columns := strings.Fields(line); len(columns) > 4 {
			actions = append(actions, columns[4])
		}
	}
	want := []string{"create", "join", "join", "mute", "mute", "mute", "nickname", "role", "role", "role", "kick", "subject", "announce", "announce", "mute-all", "mute-all", "policy", "dissolve"}
	if !slices.Equal(actions, want) {
		t.Errorf("history\ngot  %q\nwant %q", actions, want)
	}
	if out := d.output(t, "status"); !strings.Contains(out, ", 3 groups\n") {
		t.Errorf("status:\n%s", out)
	}
}

// output is what a command prints that must not fail.
func (d *demo) output(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errOut := d.command(t, "", args...)
	if code != exitDone {
		t.Fatalf("sparkle %s: %d %s", strings.Join(args, " "), code, errOut)
	}
	return out
}

// TestGroupMessagesAreRead: who reads them is in the audit log, and a message can
// be pinned by what is shown of it.
func TestGroupMessagesAreRead(t *testing.T) {
	d := startDemo(t, t.TempDir())
	alice := d.phone(t, "alice")
	alice.message("weekend", "几点出发？")
	alice.final(t, 202)
	lines := strings.Split(d.output(t, "group", "messages", "weekend"), "\n")
	columns := strings.Fields(lines[1])
	if len(columns) != 6 || columns[3] != "alice@localhost" || columns[4] != "weekend@localhost" || columns[5] != "几点出发？" {
		t.Fatalf("messages:\n%s", strings.Join(lines, "\n"))
	}
	id := columns[0]
	d.follow(t, []commandStep{
		{"message search --group weekend", "", exitDone, "ID                AT                   FROM             TO                 TEXT\n" + id},
		{"message search --group yanfa", "", exitDone, "ID  AT  FROM  TO  TEXT\n"},
		{"group pin weekend " + id, "", exitDone, "pinned " + id + " in weekend@localhost\n"},
		{"group pin yanfa " + id, "", exitFailed, "sparkle: "},
		{"group unpin weekend " + id, "", exitDone, "removed the pin of " + id + "\n"},
		{"message trace " + id, "", exitDone, "message       " + id + "\nfrom          alice@localhost\nto            weekend@localhost\n"},
	})
	var log admin.Page[store.AuditEntry]
	d.call(t, "GET", "/v1/audit", nil, &log)
	var entries []string
	for _, e := range slices.Backward(log.Items) {
		entries = append(entries, e.Action+" "+e.Object)
	}
	want := []string{"message.history weekend@localhost", "message.search weekend", "message.search yanfa", "group.pin weekend@localhost", "group.unpin weekend@localhost", "message.trace " + id}
	if !slices.Equal(entries, want) {
		t.Errorf("audit\ngot  %q\nwant %q", entries, want)
	}
}

// TestUnitCommands builds a tree, and groups that follow it.
func TestUnitCommands(t *testing.T) {
	d := startDemo(t, t.TempDir())
	d.follow(t, []commandStep{
		{"unit add 分公司", "", exitDone, "added 分公司\n"},
		{"unit add 分公司/客服", "", exitDone, "added 分公司/客服\n"},
		{"unit add 分公司/客服", "", exitFailed, "already"},
		{"unit add 没有/客服", "", exitFailed, `there is no unit "没有"`},
		{"unit add 分公司/财务 --order 1", "", exitDone, "added 分公司/财务\n"},
		{"unit member add 客服 alice 1002 --title 坐席", "", exitDone, "alice is in 客服\n1002 is in 客服\n"},
		{"unit member add 客服 bob --hidden", "", exitDone, "bob is in 客服\n"},
		{"unit member add 客服 nobody", "", exitFailed, "not found"},
		{"group add kefu --unit 客服", "", exitDone, "added kefu@localhost: 客服, 2 members\n"},
		{"group add all-agents --unit 分公司 --sub-units --title 坐席 --subject 全体坐席 --orphan convert", "", exitDone, "added all-agents@localhost: 全体坐席, 2 members\n"},
		{"group member add kefu carol", "", exitFailed, "sparkle: "},
		{"unit member list 分公司 --sub-units", "", exitDone, "USER             NAME   TITLE  UNIT         GROUPS OF THE UNIT\nlisi@localhost   李四   坐席   分公司/客服  joined\nalice@localhost  Alice  坐席   分公司/客服  joined\nbob@localhost    Bob    -      分公司/客服  hidden\n"},
		{"unit member remove 客服 1002", "", exitDone, "removed 1002 from 客服\n"},
		{"unit member remove 客服 1002", "", exitFailed, "lisi in unit 分公司/客服: not found"},
		{"unit rename 客服 客户服务", "", exitDone, "renamed to 分公司/客户服务\n"},
		{"group list", "", exitDone, "NUMBER  ADDRESS               TITLE     KIND    MEMBERS  OWNER\n1       yanfa@localhost       研发部    fixed   3        -\n2       weekend@localhost     周末爬山  manual  4        alice@localhost\n3       kefu@localhost        客户服务  fixed   1        -\n4       all-agents@localhost  全体坐席  fixed   1        -\n"},
		{"unit move 客户服务 --to /", "", exitDone, "moved to 客户服务\n"},
		{"unit move 客户服务", "", exitUsage, "say where to: --to, --order or both"},
		{"group list 全体", "", exitDone, "NUMBER  ADDRESS               TITLE     KIND   MEMBERS  OWNER\n4       all-agents@localhost  全体坐席  fixed  0        -\n"},
		{"unit move 客户服务 --to 分公司 --order 0", "", exitDone, "moved to 分公司/客户服务\n"},
		{"unit list", "", exitDone, "UNIT        PEOPLE  NUMBER\n星火公司    0       1\n  研发部    2       2\n    测试组  1       3\n  销售部    3       4\n分公司      0       5\n  客户服务  2       6\n  财务      0       7\n"},
		{"unit list --user alice", "", exitDone, "UNIT             PEOPLE  NUMBER\n星火公司/研发部  2       2\n分公司/客户服务  2       6\n"},
		{"unit remove 分公司", "", exitFailed, "there are units below 分公司: move or remove them first"},
		{"unit remove 客户服务", "", exitDone, "removed 客户服务\n"},
		{"unit remove 财务", "", exitDone, "removed 财务\n"},
		{"unit remove 分公司", "", exitDone, "removed 分公司\n"},
		{"group show kefu", "", exitFailed, "not found"},
		{"group list agents", "", exitDone, "NUMBER  ADDRESS  TITLE  KIND  MEMBERS  OWNER\n"},
	})
}

func TestUnitImport(t *testing.T) {
	d := startDemo(t, t.TempDir())
	const file = "部门,用户,职务,隐藏\n星火公司/研发部,alice,架构师,\n分公司/客服,carol,坐席,是\n分公司/财务,,,\n"
	d.follow(t, []commandStep{
		{"unit import -", file, exitDone, "3 units added; people: 1 added, 1 updated, 0 removed (UTF-8)\n"},
		{"unit import -", file, exitDone, "0 units added; people: 0 added, 0 updated, 0 removed (UTF-8)\n"},
		{"unit import - --replace", file, exitDone, "0 units added; people: 0 added, 0 updated, 1 removed (UTF-8)\n"},
		{"unit import -", "星火公司,nobody\n星火公司//x,alice\n", exitProblems, "line 1 nobody: there is no user \"nobody\"\n  line 2 alice: unit \"\""},
		{"unit import -", "unit,user\n", exitFailed, "the file has no rows: each is unit path,user,title,hidden"},
	})
	if got := d.membersOf(t, "yanfa"); got != "alice bob" {
		t.Errorf("the group of the unit has %s", got)
	}
}

// TestRemovedUserLeavesGroupsAndUnits, and nobody is left who does not exist.
func TestRemovedUserLeavesGroupsAndUnits(t *testing.T) {
	d := startDemo(t, t.TempDir())
	d.follow(t, []commandStep{{"user remove alice", "", exitDone, "removed alice\n"}})
	for group, want := range map[string]string{"yanfa": "zhangsan bob", "weekend": "lisi bob carol"} {
		if got := d.membersOf(t, group); got != want {
			t.Errorf("%s has %s, want %s", group, got, want)
		}
	}
	d.follow(t, []commandStep{
		{"unit member list 研发部", "", exitDone, "USER                NAME  TITLE  UNIT             GROUPS OF THE UNIT\nzhangsan@localhost  张三  经理   星火公司/研发部  joined\n"},
		{"group list weekend", "", exitDone, "NUMBER  ADDRESS            TITLE     KIND    MEMBERS  OWNER\n2       weekend@localhost  周末爬山  manual  3        lisi@localhost\n"},
		{"verify", "", exitDone, "ok: "},
	})
}

func TestParseSpan(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"30m": 30 * time.Minute, "2h30m": 150 * time.Minute, "7d": 7 * 24 * time.Hour,
		"": 0, "d": 0, "-1h": 0, "0s": 0, "7": 0, "-7d": 0, "1.5d": 0,
	} {
		got, err := parseSpan(text)
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %v %v, want %v", text, got, err, want)
		}
	}
}
