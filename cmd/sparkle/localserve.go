package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/sparkleim/sparkle/admin"
	"github.com/sparkleim/sparkle/configs"
	"github.com/sparkleim/sparkle/store"
	"github.com/spf13/cobra"
)

// localDir is where a trial server keeps its data unless told otherwise.
const localDir = "run"

// readyName is the file below the data directory that tells programs where a
// trial server listens.
const readyName = "ready.json"

// demoUsers are the people of the demo organisation.
func demoUsers() []store.User {
	return []store.User{
		{Username: "zhangsan", DisplayName: "张三", Numbers: []string{"1001"}, Admin: true},
		{Username: "lisi", DisplayName: "李四", Numbers: []string{"1002"}},
		{Username: "alice", DisplayName: "Alice", Numbers: []string{"1003"}},
		{Username: "bob", DisplayName: "Bob", Numbers: []string{"1004"}},
		{Username: "wangwu", DisplayName: "王五", Numbers: []string{"1005"}},
		{Username: "carol", DisplayName: "Carol", Numbers: []string{"1006"}},
	}
}

// readiness is the content of ready.json.
type readiness struct {
	PID       int                 `json:"pid"`
	Domain    string              `json:"domain"`
	Password  string              `json:"password"` // of every demo user
	Users     []string            `json:"users"`
	Listeners map[string][]string `json:"listeners"` // by transport: tls, tcp, udp, https, metrics
	CA        string              `json:"ca"`
	Socket    string              `json:"socket"`
}

func (c *cli) localserveCommand() *cobra.Command {
	var dir string
	var base int
	var free bool
	cmd := &cobra.Command{
		Use:   "localserve",
		Short: "Run a whole trial server on this computer, with a demo organisation",
		Long: "Run a whole trial server on this computer (loopback only), with a demo\n" +
			"organisation of people, units and groups, a certificate authority of its own,\n" +
			"and users who answer by themselves: echo sends back what is written and said,\n" +
			"486 is busy, timeout never answers, offline is never there. It keeps its data\n" +
			"below ./run.",
		Args: arguments(cobra.NoArgs),
	}
	cmd.Flags().StringVar(&dir, "dir", localDir, "directory of the data")
	cmd.Flags().IntVar(&base, "port-base", 0, "use the ports from this one on: UDP and TCP, TLS (+1), HTTPS (+2), metrics (+3)")
	cmd.Flags().BoolVar(&free, "free-ports", false, "let the system choose the ports; DIR/"+readyName+" tells them")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ports := configs.StandardPorts()
		switch {
		case free:
			ports = configs.Ports{}
		case base > 0:
			ports = configs.FromBase(base)
		}
		cfg, err := localConfig(cmp.Or(c.dataDir, dir), ports)
		if err != nil {
			return err
		}
		return localserve(cmd.Context(), cfg, cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	return cmd
}

// localConfig is the configuration of a trial server, with an absolute data
// directory so that what is printed can be used anywhere.
func localConfig(dir string, ports configs.Ports) (*configs.Config, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	cfg := configs.Localserve(absolute, ports)
	return &cfg, nil
}

// localserve runs the trial server until a signal comes.
func localserve(ctx context.Context, cfg *configs.Config, out, errOut io.Writer) error {
	s, err := newServer(cfg, newLogger(errOut, cfg.Log))
	if err != nil {
		return err
	}
	// Nobody should look for a server that is gone, or not there yet.
	ready := filepath.Join(cfg.DataDir, readyName)
	os.Remove(ready)
	s.onDrain(func() { os.Remove(ready) })
	err = s.runUntilSignal(ctx, func(ctx context.Context) error {
		r, err := s.startDemo(ctx)
		if err != nil {
			return err
		}
		printLocalserve(out, r)
		return r.write(ready)
	})
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w; --free-ports lets the system choose", err)
	}
	return err
}

// startDemo brings the demo organisation to life.
func (s *Server) startDemo(ctx context.Context) (readiness, error) {
	password, err := demoPassword(s.cfg.DataDir)
	if err != nil {
		return readiness{}, err
	}
	if err := s.addDemoUsers(ctx, password); err != nil {
		return readiness{}, err
	}
	if err := s.addDemoOrganisation(ctx); err != nil {
		return readiness{}, err
	}
	phones, err := s.startMagicUsers(ctx)
	if err != nil {
		return readiness{}, err
	}
	s.onDrain(phones.stop)
	return s.readiness(password), nil
}

