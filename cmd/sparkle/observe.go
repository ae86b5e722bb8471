package main

import (
	"context"
	"strconv"
	"time"

	"github.com/sparkleim/sparkle/admin"
	"github.com/sparkleim/sparkle/sip/transport"
)

func (s *Server) status(ctx context.Context) (admin.Status, error) {
	stats, err := s.store.Stats(ctx)
	if err != nil {
		return admin.Status{}, err
	}
	st := admin.Status{
		Domains: s.cfg.Domains, Started: s.started,
		Users: stats.Users, Devices: stats.Devices, Messages: stats.Messages,
		Bytes: stats.Bytes, Queue: stats.Queue, IndexLag: stats.IndexLag,
	}
	for _, n := range s.stack.Count() {
		st.Connections += n
	}
	for _, l := range s.listeners {
		st.Listeners = append(st.Listeners, admin.ListenStatus{Transport: l.transport, Address: l.addr.String()})
	}
	return st, nil
}

// tracer shows what passes the transport.
type tracer struct{ stack *transport.Stack }

func (t tracer) Trace(ctx context.Context, f admin.TraceFilter, emit func(admin.TraceEvent) error) error {
	limit := time.Hour
	if deadline, ok := ctx.Deadline(); ok {
		limit = time.Until(deadline)
	}
	events, stop := t.stack.Trace(transport.TraceFilter{User: f.User, Addr: f.Address, For: limit})
	defer stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, more := <-events:
			if !more {
				return nil
			}
			if err := emit(traceEvent(e)); err != nil {
				return err
			}
		}
	}
}

func traceEvent(e transport.TraceEvent) admin.TraceEvent {
	text := e.Text
	if e.Lost > 0 {
		text = "(" + strconv.Itoa(e.Lost) + " messages before this one are not shown: the reader is too slow)\r\n" + text
	}
	return admin.TraceEvent{
		At: e.Time, Received: !e.Sent, Transport: e.Transport,
		Local: e.Local.String(), Remote: e.Remote.String(), Message: text,
	}
}
