package sqldb

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// maxSpan is how many messages one span has at most; with it, the spans that a
// message can be in begin close before it.
const maxSpan = 256

// span is the trace of messages that a device took one after the other with the
// same outcome.
type span struct {
	cursorKey
	from, to  int64
	gid       int64 // of the first one
	status    int
	rendering string
	at        time.Time // of the last one
}

// takes tells whether a delivery goes on with the span.
func (s *span) takes(seq int64, d *store.Delivery) bool {
	return seq == s.to+1 && s.to-s.from < maxSpan-1 && d.Status == s.status && d.Rendering == s.rendering
}

// deliver keeps a cursor and a trace. The trace is not kept when too many wait.
func (s *relaxedSet) deliver(k cursorKey, seq int64, d *store.Delivery) (kept bool) {
	p := s.cursors[k]
	p.seq = max(p.seq, seq)
	last := p.span - s.spansCut - 1
	switch {
	case last >= 0 && s.spans[last].takes(seq, d):
		s.spans[last].to, s.spans[last].at = seq, d.At
		kept = true
	case len(s.spans) < maxRelaxed:
		s.spans = append(s.spans, span{k, seq, seq, d.GID, d.Status, d.Rendering, d.At})
		p.span = s.spansCut + len(s.spans)
		kept = true
	}
	s.cursors[k] = p
	return kept
}

// applySpan writes a trace. That of one message is found by the message: its key
// follows that of the trace before, whoever spoke.
func (w *writer) applySpan(s *span) error {
	if s.from == s.to {
		return w.hot.delivery.exec(s.gid, int64(s.device), int64(s.status), s.rendering, s.at.UnixMilli())
	}
	return w.hot.span.exec(int64(s.conv), s.from, int64(s.device), s.to, int64(s.status), s.rendering, s.at.UnixMilli())
}

// Deliveries implements store.Archive. Of a device that was sent the message
// twice it tells the last outcome.
func (db *DB) Deliveries(ctx context.Context, gid int64) ([]store.Delivery, error) {
	rows, err := db.reader.QueryContext(ctx, `SELECT device_id, status, rendering, at FROM delivery WHERE gid = $1
		UNION ALL SELECT s.device_id, s.status, s.rendering, s.at FROM message m JOIN delivery_span s ON s.conv_id = m.pos >> 32
		AND s.from_seq > (m.pos & 4294967295) - $2 AND s.from_seq <= m.pos & 4294967295 AND s.to_seq >= m.pos & 4294967295
		WHERE m.gid = $1 ORDER BY 4 DESC`, gid, maxSpan)
	if err != nil {
		return nil, fmt.Errorf("deliveries of message %s: %w", store.GIDString(gid), err)
	}
	defer rows.Close()
	var out []store.Delivery
	known := make(map[store.DeviceID]bool)
	for rows.Next() {
		d := store.Delivery{GID: gid}
		var at int64
		if err := rows.Scan(&d.Device, &d.Status, &d.Rendering, &at); err != nil {
			return nil, fmt.Errorf("deliveries of message %s: %w", store.GIDString(gid), err)
		}
		d.At = timeOf(at)
		if !known[d.Device] {
			known[d.Device] = true
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b store.Delivery) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Device, b.Device)) })
	return out, rows.Err()
}
