package e2e

import (
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// newFarPlace is a place at the end of a lossy path.
func (n *internet) newFarPlace(t *testing.T) *place {
	t.Helper()
	p := &place{ip: n.give()}
	p.namespace = n.name + "-far"
	n.addNamespace(t, p.namespace)
	near, far := openTunnel(t, n.name+"-near"), (*os.File)(nil)
	if err := p.do(func() error { far = openTunnel(t, "path"); return nil }); err != nil {
		t.Fatal(err)
	}
	shell(t, `
		ip link set $near up
		ip route add $far dev $near
		ip -n $phone address add $far/32 dev path
		ip -n $phone link set path up
		ip -n $phone route add default dev path`, "near", n.name+"-near", "phone", p.namespace, "far", p.ip.String())
	go carry(near, far)
	go carry(far, near)
	return p
}

// openTunnel makes a network device, the other end of which is the file.
func openTunnel(t *testing.T, name string) *os.File {
	t.Helper()
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		unix.Close(fd)
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), name)
	t.Cleanup(func() { f.Close() })
	return f
}

// carry takes packets over the path. Of RTP it loses each 20th packet, and lets
// the next one overtake each 15th, until a file is closed.
func carry(from, to *os.File) {
	packet := make([]byte, 2000)
	var late []byte
	for n := 0; ; {
		size, err := from.Read(packet)
		if err != nil {
			return
		}
		p := packet[:size]
		if !isRTP(p) {
			to.Write(p)
			continue
		}
		n++
		switch {
		case n%20 == 0:
			continue
		case n%15 == 0:
			late = slices.Clone(p)
			continue
		}
		to.Write(p)
		if late != nil {
			to.Write(late)
			late = nil
		}
	}
}

// isRTP tells whether an IPv4 packet without options carries RTP of audio.
func isRTP(p []byte) bool {
	const header = 20 + 8 // IP and UDP
	if len(p) < header+12 || p[0] != 0x45 || p[9] != unix.IPPROTO_UDP || p[header]>>6 != 2 {
		return false
	}
	kind := p[header+1] &^ 0x80
	return kind < 64 || kind > 95 // RFC 5761 §4
}
