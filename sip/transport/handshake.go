package transport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
)

// serveTLS makes the handshake and leaves the reading to a fresh goroutine, so
// that the deep stack of the handshake is not kept for the life of the flow.
func (c *conn) serveTLS(tc *tls.Conn, noted *notedConn) {
	err := tc.Handshake()
	hello := noted.hello
	noted.hello = nil
	if err != nil {
		c.handshakeFailed(hello, err)
		return
	}
	c.enter(phaseFirst)
	go c.serveStream()
}

func (c *conn) handshakeFailed(hello *tls.ClientHelloInfo, err error) {
	s := c.flow.stack
	if errors.Is(err, net.ErrClosed) {
		err = errTooSlow
	}
	c.kill(causeHandshake)
	if c.out.cause == causeHandshake { // and not our own end
		s.metrics.handshakes.Inc()
		s.warn("TLS handshake failed", "peer", c.flow.Remote, "listener", c.flow.Listener,
			"error", err, "offered", offered(hello), "remedy", remedy(err))
	}
	c.readEnded()
}

var errTooSlow = errors.New("the handshake was not over in time")

// offered says what a client hello contained.
func offered(hello *tls.ClientHelloInfo) string {
	if hello == nil {
		return "nothing that is TLS"
	}
	versions := make([]string, len(hello.SupportedVersions))
	for i, v := range hello.SupportedVersions {
		versions[i] = tls.VersionName(v)
	}
	return fmt.Sprintf("%s for host %q, %d cipher suites", strings.Join(versions, ", "), hello.ServerName, len(hello.CipherSuites))
}

// remedy tells the administrator what to do about a handshake that failed.
func remedy(err error) string {
	var (
		record  tls.RecordHeaderError
		alert   tls.AlertError
		unknown x509.UnknownAuthorityError
		invalid x509.CertificateInvalidError
	)
	text := err.Error()
	switch {
	case errors.As(err, &record):
		return "the peer does not speak TLS here: set its transport to TLS, or use the port for TCP"
	case errors.Is(err, errTooSlow):
		return "a slow or broken network, or a scanner; nothing to do unless a known device is concerned"
	case errors.As(err, &unknown):
		return "its client certificate was issued by a CA that is not in the file of client CAs: add that CA or renew the certificate"
	case errors.As(err, &invalid):
		return "its client certificate is expired or not meant for this: renew it"
	case strings.Contains(text, "didn't provide a certificate"):
		return "client certificates are required: install one on the device, or do not require them"
	case strings.Contains(text, "unsupported versions"):
		return "TLS 1.2 is the oldest version spoken here: update the device's firmware or its TLS setting"
	case strings.Contains(text, "no cipher suite"):
		return "the device knows no cipher suite that is still safe: update its firmware"
	case errors.As(err, &alert), strings.Contains(text, "remote error"):
		return "the peer refused us, most often because it does not trust our certificate: install the CA on the device, and check the host name that it dials"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return "the peer hung up: perhaps it does not trust our certificate, perhaps it only looked whether the port is open"
	}
	return "look at the peer's own log"
}
