package admin

import (
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
	if err := a.audit(ctx, "message.export", in.User, in.MessageQuery); err != nil {
		return nil, err
	}
	contentType, write := "application/jsonl", a.exportJSON
	if in.Format == "csv" {
		contentType, write = "text/csv; charset=utf-8", a.exportCSV
	}
	return a.stream(contentType, func(ctx context.Context, w io.Writer) error {
		return write(ctx, w, q)
	}), nil
}

func (a *API) exportJSON(ctx context.Context, w io.Writer, q store.SearchQuery) error {
	names := a.newNames()
	lines := &jsonLines{w: w}
	return a.Messages.Export(ctx, q, func(m *store.Message) error {
		return lines.Encode(names.message(ctx, m))
	})
}

// exportCSV writes for spreadsheets: a byte order mark, so that Chinese text
// is recognised, and no cell that would run as a formula.
func (a *API) exportCSV(ctx context.Context, w io.Writer, q store.SearchQuery) error {
	if _, err := io.WriteString(w, "\xef\xbb\xbf"); err != nil {
		return err
	}
	names := a.newNames()
	rows := csv.NewWriter(w)
	rows.Write([]string{"id", "at", "kind", "from", "to", "text", "content_type", "size", "conversation", "seq", "call_id", "message_id", "trace_id", "source"})
	err := a.Messages.Export(ctx, q, func(m *store.Message) error {
		v := names.message(ctx, m)
		return rows.Write([]string{
			v.ID, v.At.Format(time.RFC3339), v.Kind, cell(v.From), cell(v.To), cell(v.Text), cell(v.ContentType),
			strconv.Itoa(v.Size), strconv.FormatInt(v.Conversation, 10), strconv.FormatInt(v.Seq, 10),
			cell(v.CallID), cell(v.MessageID), cell(v.TraceID), cell(v.Source),
		})
	})
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
