package admin

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sparkleim/sparkle/store"
)

func (a *API) exportCalls(ctx context.Context, in *struct {
	CallQuery
	Format string `query:"format" enum:"jsonl,csv" default:"jsonl"`
}) (*huma.StreamResponse, error) {
	q, err := a.resolveCalls(ctx, in.CallQuery)
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.audit(ctx, "call.export", in.User, in.CallQuery); err != nil {
		return nil, err
	}
	return streamExport(a, in.Format, callHeading, callRow, func(ctx context.Context, fn func(*Call) error) error {
		return a.CallRecords.ExportCalls(ctx, q, func(r *store.CallRecord) error {
			v := callOf(*r)
			return fn(&v)
		})
	}), nil
}

// callHeading names the columns of callRow.
var callHeading = []string{
	"id", "started", "ringing", "answered", "ended", "seconds", "direction",
	"caller", "caller_shown", "caller_device", "dialled", "number", "callee", "callee_shown", "callee_device",
	"trunks", "status", "reason", "cause", "ended_by", "attempts", "codec", "security", "mos", "lost", "call_id", "trace_id",
}

// callRow is a call for a spreadsheet. Everything that a phone or a carrier
// wrote goes through cell.
func callRow(v *Call) []string {
	r := &v.CallRecord
	codec, security, mos, lost := worstQuality(r.Quality)
	return []string{
		v.ID, r.Started.Format(time.RFC3339), moment(r.Ringing), moment(r.Answered), moment(r.Ended), talked(r), cell(r.Direction),
		cell(r.Caller.Address), cell(r.Caller.Shown), cell(r.Caller.Device), cell(r.Dialled), cell(r.Number),
		cell(r.Callee.Address), cell(r.Callee.Shown), cell(r.Callee.Device),
		cell(strings.Join(trunksOf(r), " ")), strconv.Itoa(r.Status), cell(r.Reason), strconv.Itoa(r.Cause), cell(r.EndedBy),
		cell(attemptList(r.Attempts)), cell(codec), cell(security), mos, lost, cell(r.CallID), cell(r.TraceID),
	}
}

func moment(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.Format(time.RFC3339)
}

// talked is the seconds from the answer to the end.
func talked(r *store.CallRecord) string {
	if r.Answered == nil || r.Ended == nil {
		return ""
	}
	return strconv.FormatFloat(r.Ended.Sub(*r.Answered).Seconds(), 'f', 1, 64)
}

// attemptList is what was tried, with the answers: "gateway a sip:… 503; …".
func attemptList(attempts []store.CallAttempt) string {
	var list []string
	for _, t := range attempts {
		list = append(list, t.Target+" "+strconv.Itoa(t.Status))
	}
	return strings.Join(list, "; ")
}

// worstQuality sums up the audio of a call: what it was sent as, the lowest
// score of a leg, and the packets that were lost on the way to us.
func worstQuality(quality []store.CallQuality) (codec, security, mos, lost string) {
	lowest, sum, found := 0.0, uint64(0), false
	for _, q := range quality {
		if q.Kind != "audio" {
			continue
		}
		if !found {
			codec, security = q.Codec, q.Security
		}
		if q.MOS > 0 && (lowest == 0 || q.MOS < lowest) {
			lowest = q.MOS
		}
		sum, found = sum+q.Lost, true
	}
	if !found {
		return "", "", "", ""
	}
	if lowest > 0 {
		mos = strconv.FormatFloat(lowest, 'f', 2, 64)
	}
	return codec, security, mos, strconv.FormatUint(sum, 10)
}