// demoPassword is made at the first start and kept, so that softphones that
// were set up once work again.
func demoPassword(dir string) (string, error) {
	path := filepath.Join(dir, "demo-password")
	b, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(b)), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	password := admin.NewPassword()
	return password, os.WriteFile(path, []byte(password+"\n"), 0o600)
}

// addDemoUsers adds those who are not there yet.
func (s *Server) addDemoUsers(ctx context.Context, password string) error {
	for _, u := range demoUsers() {
		if _, err := s.accounts.Add(ctx, u, password); err != nil && !errors.Is(err, store.ErrConflict) {
			return fmt.Errorf("demo user %s: %w", u.Username, err)
		}
	}
	return nil
}

func (s *Server) readiness(password string) readiness {
	r := readiness{
		PID: os.Getpid(), Domain: s.domain(), Password: password,
		Listeners: map[string][]string{},
		CA:        filepath.Join(certsDir(s.cfg.DataDir), "ca.pem"),
		Socket:    filepath.Join(s.cfg.DataDir, socketName),
	}
	for _, u := range demoUsers() {
		r.Users = append(r.Users, u.Username)
	}
	for _, l := range s.listeners {
		key := strings.ToLower(l.transport)
		r.Listeners[key] = append(r.Listeners[key], l.addr.String())
	}
	return r
}

// write replaces the file as a whole: who sees it sees all of it.
func (r readiness) write(path string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func printLocalserve(w io.Writer, r readiness) {
	// Linphone compares names in the certificate, never addresses; baresip asks
	// the name servers for every name, and they do not know localhost.
	byName := func(addr string) string { return strings.Replace(addr, "127.0.0.1", r.Domain, 1) }
	tls, https := first(r.Listeners["tls"]), byName(first(r.Listeners["https"]))
	fmt.Fprintf(w, "\nSparkle is running on this computer for the domain %s.\n\n", r.Domain)
	t := newTable("ADDRESS", "NAME", "NUMBER", "PASSWORD")
	for _, u := range demoUsers() {
		t.add("sip:"+u.Username+"@"+r.Domain, u.DisplayName, first(u.Numbers), r.Password)
	}
	t.write(w)
	fmt.Fprintf(w, `
They write to and call each other by name or number, and write to their groups in
the same way: %[11]s.
Linphone shows these by itself. sip:%[13]s@%[1]s answers /help.
sip:echo@%[1]s sends back what you write and, in a call, say; sip:486@%[1]s
is busy, sip:timeout@%[1]s never answers, sip:offline@%[1]s is never there.

Linphone   Use a SIP account: username alice, domain %[1]s, transport TLS, and in
           its advanced settings the SIP proxy <sip:%[10]s;transport=tls> and,
           to make groups, the conference factory sip:%[12]s@%[1]s.
           Trust the certificate authority first: linphonerc, [sip] root_ca=%[3]s
baresip    ~/.baresip/accounts:
           <sip:alice@%[1]s;transport=tls>;auth_pass=%[4]s;outbound="sip:%[2]s;transport=tls"
           ~/.baresip/config: sip_cafile %[3]s
Without TLS  UDP and TCP %[5]s (nothing to trust, nothing private)
Encryption of voice  SDES (with TLS) or DTLS-SRTP with each phone that does it. Phones
           without are taken too; a real server refuses their calls until its
           configuration says [media] srtp = "prefer".
WebSocket  wss://%[6]s/sip
API        https://%[6]s/docs (token add NAME makes a token), or
           curl --unix-socket %[7]s http://sparkle/v1/users
Commands   %[8]s --data %[9]s user list | group show yanfa | unit list | message search 你好 | call list --live | trace alice | …

`, r.Domain, tls, r.CA, r.Password, first(r.Listeners["udp"]), https, r.Socket, os.Args[0], filepath.Dir(r.Socket), byName(tls), groupsText(r.Domain), factoryName, assistantName)
}

// groupsText names the groups of the demo organisation.
func groupsText(domain string) string {
	var groups []string
	for _, g := range demoGroups() {
		groups = append(groups, fmt.Sprintf("sip:%s@%s (%s)", g.name, domain, cmp.Or(g.subject, g.unit)))
	}
	return strings.Join(groups, ", ")
}
