package admin

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// writeDeadline is how long a reader of a stream may take for one piece.
const writeDeadline = 30 * time.Second

// long takes the deadlines of the server off an operation that may take
// minutes. The read deadline too: it would end the context of the request.
func long(op huma.Operation) huma.Operation {
	op.Middlewares = append(op.Middlewares, func(h huma.Context, next func(huma.Context)) {
		_, w := humago.Unwrap(h)
		control := http.NewResponseController(w)
		// Not every ResponseWriter has deadlines (a recorder in a test has not).
		_ = control.SetReadDeadline(time.Time{})
		_ = control.SetWriteDeadline(time.Time{})
		next(h)
	})
	return op
}

// stream answers with what write writes, piece by piece. An error in the midst
// of it breaks the connection, so that nobody takes a part for the whole.
func (a *API) stream(contentType string, write func(ctx context.Context, w io.Writer) error) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(h huma.Context) {
		_, w := humago.Unwrap(h)
		h.SetHeader("Content-Type", contentType)
		h.SetHeader("Cache-Control", "no-store")
		out := &streamWriter{w: w, control: http.NewResponseController(w)}
		err := write(h.Context(), out)
		if err == nil || h.Context().Err() != nil {
			return
		}
		a.Log.Error("stream ended early", "path", h.URL().Path, "error", err)
		if !out.begun {
			status, text := explain(err)
			writeProblem(w, status, text)
			return
		}
		panic(http.ErrAbortHandler) // how net/http is told to break the connection
	}}
}

// streamWriter sends every piece at once and moves the write deadline along.
type streamWriter struct {
	w       io.Writer
	control *http.ResponseController
	begun   bool
}

func (s *streamWriter) Write(b []byte) (int, error) {
	s.begun = true
	// Not every ResponseWriter has deadlines (a recorder in a test has not).
	_ = s.control.SetWriteDeadline(time.Now().Add(writeDeadline))
	n, err := s.w.Write(b)
	if err != nil {
		return n, err
	}
	return n, s.control.Flush()
}
