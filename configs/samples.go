package configs

import (
	_ "embed"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

//go:embed sparkle.service
var unit string

// Unit is the systemd unit for a server with that configuration and data.
func Unit(config, dataDir string) []byte {
	text := strings.Replace(unit, "/etc/sparkle/sparkle.toml", config, 1)
	const stateDir = "StateDirectory=sparkle\n" // systemd makes /var/lib/sparkle
	if dataDir != "/var/lib/sparkle" {
		text = strings.Replace(text, stateDir, "ReadWritePaths="+dataDir+"\n", 1)
	}
	return []byte(text)
}

// Office is the configuration that quickstart writes for an organisation: its
// data below dataDir, softphones on the standard ports.
func Office(domain, dataDir string) Config {
	c := Default()
	c.Domains = []string{domain}
	c.Host = "sip." + domain
	c.DataDir = dataDir
	c.TLS.Certificate = filepath.Join("/etc/sparkle", "fullchain.pem")
	c.TLS.Key = filepath.Join("/etc/sparkle", "privkey.pem")
	return c
}

// Ports are the ports of a server on loopback. 0 lets the system choose.
type Ports struct{ UDP, TCP, TLS, HTTPS, Metrics int }

// StandardPorts are what localserve uses when nothing else is asked for.
func StandardPorts() Ports {
	return Ports{UDP: 5060, TCP: 5060, TLS: 5061, HTTPS: 8443, Metrics: 9090}
}

// FromBase lays the ports out from base: UDP and TCP base, TLS base+1, HTTPS
// base+2, metrics base+3.
func FromBase(base int) Ports {
	return Ports{UDP: base, TCP: base, TLS: base + 1, HTTPS: base + 2, Metrics: base + 3}
}

// Localserve is the configuration of a trial server that listens on loopback
// only, with certificates that it makes for itself.
func Localserve(dataDir string, p Ports) Config {
	at := func(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
	c := Default()
	c.Domains = []string{"localhost", "127.0.0.1"}
	c.Host = "127.0.0.1"
	c.DataDir = dataDir
	c.Listen = Listen{
		TLS:     []string{at(p.TLS)},
		HTTPS:   []string{at(p.HTTPS)},
		UDP:     []string{at(p.UDP)},
		TCP:     []string{at(p.TCP)},
		Metrics: at(p.Metrics),
	}
	c.TLS.DevelopmentCA = true
	c.Limits.ConnectionsPerAddress = c.Limits.Connections // every softphone has the same address here
	c.Limits.RequestsPerAddress = 0
	c.Auth.BanFailures = 0
	c.Registration.MinExpires = time.Second
	c.Calls.MaxPerUser = 0
	c.Media.SRTP = "prefer" // plain softphones are welcome
	return c
}
