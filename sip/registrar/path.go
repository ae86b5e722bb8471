package registrar

import (
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/wire"
)

// maxPath bounds the proxies between a device and us.
const maxPath = 8

// readPath returns the Path of a REGISTER (RFC 3327 §5.3), topmost first: the
// Route that requests to this binding will take.
func readPath(req *sip.Request) ([]string, error) {
	var path []string
	for v := range wire.All(req, "Path") {
		if len(path) == maxPath {
			return nil, &server.Error{Status: 400, Warning: "the Path is too long"}
		}
		if _, err := wire.ParseNameAddr(v); err != nil {
			return nil, &server.Error{Status: 400, Warning: "the Path cannot be read"}
		}
		path = append(path, v)
	}
	return path, nil
}

// setPath keeps a copy of the Path and tells whether it is a new one.
func (b *binding) setPath(path []string) bool {
	if slices.Equal(b.path, path) {
		return false
	}
	b.path = nil
	for _, v := range path {
		b.path = append(b.path, strings.Clone(v))
	}
	return true
}
