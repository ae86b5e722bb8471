package wire

// canonical returns the name of a header field as the standards spell it, also
// for compact forms (RFC 3261 §7.3.3 and the registry that followed), and the
// name as it is when it is not known here.
func canonical(name string) string {
	var low [32]byte
	if len(name) > len(low) {
		return name
	}
	for i := range len(name) {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		low[i] = c
	}
	switch string(low[:len(name)]) {
	case "via", "v":
		return "Via"
	case "from", "f":
		return "From"
	case "to", "t":
		return "To"
	case "call-id", "i":
		return "Call-ID"
	case "cseq":
		return "CSeq"
	case "max-forwards":
		return "Max-Forwards"
	case "contact", "m":
		return "Contact"
	case "content-length", "l":
		return "Content-Length"
	case "content-type", "c":
		return "Content-Type"
	case "content-encoding", "e":
		return "Content-Encoding"
	case "content-disposition":
		return "Content-Disposition"
	case "route":
		return "Route"
	case "record-route":
		return "Record-Route"
	case "path":
		return "Path"
	case "service-route":
		return "Service-Route"
	case "supported", "k":
		return "Supported"
	case "require":
		return "Require"
	case "proxy-require":
		return "Proxy-Require"
	case "unsupported":
		return "Unsupported"
	case "allow":
		return "Allow"
	case "allow-events", "u":
		return "Allow-Events"
	case "accept":
		return "Accept"
	case "accept-contact", "a":
		return "Accept-Contact"
	case "accept-encoding":
		return "Accept-Encoding"
	case "accept-language":
		return "Accept-Language"
	case "reject-contact", "j":
		return "Reject-Contact"
	case "request-disposition", "d":
		return "Request-Disposition"
	case "expires":
		return "Expires"
	case "min-expires":
		return "Min-Expires"
	case "user-agent":
		return "User-Agent"
	case "server":
		return "Server"
	case "subject", "s":
		return "Subject"
	case "date":
		return "Date"
	case "event", "o":
		return "Event"
	case "subscription-state":
		return "Subscription-State"
	case "refer-to", "r":
		return "Refer-To"
	case "referred-by", "b":
		return "Referred-By"
	case "replaces":
		return "Replaces"
	case "session-expires", "x":
		return "Session-Expires"
	case "min-se":
		return "Min-SE"
	case "sip-etag":
		return "SIP-ETag"
	case "sip-if-match":
		return "SIP-If-Match"
	case "authorization":
		return "Authorization"
	case "proxy-authorization":
		return "Proxy-Authorization"
	case "www-authenticate":
		return "WWW-Authenticate"
	case "proxy-authenticate":
		return "Proxy-Authenticate"
	case "authentication-info":
		return "Authentication-Info"
	case "identity", "y":
		return "Identity"
	case "identity-info", "n":
		return "Identity-Info"
	case "p-asserted-identity":
		return "P-Asserted-Identity"
	case "p-preferred-identity":
		return "P-Preferred-Identity"
	case "privacy":
		return "Privacy"
	case "history-info":
		return "History-Info"
	case "diversion":
		return "Diversion"
	case "reason":
		return "Reason"
	case "warning":
		return "Warning"
	case "retry-after":
		return "Retry-After"
	case "timestamp":
		return "Timestamp"
	case "mime-version":
		return "MIME-Version"
	case "organization":
		return "Organization"
	case "rseq":
		return "RSeq"
	case "rack":
		return "RAck"
	}
	return name
}

// sameName compares the name of a header with a canonical one. Headers that this
// package made have canonical names, so the first comparison nearly always decides.
func sameName(name, canon string) bool {
	return name == canon || equalFold(name, canon)
}
