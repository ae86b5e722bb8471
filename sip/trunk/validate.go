package trunk

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sparkleim/sparkle/store"
)

// invalid says what is wrong with a record and what it should be.
func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{store.ErrInvalid}, args...)...)
}

func isName(s string) bool { return regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`).MatchString(s) }

// checkTrunk checks what an administrator wrote.
func checkTrunk(t *store.Trunk) error {
	switch {
	case !isName(t.Name):
		return invalid("the name of a trunk is 1 to 64 letters, digits and -, not %q", t.Name)
	case len(t.Gateways) == 0:
		return invalid("trunk %s has no gateway: name at least one address of the carrier", t.Name)
	case t.Register && t.Username == "":
		return invalid("trunk %s registers, so it needs a username", t.Name)
	case t.Expires < 0 || t.Expires > 86400 || t.Expires > 0 && t.Expires < 60:
		return invalid("a registration lasts 60 to 86400 seconds (0 means 600), not %d", t.Expires)
	case !slices.Contains([]string{"", "forbid", "prefer", "require"}, t.SRTP):
		return invalid(`srtp is "forbid", "prefer" or "require", not %q`, t.SRTP)
	case t.MaxCalls < 0 || t.MaxIn < 0 || t.MaxOut < 0 || t.CallsPerHour < 0:
		return invalid("a limit is a number of calls, 0 for none")
	case t.Domain != "" && !isHost(t.Domain):
		return invalid("the domain of trunk %s is a host name, not %q", t.Name, t.Domain)
	case unprintable(t.Username) || unprintable(t.Realm):
		return invalid("username and realm of trunk %s must be printable", t.Name)
	}
	for _, text := range t.Networks {
		if _, err := parseNetwork(text); err != nil {
			return err
		}
	}
	if err := checkGateways(t.Gateways); err != nil {
		return err
	}
	if err := checkPrefixes(slices.Concat(t.Prefixes, t.Deny)); err != nil {
		return err
	}
	return checkPlan(&t.Numbers)
}

func checkGateways(all []store.Gateway) error {
	seen := map[string]bool{}
	for i := range all {
		g := &all[i]
		switch {
		case !isName(g.Name):
			return invalid("the name of a gateway is 1 to 64 letters, digits and -, not %q", g.Name)
		case seen[g.Name]:
			return invalid("two gateways are named %s", g.Name)
		case !slices.Contains([]string{"", "udp", "tcp", "tls"}, g.Transport):
			return invalid(`the transport of gateway %s is "udp", "tcp" or "tls", not %q`, g.Name, g.Transport)
		case g.Priority < 0 || g.Weight < 0 || g.Weight > 1000:
			return invalid("gateway %s: priority is 0 or more and weight 0 to 1000", g.Name)
		case g.Probe < -1 || g.Probe > 3600 || g.Probe > 0 && g.Probe < 5:
			return invalid("gateway %s: probe is 5 to 3600 seconds, 0 for 30, -1 for never, not %d", g.Name, g.Probe)
		case g.TLSName != "" && !isHost(g.TLSName):
			return invalid("gateway %s: tls_name is a host name, not %q", g.Name, g.TLSName)
		}
		seen[g.Name] = true
		if _, _, err := splitAddress(g.Address); err != nil {
			return err
		}
		for _, text := range g.Sources {
			if _, err := parseNetwork(text); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkPlan(p *store.NumberPlan) error {
	formats := []string{"", formatPlus, formatBare, formatInternational, formatNational}
	for name, value := range map[string]string{"country": p.Country, "area": p.Area, "national": p.National, "international": p.International} {
		none := value == formatNone && (name == "national" || name == "international")
		if value != "" && !none && (!onlyDigits(value) || len(value) > 8) {
			return invalid("%s is digits only, not %q", name, value)
		}
	}
	for name, value := range map[string]string{"out": p.Out, "from": p.From, "asserted": p.Asserted, "diversion": p.Diversion} {
		none := value == formatNone && (name == "asserted" || name == "diversion")
		if !none && !slices.Contains(formats, value) {
			return invalid("%s is one of +e164, e164, international and national, not %q", name, value)
		}
		if value == formatNational && p.Country == "" {
			return invalid("%s is national, so the plan needs a country", name)
		}
		if (value == formatNational || value == formatInternational) && p.International == formatNone {
			return invalid("%s is %s, so the plan needs the international prefix, for example 00", name, value)
		}
	}
	switch {
	case strings.HasPrefix(p.Country, "0"):
		return invalid("a country code does not begin with 0: write 86, not %s", p.Country)
	case !slices.Contains([]string{"", "e164", "national"}, p.In):
		return invalid(`in is "e164", "national" or empty, not %q`, p.In)
	case p.In == "national" && p.Country == "":
		return invalid("in is national, so the plan needs a country")
	case p.Default != "" && !isE164(p.Default):
		return invalid("the default number is written +861012345678, not %q", p.Default)
	}
	for _, n := range p.Emergency {
		if !onlyDigits(n) || len(n) > 8 {
			return invalid("an emergency number is up to 8 digits as they are dialled, not %q", n)
		}
	}
	return checkInward(p.Inward)
}

func checkInward(all []store.Inward) error {
	seen := map[string]bool{}
	for _, in := range all {
		number, wild := strings.CutSuffix(in.Number, "*")
		switch {
		case wild && !isPrefix(number), !wild && !isE164(number):
			return invalid("an inward number is written +861012345678, or +86101234* for all that begin so, not %q", in.Number)
		case seen[in.Number]:
			return invalid("%s is inward twice", in.Number)
		case in.To == "" || len(in.To) > 128 || unprintable(in.To) || strings.ContainsAny(in.To, " @<>\"%;"):
			return invalid("%s leads to %q: name a user, a hunt group or a number", in.Number, in.To)
		case strings.Contains(in.To, "*") && !wild:
			return invalid("%s is one number, so there is no rest for the * in %q", in.Number, in.To)
		}
		seen[in.Number] = true
	}
	return nil
}

func checkPrefixes(all []string) error {
	for _, p := range all {
		if !isPrefix(p) {
			return invalid("a prefix is + and digits, for example +86, not %q", p)
		}
	}
	return nil
}

func checkClass(c *store.ClassOfService) error {
	switch {
	case !isName(c.Name):
		return invalid("the name of a class is 1 to 64 letters, digits and -, not %q", c.Name)
	case c.MaxCalls < 0 || c.CallsPerHour < 0:
		return invalid("a limit is a number of calls, 0 for none")
	}
	return checkPrefixes(slices.Concat(c.Allow, c.Deny))
}

func isE164(n string) bool { _, err := global(n); return err == nil }

// isPrefix accepts + and up to 15 digits.
func isPrefix(p string) bool {
	rest, ok := strings.CutPrefix(p, "+")
	return ok && len(rest) <= mostDigits && (rest == "" || onlyDigits(rest))
}

func unprintable(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	return regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$`).MatchString(s)
}

// splitAddress reads host or host:port; the port is 0 when there is none.
func splitAddress(s string) (host string, port int, err error) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a.String(), 0, nil
	}
	host = s
	if h, p, err := net.SplitHostPort(s); err == nil {
		n, err := strconv.Atoi(p)
		if err != nil || n < 1 || n > 65535 {
			return "", 0, invalid("the port of %q is a number from 1 to 65535", s)
		}
		host, port = h, n
	}
	if !isHost(host) {
		return "", 0, invalid("the address of a gateway is a host name or an IP address, perhaps with a port, not %q", s)
	}
	return host, port, nil
}

// parseNetwork reads 192.0.2.0/24 or a single address.
func parseNetwork(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, invalid("a network is written 192.0.2.0/24, not %q", s)
	}
	return p.Masked(), nil
}
