package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"github.com/sparkleim/sparkle/configs"
	"github.com/sparkleim/sparkle/sip/transport"
)

// checkHost finds mistakes of the configuration before anything is opened, and
// makes the development certificates when they are asked for.
func (s *Server) checkHost() error {
	if err := s.cfg.CheckHost(false); err != nil {
		return err
	}
	if !s.cfg.TLS.DevelopmentCA {
		return nil
	}
	var err error
	s.cfg.TLS.Certificate, s.cfg.TLS.Key, err = developmentCertificate(certsDir(s.cfg.DataDir), certificateNames(s.cfg), time.Now())
	if err != nil {
		return s.cfg.Problem("tls.development_ca", err.Error())
	}
	return nil
}

// part is the logger of one part.
func (s *Server) part(name string) *slog.Logger { return s.log.With("part", name) }

// domain is the domain of all addresses; the other names mean the same.
func (s *Server) domain() string { return s.cfg.Domains[0] }

// secret returns a key that stays the same over restarts.
func (s *Server) secret(name string) ([]byte, error) {
	key, err := s.store.Secret(context.Background(), name, 32)
	if err != nil {
		return nil, fmt.Errorf("secret %s in %s: %w", name, s.cfg.DataDir, err)
	}
	return key, nil
}

func certsDir(dataDir string) string { return filepath.Join(dataDir, "certs") }

// names are all names of this server in URIs, the domain first.
func (s *Server) names() []string {
	names := slices.Clone(s.cfg.Domains)
	add := func(name string) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	add(s.cfg.Host)
	for _, l := range s.cfg.Listeners() {
		if addr, err := netip.ParseAddrPort(l.Address); err == nil && !addr.Addr().IsUnspecified() {
			add(addr.Addr().String())
		}
	}
	return names
}

// isOwn tells whether host and port are one of our listeners, which is no
// place for a Contact to point to.
func (s *Server) isOwn(host string, port int) bool {
	// The port first: it rules out nearly every phone, and costs little.
	return slices.ContainsFunc(s.listeners, func(l listener) bool {
		return port == 0 && (l.addr.Port() == 5060 || l.addr.Port() == 5061) || int(l.addr.Port()) == port
	}) && slices.Contains(s.names(), host)
}

// mediaAddress is the address of this host for the media of the peer of a flow:
// the one that its signalling came to, and for a socket that listens on all of
// them the one that the peer is reached from.
func (s *Server) mediaAddress(f *transport.Flow) netip.Addr {
	if local := f.Local.Addr().Unmap(); local.IsValid() && !local.IsUnspecified() {
		return local
	}
	if addresses := s.cfg.MediaAddresses(); len(addresses) > 0 {
		return addresses[0].Bind
	}
	// No packet is sent for this.
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(f.Remote))
	if err != nil {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
}

// newLogger writes in the format and from the level of the configuration.
func newLogger(w io.Writer, l configs.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		level = slog.LevelInfo // the configuration was checked: this is one built by hand
	}
	options := &slog.HandlerOptions{Level: level}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
