package sqldb

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestPlaceholders reads every query of the package: SQLite binds $n by the
// order in which they first appear, PostgreSQL by number, so both must be the
// same.
func TestPlaceholders(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	queries := 0
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, file, source, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			query, ok := constantText(n)
			if ok && strings.Contains(query, "$") && !strings.HasSuffix(file, "placeholder_test.go") {
				queries++
				if bad := outOfOrder(query); bad != "" {
					t.Errorf("%v: %s in %s", set.Position(n.Pos()), bad, query)
				}
			}
			_, isSum := n.(*ast.BinaryExpr)
			return !(ok && isSum) // the parts of a sum are no queries
		})
	}
	if queries < 40 {
		t.Errorf("found only %d queries", queries)
	}
}

// constantText is the text of a string, or of a sum of strings; names in a sum
// stand for text without placeholders.
func constantText(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.BasicLit:
		if n.Kind != token.STRING {
			return "", false
		}
		text, err := strconv.Unquote(n.Value)
		return text, err == nil
	case *ast.BinaryExpr:
		left, okLeft := constantText(n.X)
		right, okRight := constantText(n.Y)
		return left + right, n.Op == token.ADD && (okLeft || okRight)
	}
	return "", false
}

func outOfOrder(query string) string {
	highest := 0
	for _, m := range regexp.MustCompile(`\$(\d+)`).FindAllStringSubmatch(query, -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil || n > highest+1 {
			return m[0] + " comes too early"
		}
		highest = max(highest, n)
	}
	return ""
}

func TestOutOfOrder(t *testing.T) {
	if outOfOrder(`b = $2 AND a = $1`) == "" || outOfOrder(`a = $1 AND b = $2 AND c = $1`) != "" {
		t.Error("the test of the placeholders does not see")
	}
}
