package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/spf13/cobra"
)

func (c *cli) pingCommand() *cobra.Command {
	var limit time.Duration
	var ca string
	cmd := &cobra.Command{
		Use:   "ping URI",
		Short: "Find a SIP server as softphones and carriers do, and ask whether it is there",
		Long: "Find a SIP server as softphones and carriers do (RFC 3263: NAPTR, SRV, A and\n" +
			"AAAA), try its addresses in order, check its certificate, and send OPTIONS to\n" +
			"the first that takes a connection. With the domain of this server it tells\n" +
			"whether the DNS records that quickstart printed are right.",
		Example: "  sparkle ping sip:example.com\n  sparkle ping \"sip:127.0.0.1:5061;transport=tls\" --ca run/certs/ca.pem",
		Args:    arguments(cobra.ExactArgs(1)),
	}
	cmd.Flags().DurationVar(&limit, "timeout", 15*time.Second, "time for everything")
	cmd.Flags().StringVar(&ca, "ca", "", "PEM file with an authority to trust besides the system's")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		uri, err := wire.ParseURI(args[0])
		if err != nil {
			return usageError{fmt.Errorf("%q is not a SIP URI: write sip:example.com", args[0])}
		}
		p, err := newPinger(ca)
		if err != nil {
			return err
		}
		defer p.close()
		ctx, cancel := context.WithTimeout(cmd.Context(), limit)
		defer cancel()
		return p.ping(ctx, cmd.OutOrStdout(), uri)
	}
	return cmd
}

// pinger is a user agent that only asks.
type pinger struct {
	resolver     *transport.Resolver
	stack        *transport.Stack
	transactions *transaction.Layer
}

// anywhere lets an administrator ask every address: here no peer names one.
var anywhere = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}

func newPinger(ca string) (*pinger, error) {
	resolver, err := transport.NewResolver(transport.ResolverConfig{Allow: anywhere})
	if err != nil {
		return nil, err
	}
	stack, err := transport.New(transport.Config{TLS: transport.TLSConfig{RootCAs: ca}})
	if err != nil {
		return nil, err
	}
	if _, err := stack.Listen(transport.Spec{Transport: transport.UDP, Address: "0.0.0.0:0", Sockets: 1}); err != nil {
		return nil, err
	}
	p := &pinger{resolver: resolver, stack: stack, transactions: transaction.New(transaction.Config{})}
	p.transactions.Serve(nobody{})
	stack.Serve(p.transactions)
	return p, nil
}

func (p *pinger) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = p.stack.Close(ctx) // nothing is waited for any more
	p.transactions.Close()
}

// ping tries the hops in order, as RFC 3263 §4.3 wants it.
func (p *pinger) ping(ctx context.Context, w io.Writer, uri sip.Uri) error {
	hops, err := p.resolver.Resolve(ctx, &uri)
	if err != nil {
		return err
	}
	for i, hop := range hops {
		fmt.Fprintf(w, "%d  %-4s %-40s %s\n", i+1, hop.Transport, hop.Addr, hop.Host)
	}
	for i, hop := range hops {
		answer, err := p.ask(ctx, uri, hop)
		if err == nil {
			fmt.Fprintf(w, "%d answers %s\n", i+1, answer)
			return nil
		}
		p.resolver.Failed(hop)
		fmt.Fprintf(w, "%d fails: %v\n", i+1, err)
	}
	return fmt.Errorf("no address of %s answers", wire.URIString(&uri))
}

// ask sends OPTIONS (RFC 3261 §11) over a hop.
func (p *pinger) ask(ctx context.Context, uri sip.Uri, hop transport.Hop) (string, error) {
	flow, err := p.stack.Dial(ctx, hop)
	if err != nil {
		return "", err
	}
	host, port := p.stack.Local(flow)
	us := fmt.Sprintf("%s:%d", host, port)
	req := wire.NewRequest(string(sip.OPTIONS), uri, nil,
		wire.H("Via", fmt.Sprintf("SIP/2.0/%s %s;branch=%s;rport", flow.Transport, us, wire.NewBranch())),
		wire.H("Max-Forwards", "70"),
		wire.H("From", "<sip:ping@"+us+">;tag="+wire.NewTag()),
		wire.H("To", "<"+wire.URIString(&uri)+">"),
		wire.H("Call-ID", wire.NewCallID()),
		wire.H("CSeq", "1 OPTIONS"),
		wire.H("Accept", "application/sdp"),
	)
	type result struct {
		res *sip.Response
		err error
	}
	results := make(chan result, 8)
	sent := time.Now()
	tx := p.transactions.Send(req, flow, func(_ *transaction.Client, res *sip.Response, err error) {
		if err != nil || res.StatusCode >= 200 {
			results <- result{res, err}
		}
	})
	defer tx.Stop()
	select {
	case <-ctx.Done():
		return "", errors.New("no answer in time")
	case r := <-results:
		if r.err != nil {
			return "", r.err
		}
		return fmt.Sprintf("%d %s in %v over %s", r.res.StatusCode, r.res.Reason, time.Since(sent).Round(100*time.Microsecond), flow.Transport), nil
	}
}

// nobody takes no requests.
type nobody struct{}

func (nobody) Request(in *transaction.Incoming)       { in.Reply(wire.NewResponse(in.Request, 501, "")) }
func (nobody) Malformed(*transport.Flow, *wire.Error) {}
func (nobody) Closed(*transport.Flow)                 {}
