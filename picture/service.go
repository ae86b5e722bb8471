package picture

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/store"
)

// linger is how long the files of a picture that is nobody's any more stay at most
// when nothing is uploaded: who is reading them shall end.
const linger = time.Minute

// Config is what a Service is made of.
type Config struct {
	Dir        string                // of the pictures, made when it is not there
	Secret     []byte                // 16 bytes or more: of the public names
	MaxMosaics int                   // in the cache on disk; 0: 5000, some 150 MB
	Log        *slog.Logger          // nil discards
	Registerer prometheus.Registerer // nil registers nothing
}

// Service keeps pictures. It is safe for concurrent use.
type Service struct {
	dir     string
	log     *slog.Logger
	names   cipher.Block
	mosaics *mosaics
	metrics *metrics

	uploading chan struct{} // holds a token for who decodes an upload or removes files

	mu     sync.Mutex
	owned  map[Owner]string // pictures of those who have uploaded one
	uses   map[string]int   // owners of a picture, and uploads that are not settled
	unused map[string]bool  // to be removed
	swept  bool             // soon, without an upload
}

// New opens the directory. Until Restore is called no file is removed.
func New(c Config) (*Service, error) {
	if len(c.Secret) < nameBytes {
		return nil, fmt.Errorf("pictures: a secret of %d bytes is too short", len(c.Secret))
	}
	names, err := aes.NewCipher(c.Secret[:nameBytes])
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, err
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	s := &Service{
		dir: c.Dir, log: c.Log, names: names, uploading: make(chan struct{}, 1), metrics: newMetrics(c.Registerer),
		owned: map[Owner]string{}, uses: map[string]int{}, unused: map[string]bool{},
	}
	s.mosaics, err = openMosaics(filepath.Join(c.Dir, "mosaics"), c.MaxMosaics, s)
	return s, err
}

// Assign says which uploaded picture an owner has from now on, "" for none.
func (s *Service) Assign(o Owner, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.owned[o]
	if before == name {
		return
	}
	if name == "" {
		delete(s.owned, o)
	} else {
		s.owned[o] = name
		s.uses[name]++
		delete(s.unused, name)
	}
	s.release(before)
}

// release ends one use of a picture. It needs the lock.
func (s *Service) release(name string) {
	if name == "" {
		return
	}
	if s.uses[name]--; s.uses[name] <= 0 {
		delete(s.uses, name)
		s.unused[name] = true
		s.sweepSoon()
	}
}

// sweepSoon has what is unused removed in a while. It needs the lock.
func (s *Service) sweepSoon() {
	if !s.swept {
		s.swept = true
		time.AfterFunc(linger, s.sweep)
	}
}

// sweep removes what is unused, and comes again when that fails.
func (s *Service) sweep() {
	s.uploading <- struct{}{}
	err := s.collect()
	<-s.uploading
	if err != nil {
		s.log.Warn("pictures that nobody uses were not removed", "err", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.swept = false
	if len(s.unused) > 0 {
		s.sweepSoon()
	}
}

// Assigned is the uploaded picture of an owner, "" for none.
func (s *Service) Assigned(o Owner) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owned[o]
}

// Restore is called at the start, when every owner has been assigned what he has:
// it removes what a crash has left.
func (s *Service) Restore() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	s.mu.Lock()
	for _, e := range entries {
		if name, ok := contentOf(e.Name()); ok && s.uses[name] == 0 {
			s.unused[name] = true
		}
	}
	s.mu.Unlock()
	for _, e := range entries {
		if !e.IsDir() && !IsFile(e.Name()) { // an upload that was cut short
			err = errors.Join(err, remove(filepath.Join(s.dir, e.Name())))
		}
	}
	return errors.Join(err, s.collect())
}

// collect removes what is unused. It needs the turn of uploads.
func (s *Service) collect() (err error) {
	s.mu.Lock()
	unused := slices.Collect(maps.Keys(s.unused))
	s.mu.Unlock()
	for _, name := range unused {
		failed := errors.Join(remove(filepath.Join(s.dir, FileName(name, Small))), remove(filepath.Join(s.dir, FileName(name, Large))))
		if failed == nil {
			s.mu.Lock()
			delete(s.unused, name)
			s.mu.Unlock()
		}
		err = errors.Join(err, failed)
	}
	return err
}

// Put takes an upload and returns the name under which it is kept. settle is to be
// called when that name is assigned, or will never be. The error wraps
// store.ErrInvalid with words for the user, or store.ErrUnavailable.
func (s *Service) Put(ctx context.Context, r io.Reader) (name string, settle func(), err error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	if err != nil {
		return "", nil, fmt.Errorf("%w: the picture ended too early: %v", store.ErrInvalid, err)
	}
	if _, err := examine(data); err != nil { // before waiting for anything
		s.metrics.uploads.WithLabelValues("refused").Inc()
		return "", nil, err
	}
	select {
	case s.uploading <- struct{}{}:
		defer func() { <-s.uploading }()
	case <-ctx.Done():
		return "", nil, fmt.Errorf("%w: another picture is being read", store.ErrUnavailable)
	}
	name, settle, err = s.put(data)
	switch {
	case errors.Is(err, store.ErrInvalid):
		s.metrics.uploads.WithLabelValues("refused").Inc()
	case err != nil:
		s.metrics.uploads.WithLabelValues("failed").Inc()
		err = fmt.Errorf("%w: the picture cannot be kept: %w", store.ErrUnavailable, err)
	default:
		s.metrics.uploads.WithLabelValues("kept").Inc()
	}
	return name, settle, err
}

// put needs the turn of uploads.
func (s *Service) put(data []byte) (name string, settle func(), err error) {
	if err := s.collect(); err != nil {
		s.log.Warn("pictures that nobody uses were not removed", "err", err)
	}
	drawn, err := redraw(data)
	if err != nil {
		return "", nil, err
	}
	large, err := encode(drawn)
	if err != nil {
		return "", nil, err
	}
	small, err := encode(shrink(drawn))
	if err != nil {
		return "", nil, err
	}
	name = contentName(large)
	s.mu.Lock()
	s.uses[name]++
	delete(s.unused, name)
	s.mu.Unlock()
	settle = sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.release(name)
	})
	if Check(s.dir, name) == nil { // somebody has the same one
		return name, settle, nil
	}
	err = errors.Join(write(s.dir, FileName(name, Small), small), write(s.dir, FileName(name, Large), large))
	if err != nil {
		settle()
		return "", nil, err
	}
	return name, settle, nil
}

// Face is what one user or group looks like.
type Face struct {
	Picture string // name of an uploaded picture, "" for a tile
	Seed    int64  // of the tile
}

// FaceOf is what a user looks like.
func (s *Service) FaceOf(u store.UserID) Face {
	return Face{Picture: s.Assigned(Owner{User: u}), Seed: int64(u)}
}

// Face returns a face as JPEG. When the file of an upload is gone it is a tile.
func (s *Service) Face(f Face, size Size) ([]byte, error) {
	if isContentName(f.Picture) {
		data, err := os.ReadFile(filepath.Join(s.dir, FileName(f.Picture, size)))
		if err == nil {
			return data, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		s.log.Warn("the file of a picture is gone: `sparkle verify` tells whose", "picture", f.Picture)
	}
	return encode(tile(f.Seed, int(size)))
}
