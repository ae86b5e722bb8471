package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestDevelopmentCertificate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "certs")
	now := time.Now()
	make := func(now time.Time, names ...string) []byte {
		t.Helper()
		certificate, key, err := developmentCertificate(dir, names, now)
		if err != nil {
			t.Fatal(err)
		}
		pair, err := tls.LoadX509KeyPair(certificate, key)
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		pem, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
		if err != nil {
			t.Fatal(err)
		}
		roots.AppendCertsFromPEM(pem)
		for _, name := range names {
			if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: now}); err != nil {
				t.Errorf("for %s: %v", name, err)
			}
		}
		return pair.Leaf.Raw
	}
	first := make(now, "example.com", "127.0.0.1")
	if !bytes.Equal(first, make(now, "example.com")) {
		t.Error("a certificate that will do was replaced")
	}
	second := make(now, "example.com", "sip.example.com")
	if bytes.Equal(first, second) {
		t.Error("a certificate that lacks a name was kept")
	}
	if bytes.Equal(second, make(now.Add(certificateLife-renewBefore/2), "example.com")) {
		t.Error("a certificate that expires soon was kept")
	}
	for _, name := range []string{"ca-key.pem", "server-key.pem"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v: others can read it", name, info, err)
		}
	}
}
