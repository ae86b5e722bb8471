package admin

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// TraceFilter selects what a protocol trace shows.
type TraceFilter struct {
	User    string     // username or number; "" for any
	Address netip.Addr // of the peer; zero for any
}

// TraceEvent is one message on the wire. Credentials and the text of messages
// are left out.
type TraceEvent struct {
	At        time.Time `json:"at"`
	Received  bool      `json:"received" doc:"True for what the server received, false for what it sent."`
	Transport string    `json:"transport"`
	Local     string    `json:"local"`
	Remote    string    `json:"remote"`
	Message   string    `json:"message"`
}

func (a *API) registerTrace(api huma.API) {
	huma.Register(api, long(operation(http.MethodGet, "/v1/trace", "trace-protocol", "Follow the SIP messages of a user or address as JSON lines")), a.traceProtocol)
}

func (a *API) traceProtocol(ctx context.Context, in *struct {
	User    string `query:"user" doc:"Username or number; absent: any."`
	Address string `query:"address" doc:"IP address of the peer; absent: any."`
	Seconds int    `query:"seconds" minimum:"1" maximum:"3600" default:"60" doc:"How long to follow."`
}) (*huma.StreamResponse, error) {
	filter := TraceFilter{User: in.User}
	if in.Address != "" {
		address, err := netip.ParseAddr(in.Address)
		if err != nil {
			return nil, a.problem(invalid("address %q: write an IP address without a port", in.Address))
		}
		filter.Address = address
	}
	if err := a.audit(ctx, "trace", in.User+in.Address, map[string]int{"seconds": in.Seconds}); err != nil {
		return nil, err
	}
	limit := time.Duration(in.Seconds) * time.Second
	return a.stream("application/jsonl", func(ctx context.Context, w io.Writer) error {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return a.follow(ctx, filter, w)
	}), nil
}

// follow writes events until ctx ends. An empty line at the start tells the
// reader that the trace is on.
func (a *API) follow(ctx context.Context, f TraceFilter, w io.Writer) error {
	events := a.Tracer.Trace(ctx, f)
	if _, err := io.WriteString(w, "\n"); err != nil {
		return err
	}
	lines := &jsonLines{w: w}
	for e := range events {
		if err := lines.Encode(e); err != nil { // one write, and so one flush, an event
			return err
		}
	}
	return nil
}
