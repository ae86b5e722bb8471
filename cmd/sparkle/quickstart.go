package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sparkleim/sparkle/admin"
	"github.com/sparkleim/sparkle/configs"
	"github.com/sparkleim/sparkle/sip/auth"
	"github.com/sparkleim/sparkle/store"
	"github.com/sparkleim/sparkle/store/sqldb"
	"github.com/spf13/cobra"
)

// quickstart is what the flags of the command say.
type quickstart struct {
	config, data     string
	host, admin      string
	certificate, key string
}

func (c *cli) quickstartCommand() *cobra.Command {
	var q quickstart
	cmd := &cobra.Command{
		Use:   "quickstart DOMAIN",
		Short: "Set up a server for a domain: configuration, certificates, first administrator",
		Long: "Set up a server for a domain: it writes the configuration and the systemd unit,\n" +
			"makes the store with the first administrator and, unless --certificate and --key\n" +
			"name real ones, certificates for trials. It needs no network, and prints the DNS\n" +
			"records, the settings for softphones and the commands that start the server.",
		Args: arguments(cobra.ExactArgs(1)),
	}
	cmd.Flags().StringVar(&q.host, "host", "", "name of the server (default: sip.DOMAIN)")
	cmd.Flags().StringVar(&q.admin, "admin", "admin", "username of the first administrator")
	cmd.Flags().StringVar(&q.certificate, "certificate", "", "PEM file with a certificate for the host and the domain, and its chain")
	cmd.Flags().StringVar(&q.key, "key", "", "PEM file with its key")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		q.config = cmp.Or(c.configPath, defaultConfig)
		q.data = cmp.Or(c.dataDir, "/var/lib/sparkle")
		return q.run(cmd.Context(), strings.ToLower(args[0]), cmd.OutOrStdout())
	}
	return cmd
}

func (q *quickstart) run(ctx context.Context, domain string, out io.Writer) error {
	if exists(q.config) {
		return fmt.Errorf("%s exists: this server was set up before; remove the file to start over, or name another with --config", q.config)
	}
	cfg, err := q.settings(domain)
	if err != nil {
		return err
	}
	password, err := q.makeStore(ctx, cfg)
	if err != nil {
		return err
	}
	if err := q.writeFiles(cfg); err != nil {
		return err
	}
	q.print(out, cfg, password)
	return nil
}

// settings makes the configuration and checks it with what it names.
func (q *quickstart) settings(domain string) (*configs.Config, error) {
	var err error
	for _, path := range []*string{&q.config, &q.data} {
		if *path, err = filepath.Abs(*path); err != nil {
			return nil, err
		}
	}
	c := configs.Office(domain, q.data)
	c.Host = cmp.Or(q.host, c.Host)
	switch {
	case q.certificate == "" && q.key == "":
		c.TLS = configs.TLS{DevelopmentCA: true}
	case q.certificate == "" || q.key == "":
		return nil, usageError{errors.New("--certificate and --key belong together: name both")}
	default:
		c.TLS.Certificate, err = filepath.Abs(q.certificate)
		if err == nil {
			c.TLS.Key, err = filepath.Abs(q.key)
		}
		if err != nil {
			return nil, err
		}
	}
	var text bytes.Buffer
	if err := configs.Describe(&text, c); err != nil {
		return nil, err
	}
	cfg, err := configs.Parse(q.config, text.String())
	if err != nil {
		return nil, err
	}
	return cfg, cfg.CheckHost(false)
}

// makeStore makes the store with the first administrator.
func (q *quickstart) makeStore(ctx context.Context, cfg *configs.Config) (password string, err error) {
	db, err := sqldb.Open(sqldb.Config{Dir: cfg.DataDir})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	password = admin.NewPassword()
	credential := auth.HashPassword(0, q.admin, cfg.Domains[0], password, slices.Contains(cfg.Auth.Algorithms, auth.MD5))
	u, err := db.AddUser(ctx, store.User{Username: q.admin, Domain: cfg.Domains[0], DisplayName: "Administrator", Admin: true}, &credential)
	if errors.Is(err, store.ErrConflict) {
		return "", fmt.Errorf("%s has a user %s already: name a new directory with --data", cfg.DataDir, q.admin)
	}
	if err != nil {
		return "", err
	}
	detail, err := json.Marshal(u)
	if err != nil {
		return "", err
	}
	return password, db.Record(ctx, store.AuditEntry{At: time.Now(), Actor: "quickstart", Action: "user.add", Object: u.AOR(), Detail: string(detail)})
}

// writeFiles writes the certificates, the unit and, last, the configuration.
func (q *quickstart) writeFiles(cfg *configs.Config) error {
	if cfg.TLS.DevelopmentCA {
		if _, _, err := developmentCertificate(certsDir(cfg.DataDir), certificateNames(cfg), time.Now()); err != nil {
			return err
		}
	}
	dir := filepath.Dir(q.config)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "sparkle.service"), configs.Unit(q.config, cfg.DataDir), 0o644); err != nil {
		return err
	}
	return os.WriteFile(q.config, []byte(cfg.Text()), 0o644)
}

func (q *quickstart) print(w io.Writer, cfg *configs.Config, password string) {
	domain, host := cfg.Domains[0], cfg.ServerName()
	fmt.Fprintf(w, `Configuration  %s
Data           %s
Administrator  %s@%s  password %s  (it is not shown again)

DNS records that softphones find the server by:
`, q.config, cfg.DataDir, q.admin, domain, password)
	records := newTable("  "+host+".", "A", "(the public address of this host)")
	records.add("  "+domain+".", "NAPTR", `10 0 "s" "SIPS+D2T" "" _sips._tcp.`+domain+".")
	records.add("  _sips._tcp."+domain+".", "SRV", "0 0 5061 "+host+".")
	records.write(w)
	fmt.Fprintf(w, `
Softphone settings:
  username %s   domain %s   transport TLS   port 5061
  proxy <sip:%s:5061;transport=tls> where the DNS records are missing
  media encryption SRTP or DTLS-SRTP: calls without are refused
  conference factory sip:%s@%s (Linphone: to make groups)

Firewall: open TCP 5061 and 443, and UDP %d to %d for voice and video.
`, q.admin, domain, host, factoryName, domain, cfg.Media.FirstPort, cfg.Media.LastPort)
	if cfg.TLS.DevelopmentCA {
		fmt.Fprintf(w, `
The certificates are for trials: every softphone has to trust
  %s
For real ones that every softphone trusts already (they must name %s and %s):
  certbot certonly --standalone -d %s -d %s
  setfacl -R -m u:sparkle:rX /etc/letsencrypt/live /etc/letsencrypt/archive
then set tls.certificate and tls.key, remove tls.development_ca, and restart; a
renewed certificate needs no more than systemctl reload sparkle.
`, filepath.Join(certsDir(cfg.DataDir), "ca.pem"), host, domain, host, domain)
	}
	dir := filepath.Dir(q.config)
	fmt.Fprintf(w, `
Start it:
  sparkle --config %[1]s config check
  install "$(command -v sparkle)" /usr/local/bin/
  useradd --system --home-dir %[2]s sparkle && chown -R sparkle: %[2]s
  cp %[3]s /etc/systemd/system/ && systemctl enable --now sparkle
or, to try it in this terminal:
  sparkle --config %[1]s serve
`, q.config, cfg.DataDir, filepath.Join(dir, "sparkle.service"))
}
