//go:build linux

package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// losses tells where packets were lost for which the system had no room.
// What is lost besides, the relay refused or could not send.
type losses struct {
	relay     uint64 // before the relay read them
	generator uint64 // before the generator read them: not the relay's fault
	loopback  uint64 // before they came to a socket of either
}

func (l losses) String() string {
	if l == (losses{}) {
		return ""
	}
	return fmt.Sprintf(" (at the relay's sockets %d, at the generator's %d, in the loopback device %d)", l.relay, l.generator, l.loopback)
}

// lossesSince is what was lost since before was read.
func lossesSince(before drops, parties []*party) (losses, error) {
	now, err := readDrops()
	l := losses{loopback: now.loopback - before.loopback}
	for _, p := range parties {
		l.relay += now.sockets[p.to.Port] - before.sockets[p.to.Port]
		l.generator += now.sockets[p.socket.port] - before.sockets[p.socket.port]
	}
	return l, err
}

// drops are the packets for which the system had no room, so far.
type drops struct {
	sockets  map[int]uint64 // by port
	loopback uint64         // before they came to a socket
}

func readDrops() (drops, error) {
	d := drops{sockets: make(map[int]uint64)}
	table, err := os.ReadFile("/proc/net/udp")
	if err != nil {
		return d, err
	}
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line) // slot, local address:port …, drops
		if len(f) < 13 {
			continue
		}
		_, hex, _ := strings.Cut(f[1], ":")
		port, _ := strconv.ParseUint(hex, 16, 16)
		n, _ := strconv.ParseUint(f[12], 10, 64)
		d.sockets[int(port)] += n
	}
	processors, err := os.ReadFile("/proc/net/softnet_stat")
	for line := range strings.Lines(string(processors)) {
		n, _ := strconv.ParseUint(strings.Fields(line)[1], 16, 64) // processed, dropped …
		d.loopback += n
	}
	return d, err
}
