package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/store"
	"github.com/sparkleim/sparkle/store/sqldb"
)

// stoppedStore makes the data directory of a server that does not run, with one
// user in it.
func stoppedStore(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	db, err := sqldb.Open(sqldb.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.AddUser(t.Context(), store.User{Username: "alice", Domain: "example.com"}, nil)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestBackupAndRestore(t *testing.T) {
	dir := stoppedStore(t)
	file := filepath.Join(t.TempDir(), "backup.tar")
	if code, _, errOut := command(t, "", "--data", dir, "backup", file); code != exitDone {
		t.Fatal(errOut)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v: others can read the backup", info, err)
	}
	if code, _, errOut := command(t, "", "--data", dir, "backup", file); code != exitFailed || !strings.Contains(errOut, "exists already") {
		t.Errorf("a backup was written over another: %d %s", code, errOut)
	}
	restored := filepath.Join(t.TempDir(), "restored")
	if code, out, errOut := command(t, "", "restore", file, restored); code != exitDone || !strings.HasSuffix(out, "no problems\n") {
		t.Fatalf("%d %s%s", code, out, errOut)
	}
	db, err := openStopped(restored)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.UserByAddress(t.Context(), "alice", "example.com"); err != nil {
		t.Error(err)
	}
	if code, _, errOut := command(t, "", "restore", file, restored); code != exitFailed || !strings.Contains(errOut, "is not empty") {
		t.Errorf("restored over something: %d %s", code, errOut)
	}
}

// TestBackupOfRunningServer takes it through the API.
func TestBackupOfRunningServer(t *testing.T) {
	d := startDemo(t, t.TempDir())
	file := filepath.Join(t.TempDir(), "backup.tar")
	if code, _, errOut := d.command(t, "", "backup", file); code != exitDone {
		t.Fatal(errOut)
	}
	restored := filepath.Join(t.TempDir(), "restored")
	if code, out, errOut := command(t, "", "restore", file, restored); code != exitDone {
		t.Fatalf("%d %s%s", code, out, errOut)
	}
	again := startDemo(t, restored)
	if code, out, _ := again.command(t, "", "user", "list"); code != exitDone || !strings.Contains(out, "张三") {
		t.Errorf("the restored server has\n%s", out)
	}
}

func TestRestoreRefuses(t *testing.T) {
	var good bytes.Buffer
	dir := stoppedStore(t)
	db, err := openStopped(dir)
	if err != nil {
		t.Fatal(err)
	}
	err = writeBackup(t.Context(), db, dir, &good)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	foreign := func(name string) []byte {
		var b bytes.Buffer
		archive := tar.NewWriter(&b)
		m := manifest{Files: []manifestFile{{Name: name, Size: 1}}}
		err := errors.Join(m.write(archive), archive.WriteHeader(&tar.Header{Name: name, Size: 1}))
		_, written := archive.Write([]byte("x"))
		if err := errors.Join(err, written, archive.Close()); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	damaged := bytes.Clone(good.Bytes())
	damaged[len(damaged)/2] ^= 1
	for _, test := range []struct {
		name string
		file []byte
		want string
	}{
		{"no archive", []byte("hello"), "it is not a backup of sparkle: it does not begin with a manifest"},
		{"cut short", good.Bytes()[:good.Len()/2], "main.db: unexpected EOF"},
		{"damaged", damaged, "main.db is damaged: its checksum differs from the manifest"},
		{"outside of the directory", foreign("../evil"), `it contains "../evil", which is no part of a backup`},
		{"outside by certs", foreign("certs/../../evil.pem"), `it contains "certs/../../evil.pem", which is no part of a backup`},
		{"absolute", foreign("/etc/passwd"), `it contains "/etc/passwd", which is no part of a backup`},
		{"other contents", foreign(databaseName), "main.db is damaged: its checksum differs from the manifest"},
	} {
		t.Run(test.name, func(t *testing.T) {
			target := filepath.Join(t.TempDir(), "target")
			err := restore(bytes.NewReader(test.file), target)
			if err == nil || err.Error() != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
			if left, _ := os.ReadDir(target); len(left) > 0 {
				t.Errorf("%s was left behind", left[0].Name())
			}
		})
	}
}

func TestOutputIsRemovedWhenItEndsEarly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	broken := io.MultiReader(strings.NewReader("half"), &failingReader{})
	err := writeOutput(nil, path, broken)
	if err == nil || exists(path) {
		t.Errorf("error %v, the file is there: %v", err, exists(path))
	}
}

type failingReader struct{}

func (*failingReader) Read([]byte) (int, error) { return 0, errors.New("connection lost") }
