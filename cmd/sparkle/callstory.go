package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/sparkleim/sparkle/admin"
	"github.com/sparkleim/sparkle/store"
)

// printCallStory explains a call: first in a sentence, then what happened when,
// then how it sounded.
func printCallStory(w io.Writer, call admin.Call, now time.Time) {
	r := &call.CallRecord
	fmt.Fprintln(w, printable(headline(r, now)))
	fmt.Fprintln(w)
	for _, line := range [][2]string{
		{"caller", party(r.Caller)}, {"dialled", dialled(r)}, {"callee", party(r.Callee)}, {"direction", directionText(r.Direction)},
	} {
		if line[1] != "" {
			fmt.Fprintf(w, "%-10s %s\n", line[0], printable(line[1]))
		}
	}
	fmt.Fprintln(w)
	printEvents(w, r)
	if len(r.Quality) > 0 {
		fmt.Fprintln(w)
		printQuality(w, r.Quality)
	}
	fmt.Fprintf(w, "\ncall %s   trace id %s   Call-ID %s\n", call.ID, printable(r.TraceID), printable(r.CallID))
}

// headline is the call in a sentence.
func headline(r *store.CallRecord, now time.Time) string {
	who := cmp.Or(r.Caller.Address, "somebody who withholds the number")
	text := fmt.Sprintf("%s: %s called %s: %s", day(r.Started), who, bare(r.Dialled), callResult(r))
	if r.Answered != nil {
		text += ", " + talkTime(r, now)
	}
	return text
}

// callResult is how a call ended, in words.
func callResult(r *store.CallRecord) string {
	switch {
	case r.Ended == nil && r.Answered != nil:
		return "in progress"
	case r.Ended == nil && r.Ringing != nil:
		return "ringing"
	case r.Ended == nil:
		return "being set up" // the record tells nothing more before the answer
	case r.Answered != nil:
		return "answered"
	case r.EndedBy == "administrator", r.EndedBy == "restart": // not there is what the caller was told
		return fmt.Sprintf("%s (%d)", endWords[r.EndedBy], r.Status)
	}
	return failure(r.Status, r.Reason)
}

// failure is why a call was not answered.
func failure(status int, reason string) string {
	words, known := failureWords[status]
	switch {
	case known:
	case reason != "":
		words = reason
	default:
		words = "failed"
	}
	if status == 0 {
		return words
	}
	return fmt.Sprintf("%s (%d)", words, status)
}

// failureWords are the answers of SIP as an administrator would say them.
var failureWords = map[int]string{
	401: "not authenticated", 403: "not allowed", 404: "no such number", 407: "not authenticated", 408: "no answer", 410: "number has changed",
	415: "cannot take this kind of call", 480: "not there", 481: "call has gone", 484: "number incomplete", 486: "busy", 487: "given up by the caller",
	488: "no common codec or encryption", 500: "server error", 502: "carrier error", 503: "no line or carrier down", 504: "no answer of a server",
	600: "busy everywhere", 603: "declined", 604: "no such number", 606: "no common codec or encryption",
}

// causeWords are the causes of ITU-T Q.850 that calls end with.
var causeWords = map[int]string{
	1: "number not assigned", 2: "no route to that network", 3: "no route to the number", 16: "normal end", 17: "busy", 18: "no device responded",
	19: "no answer", 20: "subscriber absent", 21: "rejected", 22: "number changed", 23: "redirected", 26: "answered elsewhere", 27: "destination out of order",
	28: "number incomplete", 29: "facility rejected", 31: "normal, unspecified", 34: "no line free", 38: "network out of order", 41: "temporary failure",
	42: "switch congested", 47: "no resources", 50: "facility not subscribed", 55: "incoming calls barred", 57: "not authorised", 58: "not available now",
	63: "service not available", 65: "not implemented", 79: "not implemented", 88: "incompatible destination", 95: "invalid message",
	102: "timer expired", 111: "protocol error", 127: "interworking",
}

// endWords say who or what ended a call that was answered.
var endWords = map[string]string{
	"caller": "the caller hung up", "callee": "the callee hung up", "carrier": "the carrier hung up", "administrator": "an administrator ended it",
	"media": "no voice came any more", "session timer": "a phone had gone and did not refresh the call", "restart": "the server was restarted",
}

// party is a side of a call.
func party(p store.CallParty) string {
	if p == (store.CallParty{}) {
		return ""
	}
	text := cmp.Or(p.Address, "(withheld)")
	if p.Shown == "" {
		text += ", number not shown"
	} else if p.Shown != p.Address {
		text += ", shown as " + p.Shown
	}
	if p.Trunk != "" {
		text += ", by trunk " + p.Trunk
	}
	if p.Device != "" {
		text += ", with " + shorten(p.Device, 60)
	}
	return text
}

func dialled(r *store.CallRecord) string {
	if r.Number == "" || r.Number == bare(r.Dialled) {
		return r.Dialled
	}
	return r.Dialled + ", which is " + r.Number
}

// bare is an address without its scheme and parameters.
func bare(uri string) string {
	for _, scheme := range []string{"sip:", "sips:", "tel:"} {
		uri = strings.TrimPrefix(uri, scheme)
	}
	address, _, _ := strings.Cut(uri, ";")
	return address
}

