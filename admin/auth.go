package admin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/user"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// tokenPrefix marks our tokens, so that scanners find one that leaked.
const tokenPrefix = "sparkle_"

type actorKey struct{}

// actor is who asked, as the audit log names it.
func actor(ctx context.Context) string {
	name, _ := ctx.Value(actorKey{}).(string)
	return name
}

// PeerContext is the ConnContext of an http.Server on a Unix socket: it
// remembers who the peer is, as the kernel tells.
func PeerContext(ctx context.Context, conn net.Conn) context.Context {
	if uid, ok := peerUID(conn); ok {
		return context.WithValue(ctx, actorKey{}, "unix:"+loginName(uid))
	}
	return ctx
}

func peerUID(conn net.Conn) (uid uint32, ok bool) {
	c, isUnix := conn.(*net.UnixConn)
	if !isUnix {
		return 0, false
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, false
	}
	err = raw.Control(func(fd uintptr) {
		cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err == nil {
			uid, ok = cred.Uid, true
		}
	})
	return uid, ok && err == nil
}

func loginName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	u, err := user.LookupId(id)
	if err != nil {
		return id
	}
	return u.Username
}

// Local serves the Unix socket. Its server must use PeerContext.
func (a *API) Local() http.Handler {
	probe, profiles := a.Probe(), profiles()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case isProbe(r.URL.Path):
			probe.ServeHTTP(w, r)
		case actor(r.Context()) == "":
			writeProblem(w, http.StatusForbidden, "the system did not tell who connects to this socket")
		case strings.HasPrefix(r.URL.Path, "/debug/pprof/"):
			profiles.ServeHTTP(w, r)
		default:
			a.serveAdministrator(w, r)
		}
	})
}

// serveAdministrator keeps administrators out of what is a user's own: they have
// no conversations here, and what they read of others stands in the audit log.
func (a *API) serveAdministrator(w http.ResponseWriter, r *http.Request) {
	if isOwn(r.URL.Path) {
		writeProblem(w, http.StatusForbidden, "this is a user's own and opens with his token: "+ownTokenHint)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// serveUser lets a user's token open what is his own. Anything else does not exist
// for him, and answers like a path that does not.
func (a *API) serveUser(w http.ResponseWriter, r *http.Request) {
	if !isOwn(r.URL.Path) {
		http.NotFound(w, r)
		return
	}
	if err := a.admit(r, me(r.Context())); err != nil {
		status, text := explain(err)
		writeProblem(w, status, text)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// Remote serves HTTPS: a bearer token opens it.
func (a *API) Remote() http.Handler {
	probe := a.Probe()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case isProbe(r.URL.Path):
			probe.ServeHTTP(w, r)
		case isDescription(r.URL.Path):
			a.mux.ServeHTTP(w, r)
		default:
			a.serveToken(w, r)
		}
	})
}

func isProbe(path string) bool {
	return path == "/healthz" || path == "/readyz"
}

func isDescription(path string) bool {
	return path == "/docs" || strings.HasPrefix(path, "/openapi") || strings.HasPrefix(path, "/schemas/")
}

// serveToken lets a request with a valid token pass.
func (a *API) serveToken(w http.ResponseWriter, r *http.Request) {
	token := bearer(r)
	if token == "" {
		w.Header().Set("WWW-Authenticate", `Bearer realm="sparkle"`)
		writeProblem(w, http.StatusUnauthorized, "send Authorization: Bearer TOKEN; an administrator makes one with `sparkle token add NAME`")
		return
	}
	hash := hashToken(token)
	known, err := a.Tokens.TokenByHash(r.Context(), hash)
	if err == nil && subtle.ConstantTimeCompare(known.Hash, hash) != 1 {
		err = errTokenUnknown
	}
	if err != nil {
		a.refuseToken(w, err)
		return
	}
	ctx := context.WithValue(r.Context(), actorKey{}, "token:"+known.Name)
	if known.User == 0 {
		a.serveAdministrator(w, r.WithContext(ctx))
		return
	}
	a.serveUser(w, r.WithContext(context.WithValue(ctx, holderKey{}, known)))
}

// bearer is the token of a request, "" for none.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	if r.URL.Path == eventsPath {
		return protocolToken(r)
	}
	return ""
}

// refuseToken tells a bad token from a store that cannot say.
func (a *API) refuseToken(w http.ResponseWriter, err error) {
	if errors.Is(err, errNotFound) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="sparkle", error="invalid_token"`)
		err = errTokenRefused
	}
	status, text := explain(err)
	writeProblem(w, status, text)
}

// newToken makes a token of 256 random bits.
func newToken() string {
	var b [32]byte
	rand.Read(b[:])
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(b[:])
}

// hashToken is what is kept of a token. A plain hash will do: a token is
// random, there is nothing to guess.
func hashToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

var (
	errTokenUnknown = fmt.Errorf("token: %w", errNotFound)
	errTokenRefused = errors.New("the token is unknown, expired or revoked: ask an administrator for a new one")
)
