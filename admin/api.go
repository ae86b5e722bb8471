package admin

import (
	"context"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/sparkleim/sparkle/store"
)

// Accounts changes users and devices everywhere at once: in the store, in the
// caches of authentication and in the registrar. Disabling or removing a user
// closes the user's flows; a new password ends what the old one proved.
type Accounts interface {
	// Find takes a username or number, with or without @domain.
	Find(ctx context.Context, address string) (store.User, error)
	ByID(ctx context.Context, id store.UserID) (store.User, error)
	List(ctx context.Context, match string, after store.UserID, limit int) ([]store.User, error)
	// Add makes a user; an empty Domain is the first domain of the server.
	Add(ctx context.Context, u store.User, password string) (store.User, error)
	Update(ctx context.Context, u store.User) (store.User, error)
	SetPassword(ctx context.Context, u store.User, password string) error
	Remove(ctx context.Context, u store.User) error
	// Import adds or updates all users, or none. An empty password keeps that
	// of a user who exists.
	Import(ctx context.Context, users []store.User, passwords []string) (added, updated int, err error)
	Devices(ctx context.Context, u store.UserID) ([]store.Device, error) // 0: all
	RevokeDevice(ctx context.Context, id store.DeviceID) (store.Device, error)
}

// Messages is the reading side of the archive.
type Messages interface {
	Message(ctx context.Context, gid int64) (store.Message, error)
	Deliveries(ctx context.Context, gid int64) ([]store.Delivery, error)
	Page(ctx context.Context, a, b store.UserID, before int64, limit int) ([]store.Message, error)
	ConversationPage(ctx context.Context, c store.ConversationID, before int64, limit int) ([]store.Message, error)
	Search(ctx context.Context, q store.SearchQuery) (store.SearchResult, error)
	Export(ctx context.Context, q store.SearchQuery, fn func(*store.Message) error) error
}

// Tracer shows the protocol as it passes.
type Tracer interface {
	// Trace listens from now on: the sequence is every message of the user or
	// address until ctx ends. A filter that is zero matches everything.
	Trace(ctx context.Context, f TraceFilter) iter.Seq[TraceEvent]
}

// Config is what the API administers.
type Config struct {
	Accounts     Accounts
	Messages     Messages
	Tokens       store.Tokens
	Audit        store.Audit
	Tracer       Tracer
	Calls        Calls
	CallRecords  CallRecords
	Trunks       Trunks
	Groups       Groups
	GroupRecords GroupRecords
	Units        store.Units // who changes them has the Groups follow
	Pictures     Pictures
	Own          Own
	Chat         Chat
	SyncKey      []byte // signs the cursors of devices: the secret store.SyncSecret, 32 bytes
	// Backup writes a backup of the whole server as a tar archive.
	Backup func(ctx context.Context, w io.Writer) error
	// Verify checks the store and writes what it finds.
	Verify func(ctx context.Context, w io.Writer) (problems int, err error)
	Status func(ctx context.Context) (Status, error)
	// Rate is how many requests a second a user may make of what is his own, with
	// bursts of four times as many; 0: no limit.
	Rate int
	// Load tells how full the system is: 0 idle, 1 at its limits. nil: never
	// overloaded.
	Load func() float64
	// Ready tells why the server should get no traffic, nil when it should.
	Ready    func() error
	Gatherer prometheus.Gatherer
	Metrics  prometheus.Registerer // nil: none
	Version  string
	Log      *slog.Logger
	Now      func() time.Time // nil: time.Now
}

// API serves the administration.
type API struct {
	Config
	mux   *http.ServeMux
	hub   *hub
	paces *paces
}

// New makes the API.
func New(c Config) *API {
	if c.Now == nil {
		c.Now = time.Now
	}
	a := &API{Config: c, mux: http.NewServeMux(), hub: newHub(c.Groups, c.Metrics), paces: newPaces(c.Rate)}
	c.Own.Watch(a.hub.changed)
	h := huma.DefaultConfig("Sparkle", c.Version)
	h.Info.Description = "Administration of a Sparkle server, and below /v1/me what is a user's own. Send Authorization: Bearer TOKEN over HTTPS; make a token with `sparkle token add NAME`, and one for a user with `sparkle token add NAME --user USER`."
	h.DocsPath = "" // the page of docs.go needs no network
	h.CreateHooks = nil
	h.RejectUnknownQueryParameters = true
	h.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"bearer": {Type: "http", Scheme: "bearer"}}
	h.Security = []map[string][]string{{"bearer": {}}}
	api := humago.New(a.mux, h)
	a.registerUsers(api)
	a.registerDevices(api)
	a.registerMessages(api)
	a.registerCalls(api)
	a.registerCallSetup(api)
	a.registerTrunks(api)
	a.registerGroups(api)
	a.registerUnits(api)
	a.registerPictures(api)
	a.registerMe(api)
	a.registerTrace(api)
	a.registerMaintenance(api)
	a.registerTokens(api)
	a.registerAudit(api)
	a.mux.HandleFunc("GET /docs", serveDocs)
	a.mux.Handle("GET /metrics", a.metrics())
	return a
}

// Forget ends the connections of a user that wait for changes, when his tokens
// are no longer good.
func (a *API) Forget(u store.UserID) { a.hub.endIf(func(l *listener) bool { return l.user == u }) }

// Close ends all connections that wait for changes; they would outlast a server
// that drains.
func (a *API) Close() { a.hub.close() }

// Probe serves /metrics, /healthz and /readyz and nothing else, to anybody.
func (a *API) Probe() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", serveHealthy)
	mux.HandleFunc("GET /readyz", a.serveReady)
	mux.Handle("GET /metrics", a.metrics())
	return mux
}

func (a *API) metrics() http.Handler {
	return promhttp.HandlerFor(a.Gatherer, promhttp.HandlerOpts{})
}

// serveHealthy tells that the process answers at all.
func serveHealthy(w http.ResponseWriter, _ *http.Request) {
	io.WriteString(w, "ok\n")
}

// serveReady tells whether requests should be sent here.
func (a *API) serveReady(w http.ResponseWriter, _ *http.Request) {
	if err := a.Ready(); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	io.WriteString(w, "ready\n")
}

// Page is one page of a list.
type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty" doc:"Cursor of the next page; absent on the last one."`
}

// reply is the answer of an operation.
type reply[T any] struct {
	Body T
}

// operation describes a route.
func operation(method, path, id, summary string) huma.Operation {
	return huma.Operation{Method: method, Path: path, OperationID: id, Summary: summary}
}
