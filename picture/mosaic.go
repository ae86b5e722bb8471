package picture

import (
	"bytes"
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/sparkleim/sparkle/store"
	"golang.org/x/image/draw"
)

const (
	defaultMosaics = 5000
	maxMaking      = 64 // mosaics that are made or wait to be; more are refused
	// drawing is part of the hash of a mosaic: another number when mosaics look
	// different than before.
	drawing = "1"
)

// MosaicTag names what Mosaic makes of faces: the same faces in the same order,
// the same tag.
func MosaicTag(faces []Face) string {
	h := sha256.New()
	fmt.Fprint(h, "mosaic", drawing)
	for _, f := range faces[:min(len(faces), maxFaces)] {
		fmt.Fprintf(h, "\n%s %d", f.Picture, f.Seed)
	}
	return hex.EncodeToString(h.Sum(nil))[:contentLength]
}

// Mosaic returns one picture of up to nine faces, as JPEG. The error is
// store.ErrUnavailable when too many are asked for at once, or what the disk
// failed with.
func (s *Service) Mosaic(ctx context.Context, faces []Face, size Size) ([]byte, error) {
	if len(faces) == 0 {
		return nil, fmt.Errorf("%w: a mosaic of nobody", store.ErrInvalid)
	}
	return s.mosaics.get(ctx, faces[:min(len(faces), maxFaces)], size)
}

// mosaics is the cache of mosaics, on disk.
type mosaics struct {
	dir     string
	most    int
	faces   *Service
	drawing chan struct{} // holds a token for who draws

	mu     sync.Mutex
	known  map[string]*list.Element // tags
	recent *list.List               // of tags, the one asked for last in front
	making map[string]*making
}

// making is a mosaic that is being made, and those who wait for it.
type making struct {
	done         chan struct{}
	large, small []byte
	err          error
}

// openMosaics takes over what is in the cache.
func openMosaics(dir string, most int, faces *Service) (*mosaics, error) {
	if most <= 0 {
		most = defaultMosaics
	}
	c := &mosaics{
		dir: dir, most: most, faces: faces, drawing: make(chan struct{}, 1),
		known: map[string]*list.Element{}, recent: list.New(), making: map[string]*making{},
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	type aged struct {
		tag string
		at  time.Time
	}
	var found []aged
	for _, e := range entries {
		tag, ok := contentOf(e.Name())
		info, err := e.Info()
		switch {
		case !ok || err != nil:
			remove(filepath.Join(dir, e.Name()))
		case e.Name() == FileName(tag, Large):
			found = append(found, aged{tag, info.ModTime()})
		}
	}
	slices.SortFunc(found, func(a, b aged) int { return a.at.Compare(b.at) })
	for _, f := range found {
		c.keep(f.tag)
	}
	return c, nil
}

// keep puts a tag in front, and removes what has not been asked for for longest.
// It needs the lock, or that nobody else knows c.
func (c *mosaics) keep(tag string) {
	if e, twice := c.known[tag]; twice {
		c.recent.MoveToFront(e)
		return
	}
	c.known[tag] = c.recent.PushFront(tag)
	for c.recent.Len() > c.most {
		c.forget(c.recent.Back())
	}
}

// forget removes a mosaic; it needs the lock.
func (c *mosaics) forget(e *list.Element) {
	tag := c.recent.Remove(e).(string)
	delete(c.known, tag)
	remove(filepath.Join(c.dir, FileName(tag, Small)))
	remove(filepath.Join(c.dir, FileName(tag, Large)))
}

func (c *mosaics) get(ctx context.Context, faces []Face, size Size) ([]byte, error) {
	tag := MosaicTag(faces)
	c.mu.Lock()
	if e, ok := c.known[tag]; ok {
		c.recent.MoveToFront(e)
		c.mu.Unlock()
		data, err := os.ReadFile(filepath.Join(c.dir, FileName(tag, size)))
		if err == nil {
			c.faces.metrics.mosaics.WithLabelValues("cached").Inc()
			return data, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		c.mu.Lock() // somebody has cleaned up
		if c.known[tag] == e {
			c.forget(e)
		}
	}
	m, busy := c.making[tag]
	if !busy {
		if len(c.making) >= maxMaking {
			c.mu.Unlock()
			return nil, fmt.Errorf("%w: too many pictures are being made", store.ErrUnavailable)
		}
		m = &making{done: make(chan struct{})}
		c.making[tag] = m
		go c.make(tag, m, faces)
	}
	c.mu.Unlock()
	select {
	case <-m.done:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: the picture is being made", store.ErrUnavailable)
	}
	if size == Small {
		return m.small, m.err
	}
	return m.large, m.err
}

// make makes a mosaic for all who wait for it, one at a time.
func (c *mosaics) make(tag string, m *making, faces []Face) {
	c.drawing <- struct{}{}
	whole, err := c.draw(m, faces)
	m.err = err
	stored := err
	if err == nil && whole {
		stored = errors.Join(c.store(tag, Small, m.small), c.store(tag, Large, m.large))
	}
	<-c.drawing
	result := "made"
	if m.err != nil {
		result = "failed"
	}
	c.faces.metrics.mosaics.WithLabelValues(result).Inc()
	if stored != nil {
		c.faces.log.Warn("a mosaic was not kept", "err", stored)
	}
	c.mu.Lock()
	delete(c.making, tag)
	if stored == nil && whole {
		c.keep(tag)
	}
	c.mu.Unlock()
	close(m.done)
}

// store writes a file that may be lost, but is never half of one.
func (c *mosaics) store(tag string, size Size, data []byte) error {
	path := filepath.Join(c.dir, FileName(tag, size))
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// draw draws a mosaic. It takes the small pictures of faces unless they would be
// blown up to more than twice their size. A mosaic is not whole when a tile stands
// in for a picture that is not to be had: the others are worth showing.
func (c *mosaics) draw(m *making, faces []Face) (whole bool, err error) {
	whole = true
	all := canvas(int(Large), color.RGBA{0xe4, 0xe6, 0xe9, 0xff})
	for i, cell := range layout(len(faces), int(Large)) {
		size := Small
		if cell.Dx() > 2*int(Small) {
			size = Large
		}
		face, own := c.face(faces[i], size)
		whole = whole && own
		draw.ApproxBiLinear.Scale(all, cell, face, face.Bounds(), draw.Src, nil) // half to double the size
	}
	if m.large, err = encode(all); err != nil {
		return whole, err
	}
	m.small, err = encode(shrink(all))
	return whole, err
}

// face is a face to be drawn, and whether it is the true one.
func (c *mosaics) face(f Face, size Size) (m image.Image, own bool) {
	if f.Picture == "" {
		return tile(f.Seed, int(size)), true
	}
	data, err := os.ReadFile(filepath.Join(c.faces.dir, FileName(f.Picture, size)))
	if err == nil {
		m, err = jpeg.Decode(bytes.NewReader(data))
	}
	if err != nil {
		c.faces.log.Warn("a picture cannot be read: `sparkle verify` tells whose", "picture", f.Picture, "err", err)
		return tile(f.Seed, int(size)), false
	}
	return m, true
}
