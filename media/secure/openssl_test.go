package secure

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/dtls/v3/pkg/crypto/selfsign"
)

// TestOpenSSL shakes hands with a program that shares no code with us, in both
// roles, and compares the keys that it exports.
func TestOpenSSL(t *testing.T) {
	program, err := exec.LookPath("openssl")
	if err != nil {
		t.Fatal("openssl is not installed: run `make deps` or `apt-get install openssl`")
	}
	us := newIdentity(t)
	arguments, fingerprint := openSSLCertificate(t)
	arguments = append(arguments, "-dtls1_2", "-use_srtp", "SRTP_AES128_CM_SHA1_80",
		"-keymatexport", "EXTRACTOR-dtls_srtp", "-keymatexportlen", "60")
	for name, weAreClient := range map[string]bool{"s_client": false, "s_server": true} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			conn := listen(t)
			addresses := []string{"-connect", conn.LocalAddr().String()}
			remote := &net.UDPAddr{}
			if weAreClient {
				free := listen(t)
				remote = free.LocalAddr().(*net.UDPAddr)
				free.Close()
				addresses = []string{"-accept", remote.String(), "-verify", "1"}
			}
			command := exec.CommandContext(ctx, program, append(append([]string{name}, addresses...), arguments...)...)
			stdin, err := command.StdinPipe() // s_client ends with it
			if err != nil {
				t.Fatal(err)
			}
			output := &said{}
			command.Stdout, command.Stderr = output, output
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() {
				stdin.Close()
				cancel()
				command.Wait() // it was killed
			}()
			keys, err := us.Handshake(ctx, pipeOver(conn, remote), weAreClient, []string{fingerprint})
			if err != nil {
				t.Fatalf("%v\n%s", err, output)
			}
			client, server := keys.Inbound.bytes(), keys.Outbound.bytes()
			if weAreClient {
				client, server = server, client
			}
			want := strings.ToUpper(hex.EncodeToString(bytes.Join([][]byte{client[:16], server[:16], client[16:], server[16:]}, nil)))
			for ctx.Err() == nil && !strings.Contains(output.String(), want) {
				<-time.After(5 * time.Millisecond)
			}
			if ctx.Err() != nil {
				t.Errorf("openssl has other keys:\n%s", output)
			}
		})
	}
}

// openSSLCertificate is a certificate in files, for its command line.
func openSSLCertificate(t *testing.T) (arguments []string, fingerprint string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := selfsign.SelfSign(key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for flag, block := range map[string]*pem.Block{
		"-cert": {Type: "CERTIFICATE", Bytes: certificate.Certificate[0]},
		"-key":  {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		path := filepath.Join(t.TempDir(), "pem")
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		arguments = append(arguments, flag, path)
	}
	return arguments, formatFingerprint(certificate.Certificate[0])
}

func listen(t *testing.T) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// pipeOver joins a pipe to a socket; the peer is at remote, or where its first
// datagram comes from.
func pipeOver(conn *net.UDPConn, remote *net.UDPAddr) *Pipe {
	var mu sync.Mutex
	pipe := NewPipe(func(b []byte) {
		mu.Lock()
		defer mu.Unlock()
		conn.WriteToUDP(b, remote) // a peer that is not yet there gets the next one
	})
	go func() {
		b := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFromUDP(b)
			if n == 0 && err != nil {
				return
			}
			mu.Lock()
			remote = from
			mu.Unlock()
			pipe.Push(b[:n])
		}
	}()
	return pipe
}

// said is what a program has said so far.
type said struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}
