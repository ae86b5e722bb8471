package transport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// KeyPair names a certificate chain and its key, both PEM files.
type KeyPair struct{ Cert, Key string }

// TLSConfig says who we are and whom we believe. Files are read again when they
// change, so a renewed certificate needs no restart.
type TLSConfig struct {
	Certificates []KeyPair // the first is for peers that name no host (SNI)
	ClientCAs    string    // PEM file; peers may show a certificate of these
	RequireCert  bool      // peers must show one
	RootCAs      string    // PEM file of CAs that servers we dial may use, besides the system's
}

// reloadEvery is how often a handshake looks whether the files have changed.
const reloadEvery = 5 * time.Second

// certificates is the current state of the files of a TLSConfig.
type certificates struct {
	cfg     TLSConfig
	warn    func(msg string, args ...any)
	current atomic.Pointer[identity]

	mu      sync.Mutex
	checked time.Time
}

// identity is what one reading of the files gave. It never changes.
type identity struct {
	stamp  []time.Time // modification times of the files
	certs  []tls.Certificate
	server *tls.Config
	roots  *x509.CertPool
}

// loadCertificates reads the files for the first time.
func loadCertificates(cfg TLSConfig, warn func(string, ...any)) (*certificates, error) {
	c := &certificates{cfg: cfg, warn: warn, checked: time.Now()}
	if cfg.RequireCert && cfg.ClientCAs == "" {
		return nil, errors.New("transport: client certificates are required but no file of client CAs is given")
	}
	return c, c.reload()
}

// reload reads the files again. On an error the old state stays.
func (c *certificates) reload() error {
	id := &identity{stamp: c.stamp()}
	for _, p := range c.cfg.Certificates {
		cert, err := tls.LoadX509KeyPair(p.Cert, p.Key)
		if err != nil {
			return fmt.Errorf("transport: certificate %s with key %s: %w", p.Cert, p.Key, err)
		}
		id.certs = append(id.certs, cert)
	}
	var err error
	if id.roots, err = c.rootPool(); err != nil {
		return err
	}
	id.server = &tls.Config{
		MinVersion:                  tls.VersionTLS12,
		GetCertificate:              id.choose,
		DynamicRecordSizingDisabled: true, // our writes are as large as a record already
	}
	if c.cfg.ClientCAs != "" {
		if id.server.ClientCAs, err = readPool(x509.NewCertPool(), c.cfg.ClientCAs); err != nil {
			return err
		}
		id.server.ClientAuth = tls.VerifyClientCertIfGiven
		if c.cfg.RequireCert {
			id.server.ClientAuth = tls.RequireAndVerifyClientCert
		}
	}
	c.current.Store(id)
	return nil
}

// rootPool is nil, the system's pool, when no file is given.
func (c *certificates) rootPool() (*x509.CertPool, error) {
	if c.cfg.RootCAs == "" {
		return nil, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a system without one
	}
	return readPool(pool, c.cfg.RootCAs)
}

func readPool(pool *x509.CertPool, file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("transport: certificate authorities: %w", err)
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("transport: %s holds no certificate in PEM form", file)
	}
	return pool, nil
}

// stamp is the modification times of all files, zero for one that is missing.
func (c *certificates) stamp() []time.Time {
	files := []string{c.cfg.ClientCAs, c.cfg.RootCAs}
	for _, p := range c.cfg.Certificates {
		files = append(files, p.Cert, p.Key)
	}
	times := make([]time.Time, len(files))
	for i, f := range files {
		if st, err := os.Stat(f); f != "" && err == nil {
			times[i] = st.ModTime()
		}
	}
	return times
}

// get returns the current identity, after a look at the files now and then.
func (c *certificates) get() *identity {
	id := c.current.Load()
	if !c.due() {
		return id
	}
	if equalTimes(id.stamp, c.stamp()) {
		return id
	}
	if err := c.reload(); err != nil {
		// Perhaps only one of two files is there yet; the next look will tell.
		c.warn("keeping the old certificates: the new ones cannot be used", "error", err)
	}
	return c.current.Load()
}

// due tells one caller in reloadEvery to look.
func (c *certificates) due() bool {
	if !c.mu.TryLock() {
		return false
	}
	defer c.mu.Unlock()
	now := time.Now()
	if now.Sub(c.checked) < reloadEvery {
		return false
	}
	c.checked = now
	return true
}

func equalTimes(a, b []time.Time) bool {
	for i := range a {
		if !a[i].Equal(b[i]) {
			return false
		}
	}
	return true
}

// choose returns the first certificate that suits the host that the peer asked
// for and what it can verify.
func (id *identity) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	for i := range id.certs {
		if hello.SupportsCertificate(&id.certs[i]) == nil {
			return &id.certs[i], nil
		}
	}
	if len(id.certs) == 0 {
		return nil, errors.New("transport: no certificate is configured")
	}
	return &id.certs[0], nil
}

// serverConfig is for our TLS listeners.
func (c *certificates) serverConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			if n, ok := hello.Conn.(*notedConn); ok {
				n.hello = hello
			}
			return c.get().server, nil
		},
	}
}

// clientConfig is for a connection that we open to host. Where the peer asks we
// show our first certificate.
func (c *certificates) clientConfig(host string) *tls.Config {
	id := c.get()
	cfg := &tls.Config{
		MinVersion:                  tls.VersionTLS12,
		ServerName:                  host,
		RootCAs:                     id.roots,
		DynamicRecordSizingDisabled: true,
	}
	if len(id.certs) > 0 {
		cfg.Certificates = id.certs[:1]
	}
	return cfg
}

// HTTPS returns a TLS configuration for an HTTP server that shows the same
// certificates and reloads them in the same way.
func (s *Stack) HTTPS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			return s.certs.get().choose(hello)
		},
	}
}

// ReloadCertificates reads the certificate files now. On an error the old ones
// stay in use.
func (s *Stack) ReloadCertificates() error { return s.certs.reload() }

// notedConn lets a handshake that failed say what the peer had offered.
type notedConn struct {
	net.Conn
	hello *tls.ClientHelloInfo
}
