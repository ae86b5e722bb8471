package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/sparkleim/sparkle/admin"
	"github.com/sparkleim/sparkle/sip/transport"
	"golang.org/x/net/netutil"
)

// doors are the HTTP servers: HTTPS with WebSocket and API, the metrics port
// and the Unix socket.
type doors struct {
	open []door
}

// maxProbes is how many connections the metrics port takes at a time.
const maxProbes = 64

type door struct {
	server   *http.Server
	listener net.Listener
}

// newHTTPServer has deadlines for everything that a peer could draw out.
// Streams move their write deadline along.
func newHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      5 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// openHTTPS serves SIP over WebSocket at /sip, pictures, and the API beside it.
func (d *doors) openHTTPS(s *Server, address string) (netip.AddrPort, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	mux := http.NewServeMux()
	mux.Handle("/sip", s.stack.WebSocket(transport.Spec{Name: "https " + address, Address: l.Addr().String(), Public: s.cfg.ServerName()}))
	mux.Handle("GET /"+picturesName+"/{file}", s.pictures)
	mux.Handle("/", s.api.Remote())
	limited := netutil.LimitListener(l, s.cfg.Limits.Connections) // silent ones run into the deadlines
	d.add(newHTTPServer(mux, s.part("http")), tls.NewListener(limited, s.stack.HTTPS()))
	return l.Addr().(*net.TCPAddr).AddrPort(), nil
}

func (d *doors) openMetrics(s *Server, address string) (netip.AddrPort, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	d.add(newHTTPServer(s.api.Probe(), s.part("http")), netutil.LimitListener(l, maxProbes))
	return l.Addr().(*net.TCPAddr).AddrPort(), nil
}

// openLocal opens the administration socket. The store has locked the data
// directory, so a socket that is there was left by a server that is gone.
func (d *doors) openLocal(s *Server) error {
	path := filepath.Join(s.cfg.DataDir, socketName)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("%w: the path of a socket must be shorter than 108 bytes", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return err
	}
	server := newHTTPServer(s.api.Local(), s.part("http"))
	server.ConnContext = admin.PeerContext
	d.add(server, l)
	return nil
}

func (d *doors) add(server *http.Server, l net.Listener) {
	d.open = append(d.open, door{server, l})
}

// serve begins to answer on every door.
func (d *doors) serve(log *slog.Logger) {
	for _, door := range d.open {
		go func() {
			if err := door.server.Serve(door.listener); !errors.Is(err, http.ErrServerClosed) {
				log.Error("HTTP server ended", "address", door.listener.Addr().String(), "error", err)
			}
		}()
	}
}

// close lets requests finish until ctx ends.
func (d *doors) close(ctx context.Context) {
	var all sync.WaitGroup
	for _, door := range d.open {
		all.Go(func() {
			if door.server.Shutdown(ctx) != nil {
				door.server.Close()
			}
			door.listener.Close()
		})
	}
	all.Wait()
}
