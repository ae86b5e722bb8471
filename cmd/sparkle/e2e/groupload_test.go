package e2e

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// Two groups of 50 mixed phones talk while the server is killed: every phone gets
// everything once, in the order of the archive.
func TestGroupsUnderLoad(t *testing.T) {
	server, err := program()
	if err != nil {
		t.Fatal(err)
	}
	load := filepath.Join(t.TempDir(), "sipload")
	if out, err := exec.Command("go", "build", "-o", load, "../../sipload").CombinedOutput(); err != nil {
		t.Fatalf("building the load generator: %v\n%s", err, out)
	}
	run := exec.CommandContext(t.Context(), load, "groups", "-sparkle", server, "-members", "50", "-rate", "20", "-time", "10s", "-kill",
		"-port", strconv.Itoa(freePorts(t, 3)))
	out, err := run.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}
