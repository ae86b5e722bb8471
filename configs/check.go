package configs

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

// domainName is the form of a host or domain name.
var domainName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)

// isHost tells whether s is a domain name or an IP address.
func isHost(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil || domainName.MatchString(s)
}

// checkValues applies every rule that the file alone can break.
func (c *Config) checkValues() error {
	for _, check := range []func() error{
		c.checkNames, c.checkListen, c.checkTLS, c.checkAuth, c.checkRegistration, c.checkNetworks, c.checkMedia, c.checkBounds, c.checkChoices,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) checkNames() error {
	if len(c.Domains) == 0 {
		return c.Problem("domains", `is missing: name at least one, such as domains = ["example.com"]`)
	}
	for _, d := range c.Domains {
		if !isHost(d) {
			return c.Problem("domains", fmt.Sprintf("%q is not a domain name: write it in lower case without sip: and without a port", d))
		}
	}
	if c.Host != "" && !isHost(c.Host) {
		return c.Problem("host", fmt.Sprintf("%q is not a host name: write it in lower case without a port", c.Host))
	}
	if c.DataDir == "" {
		return c.Problem("data_dir", "is empty: name a directory, such as /var/lib/sparkle")
	}
	return nil
}

func (c *Config) checkListen() error {
	if len(c.Listen.TLS) == 0 {
		return c.Problem("listen.tls", `needs at least one address, such as tls = ["[::]:5061"]`)
	}
	seen := map[string]string{}
	for _, l := range c.Listeners() {
		if _, err := netip.ParseAddrPort(l.Address); err != nil {
			return c.Problem(l.Key, fmt.Sprintf("%q is not an address: write IP:port, such as 192.0.2.1:5061 or [::]:5061", l.Address))
		}
		if first, taken := seen[l.Network+l.Address]; taken && !strings.HasSuffix(l.Address, ":0") {
			return c.Problem(l.Key, fmt.Sprintf("%s is already used by %s: give each its own port", l.Address, first))
		}
		seen[l.Network+l.Address] = l.Key
	}
	return nil
}

// Listener is one address of the configuration.
type Listener struct {
	Key     string // the key that names it: listen.tls
	Network string // "tcp" or "udp"
	Address string
}

// Listeners lists every address that the server will open.
func (c *Config) Listeners() []Listener {
	var all []Listener
	add := func(key, network string, addresses ...string) {
		for _, a := range addresses {
			all = append(all, Listener{key, network, a})
		}
	}
	add("listen.tls", "tcp", c.Listen.TLS...)
	add("listen.https", "tcp", c.Listen.HTTPS...)
	add("listen.udp", "udp", c.Listen.UDP...)
	add("listen.tcp", "tcp", c.Listen.TCP...)
	if c.Listen.Metrics != "" {
		add("listen.metrics", "tcp", c.Listen.Metrics)
	}
	return all
}

func (c *Config) checkTLS() error {
	t := c.TLS
	switch {
	case t.DevelopmentCA && (t.Certificate != "" || t.Key != ""):
		return c.Problem("tls.development_ca", "cannot be true beside tls.certificate and tls.key: decide for one of them")
	case t.DevelopmentCA:
		return nil
	case t.Certificate == "":
		return c.Problem("tls.certificate", "is missing: name a PEM file, or set development_ca = true for a trial")
	case t.Key == "":
		return c.Problem("tls.key", "is missing: name the PEM file with the key of tls.certificate")
	}
	return nil
}

func (c *Config) checkNetworks() error {
	for _, n := range c.Limits.Unlimited {
		if _, err := netip.ParsePrefix(n); err != nil {
			return c.Problem("limits.unlimited", fmt.Sprintf("%q is not a network: write it with its length, such as 10.0.0.0/8 or 192.0.2.7/32", n))
		}
	}
	return nil
}

// UnlimitedNetworks are the networks that limits.unlimited names.
func (c *Config) UnlimitedNetworks() []netip.Prefix {
	var networks []netip.Prefix
	for _, n := range c.Limits.Unlimited {
		if p, err := netip.ParsePrefix(n); err == nil { // checkNetworks has refused the others
			networks = append(networks, p)
		}
	}
	return networks
}

// MediaAddress is an address of this host for media, and how others see it.
type MediaAddress struct{ Bind, Advertise netip.Addr }

func parseMediaAddress(text string) (a MediaAddress, err error) {
	bind, advertise, translated := strings.Cut(text, "=")
	if a.Bind, err = netip.ParseAddr(bind); err != nil {
		return a, err
	}
	if !translated {
		a.Advertise = a.Bind
		return a, nil
	}
	a.Advertise, err = netip.ParseAddr(advertise)
	return a, err
}

func (c *Config) checkMedia() error {
	for _, text := range c.Media.Addresses {
		a, err := parseMediaAddress(text)
		if err != nil || a.Bind.IsUnspecified() || a.Advertise.IsUnspecified() || a.Bind.Is4() != a.Advertise.Is4() {
			return c.Problem("media.addresses", fmt.Sprintf("%q is not an address for media: write one of this host, such as 192.0.2.1, or 10.0.0.5=192.0.2.1 behind a NAT", text))
		}
	}
	if c.Media.LastPort < c.Media.FirstPort+100 {
		return c.Problem("media.last_port", fmt.Sprintf("%d leaves too few ports above first_port (%d): choose at least 100 more", c.Media.LastPort, c.Media.FirstPort))
	}
	return nil
}

// MediaAddresses are the addresses that media.addresses names.
func (c *Config) MediaAddresses() []MediaAddress {
	var all []MediaAddress
	for _, text := range c.Media.Addresses {
		if a, err := parseMediaAddress(text); err == nil { // checkMedia has refused the others
			all = append(all, a)
		}
	}
	return all
}

func (c *Config) checkAuth() error {
	if len(c.Auth.Algorithms) == 0 {
		return c.Problem("auth.algorithms", `needs at least one of "SHA-256" and "MD5"`)
	}
	for i, a := range c.Auth.Algorithms {
		if a != "SHA-256" && a != "MD5" {
			return c.Problem("auth.algorithms", fmt.Sprintf(`%q is not supported: use "SHA-256" and "MD5"`, a))
		}
		if slices.Contains(c.Auth.Algorithms[:i], a) {
			return c.Problem("auth.algorithms", fmt.Sprintf("%q stands there twice: remove one", a))
		}
	}
	return nil
}

func (c *Config) checkRegistration() error {
	r := c.Registration
	switch {
	case r.MinExpires > r.MaxExpires:
		return c.Problem("registration.min_expires", fmt.Sprintf("%s is more than max_expires (%s): lower it", shortDuration(r.MinExpires), shortDuration(r.MaxExpires)))
	case r.DefaultExpires < r.MinExpires || r.DefaultExpires > r.MaxExpires:
		return c.Problem("registration.default_expires", fmt.Sprintf("%s is not between min_expires (%s) and max_expires (%s)",
			shortDuration(r.DefaultExpires), shortDuration(r.MinExpires), shortDuration(r.MaxExpires)))
	}
	return nil
}

// bound is the range of a key.
type bound struct {
	key      string
	value    int64
	min, max int64
	unit     time.Duration // 0 for plain numbers
}

func (c *Config) checkBounds() error {
	span := func(key string, v, lo, hi time.Duration) bound {
		return bound{key, int64(v), int64(lo), int64(hi), 1}
	}
	number := func(key string, v, lo, hi int) bound {
		return bound{key, int64(v), int64(lo), int64(hi), 0}
	}
	for _, b := range []bound{
		number("node", c.Node, 0, 1023),
		span("auth.nonce_lifetime", c.Auth.NonceLifetime, 10*time.Second, time.Hour),
		number("auth.ban_failures", c.Auth.BanFailures, 0, 1_000_000),
		span("auth.ban_window", c.Auth.BanWindow, time.Second, 24*time.Hour),
		span("auth.ban_time", c.Auth.BanTime, time.Second, 24*time.Hour),
		span("registration.min_expires", c.Registration.MinExpires, time.Second, 24*time.Hour),
		span("registration.max_expires", c.Registration.MaxExpires, time.Minute, 720*time.Hour),
		number("registration.max_contacts", c.Registration.MaxContacts, 1, 100),
		number("messages.max_size", c.Messages.MaxSize, 1300, 60000),
		number("groups.max_members", c.Groups.MaxMembers, 3, 5000),
		number("groups.max_per_user", c.Groups.MaxPerUser, 1, 5000),
		number("groups.history", c.Groups.History, 0, 10000),
		number("groups.replay", c.Groups.Replay, 0, 1000),
		number("groups.receipts", c.Groups.Receipts, 0, 5000),
		number("messages.keep_days", c.Messages.KeepDays, 1, 3650),
		number("calls.max", c.Calls.Max, 0, 1_000_000),
		number("calls.max_per_user", c.Calls.MaxPerUser, 0, 1_000_000),
		span("calls.session_expires", c.Calls.SessionExpires, 90*time.Second, 24*time.Hour),
		number("media.first_port", c.Media.FirstPort, 1024, 65534),
		number("media.last_port", c.Media.LastPort, 1025, 65535),
		number("limits.connections", c.Limits.Connections, 10, 10_000_000),
		number("limits.connections_per_address", c.Limits.ConnectionsPerAddress, 1, 10_000_000),
		number("limits.transactions", c.Limits.Transactions, 100, 10_000_000),
		number("limits.requests_per_address", c.Limits.RequestsPerAddress, 0, 1_000_000),
		span("limits.handshake", c.Limits.Handshake, time.Second, time.Minute),
		span("limits.idle", c.Limits.Idle, time.Minute, 24*time.Hour),
	} {
		if b.value < b.min || b.value > b.max {
			return c.Problem(b.key, fmt.Sprintf("%s is out of range: choose %s to %s", b.format(b.value), b.format(b.min), b.format(b.max)))
		}
	}
	return nil
}

func (b bound) format(v int64) string {
	if b.unit == 0 {
		return fmt.Sprint(v)
	}
	return shortDuration(time.Duration(v))
}

func (c *Config) checkChoices() error {
	for _, choice := range []struct {
		key, value string
		of         []string
	}{
		{"language", c.Language, []string{"zh", "en"}},
		{"media.srtp", c.Media.SRTP, []string{"require", "prefer"}},
		{"log.level", c.Log.Level, []string{"debug", "info", "warn", "error"}},
		{"log.format", c.Log.Format, []string{"text", "json"}},
	} {
		if !slices.Contains(choice.of, choice.value) {
			return c.Problem(choice.key, fmt.Sprintf("%q is not possible: choose one of %s", choice.value, strings.Join(choice.of, ", ")))
		}
	}
	return nil
}

// CheckHost applies the rules that only this host can tell: certificates, the
// data directory, and, when ports is set, whether every port is free (a
// running server holds its own).
func (c *Config) CheckHost(ports bool) error {
	if err := c.checkCertificate(); err != nil {
		return err
	}
	if err := c.checkDataDir(); err != nil {
		return err
	}
	if !ports {
		return nil
	}
	for _, l := range c.Listeners() {
		if err := c.probe(l); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) checkCertificate() error {
	if path := c.TLS.ClientCA; path != "" {
		pem, err := os.ReadFile(path)
		if err != nil {
			return c.Problem("tls.client_ca", fmt.Sprintf("%s: %v: correct the path or the permissions", path, reason(err)))
		}
		if !x509.NewCertPool().AppendCertsFromPEM(pem) {
			return c.Problem("tls.client_ca", path+": holds no certificate: it must be a PEM file with -----BEGIN CERTIFICATE-----")
		}
	}
	if c.TLS.DevelopmentCA {
		return nil
	}
	for _, f := range []struct{ key, path string }{{"tls.certificate", c.TLS.Certificate}, {"tls.key", c.TLS.Key}} {
		if _, err := os.ReadFile(f.path); err != nil {
			return c.Problem(f.key, fmt.Sprintf("%s: %v: correct the path or the permissions", f.path, reason(err)))
		}
	}
	pair, err := tls.LoadX509KeyPair(c.TLS.Certificate, c.TLS.Key)
	if err != nil {
		return c.Problem("tls.certificate", fmt.Sprintf("%s: %v: it must be a PEM chain that belongs to tls.key", c.TLS.Certificate, err))
	}
	return c.checkLeaf(pair.Leaf)
}

// checkLeaf refuses a certificate that no softphone would accept.
func (c *Config) checkLeaf(leaf *x509.Certificate) error {
	if time.Now().After(leaf.NotAfter) {
		return c.Problem("tls.certificate", fmt.Sprintf("%s: expired on %s: renew it", c.TLS.Certificate, leaf.NotAfter.Format(time.DateOnly)))
	}
	if name := c.ServerName(); leaf.VerifyHostname(name) != nil {
		return c.Problem("tls.certificate", fmt.Sprintf("%s: does not name %s: order one that does, or correct host", c.TLS.Certificate, name))
	}
	return nil
}

func (c *Config) checkDataDir() error {
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return c.Problem("data_dir", fmt.Sprintf("%s: %v: make the directory and give it to the user who runs the server", c.DataDir, reason(err)))
	}
	f, err := os.CreateTemp(c.DataDir, ".writable-*")
	if err != nil {
		return c.Problem("data_dir", fmt.Sprintf("%s: %v: give the directory to the user who runs the server", c.DataDir, reason(err)))
	}
	f.Close()
	return os.Remove(f.Name())
}

// probe opens and closes the address.
func (c *Config) probe(l Listener) error {
	if l.Network == "udp" {
		conn, err := net.ListenPacket("udp", l.Address)
		if err != nil {
			return c.ListenProblem(l.Key, l.Address, err)
		}
		return conn.Close()
	}
	listener, err := net.Listen("tcp", l.Address)
	if err != nil {
		return c.ListenProblem(l.Key, l.Address, err)
	}
	return listener.Close()
}
