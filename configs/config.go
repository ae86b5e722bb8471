package configs

import "time"

// Config is everything that an administrator decides before the server starts.
// At most 60 keys: what can be found out is not asked for.
type Config struct {
	Domains  []string `toml:"domains" doc:"The SIP domain of this server: alice@DOMAIN. Further names and addresses after it mean the same domain."`
	Host     string   `toml:"host" doc:"The name under which softphones reach this server; it stands in Record-Route and Contact and must be in the certificate. Empty: the first domain."`
	DataDir  string   `toml:"data_dir" doc:"Directory of the database, its secrets and the administration socket. Only the user who runs the server may read it. Relative paths in this file start at its own directory."`
	Node     int      `toml:"node" doc:"Number of this server among those that share a store, 0 to 1023."`
	Language string   `toml:"language" doc:"Language of the words that the server puts into messages where a phone cannot show the original, \"zh\" or \"en\"."`

	Listen       Listen       `toml:"listen"`
	TLS          TLS          `toml:"tls"`
	Auth         Auth         `toml:"auth"`
	Registration Registration `toml:"registration"`
	Messages     Messages     `toml:"messages"`
	Groups       Groups       `toml:"groups"`
	Calls        Calls        `toml:"calls"`
	Media        Media        `toml:"media"`
	Limits       Limits       `toml:"limits"`
	Log          Log          `toml:"log"`

	source source
}

// Listen says on which addresses the server listens. An address is IP:port;
// [::] means every address of the host, IPv6 and IPv4.
type Listen struct {
	TLS     []string `toml:"tls" doc:"SIP over TLS: the way for softphones. At least one address."`
	HTTPS   []string `toml:"https" doc:"HTTPS: SIP over WebSocket at /sip, pictures of users and groups at /pictures, the API at /v1 (bearer tokens), its description at /docs."`
	UDP     []string `toml:"udp" doc:"SIP over UDP without encryption: only for desk phones and trunks inside a network that you trust."`
	TCP     []string `toml:"tcp" doc:"SIP over TCP without encryption: as for udp."`
	Metrics string   `toml:"metrics" doc:"Plain HTTP with /metrics, /healthz and /readyz and nothing else, without authentication. Empty: none."`
}

// TLS names the certificates.
type TLS struct {
	Certificate   string `toml:"certificate" doc:"PEM file with the certificate of this server and its chain. It must name host; softphones that follow RFC 5922 want the domain in it too. Read again on SIGHUP."`
	Key           string `toml:"key" doc:"PEM file with the private key of the certificate."`
	DevelopmentCA bool   `toml:"development_ca" doc:"Make a certificate authority and a certificate under data_dir/certs instead. For trials: every softphone must be told to trust data_dir/certs/ca.pem."`
	ClientCA      string `toml:"client_ca" doc:"PEM file with the authorities whose client certificates are accepted instead of a password. Empty: none."`
}

// Auth says how users prove who they are.
type Auth struct {
	Algorithms    []string      `toml:"algorithms" doc:"Digest algorithms offered, the preferred one first: \"SHA-256\", \"MD5\". Most softphones still need MD5. A password that was set while MD5 was not offered must be set again to work with it."`
	MD5Only       []string      `toml:"md5_only" doc:"Beginnings of User-Agent names that give up when they are offered more than MD5 instead of choosing (older baresip, SIPp)."`
	NonceLifetime time.Duration `toml:"nonce_lifetime" doc:"How long a challenge can be answered, 10s to 1h."`
	BanFailures   int           `toml:"ban_failures" doc:"Failed attempts from one address within ban_window after which the address is ignored. 0: never."`
	BanWindow     time.Duration `toml:"ban_window" doc:"The time in which failures are counted."`
	BanTime       time.Duration `toml:"ban_time" doc:"How long an address is ignored. Devices that have already proved who they are stay connected."`
}

// Registration bounds what devices may ask of the registrar.
type Registration struct {
	MinExpires     time.Duration `toml:"min_expires" doc:"Shortest registration; devices that ask for less are told so (423)."`
	DefaultExpires time.Duration `toml:"default_expires" doc:"For devices that ask for nothing."`
	MaxExpires     time.Duration `toml:"max_expires" doc:"Longest registration; who asks for more gets this."`
	MaxContacts    int           `toml:"max_contacts" doc:"Contacts that one user may have at the same time."`
}

// Messages says what chat accepts and keeps.
type Messages struct {
	MaxSize    int  `toml:"max_size" doc:"Largest body of a message, in bytes, 1300 to 60000."`
	KeepDays   int  `toml:"keep_days" doc:"How many days a message waits for a device that is away. The archive keeps it in any case."`
	OwnDevices bool `toml:"own_devices" doc:"Show what a user wrote on one device on the user's other devices too."`
}

