package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/store"
)

var errNotFound = store.ErrNotFound

// verdicts maps the errors that callers can do something about. The text of an
// error that is not here never leaves the process.
var verdicts = []struct {
	err    error
	status int
	remedy string // "" when the error's own text says what is wrong
}{
	{store.ErrNotFound, http.StatusNotFound, ""},
	{store.ErrConflict, http.StatusConflict, ""},
	{store.ErrInvalid, http.StatusUnprocessableEntity, ""},
	{store.ErrUnavailable, http.StatusServiceUnavailable, "the store cannot write now: try again in some seconds; nothing was changed"},
	{store.ErrUnknown, http.StatusInternalServerError, "the store did not confirm the change: look whether it was made before you try again"},
	{errTokenRefused, http.StatusUnauthorized, ""},
	{errManyListeners, http.StatusTooManyRequests, ""},
	{errManyInAll, http.StatusServiceUnavailable, ""},
	{errHubClosed, http.StatusServiceUnavailable, ""},
	{errTooOften, http.StatusTooManyRequests, ""},
	{errOneAtATime, http.StatusTooManyRequests, ""},
	{errSearchBusy, http.StatusServiceUnavailable, ""},
	{errOverloaded, http.StatusServiceUnavailable, ""},
	{context.DeadlineExceeded, http.StatusGatewayTimeout, "this took too long: ask for less"},
}

// explain gives the status and the text for an error.
func explain(err error) (status int, text string) {
	if e, ok := errors.AsType[*server.Error](err); ok {
		return explainSIP(e)
	}
	if e, ok := errors.AsType[*group.Denied](err); ok {
		return http.StatusForbidden, e.Text
	}
	for _, v := range verdicts {
		if !errors.Is(err, v.err) {
			continue
		}
		if v.remedy != "" {
			return v.status, v.remedy
		}
		return v.status, strings.Replace(err.Error(), store.ErrInvalid.Error()+": ", "", 1) // first, or behind the name of a field
	}
	return http.StatusInternalServerError, "internal error: the server's log says more"
}

// explainSIP is the verdict on what SIP would have answered to a call.
func explainSIP(e *server.Error) (status int, text string) {
	text = fmt.Sprintf("%s (SIP %d)", cmp.Or(e.Warning, e.Reason, "the call was refused"), e.Status)
	switch {
	case e.Status == http.StatusForbidden, e.Status == http.StatusNotFound:
		return e.Status, text
	case e.Status >= 500 && e.Status < 600:
		return http.StatusServiceUnavailable, text
	}
	return http.StatusConflict, text // busy, not there, declined: it depends on somebody else
}

// problem turns an error of a service into the answer.
func (a *API) problem(err error) error {
	status, text := explain(err)
	if status == http.StatusInternalServerError {
		a.Log.Error("administration failed", "error", err)
	}
	answer := huma.NewError(status, text)
	if h := retryAfter(status); h != nil {
		return huma.ErrorWithHeaders(answer, h)
	}
	return answer
}

// retryAfter tells when to try again what was answered with a status; nil: it would
// not help.
func retryAfter(status int) http.Header {
	switch status {
	case http.StatusServiceUnavailable:
		return http.Header{"Retry-After": {"5"}}
	case http.StatusTooManyRequests:
		return http.Header{"Retry-After": {"1"}}
	}
	return nil
}

// writeProblem answers outside of an operation.
func writeProblem(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/problem+json")
	maps.Copy(w.Header(), retryAfter(status))
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(huma.ErrorModel{Status: status, Title: http.StatusText(status), Detail: text})
}
