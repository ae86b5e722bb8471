package secure

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/selfsign"
)

func newIdentity(t testing.TB) *Identity {
	t.Helper()
	i, err := NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// network joins two pipes. fate says how long a datagram is under way; negative:
// it is lost. It is called for one datagram at a time.
type network struct {
	toServer, toClient *Pipe
	mu                 sync.Mutex
	fate               func(fromServer bool, b []byte) time.Duration
}

func newNetwork(fate func(fromServer bool, b []byte) time.Duration) *network {
	n := &network{fate: fate}
	carry := func(fromServer bool, to **Pipe) func([]byte) {
		return func(b []byte) {
			n.mu.Lock()
			delay := n.fate(fromServer, b)
			n.mu.Unlock()
			if delay < 0 {
				return
			}
			b = bytes.Clone(b)
			time.AfterFunc(delay, func() { (*to).Push(b) })
		}
	}
	n.toServer = NewPipe(carry(true, &n.toClient))
	n.toClient = NewPipe(carry(false, &n.toServer))
	return n
}

func (n *network) close() {
	n.toServer.Close()
	n.toClient.Close()
}

// good is a network of 10 ms that loses nothing.
func good(bool, []byte) time.Duration { return 10 * time.Millisecond }

type outcome struct {
	keys Keys
	err  error
}

// run lets both sides shake hands and waits for them.
func (n *network) run(ctx context.Context, server, client *Identity, ofServer, ofClient []string) (s, c outcome) {
	var both sync.WaitGroup
	both.Go(func() { s.keys, s.err = server.Handshake(ctx, n.toServer, false, ofClient) })
	both.Go(func() { c.keys, c.err = client.Handshake(ctx, n.toClient, true, ofServer) })
	both.Wait()
	return s, c
}

// checkKeys: what one side sends with, the other side receives with.
func checkKeys(t *testing.T, s, c outcome) {
	t.Helper()
	if s.err != nil || c.err != nil {
		t.Fatalf("server: %v; client: %v", s.err, c.err)
	}
	if s.keys.Suite != c.keys.Suite || !s.keys.Inbound.Equal(c.keys.Outbound) || !s.keys.Outbound.Equal(c.keys.Inbound) {
		t.Fatal("the keys of the two sides are not the same")
	}
	if !s.keys.Inbound.fits(s.keys.Suite) || s.keys.Inbound.Equal(s.keys.Outbound) {
		t.Fatal("the keys are not two of the suite")
	}
}

// patience is how long handshakes may take in these tests.
func patience(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// TestHandshake: both sides agree, by the suite that we like best, and nothing
// runs on: a bubble of synctest ends only when its goroutines have.
func TestHandshake(t *testing.T) {
	server, client := newIdentity(t), newIdentity(t)
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(good)
		s, c := n.run(patience(t), server, client, []string{server.Fingerprint()}, []string{client.Fingerprint()})
		checkKeys(t, s, c)
		if s.keys.Suite != AEAD_AES_128_GCM {
			t.Errorf("agreed on %v", s.keys.Suite)
		}
	})
}

// TestHandshakeOverBadNetwork loses a third of the datagrams, and brings the
// others out of order.
func TestHandshakeOverBadNetwork(t *testing.T) {
	server, client := newIdentity(t), newIdentity(t)
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			random := mathrand.New(mathrand.NewPCG(seed, 5))
			n := newNetwork(func(bool, []byte) time.Duration {
				if random.IntN(3) == 0 {
					return -1
				}
				return time.Duration(random.IntN(250)) * time.Millisecond
			})
			s, c := n.run(patience(t), server, client, []string{server.Fingerprint()}, []string{client.Fingerprint()})
			checkKeys(t, s, c)
			n.close()
		})
	}
}

// TestLastFlightLost: the server is ready, but the client does not know. What it
// repeats is answered although the server's handshake is long over.
func TestLastFlightLost(t *testing.T) {
	server, client := newIdentity(t), newIdentity(t)
	synctest.Test(t, func(t *testing.T) {
		lost := 0
		n := newNetwork(func(fromServer bool, b []byte) time.Duration {
			if fromServer && b[0] == changeCipherSpec && lost < 3 {
				lost++
				return -1
			}
			return 10 * time.Millisecond
		})
		s, c := n.run(patience(t), server, client, []string{server.Fingerprint()}, []string{client.Fingerprint()})
		checkKeys(t, s, c)
		if lost != 3 {
			t.Errorf("%d last flights were lost", lost)
		}
	})
}

