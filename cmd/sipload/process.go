//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// clockTick is the unit of /proc times: 1/100 s on every Linux that Go runs on.
const clockTick = 10 * time.Millisecond

// family returns pid and all its descendants.
func family(pid int) []int {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		fields := statFields(path)
		if len(fields) < 2 {
			continue
		}
		id, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		parent, _ := strconv.Atoi(fields[1])
		children[parent] = append(children[parent], id)
	}
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}

// statFields are the fields of /proc/PID/stat after the command name: state,
// parent …
func statFields(path string) []string {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
}

// processCPU is the user and system time of a process and its descendants, 0
// for pid 0.
func processCPU(pid int) time.Duration {
	if pid == 0 {
		return 0
	}
	var ticks int64
	for _, id := range family(pid) {
		if f := statFields(fmt.Sprintf("/proc/%d/stat", id)); len(f) > 12 {
			for _, field := range f[11:13] { // utime, stime
				n, _ := strconv.ParseInt(field, 10, 64)
				ticks += n
			}
		}
	}
	return time.Duration(ticks) * clockTick
}

// ownCPU is the user and system time of this process.
func ownCPU() time.Duration {
	var used unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &used) // fails only for a wrong argument
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// machineCPU is the time that all processors of this machine were busy, for
// whatever.
func machineCPU() time.Duration {
	b, _ := os.ReadFile("/proc/stat")
	first, _, _ := strings.Cut(string(b), "\n")
	var ticks int64
	for i, field := range strings.Fields(first) { // cpu user nice system idle iowait irq softirq steal guest …
		if i == 4 || i == 5 || i > 8 {
			continue
		}
		n, _ := strconv.ParseInt(field, 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * clockTick
}

// processMemory is the proportional set size of a process and its descendants.
func processMemory(pid int) (int64, error) {
	var sum int64
	for _, id := range family(pid) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", id))
		if err != nil {
			if id == pid {
				return 0, fmt.Errorf("memory of process %d: %w", pid, err)
			}
			continue // it ended meanwhile
		}
		for line := range strings.Lines(string(b)) {
			if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
				kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
				sum += kb << 10
			}
		}
	}
	return sum, nil
}
