package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/cmd/sipload/agent"
)

// authority signs certificates.
type authority struct {
	leaf *x509.Certificate
	key  *ecdsa.PrivateKey
	path string // PEM file
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{path: filepath.Join(t.TempDir(), "ca.pem")}
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "clients"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	cert := a.issue(t, template)
	a.leaf, a.key = cert.Leaf, cert.PrivateKey.(*ecdsa.PrivateKey)
	os.WriteFile(a.path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}), 0o600)
	return a
}

// issue signs a certificate; before there is a key of the authority, with its own.
func (a *authority) issue(t *testing.T, template *x509.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.leaf, a.key
	if signer == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// client is a certificate of a user, by common name.
func (a *authority) client(t *testing.T, name string) tls.Certificate {
	return a.issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
}

// A new certificate is shown to new connections from the hang-up signal on; a
// bad one changes nothing; connections that are open stay.
func TestCertificateReload(t *testing.T) {
	dir := t.TempDir()
	certificate, key := filepath.Join(dir, "server.pem"), filepath.Join(dir, "server-key.pem")
	ca := newAuthority(t)
	write := func(name string) {
		t.Helper()
		c := ca.issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: name}, DNSNames: []string{"example.test", "sip.example.test"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
		der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
		os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}), 0o600)
	}
	write("first")
	s := startOffice(t, map[string]string{"certificate": fmt.Sprintf("%q", certificate), "key": fmt.Sprintf("%q", key), "development_ca": "false"})
	shown := func() string {
		t.Helper()
		conn := s.dialRaw(t, "tls").(*tls.Conn)
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	chat := s.keepChatting(t, "alice", "bob")
	if got := shown(); got != "first" {
		t.Fatalf("shown: %s", got)
	}
	write("second")
	s.cmd.Process.Signal(syscall.SIGHUP)
	eventually(t, limit, "the new certificate is shown", func() bool { return shown() == "second" })

	os.WriteFile(certificate, []byte("this is no certificate"), 0o600)
	s.cmd.Process.Signal(syscall.SIGHUP)
	s.wantInLog(t, "not reloaded")
	if got := shown(); got != "second" {
		t.Errorf("shown after a bad one: %s", got)
	}
	chat.end(t)
}

// Only TLS 1.2 and 1.3 are spoken.
func TestOldTLSIsRefused(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	for _, port := range []string{"tls", "https"} {
		for version, good := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
			conn, err := tls.Dial("tcp", s.addr(port), &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
			if (err == nil) != good {
				t.Errorf("%s: %s: %v", port, tls.VersionName(version), err)
			}
			if err == nil {
				conn.Close()
			}
		}
	}
}

// A user with a certificate of the organisation's authority needs no password;
// one of another authority, or of another user, is worth nothing.
func TestMutualTLS(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t), newAuthority(t)
	s := startOffice(t, map[string]string{"client_ca": fmt.Sprintf("%q", ca.path)})
	register := func(user string, certificates ...tls.Certificate) error {
		t.Helper()
		a, err := agent.Dial(agent.Config{Server: s.addr("tls"), Transport: "tls", Domain: s.Ready.Domain, User: user, Password: "not his",
			TLS: &tls.Config{InsecureSkipVerify: true, Certificates: certificates}})
		if err != nil {
			return err
		}
		defer a.Close()
		if _, err := a.Register(short(t), 60); err != nil {
			return err
		}
		_, err = a.Message(short(t), "bob", "with a certificate")
		return err
	}
	if err := register("alice", ca.client(t, "alice")); err != nil {
		t.Errorf("with her certificate: %v", err)
	}
	if err := register("alice", ca.client(t, "alice@example.test")); err != nil {
		t.Errorf("with her certificate, by address: %v", err)
	}
	for name, certificates := range map[string][]tls.Certificate{
		"none": nil, "bob's": {ca.client(t, "bob")}, "another authority's": {other.client(t, "alice")},
		"nobody's": {ca.client(t, "nobody")}, "another domain's": {ca.client(t, "alice@elsewhere.test")},
	} {
		if err := register("alice", certificates...); err == nil {
			t.Errorf("alice signed in with the certificate: %s", name)
		}
	}
	s.sparkle(t, "user", "disable", "carol")
	if err := register("carol", ca.client(t, "carol")); err == nil {
		t.Error("a disabled user signed in with her certificate")
	}
}
