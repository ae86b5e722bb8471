package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/sparkleim/sparkle/configs"
)

// Lifetimes of what we sign ourselves. Some platforms refuse certificates of
// more than 825 days.
const (
	authorityLife   = 10 * 365 * 24 * time.Hour
	certificateLife = 365 * 24 * time.Hour
	renewBefore     = 30 * 24 * time.Hour
)

// certificateNames is what the certificate must name: every name by which
// softphones reach this server.
func certificateNames(c *configs.Config) []string {
	names := append([]string{c.ServerName()}, c.Domains...)
	slices.Sort(names)
	return slices.Compact(names)
}

// developmentCertificate makes, below dir, a certificate authority at its first
// call and a certificate for names whenever there is none that will do.
func developmentCertificate(dir string, names []string, now time.Time) (certificate, key string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", "", err
	}
	certificate, key = filepath.Join(dir, "server.pem"), filepath.Join(dir, "server-key.pem")
	if usable(certificate, key, names, now) {
		return certificate, key, nil
	}
	ca, err := developmentCA(dir, now)
	if err != nil {
		return "", "", fmt.Errorf("development certificate authority in %s: %w: remove the directory to make a new one", dir, err)
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: names[0], Organization: []string{"Sparkle development"}},
		NotBefore:   now.Add(-time.Hour),
		NotAfter:    now.Add(certificateLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	return certificate, key, issue(template, ca.Leaf, ca.PrivateKey, certificate, key)
}

// usable tells whether the pair exists, names everything and lasts a while.
func usable(certificate, key string, names []string, now time.Time) bool {
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil || now.Add(renewBefore).After(pair.Leaf.NotAfter) {
		return false
	}
	return !slices.ContainsFunc(names, func(name string) bool { return pair.Leaf.VerifyHostname(name) != nil })
}

// developmentCA loads the authority, or makes it.
func developmentCA(dir string, now time.Time) (tls.Certificate, error) {
	certificate, key := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem")
	if exists(certificate) {
		return tls.LoadX509KeyPair(certificate, key)
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Sparkle development CA", Organization: []string{"Sparkle development"}},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(authorityLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	if err := issue(template, template, nil, certificate, key); err != nil {
		return tls.Certificate{}, err
	}
	return tls.LoadX509KeyPair(certificate, key)
}

// issue signs template for a new key (with that key itself when signer is nil)
// and writes both files.
func issue(template, parent *x509.Certificate, signer crypto.PrivateKey, certificate, key string) error {
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	if signer == nil {
		signer = own
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, own.Public(), signer)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		return err
	}
	if err := os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600); err != nil {
		return err
	}
	return os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}
