package admin

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/danielgtaylor/huma/v2"
)

// eventsPath is where hints come from.
const eventsPath = ownPath + "/events"

// eventsProtocol is the sub-protocol that browsers name, with the token behind
// it: they can set no header, and a URL is no place for a secret.
const eventsProtocol = "sparkle"

// Times of a WebSocket for hints.
const (
	heartbeat    = 30 * time.Second       // between pings
	hintDeadline = 10 * time.Second       // for a device to take a hint, or to answer a ping
	hintPause    = 200 * time.Millisecond // after a hint; what comes meanwhile is one
)

func (a *API) registerMyEvents(api huma.API) {
	op := own(http.MethodGet, "/events", "events", "Open a WebSocket that hints when something has changed")
	op.Description += "\n\nThe server sends `{\"changed\": N}`, with N = 0 at the beginning and then counting; it means: sync now. It sends nothing else, and a ping " +
		"every 30 seconds; the client sends nothing. A hint that is lost loses nothing, for the data come by sync only. " +
		"Browsers, which cannot set Authorization, name the sub-protocols `sparkle` and their token, in this order. At most 8 connections a user, with those of syncs that wait."
	op.Responses = map[string]*huma.Response{
		"101": {Description: "The WebSocket is open."},
		"426": {Description: "This is no WebSocket handshake."},
		"429": {Description: "The user has too many connections."},
	}
	api.OpenAPI().AddOperation(&op)
	a.mux.HandleFunc("GET "+eventsPath, a.serveEvents)
}

// protocolToken is the token that a browser gives as a sub-protocol.
func protocolToken(r *http.Request) string {
	for _, list := range r.Header.Values("Sec-WebSocket-Protocol") {
		for offer := range strings.SplitSeq(list, ",") {
			if offer = strings.TrimSpace(offer); strings.HasPrefix(offer, tokenPrefix) {
				return offer
			}
		}
	}
	return ""
}

// serveEvents hints to one device until it goes, reads too slowly, or its token
// ends.
func (a *API) serveEvents(w http.ResponseWriter, r *http.Request) {
	token := holder(r.Context())
	l, err := a.listen(r.Context())
	if err != nil {
		status, text := explain(err)
		writeProblem(w, status, text)
		return
	}
	defer l.leave()
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{eventsProtocol}})
	if err != nil {
		return // Accept has answered
	}
	defer ws.CloseNow()
	ctx := context.WithoutCancel(r.Context()) // the request ended with the handshake
	if token.Expires != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, *token.Expires)
		defer cancel()
	}
	l.pump(ws.CloseRead(ctx), ws)
}

// pump sends hints and pings. One that a device does not take ends it: the next
// hint waits for no reader.
func (l *listener) pump(ctx context.Context, ws *websocket.Conn) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	pause := time.NewTimer(hintPause)
	defer pause.Stop()
	hints := (<-chan struct{})(nil) // nil in a pause
	err := l.send(ctx, ws, 0)
	for n := 1; err == nil; {
		select {
		case <-hints:
			hints = nil
			pause.Reset(hintPause)
			err = l.send(ctx, ws, n)
			n++
		case <-pause.C:
			hints = l.hint
		case <-beat.C:
			err = l.ping(ctx, ws)
		case <-l.ended:
			ws.Close(websocket.StatusGoingAway, errHubClosed.Error())
			return
		case <-ctx.Done():
			ws.Close(websocket.StatusPolicyViolation, "the device said something, or its token has expired")
			return
		}
	}
	if ctx.Err() == nil {
		l.hub.metrics.dropped.Inc()
	}
}

func (l *listener) send(ctx context.Context, ws *websocket.Conn, n int) error {
	ctx, cancel := context.WithTimeout(ctx, hintDeadline)
	defer cancel()
	l.hub.metrics.hints.Inc()
	return ws.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"changed":%d}`, n))
}

func (l *listener) ping(ctx context.Context, ws *websocket.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, hintDeadline)
	defer cancel()
	return ws.Ping(ctx)
}