// TestFingerprints: nobody gets keys whose certificate is not the one of the SDP,
// whatever else it does right.
func TestFingerprints(t *testing.T) {
	server, client, stranger := newIdentity(t), newIdentity(t), newIdentity(t)
	strong := fmt.Sprintf("sha-512 %X", sha512.Sum512(client.certificate.Certificate[0]))
	medium := fmt.Sprintf("sha-384 %X", sha512.Sum384(client.certificate.Certificate[0]))
	right := client.Fingerprint()
	for _, c := range []struct {
		name   string
		values []string
		ok     bool
	}{
		{"right", []string{right}, true},
		{"in other case", []string{strings.ToLower(right)}, true},
		{"with a hash in capitals, as baresip and Linphone", []string{strings.Replace(right, "sha", "SHA", 1)}, true},
		{"SHA-512", []string{strong}, true},
		{"SHA-384", []string{medium}, true},
		{"right among others", []string{stranger.Fingerprint(), "md5 00", right}, true},
		{"of somebody else", []string{stranger.Fingerprint()}, false},
		{"none", nil, false},
		{"too weak", []string{"sha-1 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33"}, false},
		{"cut off", []string{right[:len(right)-3]}, false},
		{"empty", []string{"sha-256 "}, false},
	} {
		for _, weAreClient := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/client=%v", c.name, weAreClient), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
					defer cancel()
					n := newNetwork(good)
					var s, p outcome
					if weAreClient { // the one that checks, server, is the client
						p, s = n.run(ctx, client, server, c.values, []string{server.Fingerprint()})
					} else {
						s, p = n.run(ctx, server, client, []string{server.Fingerprint()}, c.values)
					}
					if c.ok {
						checkKeys(t, s, p)
						return
					}
					if !errors.Is(s.err, ErrFingerprint) || s.keys.Suite != NoSuite || s.keys.Inbound.bytes() != nil {
						t.Errorf("%v, %v", s.keys, s.err)
					}
					n.close()
				})
			})
		}
	}
}

// peer lets the other implementation use a pipe.
func peer(t *testing.T, pipe *Pipe, client bool, options ...dtls.Option) (*dtls.Conn, *pipeConn) {
	t.Helper()
	conn := newPipeConn(pipe)
	options = append(options, dtls.WithInsecureSkipVerify(true))
	var association *dtls.Conn
	var err error
	if client {
		var all []dtls.ClientOption
		for _, o := range options {
			all = append(all, o)
		}
		association, err = dtls.ClientWithOptions(conn, pipeAddr{}, all...)
	} else {
		all := []dtls.ServerOption{
			dtls.WithClientAuth(dtls.RequireAnyClientCert),
			dtls.WithClientCAs(someAuthority(t)), // as Linphone, which names itself
		}
		for _, o := range options {
			all = append(all, o)
		}
		association, err = dtls.ServerWithOptions(conn, pipeAddr{}, all...)
	}
	if err != nil {
		t.Fatal(err)
	}
	return association, conn
}

// someAuthority has signed no certificate of these tests.
func someAuthority(t *testing.T) *x509.CertPool {
	t.Helper()
	certificate, err := selfsign.GenerateSelfSignedWithDNS("authority.example")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(certificate.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return pool
}

// TestPeers are phones: what they offer decides, within what we do.
func TestPeers(t *testing.T) {
	us := newIdentity(t)
	ecdsaKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	withECDSA, err := selfsign.SelfSign(ecdsaKey)
	if err != nil {
		t.Fatal(err)
	}
	withRSA, err := selfsign.SelfSign(rsaKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name        string
		certificate *tls.Certificate
		profiles    []dtls.SRTPProtectionProfile
		want        Suite
	}{
		{"Linphone: AES-CM only", &withECDSA, []dtls.SRTPProtectionProfile{dtls.SRTP_AES128_CM_HMAC_SHA1_80, dtls.SRTP_AES128_CM_HMAC_SHA1_32}, AES_CM_128_HMAC_SHA1_80},
		{"a browser: much", &withECDSA, []dtls.SRTPProtectionProfile{dtls.SRTP_AEAD_AES_256_GCM, dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80}, AEAD_AES_128_GCM},
		{"a certificate with RSA", &withRSA, []dtls.SRTPProtectionProfile{dtls.SRTP_AES128_CM_HMAC_SHA1_80}, AES_CM_128_HMAC_SHA1_80},
		{"nothing in common", &withECDSA, []dtls.SRTPProtectionProfile{dtls.SRTP_NULL_HMAC_SHA1_80}, NoSuite},
		{"DTLS without SRTP", &withECDSA, nil, NoSuite},
		{"no certificate", nil, []dtls.SRTPProtectionProfile{dtls.SRTP_AES128_CM_HMAC_SHA1_80}, NoSuite},
	} {
		for _, weAreClient := range []bool{false, true} {
			if weAreClient && c.certificate == nil {
				continue // a server without certificate is none
			}
			t.Run(fmt.Sprintf("%s/client=%v", c.name, weAreClient), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
					defer cancel()
					n := newNetwork(good)
					fingerprints := []string{us.Fingerprint()}
					var options []dtls.Option
					if c.certificate != nil {
						fingerprints = []string{formatFingerprint(c.certificate.Certificate[0])}
						options = append(options, dtls.WithCertificates(*c.certificate))
					}
					if c.profiles != nil {
						options = append(options, dtls.WithSRTPProtectionProfiles(c.profiles...))
					}
					ours, theirs := n.toServer, n.toClient
					if weAreClient {
						ours, theirs = theirs, ours
					}
					association, _ := peer(t, theirs, !weAreClient, options...)
					done := make(chan error)
					go func() { done <- association.HandshakeContext(ctx) }()
					keys, err := us.Handshake(ctx, ours, weAreClient, fingerprints)
					peerErr := <-done
					association.Close()
					n.close()
					if keys.Suite != c.want || (err == nil) != (c.want != NoSuite) {
						t.Fatalf("agreed on %q: %v; the peer: %v", keys.Suite, err, peerErr)
					}
					if c.profiles == nil && !weAreClient && !errors.Is(err, ErrNoSRTP) {
						t.Errorf("a peer without SRTP: %v", err)
					}
					if c.want == NoSuite {
						return
					}
					checkExported(t, association, keys, weAreClient)
				})
			})
		}
	}
}

