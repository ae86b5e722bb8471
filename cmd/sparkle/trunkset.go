package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/sparkleim/sparkle/admin"
	"github.com/sparkleim/sparkle/store"
	"github.com/spf13/cobra"
)

// trunkFlags are the flags of `trunk add` and `trunk change`.
type trunkFlags struct {
	edits            *edits[admin.TrunkSetup]
	gateways, inward []string
	probe            int
	sources          []string
	file             string
	passwordStdin    bool
}

const trunkExamples = `  # a carrier that wants registration; 8610555xxxx are our users xxxx
  sparkle trunk add telco --gateway sip.telco.example --username acct --password-stdin \
    --register --country 86 --area 10 --inward '+8610555*=*' --default +861055500000 < secret
  # two gateways that know our address, over TLS with SRTP, for one country only
  sparkle trunk add peer --gateway a=192.0.2.1:5061/tls --gateway b=192.0.2.2:5061/tls \
    --srtp require --prefix +49 --inward +4930123456=reception
  # everything else: a file as ` + "`sparkle trunk show telco --json`" + ` prints it
  sparkle trunk change telco --file telco.json`

func newTrunkFlags(cmd *cobra.Command) *trunkFlags {
	cmd.Example = trunkExamples
	type setup = admin.TrunkSetup
	f, e := &trunkFlags{}, editsOf[setup](cmd)
	f.edits = e
	cmd.Flags().StringVar(&f.file, "file", "", "JSON file with the trunk; - reads standard input. Flags change what it says")
	cmd.Flags().StringArrayVar(&f.gateways, "gateway", nil, "[NAME=]HOST[:PORT][/udp|tcp|tls] (may be repeated: they share the calls)")
	cmd.Flags().IntVar(&f.probe, "probe", 0, "seconds between the OPTIONS that ask each gateway whether it is there; 0 for 30, -1 for none")
	cmd.Flags().StringSliceVar(&f.sources, "source", nil, "network that each gateway's requests come from, if not its address (may be repeated)")
	cmd.Flags().StringArrayVar(&f.inward, "inward", nil, "NUMBER=TO: which user, hunt group or number a number of the carrier reaches;\nNUMBER may end in *, which TO may contain (may be repeated)")
	cmd.Flags().BoolVar(&f.passwordStdin, "password-stdin", false, "read the password from standard input")
	e.text("username", "our name at the carrier", func(t *setup) *string { return &t.Username })
	e.text("realm", "answer challenges of this realm only", func(t *setup) *string { return &t.Realm })
	e.flag("register", "register with that username at every gateway", func(t *setup) *bool { return &t.Register })
	e.number("expires", "seconds of a registration; 0 for 600", func(t *setup) *int { return &t.Expires })
	e.text("domain", "host in From and in the registration, when it is not the gateway's", func(t *setup) *string { return &t.Domain })
	e.text("srtp", "forbid, prefer or require", func(t *setup) *string { return &t.SRTP })
	e.list("network", "network that the carrier's media comes from (may be repeated)", func(t *setup) *[]string { return &t.Networks })
	e.text("country", "country code: 86", func(t *setup) *string { return &t.Numbers.Country })
	e.text("area", "area code without its 0, for numbers dialled without one: 10", func(t *setup) *string { return &t.Numbers.Area })
	e.text("national", "prefix of national numbers (empty for 0); none where they have no prefix", func(t *setup) *string { return &t.Numbers.National })
	e.text("international", "prefix of international numbers (empty for 00)", func(t *setup) *string { return &t.Numbers.International })
	e.text("out-format", "how numbers are written to the carrier: +e164, e164, international or national", func(t *setup) *string { return &t.Numbers.Out })
	e.text("from-format", "the same for our number in From", func(t *setup) *string { return &t.Numbers.From })
	e.text("asserted-format", "the same for P-Asserted-Identity; none for no such header", func(t *setup) *string { return &t.Numbers.Asserted })
	e.text("diversion-format", "the same for Diversion", func(t *setup) *string { return &t.Numbers.Diversion })
	e.text("in-format", "what numbers of the carrier without + are: e164 or national", func(t *setup) *string { return &t.Numbers.In })
	e.text("default", "number shown for callers who have none of this carrier", func(t *setup) *string { return &t.Numbers.Default })
	e.list("emergency", "emergency number as dialled (may be repeated)", func(t *setup) *[]string { return &t.Numbers.Emergency })
	e.number("priority", "of several trunks for a number the lowest is tried first", func(t *setup) *int { return &t.Priority })
	e.number("max-calls", "calls at the same time; 0 for no limit", func(t *setup) *int { return &t.MaxCalls })
	e.number("max-in", "of these from the carrier", func(t *setup) *int { return &t.MaxIn })
	e.number("max-out", "of these to the carrier", func(t *setup) *int { return &t.MaxOut })
	e.number("calls-per-hour", "calls to the carrier in an hour; 0 for no limit", func(t *setup) *int { return &t.CallsPerHour })
	e.list("prefix", "prefix that the trunk serves: +86 (may be repeated; none: all)", func(t *setup) *[]string { return &t.Prefixes })
	e.list("deny", "prefix that it does not serve (may be repeated)", func(t *setup) *[]string { return &t.Deny })
	e.flag("disabled", "make no calls by this trunk and take none", func(t *setup) *bool { return &t.Disabled })
	return f
}

