package main

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/sparkleim/sparkle/admin"
	"github.com/sparkleim/sparkle/call"
	"github.com/sparkleim/sparkle/chat"
	"github.com/sparkleim/sparkle/configs"
	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/media"
	"github.com/sparkleim/sparkle/sip/auth"
	"github.com/sparkleim/sparkle/sip/dialog"
	"github.com/sparkleim/sparkle/sip/event"
	"github.com/sparkleim/sparkle/sip/focus"
	"github.com/sparkleim/sparkle/sip/proxy"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/trunk"
	"github.com/sparkleim/sparkle/store"
	"github.com/sparkleim/sparkle/store/sqldb"
	"github.com/spf13/cobra"
)

func (c *cli) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "serve", Short: "Run the server until SIGTERM; SIGHUP reads the certificates again", Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			if c.dataDir != "" {
				cfg.DataDir = c.dataDir
			}
			s, err := newServer(cfg, newLogger(cmd.ErrOrStderr(), cfg.Log))
			if err != nil {
				return err
			}
			return s.runUntilSignal(cmd.Context(), nil)
		},
	}
}

// Server is all parts of the program. newServer is the composition root: it
// builds them in the order in which they need one another.
type Server struct {
	cfg     *configs.Config
	log     *slog.Logger
	metrics *prometheus.Registry
	started time.Time

	store        *sqldb.DB
	stack        *transport.Stack
	transactions *transaction.Layer
	auth         *auth.Authenticator
	registrar    *registrar.Registrar
	groups       *group.Service
	pictures     *pictures
	commands     chat.Commands // nil: there is no assistant
	assistant    store.User    // who answers them
	focus        *focus.Service
	events       *event.Notifier
	proxy        *proxy.Proxy
	chat         *chat.Service
	media        *media.Engine
	border       *trunk.Border
	calls        *call.Service
	chain        *server.Server
	accounts     *accounts
	api          *admin.API

	listeners   []listener
	doors       doors
	draining    atomic.Bool
	beforeDrain []func()
	stopping    chan struct{} // closed when nobody may follow the protocol any more
}

// newServer opens the store and builds everything over it. Nothing listens yet.
func newServer(cfg *configs.Config, log *slog.Logger) (*Server, error) {
	s := &Server{cfg: cfg, log: log, started: time.Now(), metrics: prometheus.NewRegistry(), stopping: make(chan struct{})}
	s.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, build := range []func() error{
		s.checkHost, s.buildStore, s.buildTransport, s.buildAuth, s.buildRegistrar,
		s.buildGroups, s.buildPictures, s.buildAssistant, s.buildFocus, s.buildProxy, s.buildChat, s.buildAccounts, s.buildBorder, s.buildCalls, s.buildChain, s.buildAdmin,
	} {
		if err := build(); err != nil {
			s.closeStore()
			return nil, err
		}
	}
	return s, nil
}

func (s *Server) buildStore() (err error) {
	s.store, err = sqldb.Open(sqldb.Config{
		Dir: s.cfg.DataDir, Keep: time.Duration(s.cfg.Messages.KeepDays) * 24 * time.Hour, Node: s.cfg.Node,
		Logger: s.part("store"), Registerer: s.metrics,
	})
	if err != nil {
		return s.cfg.Problem("data_dir", err.Error())
	}
	return nil
}

func (s *Server) buildTransport() (err error) {
	l := s.cfg.Limits
	s.stack, err = transport.New(transport.Config{
		Admit: func(a netip.Addr) bool { return s.auth.Admits(a) },
		Limits: transport.Limits{
			MaxConnections: l.Connections, MaxPerAddress: l.ConnectionsPerAddress,
			HandshakeTimeout: l.Handshake, FirstMessageTimeout: l.Handshake, IdleTimeout: l.Idle,
		},
		TLS: transport.TLSConfig{
			Certificates: []transport.KeyPair{{Cert: s.cfg.TLS.Certificate, Key: s.cfg.TLS.Key}},
			ClientCAs:    s.cfg.TLS.ClientCA,
		},
		Log: s.part("transport"), Metrics: s.metrics,
	})
	if err != nil {
		return err
	}
	s.metrics.MustRegister(certificateExpiry(s.cfg.TLS.Certificate, s.cfg.TLS.Key))
	s.transactions = transaction.New(transaction.Config{
		MaxTransactions: l.Transactions, Logger: s.part("transaction"), Registerer: s.metrics,
	})
	return nil
}

