package configs

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// ListenProblem is the error line for an address that cannot be opened.
func (c *Config) ListenProblem(key, address string, err error) error {
	return &listenProblem{c.Problem(key, fmt.Sprintf("%s: %s", address, listenRemedy(address, err))), err}
}

// listenProblem keeps the cause for those who know another remedy.
type listenProblem struct {
	error
	cause error
}

func (p *listenProblem) Unwrap() error { return p.cause }

func listenRemedy(address string, err error) string {
	_, port, _ := net.SplitHostPort(address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Sprintf("the port is in use: stop the other program (`ss -lptun sport = :%s` shows it) or choose another port", port)
	case errors.Is(err, os.ErrPermission):
		return "not permitted: ports below 1024 need CAP_NET_BIND_SERVICE (the systemd unit grants it)"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "this host has no such address: use one that `ip address` lists, or [::]"
	default:
		return err.Error()
	}
}
