package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/picture"
	"github.com/sparkleim/sparkle/store"
)

// picturesName is the directory of uploaded pictures, in the data directory and in
// a backup.
const picturesName = "pictures"

// pictures shows what users and groups look like. It is the admin.Pictures of the
// server, and answers whoever has the address of a picture.
type pictures struct {
	*picture.Service
	groups *group.Service
	exists func(u store.UserID) bool
	base   func() string // of addresses, "" without HTTPS
}

func (s *Server) buildPictures() error {
	secret, err := s.secret("picture")
	if err != nil {
		return err
	}
	kept, err := picture.New(picture.Config{
		Dir: filepath.Join(s.cfg.DataDir, picturesName), Secret: secret, Log: s.part("picture"), Registerer: s.metrics,
	})
	if err != nil {
		return s.cfg.Problem("data_dir", err.Error())
	}
	for _, g := range s.groups.All() {
		kept.Assign(picture.Owner{Group: g.ID}, g.Picture)
	}
	s.groups.Observe(func(e group.Event) {
		name := e.After.Picture
		if e.After.Dissolved != nil {
			name = ""
		}
		kept.Assign(picture.Owner{Group: e.After.ID}, name)
	})
	s.pictures = &pictures{
		Service: kept, groups: s.groups, base: s.httpsBase,
		exists: func(u store.UserID) bool { return s.accounts.Numbers(u) != nil },
	}
	return nil
}

// httpsBase is how addresses on this server begin, "" before it listens.
func (s *Server) httpsBase() string {
	for _, l := range s.listeners {
		if l.transport != "HTTPS" {
			continue
		}
		host := s.cfg.ServerName()
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		if l.addr.Port() != 443 {
			host += ":" + strconv.Itoa(int(l.addr.Port()))
		}
		return "https://" + host
	}
	return ""
}

// URL implements admin.Pictures.
func (p *pictures) URL(o picture.Owner) string {
	base := p.base()
	if base == "" || o == (picture.Owner{}) {
		return ""
	}
	return base + "/" + picturesName + "/" + p.Name(o) + ".jpg"
}

// look is what an owner looks like at a moment.
type look struct {
	faces  []picture.Face
	mosaic bool
}

// tag is the same for looks that are the same.
func (l look) tag(size picture.Size) string {
	return fmt.Sprintf(`"%s-%t-%d"`, picture.MosaicTag(l.faces), l.mosaic, size)
}

// look finds an owner; false when there is no such one.
func (p *pictures) look(o picture.Owner) (look, bool) {
	if o.Group == 0 {
		return look{faces: []picture.Face{p.FaceOf(o.User)}}, p.exists(o.User)
	}
	g, there := p.groups.ByID(o.Group)
	if !there {
		return look{}, false
	}
	eldest := g.Eldest()
	if g.Picture != "" || len(eldest) == 0 {
		return look{faces: []picture.Face{{Picture: g.Picture, Seed: int64(g.ID)}}}, true
	}
	l := look{mosaic: true}
	for _, m := range eldest {
		l.faces = append(l.faces, p.FaceOf(m.User))
	}
	return l, true
}

func (p *pictures) draw(ctx context.Context, l look, size picture.Size) ([]byte, error) {
	if l.mosaic {
		return p.Mosaic(ctx, l.faces, size)
	}
	return p.Face(l.faces[0], size)
}

// Show implements admin.Pictures.
func (p *pictures) Show(ctx context.Context, o picture.Owner, size picture.Size) ([]byte, error) {
	l, there := p.look(o)
	if !there {
		return nil, fmt.Errorf("picture: %w", store.ErrNotFound)
	}
	return p.draw(ctx, l, size)
}

// ServeHTTP answers GET /pictures/{file}: whoever knows the name may see it.
func (p *pictures) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, isJPEG := strings.CutSuffix(r.PathValue("file"), ".jpg")
	owner, known := p.Owner(name)
	l, there := p.look(owner)
	if !isJPEG || !known || !there {
		http.NotFound(w, r)
		return
	}
	size := picture.Large
	if r.URL.Query().Get("s") == strconv.Itoa(int(picture.Small)) {
		size = picture.Small
	}
	h, tag := w.Header(), l.tag(size)
	h.Set("ETag", tag)
	h.Set("Cache-Control", "private, max-age=300")
	if r.Header.Get("If-None-Match") == tag { // before anything is drawn
		w.WriteHeader(http.StatusNotModified)
		return
	}
	data, err := p.draw(r.Context(), l, size)
	if err != nil {
		h.Del("ETag")
		h.Set("Cache-Control", "no-store")
		h.Set("Retry-After", "5")
		http.Error(w, "the picture is not ready: try again later", http.StatusServiceUnavailable)
		return
	}
	h.Set("Content-Type", "image/jpeg")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

// verify checks the store and the pictures.
func (s *Server) verify(ctx context.Context, w io.Writer) (problems int, err error) {
	return verify(ctx, s.store, s.cfg.DataDir, w)
}

// verifiable is what verify reads.
type verifiable interface {
	store.Users
	store.Groups
	store.Maintenance
}

// verify checks a store and the files beside it.
func verify(ctx context.Context, db verifiable, dir string, w io.Writer) (problems int, err error) {
	if problems, err = db.Verify(ctx, w); err != nil {
		return problems, err
	}
	check := func(owner, name string) {
		if name == "" {
			return
		}
		err := picture.Check(filepath.Join(dir, picturesName), name)
		if errors.Is(err, fs.ErrNotExist) {
			err = errors.New("its file is missing")
		}
		if err != nil {
			problems++
			fmt.Fprintf(w, "picture %s of %s: %v; upload it again\n", name, owner, err)
		}
	}
	const page = 1000
	for after, more := store.UserID(0), true; more; {
		users, err := db.ListUsers(ctx, "", after, page)
		if err != nil {
			return problems, err
		}
		for _, u := range users {
			check("user "+u.AOR(), u.Picture)
			after = u.ID
		}
		more = len(users) == page
	}
	err = db.AllGroups(ctx, func(g store.Group, _ []store.Member) error {
		check("group "+g.AOR(), g.Picture)
		return nil
	})
	return problems, err
}

// linkPictures makes a second name, in another directory of the same disk, for
// each picture: what is replaced in the meantime is not lost there.
func linkPictures(dir, to string) error {
	entries, err := os.ReadDir(filepath.Join(dir, picturesName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(to, picturesName), 0o700); err != nil {
		return err
	}
	for _, e := range entries {
		if !picture.IsFile(e.Name()) {
			continue
		}
		err := os.Link(filepath.Join(dir, picturesName, e.Name()), filepath.Join(to, picturesName, e.Name()))
		if err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