func directionText(direction string) string {
	words := map[string]string{"internal": "between users", "in": "from a carrier", "out": "to a carrier", "click": "begun by the server"}
	return cmp.Or(words[direction], direction)
}

// moment is something that happened in a call.
type moment struct {
	at   time.Time
	text string
}

// printEvents tells what happened in its order, with the time since the start.
func printEvents(w io.Writer, r *store.CallRecord) {
	for _, e := range events(r) {
		since := e.at.Sub(r.Started)
		fmt.Fprintf(w, "%s %8s  %s\n", e.at.Local().Format("15:04:05.000"), fmt.Sprintf("+%.1f s", max(0, since).Seconds()), printable(e.text))
	}
}

func events(r *store.CallRecord) []moment {
	list := []moment{{r.Started, "the call begins"}}
	for _, t := range r.Attempts {
		list = append(list, moment{t.Started, attemptText(t)})
	}
	if r.Ringing != nil && !atOnce(r) {
		list = append(list, moment{*r.Ringing, "it rings"})
	}
	if r.Answered != nil {
		list = append(list, moment{*r.Answered, "answered by " + cmp.Or(r.Callee.Address, "the callee")})
	}
	if r.Ended != nil {
		list = append(list, moment{*r.Ended, endText(r)})
	}
	slices.SortStableFunc(list, func(a, b moment) int { // the store keeps the times of a call to the millisecond, of its attempts exactly
		return a.at.Truncate(time.Millisecond).Compare(b.at.Truncate(time.Millisecond))
	})
	return list
}

// atOnce tells whether a call was answered without ringing: an answer is a sign
// of life too.
func atOnce(r *store.CallRecord) bool {
	return r.Answered != nil && r.Answered.Sub(*r.Ringing) <= time.Millisecond
}

// attemptText tells of one device or gateway, or of where the call was diverted.
func attemptText(t store.CallAttempt) string {
	if t.Status == 181 { // Call Is Being Forwarded
		return "goes elsewhere: " + t.Target
	}
	text := "tries " + t.Target
	if t.Trunk != "" {
		text += " of trunk " + t.Trunk
	}
	if t.Number != "" {
		text += " with " + t.Number
	}
	if t.Status == 0 {
		return text + ": no answer yet"
	}
	cause := t.Cause
	if t.Status < 300 {
		cause = 0 // the call ends when it ends
	}
	text += ": " + answerText(t.Status, t.Reason, cause)
	if !t.Ended.IsZero() {
		text += fmt.Sprintf(" after %.1f s", t.Ended.Sub(t.Started).Seconds())
	}
	return text
}

// answerText is an answer of SIP with its cause: "503 Service Unavailable
// (cause 41, temporary failure)".
func answerText(status int, reason string, cause int) string {
	text := strings.TrimSpace(fmt.Sprintf("%d %s", status, reason))
	if cause == 0 {
		return text
	}
	return text + " (" + causeText(cause) + ")"
}

func causeText(cause int) string {
	if words, known := causeWords[cause]; known {
		return fmt.Sprintf("cause %d, %s", cause, words)
	}
	return fmt.Sprintf("cause %d", cause)
}

func endText(r *store.CallRecord) string {
	if r.Answered == nil {
		return "not answered: " + answerText(r.Status, r.Reason, r.Cause)
	}
	text := cmp.Or(endWords[r.EndedBy], r.EndedBy, "the call ends")
	if r.EndedBy == "administrator" || r.EndedBy == "media" {
		text = cmp.Or(r.Reason, text) // it says which one, or what was wrong
	}
	if r.Cause != 0 {
		text += " (" + causeText(r.Cause) + ")"
	}
	return text + ", " + talkTime(r, *r.Ended) + " after the answer"
}

func printQuality(w io.Writer, quality []store.CallQuality) {
	t := newTable("FROM", "KIND", "CODEC", "ENCRYPTION", "RECEIVED", "LOST", "JITTER", "ROUND TRIP", "QUALITY")
	for _, q := range quality {
		t.add(q.Leg, q.Kind, q.Codec, cmp.Or(q.Security, "none"), q.Received, lossText(q), fmt.Sprintf("%.1f ms", q.JitterMS), roundTrip(q.RoundTripMS), mosText(q.MOS))
	}
	t.write(w)
}

func lossText(q store.CallQuality) string {
	if sum := q.Received + q.Lost; q.Lost > 0 && sum > 0 {
		return fmt.Sprintf("%d (%.1f %%)", q.Lost, 100*float64(q.Lost)/float64(sum))
	}
	return fmt.Sprint(q.Lost)
}

func roundTrip(ms float64) string {
	if ms == 0 {
		return "-" // the phone sends no reports
	}
	return fmt.Sprintf("%.0f ms", ms)
}

// mosText is a score with what listeners think of it (ITU-T G.107, annex B).
func mosText(mos float64) string {
	words := "hardly to be understood"
	switch {
	case mos == 0:
		return "-"
	case mos >= 4.3:
		words = "excellent"
	case mos >= 4.0:
		words = "good"
	case mos >= 3.6:
		words = "fair"
	case mos >= 3.1:
		words = "poor"
	case mos >= 2.6:
		words = "bad"
	}
	return fmt.Sprintf("%.1f %s", mos, words)
}
