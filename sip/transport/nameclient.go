package transport

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// nameClient asks name servers, with a small cache.
type nameClient struct {
	servers []string

	mu    sync.Mutex
	cache map[dns.Question]answer
}

// answer is what was found for a question, perhaps nothing.
type answer struct {
	records []dns.RR
	until   time.Time
}

// Bounds of the cache. They are short because a carrier that moves expects to
// be followed, and because one TTL of a week must not pin a dead address.
const (
	maxCached   = 4096
	minTTL      = 1 * time.Second
	maxTTL      = 5 * time.Minute
	negativeTTL = 30 * time.Second // no such name or record (RFC 2308)
)

// queryTimeout is for one question to one server.
const queryTimeout = 2 * time.Second

// question is a name and the type of records wanted of it.
type question struct {
	name string
	kind uint16
}

// lookupAll asks several questions at once and returns the records of each, and
// one of the errors.
func (c *nameClient) lookupAll(ctx context.Context, questions ...question) ([][]dns.RR, error) {
	records := make([][]dns.RR, len(questions))
	failures := make([]error, len(questions))
	var wg sync.WaitGroup
	for i, q := range questions {
		wg.Go(func() { records[i], failures[i] = c.lookup(ctx, q.name, q.kind) })
	}
	wg.Wait()
	return records, cmp.Or(failures...)
}

// lookup returns the records of one type, none when the name or the type does
// not exist. It fails when no server gives an answer.
func (c *nameClient) lookup(ctx context.Context, name string, kind uint16) ([]dns.RR, error) {
	q := dns.Question{Name: dns.CanonicalName(name), Qtype: kind, Qclass: dns.ClassINET}
	if _, ok := dns.IsDomainName(q.Name); !ok {
		return nil, fmt.Errorf("transport: %q is no domain name", name)
	}
	now := time.Now()
	c.mu.Lock()
	a, ok := c.cache[q]
	c.mu.Unlock()
	if ok && now.Before(a.until) {
		return a.records, nil
	}
	a, err := c.ask(ctx, q, now)
	if err != nil {
		return nil, err
	}
	c.keep(q, a, now)
	return a.records, nil
}

// keep remembers an answer; when the cache is full, those that are over go, and
// if that is not enough, any.
func (c *nameClient) keep(q dns.Question, a answer, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.cache) >= maxCached {
		for old, b := range c.cache {
			if now.After(b.until) || len(c.cache) >= maxCached*3/4 {
				delete(c.cache, old)
			}
		}
	}
	c.cache[q] = a
}

// ask puts the question to one server after the other.
func (c *nameClient) ask(ctx context.Context, q dns.Question, now time.Time) (answer, error) {
	err := fmt.Errorf("transport: no name server is configured")
	for _, server := range c.servers {
		var reply *dns.Msg
		if reply, err = exchange(ctx, server, q); err != nil {
			if ctx.Err() != nil {
				break
			}
			continue
		}
		switch reply.Rcode {
		case dns.RcodeSuccess, dns.RcodeNameError:
			return collect(reply, q, now), nil
		}
		err = fmt.Errorf("name server %s: %s", server, dns.RcodeToString[reply.Rcode])
	}
	return answer{}, fmt.Errorf("transport: cannot look up %s %s: %w", q.Name, dns.TypeToString[q.Qtype], err)
}

// exchange asks over UDP, and over TCP when the answer does not fit.
func exchange(ctx context.Context, server string, q dns.Question) (*dns.Msg, error) {
	m := new(dns.Msg)
	m.Id, m.RecursionDesired, m.Question = dns.Id(), true, []dns.Question{q}
	m.SetEdns0(1232, false)
	client := dns.Client{Timeout: queryTimeout}
	reply, _, err := client.ExchangeContext(ctx, m, server)
	if err == nil && reply.Truncated {
		client.Net = "tcp"
		reply, _, err = client.ExchangeContext(ctx, m, server)
	}
	return reply, err
}

// collect takes the records of the wanted type, whatever aliases lead to them,
// and the shortest time to live of all.
func collect(reply *dns.Msg, q dns.Question, now time.Time) answer {
	var a answer
	ttl := maxTTL
	for _, rr := range reply.Answer {
		ttl = min(ttl, time.Duration(rr.Header().Ttl)*time.Second)
		if rr.Header().Rrtype == q.Qtype {
			a.records = append(a.records, rr)
		}
	}
	if len(a.records) == 0 {
		ttl = negativeTTL
	}
	a.until = now.Add(max(ttl, minTTL))
	return a
}
