package focus

import (
	"errors"
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// What a REFER asks for.
type wish int8

const (
	wishAdd wish = iota
	wishRemove
	wishPromote
	wishDemote
)

// reference is what Refer-To says: who, and what shall become of him.
type reference struct {
	uri  sip.Uri
	wish wish
}

var (
	errReferTo     = errors.New("Refer-To must name one SIP address")
	errReferMethod = errors.New("Refer-To may ask for INVITE, which adds, or BYE, which removes")
	errReferAdmin  = errors.New("the parameter admin of Refer-To is 1, 0, true or false")
)

// parseReferTo reads the value of a Refer-To (RFC 3515 §2.1, RFC 4579 §5.5, §5.11). Clients
// write method into the URI and admin behind it; either place will do.
func parseReferTo(value string) (reference, error) {
	a, err := wire.ParseNameAddr(value)
	if err != nil || a.URI.Wildcard || a.URI.User == "" || a.URI.Host == "" || a.URI.Scheme != "sip" && a.URI.Scheme != "sips" {
		return reference{}, errReferTo
	}
	param := func(name string) string {
		v, ok := wire.URIParam(&a.URI, name)
		if !ok {
			v, _ = a.Param(name)
		}
		return strings.ToUpper(v)
	}
	ref := reference{uri: sip.Uri{Scheme: "sip", User: a.URI.User, Host: a.URI.Host}}
	switch param("method") {
	case "", "INVITE":
	case "BYE":
		ref.wish = wishRemove
		return ref, nil
	default: // a REFER to a REFER goes round
		return reference{}, errReferMethod
	}
	switch param("admin") {
	case "":
	case "1", "TRUE":
		ref.wish = wishPromote
	case "0", "FALSE":
		ref.wish = wishDemote
	default:
		return reference{}, errReferAdmin
	}
	return ref, nil
}

// refer changes who is in a group, and as what. Nobody is told of it by NOTIFY refer:
// that it is done says the answer, and the conference event package the rest.
func (s *Service) refer(r *server.Request, g *group.Snapshot) error {
	values := wire.Values(r.Request, "Refer-To")
	if len(values) != 1 { // RFC 3515 §2.4.1
		return &server.Error{Status: 400, Warning: errReferTo.Error()}
	}
	ref, err := parseReferTo(values[0])
	if err != nil {
		return &server.Error{Status: 400, Warning: err.Error()}
	}
	if err := s.checkReference(&ref.uri, r.Sender.User); err != nil {
		return err
	}
	u, err := s.userAt(&ref.uri)
	if err != nil {
		return err
	}
	if u == 0 {
		return &server.Error{Status: 404, Warning: "there is no such user"}
	}
	changes, err := changesFor(ref.wish, u, g)
	if err == nil && len(changes) > 0 {
		err = s.change(r, g, changes...)
	}
	if err != nil {
		return err
	}
	var hs []sip.Header
	if strings.EqualFold(wire.Header(r.Request, "Refer-Sub"), "false") { // RFC 4488 §4
		hs = append(hs, wire.H("Refer-Sub", "false"))
	}
	r.Reply(202, "", append(hs, wire.H("Contact", contactOf(g.URI())))...)
	return nil
}

// checkReference refuses addresses that cannot be a person here. A group that the
// sender is not in is an address that is nobody's.
func (s *Service) checkReference(uri *sip.Uri, by store.UserID) error {
	if !strings.EqualFold(uri.Host, s.cfg.Domain) {
		return &server.Error{Status: 403, Warning: "only people of " + s.cfg.Domain + " can be in a group"}
	}
	if s.Claims(uri, by) {
		return &server.Error{Status: 403, Warning: "a group cannot be a member of a group: refer to a person"}
	}
	return nil
}

// changesFor is what a wish means in a group; nothing when it is so already.
func changesFor(w wish, u store.UserID, g *group.Snapshot) ([]group.Change, error) {
	m, is := g.Member(u)
	switch {
	case w == wishAdd:
		return []group.Change{group.Add{Users: []store.UserID{u}}}, nil
	case w == wishRemove:
		return []group.Change{group.Remove{Users: []store.UserID{u}}}, nil
	case !is:
		return nil, &server.Error{Status: 404, Warning: "he or she is not in the group"}
	case w == wishPromote && m.Role == store.RoleOwner:
		return nil, nil // clients know no rank above
	case w == wishPromote:
		return []group.Change{group.SetRole{User: u, Role: store.RoleAdministrator}}, nil
	}
	return []group.Change{group.SetRole{User: u, Role: store.RoleMember}}, nil
}

func isDenied(err error) bool {
	_, is := errors.AsType[*group.Denied](err)
	return is
}
