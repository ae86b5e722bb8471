package wire

import (
	"errors"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Via is one value of a Via header (RFC 3261 §20.42). Branch, Received and
// RPort are also in Params. RPort is -1 when absent and 0 when it has no value.
type Via struct {
	Transport string // upper case
	Host      string // without brackets
	Port      int    // 0 when absent
	Branch    string
	Received  string // without brackets
	RPort     int
	Params    sip.HeaderParams
	SentBy    string // host[:port] lower case, as it keys transactions
}

var errVia = errors.New("the Via value is not SIP/2.0/transport host;parameters")

// ParseVia reads a single Via value.
func ParseVia(s string) (Via, error) {
	var v Via
	if err := v.parse(s, new(paramRoom)); err != nil {
		return Via{}, err
	}
	return v, nil
}

// parse reads s into v, which is empty.
func (v *Via) parse(s string, room *paramRoom) error {
	v.RPort = -1
	sentBy, params, err := v.cutTransport(s)
	if err != nil {
		return err
	}
	if v.Host, v.Port, err = parseHostPort(sentBy); err != nil {
		return err
	}
	v.SentBy = strings.ToLower(sentBy)
	if v.Params, err = parseParams(params, room); err != nil {
		return err
	}
	for _, p := range v.Params {
		switch p.K {
		case "branch":
			v.Branch = p.V
		case "received":
			// RFC 5118 §4.5: both forms of an IPv6 address are in use.
			v.Received = strings.Trim(p.V, "[]")
		case "rport":
			v.RPort, _ = digits(p.V, 65535)
		}
	}
	return nil
}

// cutTransport reads the protocol and returns the texts of sent-by, without
// blanks, and of the parameters.
func (v *Via) cutTransport(s string) (sentBy, params string, err error) {
	name, s, _ := strings.Cut(s, "/")
	version, s, ok := strings.Cut(s, "/")
	if !ok || !equalFold(trim(name), "SIP") || trim(version) != "2.0" {
		return "", "", errVia
	}
	transport, s := cutAt(trim(s), ' ', '\t')
	if !tokens.contains(transport) {
		return "", "", errVia
	}
	v.Transport = strings.ToUpper(transport)
	sentBy, params = cutAt(s, ';', ';')
	sentBy = trim(sentBy)
	if strings.IndexByte(sentBy, ' ') >= 0 || strings.IndexByte(sentBy, '\t') >= 0 { // RFC 3261 §25.1: COLON takes blanks
		host, port, _ := strings.Cut(sentBy, ":")
		sentBy = trim(host) + ":" + trim(port)
	}
	return sentBy, params, nil
}
