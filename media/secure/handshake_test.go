package secure

import (
	"context"
	"testing"
	"time"
)

func newIdentity(t testing.TB) *Identity {
	t.Helper()
	i, err := NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestHandshake(t *testing.T) {
	server, client := newIdentity(t), newIdentity(t)
	var toServer, toClient *Pipe
	toServer = NewPipe(func(b []byte) { toClient.Push(b) })
	toClient = NewPipe(func(b []byte) { toServer.Push(b) })
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	type result struct {
		Keys
		error
	}
	done := make(chan result, 1)
	go func() {
		k, err := server.Handshake(ctx, toServer, false, []string{client.Fingerprint()})
		done <- result{k, err}
	}()
	k, err := client.Handshake(ctx, toClient, true, []string{server.Fingerprint()})
	if err != nil {
		t.Fatal(err)
	}
	r := <-done
	if r.error != nil {
		t.Fatal(r.error)
	}
	if k.Suite != r.Suite || !k.Inbound.Equal(r.Outbound) || !k.Outbound.Equal(r.Inbound) || !k.Inbound.fits(k.Suite) {
		t.Fatal("the keys of both sides do not match")
	}
}
