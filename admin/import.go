package admin

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sparkleim/sparkle/store"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// maxImport bounds the CSV file of an import, in bytes.
const maxImport = 16 << 20

// ImportReport says what an import did, row by row. With a problem in any row,
// nothing was changed.
type ImportReport struct {
	Added    int         `json:"added"`
	Updated  int         `json:"updated"`
	Encoding string      `json:"encoding" doc:"UTF-8 or GB18030, as recognised."`
	Problems []ImportRow `json:"problems,omitempty"`
}

// ImportRow is a row that cannot be imported.
type ImportRow struct {
	Line     int    `json:"line"`
	Username string `json:"username"`
	Problem  string `json:"problem"`
}

// importRow is a row that keeps every rule.
type importRow struct {
	line     int
	user     store.User
	password string
}

func (a *API) importUsers(ctx context.Context, in *struct {
	Domain  string `query:"domain" doc:"Domain of the users; absent: the first domain of the server."`
	RawBody []byte `contentType:"text/csv"`
}) (*reply[ImportReport], error) {
	rows, report, err := parseImport(in.RawBody)
	if err != nil {
		return nil, a.problem(err)
	}
	report.Problems = append(report.Problems, a.withoutPassword(ctx, rows)...)
	if len(report.Problems) > 0 {
		return nil, importProblem(report.Problems)
	}
	users, passwords := make([]store.User, len(rows)), make([]string, len(rows))
	for i, row := range rows {
		users[i], passwords[i] = row.user, row.password
		users[i].Domain = in.Domain
	}
	report.Added, report.Updated, err = a.Accounts.Import(ctx, users, passwords)
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.audit(ctx, "user.import", in.Domain, report); err != nil {
		return nil, err
	}
	return &reply[ImportReport]{report}, nil
}

// withoutPassword finds users who are new and have no password.
func (a *API) withoutPassword(ctx context.Context, rows []importRow) []ImportRow {
	var problems []ImportRow
	for _, row := range rows {
		if row.password != "" {
			continue
		}
		if _, err := a.Accounts.Find(ctx, row.user.Username); errors.Is(err, store.ErrNotFound) {
			problems = append(problems, ImportRow{row.line, row.user.Username, "a new user needs a password"})
		}
	}
	return problems
}

// importProblem is the answer to a file with bad rows: each is one detail.
func importProblem(rows []ImportRow) error {
	details := make([]error, len(rows))
	for i, row := range rows {
		details[i] = &huma.ErrorDetail{Location: fmt.Sprintf("line %d", row.Line), Message: row.Problem, Value: row.Username}
	}
	return huma.Error422UnprocessableEntity("nothing was imported: correct these rows and try again", details...)
}

// parseImport reads rows of user,password,display name,numbers (numbers
// separated by spaces or semicolons). A first row that begins with "user" is a
// heading. Rows that break a rule are in the report.
func parseImport(file []byte) (rows []importRow, report ImportReport, err error) {
	taken := map[string]int{} // user part → line
	headings := []string{"user", "username", "用户", "用户名", "账号", "帐号"}
	report.Encoding, err = eachRow(file, headings, func(line int, row []string) {
		u, password := readRow(row)
		if err := errors.Join(checkRow(row, u, password), claim(taken, u, line)); err != nil {
			report.Problems = append(report.Problems, ImportRow{line, u.Username, rowText(err)})
			return
		}
		rows = append(rows, importRow{line, u, password})
	})
	if err == nil && len(rows) == 0 && len(report.Problems) == 0 {
		err = invalid("the file has no rows: each is user,password,display name,numbers")
	}
	if err != nil {
		return nil, report, err
	}
	return rows, report, nil
}

// eachRow calls fn for each row of a CSV file in whatever encoding. A first row that
// begins with one of the headings, in whatever case, is none.
func eachRow(file []byte, headings []string, fn func(line int, row []string)) (encoding string, err error) {
	text, encoding, err := decodeText(file)
	if err != nil {
		return "", err
	}
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord = -1
	r.TrimLeadingSpace = true
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return encoding, nil
		}
		var syntax *csv.ParseError
		if errors.As(err, &syntax) {
			return encoding, invalid("line %d: %v: put texts with commas or quotes in double quotes", syntax.Line, syntax.Err)
		}
		line, _ := r.FieldPos(0)
		if line == 1 && slices.Contains(headings, strings.ToLower(strings.TrimSpace(row[0]))) {
			continue
		}
		fn(line, row)
	}
}

// field is a column of a row, "" where the row ends before.
func field(row []string, i int) string {
	if i < len(row) {
		return strings.TrimSpace(row[i])
	}
	return ""
}

func readRow(row []string) (u store.User, password string) {
	u = store.User{Username: strings.ToLower(field(row, 0)), DisplayName: field(row, 2)}
	u.Numbers = strings.FieldsFunc(field(row, 3), func(r rune) bool { return r == ' ' || r == ';' || r == '；' || r == '、' })
	return u, field(row, 1)
}

func checkRow(row []string, u store.User, password string) error {
	if len(row) > 4 {
		return invalid("%d columns: want user,password,display name,numbers (several numbers are separated by spaces)", len(row))
	}
	if err := checkUser(u); err != nil {
		return err
	}
	if password == "" {
		return nil // keeps that of a user who exists
	}
	return checkPassword(password)
}

// claim notes the names of a row and refuses those that an earlier row has.
func claim(taken map[string]int, u store.User, line int) error {
	for _, name := range append([]string{u.Username}, u.Numbers...) {
		if first, ok := taken[name]; ok && name != "" {
			return invalid("%s is also in line %d", name, first)
		}
	}
	for _, name := range append([]string{u.Username}, u.Numbers...) {
		taken[name] = line
	}
	return nil
}

// rowText is the text of a row's errors on one line.
func rowText(err error) string {
	text := strings.ReplaceAll(err.Error(), store.ErrInvalid.Error()+": ", "")
	return strings.ReplaceAll(text, "\n", "; ")
}

// decodeText turns a file into UTF-8. Spreadsheets write UTF-8 with a byte
// order mark or, with Chinese settings, GB18030.
func decodeText(file []byte) (text, encoding string, err error) {
	file = bytes.TrimPrefix(file, []byte("\xef\xbb\xbf"))
	if utf8.Valid(file) {
		return string(file), "UTF-8", nil
	}
	decoded, err := simplifiedchinese.GB18030.NewDecoder().Bytes(file)
	if err != nil || bytes.ContainsRune(decoded, utf8.RuneError) {
		return "", "", invalid("the file is neither UTF-8 nor GB18030: save it as CSV UTF-8")
	}
	return string(decoded), "GB18030", nil
}
