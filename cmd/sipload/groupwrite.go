//go:build linux

package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sparkleim/sparkle/cmd/sipload/agent"
	"github.com/sparkleim/sparkle/cmd/sipload/crowd"
)

// write lets writers of all groups write in turn and returns when the last
// message was answered.
func (g *groupLoad) write(ctx context.Context, start time.Time, t *talked) error {
	ctx, cancel := context.WithTimeout(ctx, g.length+g.limit)
	defer cancel()
	var resent atomic.Int64
	var mu sync.Mutex
	var first error
	var wg sync.WaitGroup
	for total := int(g.rate * g.length.Seconds()); t.posts < total; t.posts++ {
		if err := wait(ctx, time.Until(start.Add(time.Duration(float64(t.posts)/g.rate*float64(time.Second))))); err != nil {
			return err
		}
		group := t.posts % g.groups
		writer := group*g.members + g.random.IntN(g.writers)
		number := g.ledger.open(group, writer, g.members-1)
		r := newPost(g.phones[writer], "sip:"+groupName(group)+"@bench.example", number, 20+g.random.IntN(100))
		wg.Go(func() {
			again, err := send(ctx, g.phones[writer], r)
			resent.Add(int64(again))
			g.ledger.due.Add(int64(g.members - 1))
			if err != nil {
				mu.Lock()
				first = fmt.Errorf("message %d: %w", number, err)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	t.resent = int(resent.Load())
	return first
}

// newPost is a message of a phone to an address: CPIM from one that knows rooms,
// else plain text. However often it is sent, it is the same.
func newPost(p *crowd.Phone, to string, number, size int) *agent.Request {
	text := numberText(number)
	text += strings.Repeat("好x", size/4)
	r := &agent.Request{Method: "MESSAGE", URI: to, Pinned: true, ContentType: "text/plain;charset=UTF-8", Body: text}
	if p.Room {
		r.From, r.ContentType, r.Body = p.GRUU(), "message/cpim", cpim(p.GRUU(), to, fmt.Sprintf("load-%d", number), text)
	}
	return r
}

// cpim is what Linphone writes (RFC 3862), but that it asks for no receipts: 500
// of them for each message would be another load.
func cpim(from, to, id, text string) string {
	return "From: <" + from + ">\r\nTo: <" + to + ">\r\nDateTime: " + time.Now().UTC().Format(time.RFC3339) +
		"\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: " + id + "\r\n\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: " +
		fmt.Sprint(len(text)) + "\r\n\r\n" + text
}

// Times of a sender.
const (
	answerTime = 5 * time.Second // then it is sent anew
	pause      = 200 * time.Millisecond
)

// send sends a message until it is answered 2xx or refused for good, and tells how
// often it was sent again.
func send(ctx context.Context, p *crowd.Phone, r *agent.Request) (again int, err error) {
	for ; ; again++ {
		c, cancel := context.WithTimeout(ctx, answerTime)
		res, err := p.Do(c, r)
		cancel()
		switch {
		case err == nil && res.Status() < 300:
			return again, nil
		case err == nil && res.Status() < 500 && res.Status() != 408:
			return again, fmt.Errorf("by %s to %s: answered %q %s", p.User, r.URI, res.Start, res.Get("warning"))
		case err == nil:
			err = fmt.Errorf("answered %q", res.Start)
		}
		if wait(ctx, pause) != nil {
			return again, fmt.Errorf("by %s to %s: given up: %w", p.User, r.URI, err)
		}
	}
}
