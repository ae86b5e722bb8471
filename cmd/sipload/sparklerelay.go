//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/sparkleim/sparkle/cmd/sipload/agent"
)

// sparkleRelay is the whole program: the calls are set up over SIP and TLS.
type sparkleRelay struct {
	subject *subject
	agents  []*agent.Agent
	dialogs []*agent.Dialog
}

// spare is how many users have no part in the calls of a sparkleRelay: those
// behind the first 2*calls.
const spare = 200

func startSparkleRelay(bin string, calls int) (*sparkleRelay, error) {
	s, err := startSparkle(bin, 2*calls+spare)
	if err != nil {
		return nil, err
	}
	return &sparkleRelay{subject: s}, nil
}

// connect registers the users of so many calls.
func (r *sparkleRelay) connect(calls int) error {
	for i := len(r.agents); i < 2*calls; i++ {
		user := fmt.Sprintf("u%06d", i)
		a, err := agent.Dial(agent.Config{Server: r.subject.addr["tls"], Transport: "tls", Domain: "bench.example", User: user, Password: "pw-" + user})
		if err != nil {
			return err
		}
		r.agents = append(r.agents, a)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		_, err = a.Register(ctx, 3600)
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *sparkleRelay) pid() int { return r.subject.pid }

func (r *sparkleRelay) stop() {
	for _, a := range r.agents {
		a.Close()
	}
	r.subject.stop()
}

// join makes a call between the next two users.
func (r *sparkleRelay) join(a, b *party) error {
	if err := r.connect(len(r.dialogs) + 1); err != nil {
		return err
	}
	next := 2 * len(r.dialogs)
	caller, callee := r.agents[next], r.agents[next+1]
	callee.OnRequest = func(m *agent.Message) (status, body string) {
		if m.Method() != "INVITE" {
			return "200 OK", ""
		}
		tag, err := b.take(string(m.Body))
		if err != nil {
			return "488 Not Acceptable Here", ""
		}
		return "200 OK", b.describe(tag)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	d, err := caller.Call(ctx, callee.User, a.describe("1"))
	if err != nil {
		return err
	}
	r.dialogs = append(r.dialogs, d)
	_, err = a.take(string(d.Answer))
	return err
}

// hangUp ends all calls.
func (r *sparkleRelay) hangUp(ctx context.Context) error {
	for _, d := range r.dialogs {
		if err := d.Bye(ctx); err != nil {
			return err
		}
	}
	r.dialogs = nil
	return nil
}
