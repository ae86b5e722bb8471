package admin

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/text/encoding/simplifiedchinese"
)

func TestImportRows(t *testing.T) {
	for _, test := range []struct {
		name, file string
		problems   []ImportRow
		err        string
	}{
		{"good", "user,password,display name,numbers\nwangwu,correct horse,王五,1010 1011\n", nil, ""},
		{"Chinese heading", "用户名,密码,姓名,号码\nwangwu,correct horse,王五,1010；1011\n", nil, ""},
		{"without password", "wangwu,,王五\n", nil, ""},
		{"upper case becomes lower", "WangWu,correct horse\n", nil, ""},
		{"quoted comma", "wangwu,\"correct, horse\",\"Wang, Wu\"\n", nil, ""},
		{"bad username", "wang wu,correct horse\n",
			[]ImportRow{{1, "wang wu", `username "wang wu": use 1 to 64 of a-z 0-9 . _ - and begin with a letter or digit`}}, ""},
		{"no username", ",correct horse\n",
			[]ImportRow{{1, "", `username "": use 1 to 64 of a-z 0-9 . _ - and begin with a letter or digit`}}, ""},
		{"short password", "wangwu,123\n", []ImportRow{{1, "wangwu", "password: use 8 to 128 characters"}}, ""},
		{"bad number", "wangwu,correct horse,王五,10x\n",
			[]ImportRow{{1, "wangwu", `number "10x": use digits, * and #, with + in front of an international number`}}, ""},
		{"user twice", "a1,correct horse\nb1,correct horse\na1,correct horse\n", []ImportRow{{3, "a1", "a1 is also in line 1"}}, ""},
		{"number twice", "a1,correct horse,A,1010\nb1,correct horse,B,1010\n", []ImportRow{{2, "b1", "1010 is also in line 1"}}, ""},
		{"number that is a user", "1010,correct horse\nb1,correct horse,B,1010\n", []ImportRow{{2, "b1", "1010 is also in line 1"}}, ""},
		{"too many columns", "a1,correct horse,A,1010,1011\n",
			[]ImportRow{{1, "a1", "5 columns: want user,password,display name,numbers (several numbers are separated by spaces)"}}, ""},
		{"two bad rows", "A B,correct horse\na1,x\n", []ImportRow{
			{1, "a b", `username "a b": use 1 to 64 of a-z 0-9 . _ - and begin with a letter or digit`},
			{2, "a1", "password: use 8 to 128 characters"}}, ""},
		{"empty", "", nil, "invalid: the file has no rows: each is user,password,display name,numbers"},
		{"heading only", "user,password\n", nil, "invalid: the file has no rows: each is user,password,display name,numbers"},
		{"open quote", "a1,\"correct horse\n", nil, `invalid: line 1: extraneous or missing " in quoted-field: put texts with commas or quotes in double quotes`},
		{"neither encoding", "a1,correct horse,\xff\xff\n", nil, "invalid: the file is neither UTF-8 nor GB18030: save it as CSV UTF-8"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, report, err := parseImport([]byte(test.file))
			text := ""
			if err != nil {
				text = err.Error()
			}
			if text != test.err {
				t.Errorf("error %q, want %q", text, test.err)
			}
			if !reflect.DeepEqual(report.Problems, test.problems) {
				t.Errorf("problems\n%+v, want\n%+v", report.Problems, test.problems)
			}
		})
	}
}

func TestImportEncodings(t *testing.T) {
	const file = "wangwu,correct horse,王五,1010\n"
	gb, err := simplifiedchinese.GB18030.NewEncoder().String(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, file, want string }{
		{"UTF-8", file, "UTF-8"},
		{"UTF-8 with byte order mark", "\xef\xbb\xbf" + file, "UTF-8"},
		{"GB18030", gb, "GB18030"},
	} {
		rows, report, err := parseImport([]byte(test.file))
		if err != nil || len(rows) != 1 {
			t.Fatalf("%s: %v %v", test.name, rows, err)
		}
		u := rows[0].user
		if u.Username != "wangwu" || u.DisplayName != "王五" || u.Numbers[0] != "1010" || rows[0].password != "correct horse" || report.Encoding != test.want {
			t.Errorf("%s: %+v %+v", test.name, u, report)
		}
	}
}

// TestImportIsAllOrNothing has one bad row among good ones.
func TestImportIsAllOrNothing(t *testing.T) {
	f := newFixture(t)
	w := f.unix(t, "POST", "/v1/users/import", "wangwu,correct horse\nzhaoliu,short\n")
	var got struct {
		Detail string
		Errors []struct{ Location, Message, Value string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if w.Code != 422 || got.Detail != "nothing was imported: correct these rows and try again" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if len(got.Errors) != 1 || got.Errors[0].Location != "line 2" || got.Errors[0].Value != "zhaoliu" || !strings.HasPrefix(got.Errors[0].Message, "password:") {
		t.Errorf("report: %+v", got.Errors)
	}
	if len(f.accounts.users) != 2 {
		t.Errorf("%d users, want the 2 from before", len(f.accounts.users))
	}
	f.wantAudit(t, "", "")
}

// TestImportOfNewUserWithoutPassword updates alice and refuses nobody.
func TestImportOfNewUserWithoutPassword(t *testing.T) {
	f := newFixture(t)
	if w := f.unix(t, "POST", "/v1/users/import", "alice,,Alice B.\n"); w.Code != 200 {
		t.Errorf("existing user: %d %s", w.Code, w.Body)
	}
	w := f.unix(t, "POST", "/v1/users/import", "alice,\nnobody,\n")
	if w.Code != 422 || !strings.Contains(w.Body.String(), `"message":"a new user needs a password","location":"line 2","value":"nobody"`) {
		t.Errorf("new user: %d %s", w.Code, w.Body)
	}
}