// Groups says what groups are allowed. What a group decides for itself stands in
// its own policy.
type Groups struct {
	MaxMembers int `toml:"max_members" doc:"Members of one group, 3 to 5000."`
	MaxPerUser int `toml:"max_per_user" doc:"Groups that one user may have made."`
	History    int `toml:"history" doc:"Messages from before they came that new members see, 0 to 10000."`
	Replay     int `toml:"replay" doc:"Messages of each conversation that a user's new device gets when it first registers, 0 to 1000."`
	Receipts   int `toml:"receipts" doc:"In groups of more members than this, the receipts of readers are counted but not sent to the writer."`
}

// Calls bounds calls.
type Calls struct {
	Max            int           `toml:"max" doc:"Calls at the same time, those that ring included; more are answered 503. 0: no limit."`
	MaxPerUser     int           `toml:"max_per_user" doc:"Calls that one user may make at the same time. 0: no limit."`
	SessionExpires time.Duration `toml:"session_expires" doc:"How often phones are asked to show that a call is alive (RFC 4028) when they do not ask for it themselves; a call that nobody refreshes is ended. 90s to 24h."`
}

// Media says how voice and video go through the server.
type Media struct {
	Addresses []string `toml:"addresses" doc:"IP addresses of this host for media, of IPv4 and IPv6 one or several. Behind a 1:1 NAT write the address of the host and the one that others see: \"10.0.0.5=192.0.2.1\". Empty: the address that a phone's signalling came to."`
	FirstPort int      `toml:"first_port" doc:"First UDP port for media. A call with audio takes four ports on each address, one with video eight. Open the range in the firewall."`
	LastPort  int      `toml:"last_port" doc:"Last UDP port for media."`
	SRTP      string   `toml:"srtp" doc:"\"require\": calls of users without media encryption are refused; \"prefer\": it is used with every phone that can. Trunks decide for themselves."`
}

// Limits bound what the outside can make the server spend.
type Limits struct {
	Connections           int           `toml:"connections" doc:"Connections at the same time; about 35 kB of memory each. The limit of open files (LimitNOFILE) must be higher."`
	ConnectionsPerAddress int           `toml:"connections_per_address" doc:"Connections from one IP address. A whole office behind one NAT shares an address."`
	Transactions          int           `toml:"transactions" doc:"Requests in progress at the same time; more are answered 503 with Retry-After."`
	RequestsPerAddress    int           `toml:"requests_per_address" doc:"Requests a second from one address that has not proved who it is; over UDP and TCP nobody stays proven. A user may ask as much over HTTPS. 0: no limit."`
	Unlimited             []string      `toml:"unlimited" doc:"Networks to which requests_per_address does not apply, such as \"10.0.0.0/8\"."`
	Handshake             time.Duration `toml:"handshake" doc:"Time to finish the TLS handshake and to send a first message."`
	Idle                  time.Duration `toml:"idle" doc:"A connection on which nothing arrived for so long is closed. Softphones send keep-alives every 30 s to 2 min."`
}

// Log says what is written to standard error.
type Log struct {
	Level  string `toml:"level" doc:"\"debug\", \"info\", \"warn\" or \"error\". No level shows passwords or the text of messages."`
	Format string `toml:"format" doc:"\"text\" or \"json\"."`
}

// Default returns the settings that hold for every key that a file leaves out.
func Default() Config {
	return Config{
		DataDir:  "/var/lib/sparkle",
		Language: "zh",
		Listen: Listen{
			TLS:     []string{"[::]:5061"},
			HTTPS:   []string{"[::]:443"},
			Metrics: "127.0.0.1:9090",
		},
		Auth: Auth{
			Algorithms:    []string{"SHA-256", "MD5"},
			MD5Only:       []string{"baresip v0.", "baresip v1.", "baresip v2.", "SIPp"},
			NonceLifetime: 5 * time.Minute,
			BanFailures:   20,
			BanWindow:     5 * time.Minute,
			BanTime:       15 * time.Minute,
		},
		Registration: Registration{
			MinExpires:     time.Minute,
			DefaultExpires: time.Hour,
			MaxExpires:     2 * time.Hour,
			MaxContacts:    10,
		},
		Messages: Messages{MaxSize: 60000, KeepDays: 30, OwnDevices: true},
		Groups:   Groups{MaxMembers: 5000, MaxPerUser: 500, History: 0, Replay: 100, Receipts: 100},
		Calls:    Calls{Max: 5000, MaxPerUser: 20, SessionExpires: 30 * time.Minute},
		Media:    Media{FirstPort: 16384, LastPort: 32767, SRTP: "require"},
		Limits: Limits{
			Connections:           50000,
			ConnectionsPerAddress: 1000,
			Transactions:          300000,
			RequestsPerAddress:    100,
			Handshake:             10 * time.Second,
			Idle:                  15 * time.Minute,
		},
		Log: Log{Level: "info", Format: "text"},
	}
}

// Text is the file as it was read.
func (c *Config) Text() string { return c.source.text }

// ServerName is the name of this server in Record-Route and Contact.
func (c *Config) ServerName() string {
	if c.Host != "" {
		return c.Host
	}
	return c.Domains[0]
}
