package chat

import (
	"fmt"
	"strings"

	"github.com/sparkleim/sparkle/store"
)

// MaxRecord is how many messages a Record may have.
const MaxRecord = 100

// Record is what was said in a conversation, passed on as one message: a text
// that every phone can show.
type Record struct {
	Title    string  // of the conversation
	Messages []Quote // in their order
}

// record writes a record. Who wrote a message and when stands at the margin, what
// he wrote does not: nobody can write a line into it that another one seems to have
// written.
func (w *words) record(r *Record, c *cpim) error {
	if len(r.Messages) == 0 || len(r.Messages) > MaxRecord {
		return fmt.Errorf("%w: choose 1 to %d messages to forward together", store.ErrInvalid, MaxRecord)
	}
	var b strings.Builder
	fmt.Fprintf(&b, w.recordOf, oneLine(r.Title))
	for i := range r.Messages {
		m := &r.Messages[i]
		of, err := m.open()
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "\n%s %s", oneLine(m.Name), m.At.Local().Format("2006-01-02 15:04"))
		for line := range strings.Lines(w.mark(&of) + w.part(&of, true, 0)) {
			b.WriteString("\n    " + strings.TrimRight(line, "\r\n"))
		}
	}
	c.headers = append(c.headers, field{"imdn.Forward-Info", "Anonymous"})
	c.body = []byte(b.String())
	return nil
}

// oneLine makes a name what cannot end its line.
func oneLine(name string) string { return strings.Join(strings.Fields(name), " ") }
