package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sparkleim/sparkle/admin"
	"github.com/spf13/cobra"
)

func (c *cli) messageCommand() *cobra.Command {
	return commands("message", "Search, read, trace and export archived messages", c.messageSearch(), c.messageHistory(), c.messageTrace(),
		c.export("Export messages as JSON lines or as CSV for spreadsheets", "/v1/messages/export", &selection{}))
}

// selection is the flags that select messages.
type selection struct {
	period
	user, peer, group, callID, messageID string
	receipts                             bool
}

func (s *selection) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.user, "user", "", "sender or recipient")
	f.StringVar(&s.peer, "peer", "", "the other one")
	f.StringVar(&s.group, "group", "", "only what was written to this group")
	s.period.flags(cmd)
	f.StringVar(&s.callID, "call-id", "", "Call-ID of the SIP request")
	f.StringVar(&s.messageID, "message-id", "", "Message-ID of CPIM")
	f.BoolVar(&s.receipts, "receipts", false, "receipts of delivery and display too")
}

func (s *selection) query(text string) (url.Values, error) {
	q := url.Values{}
	set := func(key, value string) {
		if value != "" {
			q.Set(key, value)
		}
	}
	set("text", text)
	set("user", s.user)
	set("peer", s.peer)
	set("group", s.group)
	set("call_id", s.callID)
	set("message_id", s.messageID)
	if s.receipts {
		set("receipts", "true")
	}
	return q, s.set(q)
}

// period is the flags that select a time.
type period struct{ since, until string }

func (p *period) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.since, "since", "", "from this time on: 2026-05-04, 2026-05-04T12:00, or an age such as 2h")
	cmd.Flags().StringVar(&p.until, "until", "", "up to this time")
}

// set sets since and until of a query, as far as they are given.
func (p *period) set(q url.Values) error {
	for key, value := range map[string]string{"since": p.since, "until": p.until} {
		if value == "" {
			continue
		}
		t, err := parseTime(value, time.Now())
		if err != nil {
			return usageError{fmt.Errorf("--%s: %w", key, err)}
		}
		q.Set(key, t.Format(time.RFC3339))
	}
	return nil
}

// parseTime reads a date, a date with time, or an age.
func parseTime(s string, now time.Time) (time.Time, error) {
	if age, err := time.ParseDuration(s); err == nil {
		return now.Add(-age), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time: write 2026-05-04, 2026-05-04T12:00 or an age such as 2h", s)
}

func (c *cli) messageSearch() *cobra.Command {
	var s selection
	var limit int
	cmd := &cobra.Command{Use: "search [TEXT]", Short: "Search the archive, newest first", Args: arguments(cobra.MaximumNArgs(1))}
	s.flags(cmd)
	cmd.Flags().IntVar(&limit, "limit", 50, "how many messages to show, at most 1000")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		query, err := s.query(first(args))
		if err != nil {
			return err
		}
		query.Set("limit", strconv.Itoa(limit))
		api, err := c.client()
		if err != nil {
			return err
		}
		var page admin.MessagePage
		if err := api.call(cmd.Context(), http.MethodGet, "/v1/messages/search?"+query.Encode(), nil, &page); err != nil {
			return err
		}
		if c.json {
			return writeJSON(cmd.OutOrStdout(), page.Items)
		}
		printMessages(cmd, page)
		return nil
	}
	return cmd
}

func (c *cli) messageHistory() *cobra.Command {
	var limit int
	var cursor int64
	cmd := &cobra.Command{Use: "history USER PEER", Short: "Read the conversation of two users, newest first", Args: arguments(cobra.ExactArgs(2))}
	cmd.Flags().IntVar(&limit, "limit", 50, "how many messages to show, at most 1000")
	cmd.Flags().Int64Var(&cursor, "before", 0, "only messages before this place in the conversation")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		query := url.Values{"user": {args[0]}, "peer": {args[1]}, "limit": {strconv.Itoa(limit)}}
		if cursor > 0 {
			query.Set("cursor", strconv.FormatInt(cursor, 10))
		}
		return c.printHistory(cmd, "/v1/messages/history?"+query.Encode())
	}
	return cmd
}

// printHistory shows a page of a conversation.
func (c *cli) printHistory(cmd *cobra.Command, path string) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	var page admin.Page[admin.Message]
	if err := api.call(cmd.Context(), http.MethodGet, path, nil, &page); err != nil {
		return err
	}
	if c.json {
		return writeJSON(cmd.OutOrStdout(), page.Items)
	}
	printMessages(cmd, admin.MessagePage{Page: page})
	return nil
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

func printMessages(cmd *cobra.Command, page admin.MessagePage) {
	t := newTable("ID", "AT", "FROM", "TO", "TEXT")
	for _, m := range page.Items {
		text := m.Text
		if text == "" {
			text = "(" + m.ContentType + ")"
		}
		t.add(m.ID, day(m.At), orDash(m.From), m.To, shorten(text, 60))
	}
	t.write(cmd.OutOrStdout())
	if page.Partial {
		fmt.Fprintln(cmd.ErrOrStderr(), "the search ended early because the full-text index is missing: narrow it with --user or --since")
	}
}

func (c *cli) messageTrace() *cobra.Command {
	return &cobra.Command{
		Use: "trace ID", Short: "Show where a message came from and what became of it at each device", Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			var t admin.MessageTrace
			if err := api.call(cmd.Context(), http.MethodGet, "/v1/messages/"+url.PathEscape(args[0])+"/trace", nil, &t); err != nil {
				return err
			}
			if c.json {
				return writeJSON(cmd.OutOrStdout(), t)
			}
			printMessageTrace(cmd.OutOrStdout(), t)
			return nil
		},
	}
}

func printMessageTrace(w io.Writer, t admin.MessageTrace) {
	m := t.Message
	for _, line := range [][2]string{
		{"message", m.ID}, {"from", m.From}, {"to", m.To}, {"sent from", m.Source}, {"accepted", day(m.At)},
		{"conversation", fmt.Sprintf("%d, message %d of it", m.Conversation, m.Seq)},
		{"content", fmt.Sprintf("%s, %d bytes", m.ContentType, m.Size)}, {"text", shorten(m.Text, 100)},
		{"Call-ID", m.CallID}, {"Message-ID", m.MessageID}, {"trace id", m.TraceID},
	} {
		if line[1] != "" {
			fmt.Fprintf(w, "%-13s %s\n", line[0], printable(line[1]))
		}
	}
	fmt.Fprintln(w)
	if len(t.Deliveries) == 0 {
		fmt.Fprintln(w, "not delivered to any device yet")
		return
	}
	deliveries := newTable("AT", "USER", "DEVICE", "PROGRAM", "STATUS", "SENT AS")
	for _, d := range t.Deliveries {
		deliveries.add(day(d.At), d.User, d.Device, shorten(d.UserAgent, 40), d.Status, d.Rendering)
	}
	deliveries.write(w)
}

func decode(r io.Reader, v any) error {
	return json.NewDecoder(r).Decode(v)
}
