package wire

import (
	"strings"

	"github.com/emiago/sipgo/sip"
)

const version = "SIP/2.0"

// parseStartLine makes the message of its first line (RFC 3261 §7.1, §7.2). A
// line that is not SIP leaves h.msg nil and an error that ends a stream.
func (h *head) parseStartLine(line string) {
	if !isValue(line) || strings.IndexByte(line, 0) >= 0 {
		h.notSIP()
		return
	}
	if isVersion(line[:min(len(line), len(version))]) {
		h.parseStatusLine(line)
		return
	}
	h.parseRequestLine(line)
}

func (h *head) notSIP() {
	h.err = &Error{Status: sip.StatusBadRequest, Reason: "Not SIP", fatal: true}
}

// parseStatusLine reads SIP/2.0 200 OK. The blank before an empty reason may be
// missing.
func (h *head) parseStatusLine(line string) {
	rest, ok := strings.CutPrefix(line[len(version):], " ")
	code, reason, _ := strings.Cut(rest, " ")
	status, numeric := digits(code, 699)
	if !ok || !numeric || len(code) != 3 || status < 100 || !equalFold(line[:len(version)], version) {
		// RFC 4475 §3.1.2.19: an absurd status is dropped with its message.
		h.refuse(sip.StatusBadRequest, "Bad Status Line")
		status, reason = 0, ""
	}
	res := &sip.Response{StatusCode: status, Reason: reason}
	res.SipVersion = version
	h.msg = res
}

// parseRequestLine reads INVITE sip:bob@example.com SIP/2.0. RFC 3261 §7.1: one
// blank between the parts and none elsewhere.
func (h *head) parseRequestLine(line string) {
	method, rest, _ := strings.Cut(line, " ")
	trimmed := strings.TrimRight(rest, " \t")
	last := strings.LastIndexByte(trimmed, ' ')
	if !tokens.contains(method) || last < 0 || !isVersion(trimmed[last+1:]) {
		h.notSIP()
		return
	}
	req := &sip.Request{Method: sip.RequestMethod(method)}
	req.SipVersion = trimmed[last+1:]
	h.msg = req
	if len(trimmed) != len(rest) { // RFC 4475 §3.1.2.10
		h.refuse(sip.StatusBadRequest, "Blank Behind SIP Version")
	}
	if err := parseURI(&req.Recipient, trimmed[:last]); err != nil {
		h.refuse(sip.StatusBadRequest, "Bad Request-URI")
		req.Recipient = sip.Uri{}
	}
}

// isVersion tells whether s is "SIP/" digit "." digit, whichever.
func isVersion(s string) bool {
	return len(s) == len(version) && equalFold(s[:4], "SIP/") && s[5] == '.' &&
		'0' <= s[4] && s[4] <= '9' && '0' <= s[6] && s[6] <= '9'
}
