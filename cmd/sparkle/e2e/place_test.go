package e2e

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// place is a network namespace with one address, in which a phone runs. The nil
// place is loopback.
type place struct {
	namespace string
	ip        netip.Addr
	router    string     // namespace of the router of a home
	outside   netip.Addr // the router's public address
}

func (p *place) address() string {
	if p == nil {
		return "127.0.0.1"
	}
	return p.ip.String()
}

// command is a program in that place.
func (p *place) command(program string, args ...string) *exec.Cmd {
	if p == nil {
		return exec.Command(program, args...)
	}
	return exec.Command("ip", slices.Concat([]string{"netns", "exec", p.namespace, program}, args)...)
}

// dial connects to a port of a program in that place, from there.
func (p *place) dial(port int) (conn net.Conn, err error) {
	address := net.JoinHostPort(p.address(), strconv.Itoa(port))
	if p == nil {
		return net.Dial("tcp", address)
	}
	err = p.do(func() error {
		conn, err = net.Dial("tcp", address)
		return err
	})
	return conn, err
}

// do runs f on a thread that is in the namespace. Sockets that f makes stay there.
func (p *place) do(f func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // for ever: the thread ends with the goroutine
		result <- func() error {
			namespace, err := os.Open(filepath.Join("/var/run/netns", p.namespace))
			if err != nil {
				return err
			}
			defer namespace.Close()
			if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); err != nil {
				return err
			}
			return f()
		}()
	}()
	return <-result
}

// internet is a bridge in the tests' own namespace with 254 public addresses, of
// which the first is the server's. Its names and addresses are no other test's.
type internet struct {
	name  string // of the bridge, and the beginning of all other names
	net   netip.Prefix
	taken netip.Addr // the last address that was given away
}

func newInternet(t *testing.T) *internet {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can make network namespaces")
	}
	need(t, "ip", "iproute2")
	need(t, "iptables", "iptables")
	n := &internet{name: fmt.Sprintf("sp%06x", rand.N(1<<24)), net: freeNet(t)}
	n.taken = n.net.Addr()
	t.Cleanup(func() { exec.Command("ip", "link", "delete", n.name).Run() })
	shell(t, `
		ip link add $name type bridge
		ip address add $server/24 dev $name
		ip link set $name up`, "name", n.name, "server", n.give().String())
	return n
}

// freeNet is a network for benchmarks, 198.18.0.0/15, that this computer is not in.
func freeNet(t *testing.T) netip.Prefix {
	t.Helper()
	own, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for {
		n := netip.PrefixFrom(netip.AddrFrom4([4]byte{198, byte(18 + rand.N(2)), byte(rand.N(256)), 0}), 24)
		if !slices.ContainsFunc(own, func(a net.Addr) bool { return n.Overlaps(netip.MustParsePrefix(a.String())) }) {
			return n
		}
	}
}

func (n *internet) server() netip.Addr { return n.net.Addr().Next() }

// give gives the next address away.
func (n *internet) give() netip.Addr {
	n.taken = n.taken.Next()
	return n.taken
}

// addNamespace makes a namespace in which the domain's name is the server's.
func (n *internet) addNamespace(t *testing.T, name string) {
	t.Helper()
	etc := filepath.Join("/etc/netns", name)
	t.Cleanup(func() {
		exec.Command("ip", "netns", "delete", name).Run()
		os.RemoveAll(etc)
		os.Remove(filepath.Dir(etc)) // when it is empty
	})
	shell(t, `
		ip netns add $name
		ip -n $name link set lo up
		mkdir -p $etc || mkdir -p $etc # another test may have removed what holds it
		echo "$server example.test" > $etc/hosts
		echo > $etc/resolv.conf`, "name", name, "etc", etc, "server", n.server().String())
}

// newHome is a place behind a router that hides it: every home has the same
// private addresses, and the router sends from ports of its own choice. It lets in
// only answers, and every server sees another port of the phone.
func (n *internet) newHome(t *testing.T) *place {
	t.Helper()
	p := &place{ip: netip.MustParseAddr("10.0.0.2"), outside: n.give()}
	p.namespace = fmt.Sprint(n.name, "-", p.outside.As4()[3])
	p.router = p.namespace + "r"
	n.addNamespace(t, p.namespace)
	n.addNamespace(t, p.router)
	shell(t, `
		ip link add $router type veth peer name wan netns $router
		ip link set $router master $bridge up
		ip -n $router address add $outside/24 dev wan
		ip -n $router link set wan up
		ip -n $router link add lan type veth peer name eth0 netns $phone
		ip -n $router address add 10.0.0.1/24 dev lan
		ip -n $router link set lan up
		ip -n $phone address add 10.0.0.2/24 dev eth0
		ip -n $phone link set eth0 up
		ip -n $phone route add default via 10.0.0.1
		ip netns exec $router sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
		ip netns exec $router iptables -t nat -A POSTROUTING -o wan -p udp -j MASQUERADE --to-ports 50000-59999 --random
		ip netns exec $router iptables -t nat -A POSTROUTING -o wan -p tcp -j MASQUERADE`,
		"bridge", n.name, "router", p.router, "phone", p.namespace, "outside", p.outside.String())
	return p
}

// rebind makes the router of a home forget what it has mapped, as one does that is
// given its address anew, and waits until the phone's media has other ports.
func (p *place) rebind(t *testing.T) {
	t.Helper()
	before := p.mapped(t)
	shell(t, `
		ip -n $router address delete $outside/24 dev wan
		ip -n $router address add $outside/24 dev wan`, "router", p.router, "outside", p.outside.String())
	eventually(t, limit, "the router has chosen other ports", func() bool {
		now := p.mapped(t)
		return len(now) > 0 && !slices.ContainsFunc(now, func(port string) bool { return slices.Contains(before, port) })
	})
}

// mapped are the connections of a home's phone and the ports that the router has
// opened for them.
func (p *place) mapped(t *testing.T) []string {
	t.Helper()
	b, err := exec.Command("ip", "netns", "exec", p.router, "cat", "/proc/net/nf_conntrack").Output()
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`src=10\.0\.0\.2 .* dport=5[0-9]{4}\b`).FindAllString(string(b), -1)
}

// shell runs commands until one fails, with variables by name and value.
func shell(t *testing.T, commands string, variables ...string) {
	t.Helper()
	cmd := exec.Command("sh", "-ec", commands)
	cmd.Env = os.Environ()
	for pair := range slices.Chunk(variables, 2) {
		cmd.Env = append(cmd.Env, strings.Join(pair, "="))
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\nof %s\n%v", err, out, commands, variables)
	}
}