func (s *Server) buildAuth() error {
	secret, err := s.secret("nonce")
	if err != nil {
		return err
	}
	a := s.cfg.Auth
	failures := a.BanFailures
	if failures == 0 {
		failures = -1 // never
	}
	s.auth, err = auth.New(auth.Config{
		Realm: s.domain(), Algorithms: a.Algorithms, SingleChallenge: a.MD5Only, NonceLifetime: a.NonceLifetime, Secret: secret,
		Ban:         auth.BanPolicy{Failures: failures, Window: a.BanWindow, First: a.BanTime},
		Credentials: s.store, Log: s.part("auth"), Metrics: s.metrics,
	})
	return err
}

func (s *Server) buildRegistrar() error {
	secret, err := s.secret("gruu")
	if err != nil {
		return err
	}
	r := s.cfg.Registration
	s.registrar, err = registrar.New(registrar.Config{
		Domain: s.domain(), Aliases: s.names()[1:], Own: s.isOwn,
		MinExpires: r.MinExpires, DefaultExpires: r.DefaultExpires, MaxExpires: r.MaxExpires, MaxContacts: r.MaxContacts,
		Secret: secret, Users: s.store, Devices: s.store, Bindings: s.store, Flows: s.stack,
		Log: s.part("registrar"), Metrics: s.metrics,
	})
	return err
}

// Services of this server that have an address as users have.
const (
	factoryName   = "conference-factory"
	assistantName = "assistant"
)

func (s *Server) buildGroups() (err error) {
	g := s.cfg.Groups
	s.groups, err = group.New(context.Background(), group.Config{
		Store: s.store, Domain: s.domain(), Defaults: store.GroupPolicy{History: g.History},
		MaxMembers: g.MaxMembers, MaxGroups: g.MaxPerUser, Reserved: []string{factoryName, assistantName},
		Language: s.cfg.Language, Log: s.part("group"), Registerer: s.metrics,
	})
	return err
}

// buildFocus makes groups what clients that know rooms can see. Before a device gets
// its messages it is told of the groups that it is in.
func (s *Server) buildFocus() error {
	s.focus = focus.New(focus.Config{
		Groups: s.groups, Rooms: s.store, Users: s.store, Locations: s.registrar, Transactions: s.transactions, Flows: s.stack,
		Domain: s.domain(), Factory: factoryName, MaxMembers: s.cfg.Groups.MaxMembers,
		Log: s.part("focus"), Registerer: s.metrics,
	})
	s.events = event.New(event.Config{
		Packages: []event.Package{s.focus}, Locations: s.registrar, Transactions: s.transactions, Flows: s.stack,
		Save: s.store.SaveSubscriptions, Log: s.part("event"), Registerer: s.metrics,
	})
	s.focus.Notifies(s.events)
	s.groups.Observe(s.focus.Changed)
	s.registrar.OnReachable(func(u store.UserID, d store.DeviceID) {
		s.events.Reachable(u, d)
		s.focus.Reachable(u, d, func() { s.chat.Reachable(u, d) })
	})
	return nil
}

func (s *Server) buildProxy() error {
	secret, err := s.secret("dialog")
	if err != nil {
		return err
	}
	s.proxy, err = proxy.New(proxy.Config{
		Transactions: s.transactions, Flows: s.stack, Locations: s.registrar, Domains: s.names(),
		Secret: secret, Log: s.part("proxy"), Metrics: s.metrics,
	})
	return err
}

func (s *Server) buildChat() error {
	own := "off"
	if s.cfg.Messages.OwnDevices {
		own = "thread"
	}
	s.chat = chat.New(chat.Config{
		Archive: s.store, Users: s.store, Locations: s.registrar, Transactions: s.transactions, Flows: s.stack,
		Groups: s.groups, Rooms: s.focus, Commands: s.commands, Assistant: s.assistant, Receipts: s.cfg.Groups.Receipts, Replay: s.cfg.Groups.Replay,
		Domain: s.domain(), MaxBody: s.cfg.Messages.MaxSize, Language: s.cfg.Language, OwnDevices: own,
		Log: s.part("chat"), Registerer: s.metrics,
	})
	s.groups.Observe(s.chat.GroupChanged)
	s.focus.OnJoined(s.chat.Joined)
	return nil
}

