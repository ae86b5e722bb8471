package configs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// source remembers where a configuration came from, for error lines.
type source struct {
	path string
	text string
}

// Path is the file that the configuration was loaded from, "" for none.
func (c *Config) Path() string { return c.source.path }

// Load reads a configuration file over the defaults and checks it. The error is
// one line that names the file, the line, the key and the remedy.
func Load(path string) (*Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot be read (%w): name another file with --config, or make one with `sparkle quickstart DOMAIN`", path, reason(err))
	}
	return Parse(path, string(text))
}

// Parse is Load for a text; path is used in error lines only.
func Parse(path, text string) (*Config, error) {
	c := Default()
	c.source = source{path, text}
	var tree map[string]any
	meta, err := toml.Decode(text, &tree)
	if err != nil {
		return nil, c.syntaxError(err)
	}
	if err := c.checkKeys(meta.Keys(), tree); err != nil {
		return nil, err
	}
	if _, err := toml.Decode(text, &c); err != nil {
		return nil, c.syntaxError(err)
	}
	if err := c.checkValues(); err != nil {
		return nil, err
	}
	c.anchorPaths()
	return &c, nil
}

// anchorPaths makes relative paths start at the directory of the file.
func (c *Config) anchorPaths() {
	for _, p := range []*string{&c.DataDir, &c.TLS.Certificate, &c.TLS.Key, &c.TLS.ClientCA} {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(filepath.Dir(c.source.path), *p)
		}
	}
}

// syntaxError names the line of what is not TOML.
func (c *Config) syntaxError(err error) error {
	var parse toml.ParseError
	if !errors.As(err, &parse) {
		return fmt.Errorf("%s: %w", c.source.path, err)
	}
	return fmt.Errorf("%s:%d: %s: correct the syntax (key = value, texts in double quotes)",
		c.source.path, parse.Position.Line, strings.TrimSuffix(parse.Message, "."))
}

// checkKeys refuses keys that do not exist and values of the wrong type.
func (c *Config) checkKeys(keys []toml.Key, tree map[string]any) error {
	known := fields(c)
	for _, key := range keys {
		name := key.String()
		i := slices.IndexFunc(known, func(f field) bool { return f.name() == name })
		if i < 0 {
			if err := c.checkTable(name, lookup(tree, key), known); err != nil {
				return err
			}
			continue
		}
		if !known[i].accepts(lookup(tree, key)) {
			return c.Problem(name, "want "+known[i].wants())
		}
	}
	return nil
}

// checkTable accepts the names of tables and refuses everything else.
func (c *Config) checkTable(name string, value any, known []field) error {
	isTable := slices.ContainsFunc(known, func(f field) bool { return f.table == name })
	if _, ok := value.(map[string]any); ok && isTable {
		return nil
	}
	if isTable {
		return c.Problem(name, "is a table: write ["+name+"] on a line of its own and its keys below")
	}
	if near := nearest(name, known); near != "" {
		return c.Problem(name, "unknown key; did you mean "+near+"?")
	}
	return c.Problem(name, "unknown key; remove it (`sparkle config describe` lists all keys)")
}

func lookup(tree map[string]any, key toml.Key) any {
	var v any = tree
	for _, part := range key {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[part]
	}
	return v
}

// nearest finds the known key that somebody who wrote name may have meant: the
// same key in another table, or one that differs by two letters at most.
func nearest(name string, known []field) string {
	last := name[strings.LastIndexByte(name, '.')+1:]
	for _, f := range known {
		if f.key == last || distance(f.name(), name) <= 2 {
			return f.name()
		}
	}
	return ""
}

// distance is the edit distance of Levenshtein.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// Problem makes the error line for a key: file, line, key, and a text that says
// what to do.
func (c *Config) Problem(name, text string) error {
	where := c.source.path
	if where == "" {
		where = "configuration"
	}
	if n := c.lineOf(name); n > 0 {
		where = fmt.Sprintf("%s:%d", where, n)
	}
	return fmt.Errorf("%s: %s: %s", where, name, text)
}

// lineOf finds the line on which a key or a table is written, 0 when the file
// leaves it out.
func (c *Config) lineOf(name string) int {
	table := ""
	n := 0
	for line := range strings.Lines(c.source.text) {
		n++
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			end := strings.IndexByte(line, ']')
			if end < 0 {
				continue
			}
			table = strings.Trim(line[:end], "[ ") + "."
			if table == name+"." {
				return n
			}
			continue
		}
		key, _, ok := strings.Cut(line, "=")
		if ok && table+strings.Trim(strings.TrimSpace(key), `"'`) == name {
			return n
		}
	}
	return 0
}

// reason leaves the path out of an error of package os; the line names it already.
func reason(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
