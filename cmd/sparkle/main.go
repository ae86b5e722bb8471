package main

import (
	"context"
	"os"
	"slices"
)

func main() {
	if slices.ContainsFunc(os.Args[1:], runsForLong) {
		joinWakeups()
	}
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// runsForLong names the commands that are a server.
func runsForLong(command string) bool { return command == "serve" || command == "localserve" }
