package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/configs"
)

func TestQuickstart(t *testing.T) {
	dir := t.TempDir()
	config, data := filepath.Join(dir, "etc", "sparkle.toml"), filepath.Join(dir, "data")
	code, out, errOut := command(t, "", "--config", config, "--data", data, "quickstart", "Example.com")
	if code != exitDone {
		t.Fatal(errOut)
	}
	for _, want := range []string{
		"admin@example.com  password ",
		"_sips._tcp.example.com.  SRV    0 0 5061 sip.example.com.",
		"UDP 16384 to 32767 for voice",
		`example.com.             NAPTR  10 0 "s" "SIPS+D2T" "" _sips._tcp.example.com.`,
		filepath.Join(data, "certs", "ca.pem"),
		"sparkle --config " + config + " serve",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not print %q:\n%s", want, out)
		}
	}
	cfg, err := configs.Load(config)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Domains[0] != "example.com" || cfg.DataDir != data || !cfg.TLS.DevelopmentCA {
		t.Errorf("the configuration is %+v", cfg)
	}
	db, err := openStopped(data)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if u, err := db.UserByAddress(t.Context(), "admin", "example.com"); err != nil || !u.Admin {
		t.Errorf("the administrator is %+v, %v", u, err)
	}
	if unit, err := os.ReadFile(filepath.Join(dir, "etc", "sparkle.service")); err != nil || len(unit) == 0 {
		t.Errorf("systemd unit: %v", err)
	}
	code, _, errOut = command(t, "", "--config", config, "--data", data, "quickstart", "example.com")
	if code != exitFailed || !strings.Contains(errOut, "exists: this server was set up before") {
		t.Errorf("a second quickstart: %d %s", code, errOut)
	}
}

func TestCommandLine(t *testing.T) {
	none := t.TempDir()
	for _, test := range []struct {
		args []string
		code int
		want string // in what it writes to standard error
	}{
		{[]string{"version"}, exitDone, ""},
		{[]string{"config", "describe"}, exitDone, ""},
		{[]string{"config", "describe", "--sample", "x"}, exitUsage, `sparkle: --sample "x": there are office and localserve`},
		{[]string{"config", "check", "no-such.toml"}, exitFailed, "sparkle: no-such.toml: cannot be read (no such file or directory): name another file"},
		{[]string{"serve", "--config", "no-such.toml"}, exitFailed, "sparkle: no-such.toml: cannot be read"},
		{[]string{"nonsense"}, exitUsage, `sparkle: unknown command "nonsense" for "sparkle"`},
		{[]string{"user"}, exitUsage, "sparkle: sparkle user needs one of its commands"},
		{[]string{"user", "add"}, exitUsage, "sparkle: accepts 1 arg(s), received 0 (usage: sparkle user add USER[@DOMAIN]"},
		{[]string{"user", "list", "--colour"}, exitUsage, "sparkle: unknown flag: --colour (`sparkle user list --help` shows the flags)"},
		{[]string{"device", "revoke", "x"}, exitUsage, `sparkle: "x" is not the id of a device: ` + "`sparkle device list` shows them"},
		{[]string{"message", "search", "--since", "never"}, exitUsage, `sparkle: --since: "never" is not a time`},
		{[]string{"--data", none, "user", "list"}, exitFailed, "sparkle: the server does not run or may not be asked (" + none + "/admin.sock: "},
		{[]string{"--data", none, "verify"}, exitFailed, "sparkle: " + none + " holds no main.db: name the data directory with --data"},
		{[]string{"--data", none, "backup", filepath.Join(none, "b")}, exitFailed, "sparkle: " + none + " holds no main.db"},
	} {
		code, _, errOut := command(t, "", test.args...)
		if code != test.code || !strings.HasPrefix(errOut, test.want) {
			t.Errorf("sparkle %s: exit code %d, want %d\ngot  %swant %s", strings.Join(test.args, " "), code, test.code, errOut, test.want)
		}
		if strings.Count(errOut, "\n") > 1 {
			t.Errorf("sparkle %s: more than one line:\n%s", strings.Join(test.args, " "), errOut)
		}
	}
}

// TestConfigCheck of a running server leaves its ports alone.
func TestConfigCheck(t *testing.T) {
	d := startDemo(t, t.TempDir())
	path := filepath.Join(t.TempDir(), "sparkle.toml")
	cfg := *d.cfg
	cfg.TLS = configs.TLS{DevelopmentCA: true}
	cfg.Listen.TLS = []string{d.address("tls")}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := configs.Describe(f, cfg); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if code, out, errOut := command(t, "", "config", "check", path); code != exitDone || out != path+": good\n" {
		t.Errorf("%d %s%s", code, out, errOut)
	}
}

// TestAdministrationCommands runs each command once against a server.
func TestAdministrationCommands(t *testing.T) {
	d := startDemo(t, t.TempDir())
	alice := d.phone(t, "alice")
	alice.message("bob", "晚上见")
	alice.final(t, 202)
	for _, test := range []struct {
		args []string
		in   string
		want string
	}{
		{[]string{"user", "add", "dave", "--name", "大卫", "--number", "1010", "--password", "-"}, "correct horse\n", "added dave@localhost\n"},
		{[]string{"user", "passwd", "dave"}, "", "new password for dave@localhost\npassword: "},
		{[]string{"user", "list", "大"}, "", "ADDRESS         NAME  NUMBERS  STATE\ndave@localhost  大卫  1010     active\n"},
		{[]string{"user", "disable", "1010"}, "", "disabled dave@localhost\n"},
		{[]string{"user", "enable", "1010"}, "", "enabled dave@localhost\n"},
		{[]string{"user", "remove", "dave"}, "", "removed dave\n"},
		{[]string{"user", "import", "-"}, "wangwu2,correct horse,王五二,1020\n", "1 added, 0 updated (UTF-8)\n"},
		{[]string{"device", "list", "alice"}, "", "ID  USER"},
		{[]string{"message", "search", "晚"}, "", "ID                AT                   FROM             TO             TEXT\n"},
		{[]string{"message", "search", "晚", "--json"}, "", "[\n  {\n    \"id\": \""},
		{[]string{"message", "export", "--user", "alice"}, "", `{"id":"`},
		{[]string{"message", "export", "--format", "csv"}, "", "\xef\xbb\xbfid,at,kind,"},
		{[]string{"trace", "alice", "--for", "1s"}, "", ""},
		{[]string{"token", "add", "ci"}, "", "sparkle_"},
		{[]string{"token", "list"}, "", "ID  NAME  USER  CREATED"},
		{[]string{"token", "revoke", "1"}, "", "revoked token 1\n"},
		{[]string{"status"}, "", "sparkle "},
		{[]string{"verify"}, "", "ok: "},
	} {
		code, out, errOut := d.command(t, test.in, test.args...)
		if code != exitDone || !strings.HasPrefix(out, test.want) {
			t.Errorf("sparkle %s: exit code %d\ngot  %s%swant %s", strings.Join(test.args, " "), code, out, errOut, test.want)
		}
	}
	if code, _, errOut := d.command(t, "a b,x\n", "user", "import", "-"); code != exitProblems || !strings.Contains(errOut, "line 1 a b: username") {
		t.Errorf("import of a bad row: %d %s", code, errOut)
	}
}
