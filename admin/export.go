package admin

import (
	"cmp"
	"context"
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sparkleim/sparkle/store"
)

func (a *API) exportMessages(ctx context.Context, in *struct {
	MessageQuery
	Format string `query:"format" enum:"jsonl,csv" default:"jsonl"`
}) (*huma.StreamResponse, error) {
	q, err := a.resolve(ctx, in.MessageQuery)
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.audit(ctx, "message.export", cmp.Or(in.User, in.Group), in.MessageQuery); err != nil {
		return nil, err
	}
	return streamExport(a, in.Format, messageHeading, messageRow, func(ctx context.Context, fn func(*Message) error) error {
		names := a.newNames()
		return a.Messages.Export(ctx, q, func(m *store.Message) error {
			v := names.message(ctx, m)
			return fn(&v)
		})
	}), nil
}

// messageHeading names the columns of messageRow.
var messageHeading = []string{
	"id", "at", "kind", "from", "to", "text", "content_type", "size", "conversation", "seq", "call_id", "message_id", "trace_id", "source", "group",
}

func messageRow(v *Message) []string {
	return []string{
		v.ID, v.At.Format(time.RFC3339), v.Kind, cell(v.From), cell(v.To), cell(v.Text), cell(v.ContentType),
		strconv.Itoa(v.Size), strconv.FormatInt(v.Conversation, 10), strconv.FormatInt(v.Seq, 10),
		cell(v.CallID), cell(v.MessageID), cell(v.TraceID), cell(v.Source), cell(v.Group),
	}
}

// streamExport answers with what each gives, as JSON lines or, when format is
// csv, as rows below a heading.
func streamExport[T any](a *API, format string, heading []string, row func(*T) []string, each func(context.Context, func(*T) error) error) *huma.StreamResponse {
	if format == "csv" {
		return a.stream("text/csv; charset=utf-8", func(ctx context.Context, w io.Writer) error {
			return writeCSV(w, heading, func(rows *csv.Writer) error {
				return each(ctx, func(v *T) error { return rows.Write(row(v)) })
			})
		})
	}
	return a.stream("application/jsonl", func(ctx context.Context, w io.Writer) error {
		lines := &jsonLines{w: w}
		return each(ctx, func(v *T) error { return lines.Encode(v) })
	})
}

// writeCSV writes for spreadsheets: a byte order mark, so that Chinese text is
// recognised, and then what fill writes, whose cells go through [cell].
func writeCSV(w io.Writer, heading []string, fill func(rows *csv.Writer) error) error {
	if _, err := io.WriteString(w, "\xef\xbb\xbf"); err != nil {
		return err
	}
	rows := csv.NewWriter(w)
	rows.Write(heading)
	err := fill(rows)
	rows.Flush()
	if err != nil {
		return err
	}
	return rows.Error()
}

// cell disarms a text that a spreadsheet would take for a formula (a Chinese or
// Japanese one takes full-width signs too), and replaces control characters,
// which no spreadsheet can hold; the export as JSON has them.
func cell(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && !strings.ContainsRune("\t\r\n", r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
	if first, _ := utf8.DecodeRuneInString(s); s != "" && strings.ContainsRune("=+-@＝＋－＠\t\r\n", first) {
		return "'" + s
	}
	return s
}
