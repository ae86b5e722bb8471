package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/sip/wire"
)

// An administrator asks a running server over each transport, and is told why
// one does not answer.
func TestPing(t *testing.T) {
	d := startDemo(t, t.TempDir())
	ca := filepath.Join(certsDir(d.cfg.DataDir), "ca.pem")
	ping := func(ca, uri string) (string, error) {
		p, err := newPinger(ca)
		if err != nil {
			t.Fatal(err)
		}
		defer p.close()
		u, err := wire.ParseURI(uri)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		err = p.ping(ctx, &out, u)
		return out.String(), err
	}
	for transport, listeners := range d.Listeners {
		switch transport {
		case "tls", "tcp", "udp":
		default:
			continue
		}
		out, err := ping(ca, "sip:"+first(listeners)+";transport="+transport)
		if err != nil || !strings.Contains(out, "1 answers 200 OK") {
			t.Errorf("%s: %v\n%s", transport, err, out)
		}
	}
	out, err := ping("", "sip:"+first(d.Listeners["tls"])+";transport=tls")
	if err == nil || !strings.Contains(out, "1 fails:") || !strings.Contains(out, "certificate") {
		t.Errorf("without the authority: %v\n%s", err, out)
	}
}