func (s *Server) buildBorder() (err error) {
	s.border, err = trunk.New(trunk.Config{
		Store: s.store, Transactions: s.transactions, Stack: s.stack, Domain: s.domain(), Log: s.part("trunk"), Metrics: s.metrics,
	})
	return err
}

func (s *Server) buildCalls() (err error) {
	m := s.cfg.Media
	engine := media.Config{
		FirstPort: m.FirstPort, LastPort: m.LastPort, Log: s.part("media"), Metrics: s.metrics,
	}
	for _, l := range s.cfg.Listeners() {
		if a, err := netip.ParseAddrPort(l.Address); err == nil {
			engine.Reserved = append(engine.Reserved, a.Port())
		}
	}
	for _, a := range s.cfg.MediaAddresses() {
		engine.Addresses = append(engine.Addresses, media.Address(a))
	}
	if s.media, err = media.New(engine); err != nil {
		return err
	}
	policy := media.Require
	if m.SRTP == "prefer" {
		policy = media.Prefer
	}
	placer, err := dialog.NewAgent(dialog.AgentConfig{
		Name: "click", Server: s.transactions, Stack: s.stack, Agent: "Sparkle", Log: s.part("call"), Metrics: s.metrics,
	})
	if err != nil {
		return err
	}
	c := s.cfg.Calls
	s.calls = call.New(call.Config{
		Proxy: s.proxy, Relay: call.EngineRelay(s.media), Border: s.border, Records: s.store, Local: s.mediaAddress,
		Setup: s.store, Users: s.accounts, Domains: s.names(), Agent: placer, Language: s.cfg.Language,
		SRTP:     policy,
		MaxCalls: c.Max, MaxPerUser: c.MaxPerUser, SessionExpires: c.SessionExpires,
		Log: s.part("call"), Registerer: s.metrics,
	})
	s.accounts.calls = s.calls
	return nil
}

func (s *Server) buildChain() error {
	rate := float64(s.cfg.Limits.RequestsPerAddress)
	if rate == 0 {
		rate = -1 // no limit
	}
	s.chain = server.New(server.Config{
		Domains: s.names(), Auth: s.auth, Registrar: s.registrar, Chat: s.chat, Proxy: s.proxy, InDialog: s.proxy, Calls: s.calls, Focus: s.focus, Events: s.events, Border: s.border,
		Trusted: func(f *transport.Flow) bool { return s.border.Trusted(f) || s.calls.Trusted(f) },
		Owns:    s.owns, Load: s.load, Rate: rate, Unlimited: s.cfg.UnlimitedNetworks(),
		Closed: []func(*transport.Flow){s.registrar.FlowClosed},
		Logger: s.part("server"), Registerer: s.metrics,
	})
	s.transactions.Serve(s.chain)
	return nil
}

func (s *Server) buildAccounts() (err error) {
	s.accounts, err = newAccounts(context.Background(), accountParts{
		store: s.store, auth: s.auth, phones: s.registrar, groups: s.groups, rooms: s.focus, events: s.events, pictures: s.pictures,
		log: s.part("accounts"), domain: s.domain(), md5: slices.Contains(s.cfg.Auth.Algorithms, auth.MD5),
		assistant: s.assistant.ID,
	})
	return err
}

func (s *Server) buildAdmin() error {
	secret, err := s.secret(store.SyncSecret)
	if err != nil {
		return err
	}
	s.api = admin.New(admin.Config{
		Accounts: s.accounts, Messages: s.store, Tokens: s.store, Audit: s.store, Tracer: tracer{s.stack, s.stopping},
		Calls: s.calls, CallRecords: s.store, Trunks: s.border,
		Groups: s.groups, GroupRecords: s.store, Units: s.store, Pictures: s.pictures,
		Own: s.store, Chat: s.chat, SyncKey: secret,
		Backup: s.backup, Verify: s.verify, Status: s.status, Ready: s.ready,
		Rate: s.cfg.Limits.RequestsPerAddress, Load: s.load,
		Gatherer: s.metrics, Metrics: s.metrics, Version: programVersion(), Log: s.part("admin"),
	})
	s.accounts.own = s.api
	return nil
}
