//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sparkleim/sparkle/cmd/sipload/agent"
)

const rtpengineControl = "127.0.0.1:22222"

// rtpengine is Debian's rtpengine without its kernel module, with one worker:
// more cost it 30 to 40 % more a packet.
type rtpengine struct {
	cmd  *exec.Cmd
	dir  string
	conn net.Conn
}

func startRTPEngine() (*rtpengine, error) {
	dir, err := os.MkdirTemp("", "sipload-rtpengine")
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	e := &rtpengine{dir: dir, cmd: exec.Command("rtpengine", "--table=-1", "--foreground", "--log-stderr", "--log-level=3",
		"--config-file=none", "--interface=127.0.0.1", "--listen-ng="+rtpengineControl, "--port-min=30000", "--port-max=49999",
		"--num-threads=1", "--pidfile="+filepath.Join(dir, "pid"), "--recording-dir=")}
	e.cmd.Stdout, e.cmd.Stderr = log, log
	if err := e.cmd.Start(); err != nil {
		return nil, fmt.Errorf("rtpengine (Debian: rtpengine-daemon): %w", err)
	}
	if e.conn, err = net.Dial("udp", rtpengineControl); err != nil {
		return nil, err
	}
	for range 100 {
		if _, err = e.ask("d7:command4:pinge"); err == nil {
			return e, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	out, _ := os.ReadFile(log.Name())
	e.stop()
	return nil, fmt.Errorf("rtpengine does not answer: %w\n%s", err, out)
}

func (e *rtpengine) pid() int { return e.cmd.Process.Pid }

func (e *rtpengine) stop() {
	e.conn.Close()
	e.cmd.Process.Signal(syscall.SIGTERM)
	e.cmd.Wait()
	os.RemoveAll(e.dir)
}

// ask sends one command of the ng protocol and returns the answer.
func (e *rtpengine) ask(command string) (string, error) {
	cookie := agent.NewID()
	if _, err := e.conn.Write([]byte(cookie + " " + command)); err != nil {
		return "", err
	}
	buf := make([]byte, 65535)
	e.conn.SetReadDeadline(time.Now().Add(time.Second))
	n, err := e.conn.Read(buf)
	if err != nil {
		return "", err
	}
	answer, ok := strings.CutPrefix(string(buf[:n]), cookie+" ")
	if !ok {
		return "", errors.New("rtpengine answered something else")
	}
	if strings.Contains(answer, "6:result5:error") {
		return "", fmt.Errorf("rtpengine: %s", answer)
	}
	return answer, nil
}

// bencode writes a dictionary; its keys come in pairs with their values, sorted.
func bencode(pairs ...string) string {
	var b strings.Builder
	b.WriteByte('d')
	for _, s := range pairs {
		b.WriteString(strconv.Itoa(len(s)) + ":" + s)
	}
	return b.String() + "e"
}

// description takes the sdp out of an answer.
func description(answer string) (string, error) {
	_, rest, ok := strings.Cut(answer, "3:sdp")
	size, text, _ := strings.Cut(rest, ":")
	n, err := strconv.Atoi(size)
	if !ok || err != nil || n > len(text) {
		return "", fmt.Errorf("rtpengine sent no session description: %s", answer)
	}
	return text[:n], nil
}

// join relays between two parties.
func (e *rtpengine) join(a, b *party) error {
	call := agent.NewID()
	proto := "RTP/AVP"
	if b.suite != "" {
		proto = "RTP/SAVP"
	}
	answer, err := e.ask(bencode("ICE", "remove", "call-id", call, "command", "offer", "from-tag", "a", "sdp", a.describe("1"), "transport-protocol", proto))
	if err != nil {
		return err
	}
	offer, err := description(answer)
	if err != nil {
		return err
	}
	tag, err := b.take(offer)
	if err != nil {
		return fmt.Errorf("%w:\n%s", err, offer)
	}
	answer, err = e.ask(bencode("ICE", "remove", "call-id", call, "command", "answer", "from-tag", "a", "sdp", b.describe(tag), "to-tag", "b"))
	if err != nil {
		return err
	}
	if offer, err = description(answer); err != nil {
		return err
	}
	_, err = a.take(offer)
	return err
}
