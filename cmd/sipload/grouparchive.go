//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/sparkleim/sparkle/cmd/sipload/crowd"
)

// ask sends a request to the server's administration socket.
func (s *sparkle) ask(ctx context.Context, method, path string, in any) (io.ReadCloser, error) {
	socket := filepath.Join(s.dir, "data", "admin.sock")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://sparkle"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= 300 {
		defer res.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(res.Body, 4096))
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, res.Status, text)
	}
	return res.Body, nil
}

// makeGroup makes a group of users with numbers in a row.
func (s *sparkle) makeGroup(ctx context.Context, name string, first, members int, more ...int) error {
	users := make([]string, 0, members+len(more))
	for i := range members {
		users = append(users, userName(first+i))
	}
	for _, n := range more {
		users = append(users, userName(n))
	}
	answer, err := s.ask(ctx, http.MethodPost, "/v1/groups", map[string]any{"name": name, "subject": "Load " + name, "members": users})
	if err != nil {
		return err
	}
	return answer.Close()
}

// saveProfile writes where the server's CPU time goes.
func (s *sparkle) saveProfile(ctx context.Context, path string, length time.Duration) {
	profile, err := s.ask(ctx, http.MethodGet, fmt.Sprintf("/debug/pprof/profile?seconds=%d", max(1, int(length.Seconds()))), nil)
	if err == nil {
		defer profile.Close()
		var b []byte
		if b, err = io.ReadAll(profile); err == nil {
			err = os.WriteFile(path, b, 0o600)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "no profile:", err)
	}
}

// archived is a post in the archive.
type archived struct {
	number int
	gid    uint64
	seq    int64
}

// archive reads the posts of each group in their order.
func (g *groupLoad) archive(ctx context.Context) ([][]archived, error) {
	export, err := g.server.ask(ctx, http.MethodGet, "/v1/messages/export", nil)
	if err != nil {
		return nil, err
	}
	defer export.Close()
	groups := make([][]archived, g.groups)
	for lines := json.NewDecoder(export); ; {
		var m struct {
			ID   string `json:"id"`
			Text string `json:"text"`
			Seq  int64  `json:"seq"`
		}
		if err := lines.Decode(&m); errors.Is(err, io.EOF) {
			return groups, nil
		} else if err != nil {
			return nil, fmt.Errorf("read the archive: %w", err)
		}
		number, ok := numberIn([]byte(m.Text))
		if !ok || number >= int(g.ledger.taken.Load()) {
			continue
		}
		gid, err := strconv.ParseUint(m.ID, 16, 64)
		if err != nil {
			return nil, fmt.Errorf("read the archive: %w", err)
		}
		i := g.ledger.posts[number].group
		groups[i] = append(groups[i], archived{number, gid, m.Seq})
	}
}

// verdict counts what is wrong. All but repeated must be zero.
type verdict struct {
	lost       int // not at a phone, though in the archive
	doubled    int // at a phone twice, and not known for the same
	disordered int // phones that have another order than the archive
	misnamed   int // at a phone by the name of another message
	misshapen  int // in a form that the phone does not show
	repeated   int // at a phone twice, known for the same
	unarchived int // answered 2xx and not in the archive
	twice      int // in the archive twice
	jumbled    int // in the archive with a smaller place than one with a smaller name
}

func (v *verdict) String() string {
	return fmt.Sprintf("lost %d, doubled %d, misnamed %d, in a wrong form %d, phones out of order %d, repeated %d; archive: lost %d, doubled %d, out of order %d",
		v.lost, v.doubled, v.misnamed, v.misshapen, v.disordered, v.repeated, v.unarchived, v.twice, v.jumbled)
}

func (v *verdict) err() error {
	wrong := *v
	wrong.repeated = 0
	if wrong == (verdict{}) {
		return nil
	}
	return fmt.Errorf("groups: %s", v)
}

// verify compares what each phone got with the archive. Every post was answered
// 2xx by now.
func (g *groupLoad) verify(ctx context.Context) (*verdict, error) {
	groups, err := g.archive(ctx)
	if err != nil {
		return nil, err
	}
	v := &verdict{}
	g.judgeArchive(groups, v)
	for _, p := range g.phones {
		box := p.Data.(*inbox)
		v.judge(p, groups[box.group], func(number int) int { return g.ledger.posts[number].writer })
	}
	return v, nil
}

// judgeArchive looks for each post once, in the order of names and places.
func (g *groupLoad) judgeArchive(groups [][]archived, v *verdict) {
	times := make([]int, g.ledger.taken.Load())
	for _, posts := range groups {
		for i, p := range posts {
			times[p.number]++
			if i > 0 && (p.seq <= posts[i-1].seq || p.gid <= posts[i-1].gid) {
				v.jumbled++
			}
		}
	}
	for _, n := range times {
		switch {
		case n == 0:
			v.unarchived++
		case n > 1:
			v.twice += n - 1
		}
	}
}

// judge compares what a phone got with what the archive has for it: everything
// but what was written by its own user.
func (v *verdict) judge(p *crowd.Phone, want []archived, writer func(number int) int) {
	box := p.Data.(*inbox)
	box.mu.Lock()
	defer box.mu.Unlock()
	v.repeated += box.repeated
	v.doubled += box.doubled
	v.misshapen += box.misshapen
	place := make(map[int]int, len(want)) // by number
	for i, a := range want {
		if writer(a.number) != p.Number {
			place[a.number] = i
		}
	}
	missing, last, ordered := len(place), -1, true
	for _, a := range box.got {
		i, ok := place[int(a.number)]
		if !ok {
			continue // not in the archive, which has been counted
		}
		missing--
		ordered = ordered && i > last
		last = i
		if want[i].gid != a.gid {
			v.misnamed++
		}
	}
	v.lost += missing
	if !ordered {
		v.disordered++
	}
}