// apply makes of t what the file and the flags say.
func (f *trunkFlags) apply(cmd *cobra.Command, t *admin.TrunkSetup) error {
	if f.file != "" {
		if f.file == "-" && f.passwordStdin {
			return usageError{fmt.Errorf("--file - and --password-stdin both read standard input: put the trunk into a file")}
		}
		if err := readTrunk(cmd, f.file, t); err != nil {
			return err
		}
	}
	f.edits.apply(t)
	if err := f.applyGateways(cmd, t); err != nil {
		return err
	}
	for i, text := range f.inward {
		number, to, ok := strings.Cut(text, "=")
		if !ok || number == "" || to == "" {
			return usageError{fmt.Errorf("--inward %q: write NUMBER=TO, such as +861055512345=reception or '+8610555*=*'", text)}
		}
		if i == 0 {
			t.Numbers.Inward = nil
		}
		t.Numbers.Inward = append(t.Numbers.Inward, store.Inward{Number: number, To: to})
	}
	if !f.passwordStdin {
		return nil
	}
	t.Password = "-"
	return readPassword(cmd, &t.Password)
}

// applyGateways replaces the gateways, if any are given, and changes those that
// there are then.
func (f *trunkFlags) applyGateways(cmd *cobra.Command, t *admin.TrunkSetup) error {
	for i, text := range f.gateways {
		g, err := parseGateway(text)
		if err != nil {
			return usageError{err}
		}
		if i == 0 {
			t.Gateways = nil
		}
		t.Gateways = append(t.Gateways, g)
	}
	for i := range t.Gateways {
		if cmd.Flags().Changed("probe") {
			t.Gateways[i].Probe = f.probe
		}
		if cmd.Flags().Changed("source") {
			t.Gateways[i].Sources = f.sources
		}
	}
	return nil
}

// readTrunk replaces t, but its version, by a file. It takes what `trunk show
// --json` prints; a password may stand in it.
func readTrunk(cmd *cobra.Command, path string, t *admin.TrunkSetup) error {
	file, err := openInput(cmd, path)
	if err != nil {
		return err
	}
	defer file.Close()
	var read struct {
		admin.Trunk
		Password string `json:"password"`
	}
	d := json.NewDecoder(io.LimitReader(file, 1<<20))
	d.DisallowUnknownFields() // a misspelt limit is none
	if err := d.Decode(&read); err != nil {
		return fmt.Errorf("%s: %w; `sparkle trunk show TRUNK --json` prints how a trunk is written", path, err)
	}
	version := t.Version
	t.Trunk, t.Password = read.Trunk.Trunk, read.Password
	t.Version = cmp.Or(t.Version, version)
	return nil
}

// parseGateway reads [NAME=]HOST[:PORT][/TRANSPORT]. Without a name it is named
// after its host: sip-telco-example.
func parseGateway(text string) (store.Gateway, error) {
	name, rest, named := strings.Cut(text, "=")
	if !named {
		name, rest = "", text
	}
	address, transport, _ := strings.Cut(rest, "/")
	host := address
	if h, _, err := net.SplitHostPort(address); err == nil {
		host = h
	}
	g := store.Gateway{Name: cmp.Or(name, gatewayName(host)), Address: address, Transport: cmp.Or(strings.ToLower(transport), "udp")}
	switch g.Transport {
	case "udp", "tcp", "tls":
	default:
		return g, fmt.Errorf("--gateway %q: transport %s: write udp, tcp or tls after the /", text, g.Transport)
	}
	if host == "" {
		return g, fmt.Errorf("--gateway %q: write [NAME=]HOST[:PORT][/TRANSPORT], such as sip.telco.example or a=192.0.2.1:5061/tls", text)
	}
	return g, nil
}

func gatewayName(host string) string {
	return strings.NewReplacer(".", "-", ":", "-", "_", "-").Replace(strings.Trim(host, "[]"))
}

func (c *cli) trunkAdd() *cobra.Command {
	cmd := &cobra.Command{Use: "add TRUNK", Short: "Add a trunk", Args: arguments(cobra.ExactArgs(1))}
	f := newTrunkFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var t admin.TrunkSetup
		if err := f.apply(cmd, &t); err != nil {
			return err
		}
		t.Version = 0 // a file may come from another server
		return c.setTrunk(cmd, args[0], t)
	}
	return cmd
}

func (c *cli) trunkChange() *cobra.Command {
	cmd := &cobra.Command{Use: "change TRUNK", Short: "Change a trunk; a list that is given replaces the whole list", Args: arguments(cobra.ExactArgs(1))}
	f := newTrunkFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := c.client()
		if err != nil {
			return err
		}
		var known admin.Trunk
		if err := api.call(cmd.Context(), http.MethodGet, trunkURL(args[0]), nil, &known); err != nil {
			return err
		}
		t := admin.TrunkSetup{Trunk: known.Trunk}
		if err := f.apply(cmd, &t); err != nil {
			return err
		}
		return c.setTrunk(cmd, args[0], t)
	}
	return cmd
}

func (c *cli) setTrunk(cmd *cobra.Command, name string, t admin.TrunkSetup) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	var set admin.Trunk
	if err := api.call(cmd.Context(), http.MethodPut, trunkURL(name), t, &set); err != nil {
		return err
	}
	return c.printTrunk(cmd.OutOrStdout(), set)
}
