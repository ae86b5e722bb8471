package media_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/media"
)

// book is a log that many goroutines write.
type book struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *book) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(text)
}

func (b *book) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TestSecrets looks for keys of both sides in everything that a call leaves
// behind: log, errors, events, reports, metrics, and the legs themselves printed.
func TestSecrets(t *testing.T) {
	var out book
	metrics := prometheus.NewRegistry()
	e := newEngine(t, func(c *media.Config) {
		c.Metrics, c.Log = metrics, slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	c := newCall(t, e, newPhone(t, sdesPhone, "audio"), newPhone(t, gcmPhone))
	c.talk(5)
	var keys []string
	for _, p := range []*phone{c.caller, c.callee} {
		for _, key := range p.lines[0].inUse {
			keys = append(keys, key)
		}
	}
	for _, bad := range []string{"UNENCRYPTED_SRTP", "KDR=5", "nonsense"} {
		offer := strings.ReplaceAll(string(c.caller.offer()), "a=sendrecv", "a=sendrecv\r\na=x:"+base64.StdEncoding.EncodeToString([]byte(keys[0])))
		offer = strings.ReplaceAll(offer, "\r\na=mid", " "+bad+"\r\na=mid")
		l := c.session.NewLeg(sdesPhone.profile())
		fmt.Fprintln(&out, l.TakeOffer([]byte(offer)), l.TakeOffer([]byte(offer)), l.TakeAnswer([]byte(offer)))
		fmt.Fprintf(&out, "%v %+v %#v\n", l, l, l)
	}
	c.b.Break()
	c.callee.lines[0].send(1)
	fmt.Fprintf(&out, "%+v\n", c.events.await(t, media.EventFailed))
	fmt.Fprintf(&out, "%+v %+v %v %+v %#v\n", c.a.Report(), c.b.Report(), c.a, c.a, c.a)
	families, err := metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(&out, families)
	text := out.String()
	for _, key := range keys {
		for _, shown := range []string{base64.StdEncoding.EncodeToString([]byte(key)), key, fmt.Sprintf("%x", key), fmt.Sprint([]byte(key))} {
			if strings.Contains(text, shown) {
				t.Error("a key was shown")
			}
		}
	}
}