// checkExported compares our keys with what the other implementation exports, in
// the order of RFC 5764 §4.2.
func checkExported(t *testing.T, association *dtls.Conn, keys Keys, weAreClient bool) {
	t.Helper()
	state, ok := association.ConnectionState()
	if !ok {
		t.Fatal("the peer has no state")
	}
	key, salt := keys.Suite.keyLen(), keys.Suite.saltLen()
	m, err := state.ExportKeyingMaterial("EXTRACTOR-dtls_srtp", nil, 2*(key+salt))
	if err != nil {
		t.Fatal(err)
	}
	clientKey, m := m[:key], m[key:]
	serverKey, m := m[:key], m[key:]
	ofClient := bytes.Join([][]byte{clientKey, m[:salt]}, nil)
	ofServer := bytes.Join([][]byte{serverKey, m[salt:]}, nil)
	in, out := keys.Inbound, keys.Outbound
	if weAreClient {
		in, out = out, in
	}
	if !bytes.Equal(in.bytes(), ofClient) || !bytes.Equal(out.bytes(), ofServer) {
		t.Error("the peer has other keys")
	}
}

// TestHandshakeEnds: with its context, or with its pipe, and at once.
func TestHandshakeEnds(t *testing.T) {
	us := newIdentity(t)
	for _, client := range []bool{false, true} {
		for _, c := range []struct {
			name string
			end  func(cancel func(), p *Pipe)
			want error
		}{
			{"context", func(cancel func(), _ *Pipe) { cancel() }, context.Canceled},
			{"pipe", func(_ func(), p *Pipe) { p.Close(); p.Close() }, net.ErrClosed},
		} {
			t.Run(fmt.Sprintf("%s/client=%v", c.name, client), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := NewPipe(func([]byte) {})
					ctx, cancel := context.WithCancel(context.Background())
					start := time.Now()
					time.AfterFunc(time.Second, func() { c.end(cancel, p) })
					keys, err := us.Handshake(ctx, p, client, []string{us.Fingerprint()})
					if !errors.Is(err, c.want) || keys.Suite != NoSuite || time.Since(start) != time.Second {
						t.Errorf("after %v: %v, %v", time.Since(start), keys, err)
					}
					p.Push([]byte{handshake})
					cancel()
				})
			})
		}
	}
}

