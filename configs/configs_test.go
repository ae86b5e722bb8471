package configs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func describe(t *testing.T, c Config) string {
	t.Helper()
	var b bytes.Buffer
	if err := Describe(&b, c); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestEveryKeyIsDocumented(t *testing.T) {
	c := Default()
	fs := fields(&c)
	if len(fs) > 60 {
		t.Errorf("%d keys: the limit is 60", len(fs))
	}
	for _, f := range fs {
		if f.doc == "" || !strings.HasSuffix(f.doc, ".") {
			t.Errorf("%s: its doc tag is not a sentence: %q", f.name(), f.doc)
		}
		if f.text() == "" {
			t.Errorf("%s: type %s cannot be written as TOML", f.name(), f.value.Type())
		}
	}
}

func TestSamplesAreWhatDescribePrints(t *testing.T) {
	for path, want := range map[string]Config{
		"office.toml":     Office("example.com", "/var/lib/sparkle"),
		"localserve.toml": Localserve("run", StandardPorts()),
	} {
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != describe(t, want) {
			t.Errorf("%s differs from the code: write it again with `sparkle config describe --sample %s`", path, strings.TrimSuffix(path, ".toml"))
		}
		loaded, err := Load(path)
		if err != nil {
			t.Errorf("%s does not load: %v", path, err)
			continue
		}
		want.source = loaded.source
		want.anchorPaths()
		if got, want := describe(t, *loaded), describe(t, want); got != want {
			t.Errorf("%s loads as\n%s\nwant\n%s", path, got, want)
		}
	}
}

func TestOtherSamples(t *testing.T) {
	dashboard, err := os.ReadFile("grafana-dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(dashboard) {
		t.Error("grafana-dashboard.json is not JSON")
	}
	unit, err := os.ReadFile("sparkle.service")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ExecStart=/usr/local/bin/sparkle serve --config /etc/sparkle/sparkle.toml", "ExecReload=", "TimeoutStopSec=40", "\nLimitNICE=-5\n"} {
		if !strings.Contains(string(unit), want) {
			t.Errorf("sparkle.service lacks %q", want)
		}
	}
}

func TestUnitNamesWhatIsInstalled(t *testing.T) {
	for _, test := range []struct{ config, data, want, absent string }{
		{"/etc/sparkle/sparkle.toml", "/var/lib/sparkle", "\nStateDirectory=sparkle\n", "ReadWritePaths"},
		{"/srv/im/im.toml", "/srv/im/data", "\nReadWritePaths=/srv/im/data\n", "\nStateDirectory="},
	} {
		unit := string(Unit(test.config, test.data))
		if !strings.Contains(unit, "serve --config "+test.config+"\n") || !strings.Contains(unit, test.want) || strings.Contains(unit, test.absent) {
			t.Errorf("unit for %s and %s:\n%s", test.config, test.data, unit)
		}
	}
}

const good = `domains = ["example.com"]
[tls]
development_ca = true
`

