package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The process that the test starts starts itself once more, and then the slack is
// there on every thread.
func TestJoinWakeups(t *testing.T) {
	const isChild = "TEST_OF_JOIN_WAKEUPS"
	if os.Getenv(isChild) != "" {
		joinWakeups()
		slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
		fmt.Println("slack", slack, err, os.Getpid())
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestJoinWakeups$", "-test.v")
	cmd.Env = append(os.Environ(), isChild+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if want := fmt.Sprintln("slack", int(timerSlack), nil, cmd.Process.Pid); !strings.Contains(string(out), want) {
		t.Errorf("no %q in\n%s", want, out)
	}
}