// TestGarbage: what anybody can send between the datagrams of a handshake, also
// with the headers of DTLS, does not disturb it.
func TestGarbage(t *testing.T) {
	server, client := newIdentity(t), newIdentity(t)
	plain := func(kind byte, body ...byte) []byte {
		return append([]byte{kind, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 77, 0, byte(len(body))}, body...)
	}
	junk := [][]byte{
		nil, {handshake}, {0x80}, bytes.Repeat([]byte{0xff}, 40), bytes.Repeat([]byte{22}, 400),
		plain(alert, 2, 40), plain(alert, 1, 0), plain(alert), plain(23, 1, 2, 3), plain(99),
		plain(changeCipherSpec), plain(changeCipherSpec, 2), plain(changeCipherSpec, 1),
		plain(handshake), plain(handshake, 1, 2, 3), append(plain(changeCipherSpec, 1), plain(alert, 2, 40)...),
		{handshake, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 9}, // as if encrypted
		{alert, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 2, 0, 2, 2, 40},
		{23, 0xfe, 0xfd, 0, 9, 0, 0, 0, 0, 0, 3, 0, 1, 9},
		make([]byte, maxDatagram+1),
	}
	synctest.Test(t, func(t *testing.T) {
		var n *network
		next := 0
		n = newNetwork(func(fromServer bool, _ []byte) time.Duration {
			for range 6 {
				b := junk[next%len(junk)]
				next++
				to := n.toServer
				if fromServer {
					to = n.toClient
				}
				time.AfterFunc(time.Duration(next%20)*time.Millisecond, func() { to.Push(b) })
			}
			return 10 * time.Millisecond
		})
		s, c := n.run(patience(t), server, client, []string{server.Fingerprint()}, []string{client.Fingerprint()})
		checkKeys(t, s, c)
		n.close()
	})
}

// TestClientHelloFlood: one pipe is one association. A ClientHello that comes
// thousands of times starts nothing new, before the handshake, in it and after.
func TestClientHelloFlood(t *testing.T) {
	server, client := newIdentity(t), newIdentity(t)
	synctest.Test(t, func(t *testing.T) {
		var n *network
		var hello []byte
		sent := 0
		n = newNetwork(func(fromServer bool, b []byte) time.Duration {
			if fromServer {
				sent++
			} else if hello == nil {
				hello = bytes.Clone(b)
			}
			time.AfterFunc(5*time.Millisecond, func() {
				for range 5 {
					n.toServer.Push(hello)
				}
			})
			return 10 * time.Millisecond
		})
		s, c := n.run(patience(t), server, client, []string{server.Fingerprint()}, []string{client.Fingerprint()})
		checkKeys(t, s, c)
		n.mu.Lock()
		before := sent
		n.mu.Unlock()
		for range 5000 {
			n.toServer.Push(hello)
		}
		synctest.Wait()
		if n.mu.Lock(); sent > before+1 {
			t.Errorf("%d answers to a flood after the handshake", sent-before)
		}
		n.mu.Unlock()
		n.close()
	})
}

// TestTwoSources: while nobody knows where the peer is, each source has a pipe of
// its own. Somebody who was faster than the peer does not shut it out.
func TestTwoSources(t *testing.T) {
	server, client, attacker := newIdentity(t), newIdentity(t), newIdentity(t)
	ofServer, ofClient := []string{server.Fingerprint()}, []string{client.Fingerprint()}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		first, second := newNetwork(good), newNetwork(good)
		failed := make(chan outcome)
		go func() {
			s, _ := first.run(ctx, server, attacker, ofServer, ofClient)
			failed <- s
		}()
		time.Sleep(5 * time.Millisecond)
		s, c := second.run(ctx, server, client, ofServer, ofClient)
		checkKeys(t, s, c)
		cancel()
		if s := <-failed; !errors.Is(s.err, ErrFingerprint) {
			t.Error(s.err)
		}
	})
}

// TestSilenceAfterHandshake: the end of our state machine says no close_notify,
// and what the peer says ends nothing.
func TestSilenceAfterHandshake(t *testing.T) {
	us := newIdentity(t)
	certificate, err := selfsign.GenerateSelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(good)
		association, _ := peer(t, n.toClient, true, dtls.WithCertificates(certificate),
			dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM))
		done := make(chan error, 1)
		go func() { done <- association.HandshakeContext(context.Background()) }()
		if _, err := us.Handshake(patience(t), n.toServer, false, []string{formatFingerprint(certificate.Certificate[0])}); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		read := make(chan error, 1)
		go func() {
			_, err := association.Read(make([]byte, 100))
			read <- err
		}()
		time.Sleep(time.Minute)
		select {
		case err := <-read:
			t.Errorf("the peer was told something: %v", err)
		default:
		}
		association.Close()
		<-read
	})
}

// BenchmarkHandshake is both sides of one.
func BenchmarkHandshake(b *testing.B) {
	server, client := newIdentity(b), newIdentity(b)
	b.ReportAllocs()
	for b.Loop() {
		n := &network{}
		n.toServer = NewPipe(func(b []byte) { n.toClient.Push(b) })
		n.toClient = NewPipe(func(b []byte) { n.toServer.Push(b) })
		s, c := n.run(context.Background(), server, client, []string{server.Fingerprint()}, []string{client.Fingerprint()})
		if s.err != nil || c.err != nil {
			b.Fatal(s.err, c.err)
		}
	}
}
