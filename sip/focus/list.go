package focus

import (
	"errors"
	"fmt"
	"mime"
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/payload"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// checkOffer refuses what a room of text cannot be.
func checkOffer(r *server.Request) error {
	switch typ := contentType(r.Request); {
	case typ == "application/sdp" || strings.HasPrefix(typ, "multipart/"):
		return &server.Error{Status: 488, Warning: "this is a group for messages: voice conferences come later"}
	case strings.EqualFold(wire.Header(r.Request, "End-To-End-Encrypted"), "true"):
		return &server.Error{Status: 488, Warning: "this server keeps an archive of groups: make the group without end-to-end encryption"}
	}
	return nil
}

// checkRequired refuses what a client insists on and we do not have. The chain
// leaves this to us, for it tells nobody which address is a group.
func checkRequired(r *server.Request) error {
	var missing []string
	for _, tag := range wire.Values(r.Request, "Require") {
		if !strings.EqualFold(tag, "recipient-list-invite") { // RFC 5366 §5; clients keep it in every request of the dialog
			missing = append(missing, tag)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return &server.Error{Status: 420, Headers: []sip.Header{wire.H("Unsupported", strings.Join(missing, ", "))}} // RFC 3261 §8.2.2.3
}

// contentType is the media type of a body, "" without one.
func contentType(req *sip.Request) string {
	if len(req.Body()) == 0 {
		return ""
	}
	typ, _, err := mime.ParseMediaType(wire.Header(req, "Content-Type"))
	if err != nil {
		return wire.Header(req, "Content-Type")
	}
	return typ
}

// largeList is the size from which a list that cannot be read is too long.
const largeList = 64 << 10

// listOf reads the list of a request (RFC 5366 §5), nil when it has none.
func (s *Service) listOf(r *server.Request) ([]string, error) {
	switch contentType(r.Request) {
	case "":
		return nil, nil
	case payload.ResourceLists:
	default:
		return nil, &server.Error{Status: 415, Headers: []sip.Header{wire.H("Accept", payload.ResourceLists)}}
	}
	body, err := payload.Decode(wire.Header(r.Request, "Content-Encoding"), r.Body())
	var uris []string
	if err == nil {
		uris, err = payload.ParseList(body, s.cfg.MaxMembers)
	}
	switch {
	case err == nil:
		return uris, nil
	case errors.Is(err, payload.ErrEncoding): // RFC 3261 §21.4.13
		return nil, &server.Error{Status: 415, Headers: []sip.Header{wire.H("Accept-Encoding", "deflate")}}
	case errors.Is(err, payload.ErrListSize), errors.Is(err, payload.ErrInflatedSize), len(body) > largeList:
		return nil, &server.Error{Status: 413, Warning: fmt.Sprintf(
			"too many people at once: a group has at most %d members, name the first thousand and add the others later", s.cfg.MaxMembers)}
	}
	return nil, &server.Error{Status: 400, Warning: "the list of members cannot be read: " + err.Error()}
}

// usersOf finds the people of a list, each once. Addresses that belong to nobody
// here, and whoever has no account any more, are left out: a list from an address
// book has such.
func (s *Service) usersOf(uris []string, but store.UserID) ([]store.UserID, error) {
	seen := map[store.UserID]bool{0: true, but: true}
	var users []store.UserID
	for _, text := range uris {
		uri, err := wire.ParseURI(text)
		if err != nil {
			continue
		}
		u, err := s.userAt(&uri)
		if err != nil {
			return nil, err
		}
		if !seen[u] {
			seen[u] = true
			users = append(users, u)
		}
	}
	return users, nil
}

// userAt finds whose address that is, 0 when nobody's. It may block.
func (s *Service) userAt(uri *sip.Uri) (store.UserID, error) {
	if uri.Scheme != "sip" && uri.Scheme != "sips" {
		return 0, nil
	}
	aor := sip.Uri{Scheme: "sip", User: uri.User, Host: uri.Host} // whichever device
	answer := make(chan registrar.Resolved, 1)
	found, ok := s.cfg.Locations.Resolve(&aor, func(r registrar.Resolved) { answer <- r })
	if !ok {
		found = <-answer
	}
	switch {
	case found.Err != nil:
		return 0, &server.Error{Status: 503, RetryAfter: 5, Warning: "the directory cannot be asked now; try again"}
	case !found.Found || found.Disabled:
		return 0, nil
	}
	return found.User.ID, nil
}
