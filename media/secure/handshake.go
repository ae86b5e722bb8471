package secure

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/pion/dtls/v3"
)

// Why a handshake fails, where callers tell it apart.
var (
	ErrFingerprint = errors.New("secure: the peer's certificate is not the one that its SDP names")
	ErrNoSRTP      = errors.New("secure: the peer agrees to no SRTP protection profile of ours")
)

// Keys are what a handshake agreed.
type Keys struct {
	Suite             Suite
	Inbound, Outbound Key
}

// firstRepeat is when the first flight without an answer is sent again; each
// time after it waits twice as long. Media waits for it, so it is shorter than
// the second of RFC 6347 §4.2.4.1, as that allows.
const firstRepeat = 300 * time.Millisecond

// Handshake runs DTLS over pipe until it has keys, ctx ends or pipe is closed.
// client: we send the ClientHello. fingerprints are the values of a=fingerprint
// that the peer may have; those weaker than SHA-256 do not count.
//
// After success the pipe lives on to answer repeated flights, without goroutine.
// After a failure it is closed: another try, as when somebody else than the peer
// was the first to find the port, needs a new one.
//
// Unencrypted alerts are not believed, so a peer that refuses us shows as one
// that is silent until ctx ends; the error then tells what the alert said.
func (i *Identity) Handshake(ctx context.Context, pipe *Pipe, client bool, fingerprints []string) (Keys, error) {
	keys, last, err := i.handshake(ctx, newPipeConn(pipe), client, fingerprints)
	if err != nil {
		pipe.Close()
		return Keys{}, fmt.Errorf("DTLS handshake: %w%s", err, pipe.hint())
	}
	if client {
		last = nil // the server's flight ends the handshake: nobody waits for ours
	}
	pipe.establish(last)
	return keys, nil
}

// handshake returns the keys and the last datagram of our last flight.
func (i *Identity) handshake(ctx context.Context, conn *pipeConn, client bool, fingerprints []string) (Keys, []byte, error) {
	verify, err := verifier(fingerprints)
	if err != nil {
		return Keys{}, nil, err
	}
	association, err := i.association(conn, client, verify)
	if err != nil {
		return Keys{}, nil, err
	}
	defer association.Close() // it only stops what still runs
	err = association.HandshakeContext(ctx)
	last := conn.mute()
	if err != nil {
		return Keys{}, nil, err
	}
	keys, err := agreedKeys(association, client)
	return keys, last, err
}

// association is the state machine of one handshake.
func (i *Identity) association(conn *pipeConn, client bool, verify verifyFunc) (*dtls.Conn, error) {
	options := []dtls.Option{
		dtls.WithCertificates(i.certificate),
		// The most preferred first; RFC 5764 §4.1.2 makes the other one mandatory.
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80),
		dtls.WithExtendedMasterSecret(dtls.RequestExtendedMasterSecret),
		dtls.WithInsecureSkipVerify(true), // no chain: the fingerprint is the proof, see verifier
		dtls.WithVerifyPeerCertificate(verify),
		dtls.WithFlightInterval(firstRepeat),
		// Always the same, although servers may name authorities: Linphone names
		// itself, and would get no certificate at all.
		dtls.WithGetClientCertificate(func(*dtls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &i.certificate, nil
		}),
	}
	if client {
		var all []dtls.ClientOption
		for _, o := range options {
			all = append(all, o)
		}
		return dtls.ClientWithOptions(conn, pipeAddr{}, all...)
	}
	all := []dtls.ServerOption{dtls.WithClientAuth(dtls.RequireAnyClientCert)} // RFC 5763 §5
	for _, o := range options {
		all = append(all, o)
	}
	return dtls.ServerWithOptions(conn, pipeAddr{}, all...)
}

// verifyFunc is called with the peer's certificates once it has proved that it
// has the key of the first one.
type verifyFunc = func(certificates [][]byte, _ [][]*x509.Certificate) error

// verifier accepts certificates that one of the fingerprints names. It fails if
// no fingerprint can be used.
func verifier(values []string) (verifyFunc, error) {
	var accepted []fingerprint
	for _, value := range values {
		if f, ok := parseFingerprint(value); ok {
			accepted = append(accepted, f)
		}
	}
	if len(accepted) == 0 {
		return nil, fmt.Errorf("%w: the SDP has no fingerprint of SHA-256 or stronger", ErrFingerprint)
	}
	return func(certificates [][]byte, _ [][]*x509.Certificate) error {
		if len(certificates) > 0 {
			for _, f := range accepted {
				if f.of(certificates[0]) {
					return nil
				}
			}
		}
		return ErrFingerprint
	}, nil
}

// agreedKeys takes the SRTP keys from a handshake (RFC 5764 §4.2): the key of the
// client, that of the server, the salt of the client, that of the server.
func agreedKeys(association *dtls.Conn, client bool) (Keys, error) {
	profile, _ := association.SelectedSRTPProtectionProfile()
	keys := Keys{}
	switch profile {
	case dtls.SRTP_AEAD_AES_128_GCM:
		keys.Suite = AEAD_AES_128_GCM
	case dtls.SRTP_AES128_CM_HMAC_SHA1_80:
		keys.Suite = AES_CM_128_HMAC_SHA1_80
	default:
		return Keys{}, ErrNoSRTP
	}
	state, ok := association.ConnectionState()
	if !ok {
		return Keys{}, errors.New("secure: the association has no state to take keys from")
	}
	key, salt := keys.Suite.keyLen(), keys.Suite.saltLen()
	material, err := state.ExportKeyingMaterial("EXTRACTOR-dtls_srtp", nil, 2*(key+salt))
	if err != nil {
		return Keys{}, fmt.Errorf("secure: export the keys: %w", err)
	}
	salts := material[2*key:]
	ofClient := newKey(append(material[:key:key], salts[:salt]...))
	ofServer := newKey(append(material[key:2*key:2*key], salts[salt:]...))
	keys.Inbound, keys.Outbound = ofClient, ofServer
	if client {
		keys.Inbound, keys.Outbound = ofServer, ofClient
	}
	return keys, nil
}
