package group

import (
	"errors"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/store"
)

// Who may what when nobody has decided: each column is a kind of group, and tells
// the roles that may. m is a member, a an administrator, o the owner.
const whoMay = `
                manual  discussion  fixed  pair
 invite         mao     mao         -      -
 remove         ao      ao          -      -
 rename         ao      ao          ao     -
 pin            ao      ao          ao     mao
 mention-all    ao      ao          ao     mao
 speak          mao     mao         mao    mao
 private        mao     mao         mao    -
 nickname       ao      ao          ao     -
 mute           ao      ao          ao     -
 mute-all       ao      ao          ao     -
 promote        ao      ao          ao     -
 hand-over      o       o           o      -
 policy         o       o           o      -
 convert        o       o           -      -
 dissolve       o       o           -      -
`

var kinds = [...]store.GroupKind{store.GroupManual, store.GroupDiscussion, store.GroupFixed, store.GroupPair}

var actionNames = [actions]string{"invite", "remove", "rename", "pin", "mention-all", "speak", "private", "nickname", "mute",
	"mute-all", "promote", "hand-over", "policy", "convert", "dissolve"}

// rolesThatMay writes the roles as whoMay does.
func rolesThatMay(least store.Role) string {
	letters := map[store.Role]string{store.RoleMember: "m", store.RoleAdministrator: "a", store.RoleOwner: "o"}
	may := ""
	for r := store.RoleMember; r <= store.RoleOwner; r++ {
		if r >= least {
			may += letters[r]
		}
	}
	if may == "" {
		return "-"
	}
	return may
}

func TestRightsWithoutPolicy(t *testing.T) {
	rows := strings.Split(strings.TrimSpace(whoMay), "\n")[1:]
	if len(rows) != int(actions) {
		t.Fatalf("%d rows for %d actions", len(rows), actions)
	}
	for a, row := range rows {
		fields := strings.Fields(row)
		if fields[0] != actionNames[a] {
			t.Fatalf("row %d is %s", a, fields[0])
		}
		for k, want := range fields[1:] {
			if got := rolesThatMay(needed(action(a), kinds[k], &store.GroupPolicy{})); got != want {
				t.Errorf("%s in a %s group: %s may, want %s", fields[0], kinds[k], got, want)
			}
		}
	}
}

// TestRightsByPolicy gives each field of the policy each value: it moves its own
// action, in the kinds that leave it open, and no other one.
func TestRightsByPolicy(t *testing.T) {
	decided := map[action]func(store.Role) store.GroupPolicy{
		actInvite:     func(r store.Role) store.GroupPolicy { return store.GroupPolicy{Invite: r} },
		actRename:     func(r store.Role) store.GroupPolicy { return store.GroupPolicy{Rename: r} },
		actPin:        func(r store.Role) store.GroupPolicy { return store.GroupPolicy{Pin: r} },
		actMentionAll: func(r store.Role) store.GroupPolicy { return store.GroupPolicy{MentionAll: r} },
		actSpeak:      func(r store.Role) store.GroupPolicy { return store.GroupPolicy{Speak: r} },
		actPrivate:    func(r store.Role) store.GroupPolicy { return store.GroupPolicy{Private: r} },
	}
	for field, set := range decided {
		for _, value := range []store.Role{store.RoleMember, store.RoleAdministrator, store.RoleOwner, store.RoleNobody} {
			p := set(value)
			for _, kind := range kinds {
				for a := range actions {
					want := needed(a, kind, &store.GroupPolicy{})
					if a == field && kind != store.GroupPair && (kind != store.GroupFixed || a != actInvite) {
						want = value
					}
					if got := needed(a, kind, &p); got != want {
						t.Errorf("%s: %s in a %s group needs %s, want %s", actionNames[field], actionNames[a], kind, got, want)
					}
				}
			}
		}
	}
}

func TestPolicyInForce(t *testing.T) {
	own := store.GroupPolicy{Invite: store.RoleOwner, History: -1}
	defaults := store.GroupPolicy{Invite: store.RoleAdministrator, Pin: store.RoleMember, History: 20, AllDaily: 5, MaxMembers: 7}
	want := store.GroupPolicy{Invite: store.RoleOwner, Pin: store.RoleMember, History: -1, AllDaily: 5, MaxMembers: 7}
	if got := inForce(own, defaults); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := inForce(store.GroupPolicy{}, store.GroupPolicy{}); got != (store.GroupPolicy{AllDaily: defaultAllDaily}) {
		t.Errorf("without anything: %+v", got)
	}
}

// TestRefusalsInWords: each action that somebody may not do is refused in words
// of both languages.
func TestRefusalsInWords(t *testing.T) {
	for _, c := range []struct {
		language string
		a        action
		least    store.Role
		kind     store.GroupKind
		want     string
	}{
		{"zh", actRemove, store.RoleAdministrator, store.GroupManual, "只有群主和管理员可以移出成员"},
		{"zh", actDissolve, store.RoleOwner, store.GroupManual, "只有群主可以解散群聊"},
		{"zh", actSpeak, store.RoleNobody, store.GroupManual, "本群不允许发言"},
		{"zh", actInvite, closed, store.GroupFixed, "本群由组织架构管理，不能邀请成员"},
		{"en", actPin, store.RoleAdministrator, store.GroupFixed, "Only the owner and administrators may pin messages"},
		{"en", actPolicy, store.RoleOwner, store.GroupManual, "Only the owner may change the rules of the group"},
		{"en", actMute, closed, store.GroupPair, "Nobody in this group may mute members"},
		{"en-GB", actConvert, closed, store.GroupFixed, "This group follows the organisation: nobody may make this an ordinary group"},
	} {
		if got := wordsOf(c.language).forbidden(c.a, c.least, c.kind).Error(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	for _, language := range []string{"zh", "en"} {
		w := wordsOf(language)
		for a := range actions {
			var denied *Denied
			if err := w.forbidden(a, store.RoleOwner, store.GroupManual); w.actions[a] == "" || !errors.As(err, &denied) {
				t.Errorf("%s has no words in %s", actionNames[a], language)
			}
		}
	}
}

// TestPolicyTellsWhatHolds asks what an administrator is shown: an answer for each rule.
func TestPolicyTellsWhatHolds(t *testing.T) {
	s := &Service{cfg: Config{MaxMembers: 100, Defaults: store.GroupPolicy{Speak: store.RoleAdministrator, History: 20}}}
	own := store.GroupPolicy{Invite: store.RoleNobody, MaxMembers: 7}
	for _, test := range []struct {
		kind store.GroupKind
		want store.GroupPolicy
	}{
		{store.GroupManual, store.GroupPolicy{
			Invite: store.RoleNobody, Rename: store.RoleAdministrator, Pin: store.RoleAdministrator, MentionAll: store.RoleAdministrator,
			Speak: store.RoleAdministrator, Private: store.RoleMember, Promote: store.RoleAdministrator, AllDaily: 3, MaxMembers: 7, History: 20,
		}},
		{store.GroupPair, store.GroupPolicy{
			Invite: store.RoleNobody, Rename: store.RoleNobody, Pin: store.RoleMember, MentionAll: store.RoleMember,
			Speak: store.RoleMember, Private: store.RoleNobody, Promote: store.RoleNobody, AllDaily: 3, MaxMembers: 7, History: 20,
		}},
	} {
		if got := s.Policy(&Snapshot{Group: store.Group{Kind: test.kind, Policy: own}}); got != test.want {
			t.Errorf("%s:\ngot  %+v\nwant %+v", test.kind, got, test.want)
		}
	}
}
