package main

import (
	"regexp"
	"testing"

	"github.com/spf13/cobra"
)

// TestFlagsAreNamedInHelp: what stands between backquotes in the text of a flag is
// shown as the name of its value, where a command would be nonsense.
func TestFlagsAreNamedInHelp(t *testing.T) {
	words := regexp.MustCompile(`(?m)^ +(-\w, )?--[a-z-]+ \S+ \S.*`) // two after a flag
	var look func(*cobra.Command)
	look = func(cmd *cobra.Command) {
		for _, line := range words.FindAllString(cmd.LocalFlags().FlagUsages(), -1) {
			t.Errorf("%s --help names the value of a flag in several words:\n%s", cmd.CommandPath(), line)
		}
		for _, child := range cmd.Commands() {
			look(child)
		}
	}
	look(rootCommand())
}