func TestMistakes(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"syntax", "domains = [\"a\"\nnode = 1\n", `f.toml:2: expected a comma (',') or array terminator (']'), but got 'n': correct the syntax (key = value, texts in double quotes)`},
		{"no domain", "node = 1\n", `f.toml: domains: is missing: name at least one, such as domains = ["example.com"]`},
		{"URI for a domain", `domains = ["sip:example.com"]`, `f.toml:1: domains: "sip:example.com" is not a domain name: write it in lower case without sip: and without a port`},
		{"unknown key", good + "[log]\ncolour = true\n", "f.toml:5: log.colour: unknown key; remove it (`sparkle config describe` lists all keys)"},
		{"misspelt key", good + "[log]\nlevle = \"info\"\n", "f.toml:5: log.levle: unknown key; did you mean log.level?"},
		{"key in the wrong table", good + "[limits]\nmax_contacts = 3\n", "f.toml:5: limits.max_contacts: unknown key; did you mean registration.max_contacts?"},
		{"unknown table", good + "[logs]\nlevel = \"info\"\n", "f.toml:4: logs: unknown key; remove it (`sparkle config describe` lists all keys)"},
		{"value for a table", "listen = 5061\n" + good, "f.toml:1: listen: is a table: write [listen] on a line of its own and its keys below"},
		{"number for a text", good + "[log]\nlevel = 3\n", `f.toml:5: log.level: want a text in quotes, such as level = "…"`},
		{"text for a list", good + "[listen]\ntls = \"[::]:5061\"\n", `f.toml:5: listen.tls: want a list of texts, such as tls = ["…"]`},
		{"text for a number", good + "[messages]\nkeep_days = \"30\"\n", "f.toml:5: messages.keep_days: want a whole number, such as keep_days = 20"},
		{"number for a time", good + "[auth]\nban_time = 900\n", `f.toml:5: auth.ban_time: want a time with its unit, such as ban_time = "90s" or "5m"`},
		{"text for a switch", good + "[messages]\nown_devices = \"yes\"\n", "f.toml:5: messages.own_devices: want true or false"},
		{"no TLS", good + "[listen]\ntls = []\n", `f.toml:5: listen.tls: needs at least one address, such as tls = ["[::]:5061"]`},
		{"port alone", good + "[listen]\nudp = [\":5060\"]\n", `f.toml:5: listen.udp: ":5060" is not an address: write IP:port, such as 192.0.2.1:5061 or [::]:5061`},
		{"port twice", good + "[listen]\nhttps = [\"[::]:5061\"]\n", "f.toml:5: listen.https: [::]:5061 is already used by listen.tls: give each its own port"},
		{"no certificate", "domains = [\"a.example\"]\n", "f.toml: tls.certificate: is missing: name a PEM file, or set development_ca = true for a trial"},
		{"no key", "domains = [\"a.example\"]\n[tls]\ncertificate = \"c.pem\"\n", "f.toml: tls.key: is missing: name the PEM file with the key of tls.certificate"},
		{"both kinds of certificate", good + "key = \"k.pem\"\n", "f.toml:3: tls.development_ca: cannot be true beside tls.certificate and tls.key: decide for one of them"},
		{"algorithm", good + "[auth]\nalgorithms = [\"SHA-512\"]\n", `f.toml:5: auth.algorithms: "SHA-512" is not supported: use "SHA-256" and "MD5"`},
		{"algorithm twice", good + "[auth]\nalgorithms = [\"MD5\", \"MD5\"]\n", `f.toml:5: auth.algorithms: "MD5" stands there twice: remove one`},
		{"expires upside down", good + "[registration]\nmin_expires = \"3h\"\n", "f.toml:5: registration.min_expires: 3h is more than max_expires (2h): lower it"},
		{"default expires", good + "[registration]\ndefault_expires = \"10s\"\n", "f.toml:5: registration.default_expires: 10s is not between min_expires (1m) and max_expires (2h)"},
		{"number out of range", good + "[messages]\nmax_size = 100\n", "f.toml:5: messages.max_size: 100 is out of range: choose 1300 to 60000"},
		{"time out of range", good + "[limits]\nidle = \"1s\"\n", "f.toml:5: limits.idle: 1s is out of range: choose 1m to 24h"},
		{"network", good + "[limits]\nunlimited = [\"10.0.0.1\"]\n", `f.toml:5: limits.unlimited: "10.0.0.1" is not a network: write it with its length, such as 10.0.0.0/8 or 192.0.2.7/32`},
		{"choice", good + "[log]\nformat = \"xml\"\n", `f.toml:5: log.format: "xml" is not possible: choose one of text, json`},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse("f.toml", test.text)
			if err == nil {
				t.Fatalf("no error, want %s", test.want)
			}
			if err.Error() != test.want {
				t.Errorf("got  %s\nwant %s", err, test.want)
			}
		})
	}
}

