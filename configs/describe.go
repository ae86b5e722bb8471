package configs

import (
	"fmt"
	"io"
	"strings"
)

// lineWidth is where comments are wrapped.
const lineWidth = 78

// Describe writes c as a configuration file in which every key carries its
// explanation. Load reads it back as c.
func Describe(w io.Writer, c Config) error {
	var b strings.Builder
	b.WriteString("# Configuration of Sparkle. Keys that are left out have the values that\n" +
		"# `sparkle config describe` prints. Check changes with `sparkle config check`.\n")
	table := ""
	for _, f := range fields(&c) {
		if f.table != table {
			table = f.table
			fmt.Fprintf(&b, "\n[%s]\n", table)
		}
		fmt.Fprintf(&b, "\n%s%s = %s\n", comment(f.doc), f.key, f.text())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// comment wraps text into comment lines.
func comment(text string) string {
	var b strings.Builder
	line := "#"
	for _, word := range strings.Fields(text) {
		if len(line)+1+len(word) > lineWidth {
			b.WriteString(line + "\n")
			line = "#"
		}
		line += " " + word
	}
	b.WriteString(line + "\n")
	return b.String()
}
