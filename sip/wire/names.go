package wire

// canonical returns the name of a header field as the standards spell it, also
// for compact forms, and the name as it is when it is not known here.
func canonical(name string) string {
	if standard := standardName(name); standard != "" {
		return standard
	}
	return name
}

// standardName is canonical with "" for a name that is not known here.
func standardName(name string) string {
	if len(name) == 1 {
		return compactName(lower(name[0]))
	}
	if name == "" {
		return ""
	}
	for _, standard := range standardNames[nameSlot(name)] {
		if name == standard || equalFold(name, standard) {
			return standard
		}
	}
	return ""
}

// compactName spells a compact form out (RFC 3261 §7.3.3 and the registry that
// followed).
func compactName(c byte) string {
	switch c {
	case 'a':
		return "Accept-Contact"
	case 'b':
		return "Referred-By"
	case 'c':
		return "Content-Type"
	case 'd':
		return "Request-Disposition"
	case 'e':
		return "Content-Encoding"
	case 'f':
		return "From"
	case 'i':
		return "Call-ID"
	case 'j':
		return "Reject-Contact"
	case 'k':
		return "Supported"
	case 'l':
		return "Content-Length"
	case 'm':
		return "Contact"
	case 'n':
		return "Identity-Info"
	case 'o':
		return "Event"
	case 'r':
		return "Refer-To"
	case 's':
		return "Subject"
	case 't':
		return "To"
	case 'u':
		return "Allow-Events"
	case 'v':
		return "Via"
	case 'x':
		return "Session-Expires"
	case 'y':
		return "Identity"
	}
	return ""
}

// nameTable is a set of names that few comparisons search: by length and first
// letter, which hardly two of them share.
type nameTable [256][]string

func nameSlot(name string) uint8 { return uint8(len(name))*8 ^ lower(name[0]) }

func newNameTable(names ...string) *nameTable {
	t := new(nameTable)
	for _, n := range names {
		slot := nameSlot(n)
		t[slot] = append(t[slot], n)
	}
	return t
}

// standardNames are in the order in which they are met, more or less.
var standardNames = newNameTable(
	"Via", "From", "To", "Call-ID", "CSeq", "Max-Forwards", "Contact", "Content-Length", "Content-Type",
	"Route", "Record-Route", "Path", "Service-Route", "Supported", "Require", "Proxy-Require", "Unsupported",
	"Allow", "Allow-Events", "Accept", "Accept-Contact", "Accept-Encoding", "Accept-Language", "Reject-Contact",
	"Request-Disposition", "Expires", "Min-Expires", "User-Agent", "Server", "Subject", "Date",
	"Event", "Subscription-State", "Refer-To", "Referred-By", "Replaces", "Session-Expires", "Min-SE",
	"SIP-ETag", "SIP-If-Match", "Authorization", "Proxy-Authorization", "WWW-Authenticate", "Proxy-Authenticate",
	"Authentication-Info", "Identity", "Identity-Info", "P-Asserted-Identity", "P-Preferred-Identity", "Privacy",
	"History-Info", "Diversion", "Reason", "Warning", "Retry-After", "Timestamp", "MIME-Version", "Organization",
	"Content-Encoding", "Content-Disposition", "RSeq", "RAck",
)

// sameName compares the name of a header with a canonical one. Headers that this
// package made have canonical names, so the first comparison nearly always decides.
func sameName(name, canon string) bool {
	return name == canon || equalFold(name, canon)
}