func TestNoFile(t *testing.T) {
	_, err := Load("no-such.toml")
	want := "no-such.toml: cannot be read (no such file or directory): name another file with --config, or make one with `sparkle quickstart DOMAIN`"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// TestHostMistakes has a mistake for each rule that only the host can tell.
func TestHostMistakes(t *testing.T) {
	dir := t.TempDir()
	blocked := filepath.Join(dir, "file")
	if err := os.WriteFile(blocked, []byte("not a certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	taken := listener.Addr().String()
	_, port, _ := net.SplitHostPort(taken)
	data := "data_dir = " + strconv.Quote(dir) + "\n"
	cert := "domains = [\"example.com\"]\n" + data + "[tls]\n"

	for _, test := range []struct{ name, text, want string }{
		{"certificate missing", cert + "certificate = \"/nowhere/c.pem\"\nkey = \"/nowhere/k.pem\"\n",
			"f.toml:4: tls.certificate: /nowhere/c.pem: no such file or directory: correct the path or the permissions"},
		{"certificate unreadable as PEM", cert + "certificate = " + strconv.Quote(blocked) + "\nkey = " + strconv.Quote(blocked) + "\n",
			"f.toml:4: tls.certificate: " + blocked + ": tls: failed to find any PEM data in certificate input: it must be a PEM chain that belongs to tls.key"},
		{"client authorities", cert + "development_ca = true\nclient_ca = " + strconv.Quote(blocked) + "\n",
			"f.toml:5: tls.client_ca: " + blocked + ": holds no certificate: it must be a PEM file with -----BEGIN CERTIFICATE-----"},
		{"data directory", "data_dir = " + strconv.Quote(filepath.Join(blocked, "data")) + "\n" + good,
			"f.toml:1: data_dir: " + filepath.Join(blocked, "data") + ": not a directory: make the directory and give it to the user who runs the server"},
		{"port taken", data + good + "[listen]\ntls = [" + strconv.Quote(taken) + "]\n",
			"f.toml:6: listen.tls: " + taken + ": the port is in use: stop the other program (`ss -lptun sport = :" + port + "` shows it) or choose another port"},
		{"foreign address", data + good + "[listen]\ntls = [\"192.0.2.77:5061\"]\n",
			"f.toml:6: listen.tls: 192.0.2.77:5061: this host has no such address: use one that `ip address` lists, or [::]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := Parse("f.toml", test.text)
			if err != nil {
				t.Fatal(err)
			}
			err = c.CheckHost(true)
			if err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

// TestCertificateOfAnotherHost has real certificate files: one for another
// host, one that has expired, one that will do.
func TestCertificateOfAnotherHost(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		name  string
		host  string
		until time.Time
		want  string
	}{
		{"good", "sip.example.com", time.Now().Add(time.Hour), ""},
		{"other host", "sip.example.org", time.Now().Add(time.Hour), "f.toml:5: tls.certificate: CERT: does not name sip.example.com: order one that does, or correct host"},
		{"expired", "sip.example.com", time.Date(2020, 1, 2, 0, 0, 0, 0, time.UTC), "f.toml:5: tls.certificate: CERT: expired on 2020-01-02: renew it"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cert, key := writeCertificate(t, test.host, test.until)
			text := "domains = [\"example.com\"]\nhost = \"sip.example.com\"\ndata_dir = " + strconv.Quote(dir) +
				"\n[tls]\ncertificate = " + strconv.Quote(cert) + "\nkey = " + strconv.Quote(key) + "\n"
			c, err := Parse("f.toml", text)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if err := c.CheckHost(false); err != nil {
				got = strings.ReplaceAll(err.Error(), cert, "CERT")
			}
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func writeCertificate(t *testing.T, host string, until time.Time) (cert, key string) {
	t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{host}, NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, own.Public(), own)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(t.TempDir(), "c.pem"), filepath.Join(t.TempDir(), "k.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}
