package picture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/sparkleim/sparkle/store"
)

func newService(t testing.TB, dir string) *Service {
	t.Helper()
	s, err := New(Config{Dir: dir, Secret: []byte("a secret of 16 bytes or more"), MaxMosaics: 3, Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// uploads puts a picture and gives it to an owner.
func uploads(t testing.TB, s *Service, o Owner, m image.Image) string {
	t.Helper()
	name, settle, err := s.Put(t.Context(), bytes.NewReader(asPNG(t, m)))
	if err != nil {
		t.Fatal(err)
	}
	s.Assign(o, name)
	settle()
	return name
}

// files counts the files of pictures.
func files(t *testing.T, dir string) int {
	t.Helper()
	entries, err := filepath.Glob(filepath.Join(dir, "*.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// shown decodes a picture and tells its corners.
func shown(t *testing.T, data []byte, err error, size Size) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	m, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil || m.Bounds() != image.Rect(0, 0, int(size), int(size)) {
		t.Fatalf("%v, %v", m.Bounds(), err)
	}
	return seen(m)
}

func TestOnePictureForEachOwner(t *testing.T) {
	dir := t.TempDir()
	s := newService(t, dir)
	alice, bob := Owner{User: 1}, Owner{User: 2}
	first := uploads(t, s, alice, quarters(200, 100))
	for _, size := range []Size{Small, Large} {
		data, err := s.Face(s.FaceOf(1), size)
		if got := shown(t, data, err, size); got != "rgby" {
			t.Errorf("Alice looks like %s", got)
		}
		data, err = s.Face(s.FaceOf(2), size)
		if got := shown(t, data, err, size); got == "rgby" {
			t.Error("Bob looks like Alice")
		}
	}
	if same := uploads(t, s, bob, quarters(200, 100)); same != first || files(t, dir) != 2 {
		t.Errorf("Bob's is %s, Alice's %s, %d files", same, first, files(t, dir))
	}
	second := uploads(t, s, alice, quarters(64, 64).SubImage(image.Rect(0, 0, 32, 32)))
	uploads(t, s, alice, quarters(64, 64).SubImage(image.Rect(32, 0, 64, 32)))
	s.Assign(bob, "")
	third := uploads(t, s, alice, quarters(64, 64).SubImage(image.Rect(0, 32, 32, 64)))
	if got := files(t, dir); got > 4 { // the present one and the one before
		t.Errorf("%d files of one owner", got)
	}
	if Check(dir, first) == nil || Check(dir, second) == nil || Check(dir, third) != nil {
		t.Errorf("kept %v, %v, %v", Check(dir, first), Check(dir, second), Check(dir, third))
	}
	if got := testutil.ToFloat64(s.metrics.uploads.WithLabelValues("kept")); got != 5 {
		t.Errorf("%v uploads counted", got)
	}
}

// TestRemovedPicturesGo: nobody has to upload anything for that.
func TestRemovedPicturesGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s := newService(t, dir)
		alice, bob := Owner{User: 1}, Owner{User: 2}
		first := uploads(t, s, alice, quarters(200, 100))
		second := uploads(t, s, alice, quarters(64, 64).SubImage(image.Rect(0, 0, 32, 32)))
		s.Assign(bob, second)
		time.Sleep(linger - time.Second)
		s.Assign(alice, "")
		third := uploads(t, s, alice, quarters(64, 64).SubImage(image.Rect(32, 0, 64, 32)))
		s.Assign(alice, "")
		s.Assign(bob, third)
		s.Assign(alice, second) // it is somebody's again
		s.Assign(bob, "")
		time.Sleep(2*linger + time.Second)
		synctest.Wait()
		if Check(dir, first) == nil || Check(dir, second) != nil || Check(dir, third) == nil || files(t, dir) != 2 {
			t.Errorf("kept %v, %v, %v, %d files", Check(dir, first), Check(dir, second), Check(dir, third), files(t, dir))
		}
		s.Assign(alice, "")
		time.Sleep(linger + time.Second)
		synctest.Wait()
		if n := files(t, dir); n != 0 {
			t.Errorf("%d files of nobody", n)
		}
	})
}

// TestUploadThatIsNotAssigned: the commit failed, or the process died before it.
func TestUploadThatIsNotAssigned(t *testing.T) {
	dir := t.TempDir()
	s := newService(t, dir)
	kept := uploads(t, s, Owner{User: 1}, quarters(64, 64))
	orphan, settle, err := s.Put(t.Context(), bytes.NewReader(asPNG(t, quarters(99, 64).SubImage(image.Rect(0, 0, 9, 9)))))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.collect(); err != nil || Check(dir, orphan) != nil {
		t.Errorf("removed before it was settled: %v", err)
	}
	settle()
	settle() // once more does nothing
	if err := s.collect(); err != nil || Check(dir, orphan) == nil {
		t.Errorf("not removed after that: %v", err)
	}

	for _, left := range []string{"new-123", FileName(orphan, Large), FileName(orphan, Small)} {
		if err := os.WriteFile(filepath.Join(dir, left), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s = newService(t, dir)
	s.Assign(Owner{User: 1}, kept)
	if err := s.Restore(); err != nil {
		t.Fatal(err)
	}
	entries, _ := os.ReadDir(dir)
	if Check(dir, kept) != nil || len(entries) != 3 {
		t.Errorf("after a restart: %v, %v", Check(dir, kept), entries)
	}
}

func TestRefusedUploads(t *testing.T) {
	s := newService(t, t.TempDir())
	if _, _, err := s.Put(t.Context(), bytes.NewReader([]byte("hello"))); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("a text: %v", err)
	}
	s.uploading <- struct{}{} // another upload takes its time
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := s.Put(ctx, bytes.NewReader(asPNG(t, quarters(9, 9)))); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("who does not wait: %v", err)
	}
	<-s.uploading
	if err := os.RemoveAll(s.dir); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Put(t.Context(), bytes.NewReader(asPNG(t, quarters(9, 9)))); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("without a disk: %v", err)
	}
	if got := testutil.ToFloat64(s.metrics.uploads.WithLabelValues("failed")); got != 1 || len(s.uses) != 0 {
		t.Errorf("%v failures counted, uses %v", got, s.uses)
	}
}

func made(s *Service, result string) float64 {
	return testutil.ToFloat64(s.metrics.mosaics.WithLabelValues(result))
}

// TestMosaicIsCachedByItsInputs: the same members with the same pictures in the
// same order are drawn once, over restarts too.
func TestMosaicIsCachedByItsInputs(t *testing.T) {
	dir := t.TempDir()
	s := newService(t, dir)
	picture := uploads(t, s, Owner{User: 1}, quarters(64, 64))
	faces := func(users ...store.UserID) (all []Face) {
		for _, u := range users {
			all = append(all, s.FaceOf(u))
		}
		return all
	}
	ask := func(users ...store.UserID) []byte {
		t.Helper()
		large, err := s.Mosaic(t.Context(), faces(users...), Large)
		shown(t, large, err, Large)
		small, err := s.Mosaic(t.Context(), faces(users...), Small)
		shown(t, small, err, Small)
		return large
	}
	first := ask(1, 2, 3, 4)
	if made(s, "made") != 1 || made(s, "cached") != 1 {
		t.Errorf("made %v, cached %v", made(s, "made"), made(s, "cached"))
	}
	if bytes.Equal(first, ask(2, 1, 3, 4)) || made(s, "made") != 2 {
		t.Error("another order looks the same")
	}
	s.Assign(Owner{User: 1}, "")
	if bytes.Equal(first, ask(1, 2, 3, 4)) || made(s, "made") != 3 {
		t.Error("another picture of a member looks the same")
	}

	s = newService(t, dir)
	s.Assign(Owner{User: 1}, picture)
	if !bytes.Equal(first, ask(1, 2, 3, 4)) || made(s, "made") != 0 {
		t.Error("it was drawn again after a restart")
	}
	for u := range store.UserID(9) {
		ask(u+1, u+2)
	}
	if got := files(t, filepath.Join(dir, "mosaics")); got != 2*3 {
		t.Errorf("%d files in a cache of 3", got)
	}
	before := made(s, "made")
	if err := os.RemoveAll(filepath.Join(dir, "mosaics")); err != nil {
		t.Fatal(err)
	}
	if data, err := s.Mosaic(t.Context(), faces(9, 10), Small); shown(t, data, err, Small) == "" || made(s, "made") != before+1 {
		t.Error("a cache that was removed is not made up for")
	}
	if _, err := s.Mosaic(t.Context(), nil, Small); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("a mosaic of nobody: %v", err)
	}
}

// TestMosaicWithoutAPicture: a lost file costs one face, and nothing is kept of it.
func TestMosaicWithoutAPicture(t *testing.T) {
	dir := t.TempDir()
	s := newService(t, dir)
	lost := uploads(t, s, Owner{User: 1}, quarters(64, 64))
	for _, size := range []Size{Small, Large} {
		if err := os.Remove(filepath.Join(dir, FileName(lost, size))); err != nil {
			t.Fatal(err)
		}
		data, err := s.Face(s.FaceOf(1), size)
		shown(t, data, err, size)
	}
	data, err := s.Mosaic(t.Context(), []Face{s.FaceOf(1), s.FaceOf(2)}, Large)
	shown(t, data, err, Large)
	if got := files(t, filepath.Join(dir, "mosaics")); got != 0 {
		t.Errorf("%d files of it are kept", got)
	}
}

// TestManyAskAtOnce: it is drawn once for all of them, and who does not wait goes.
func TestManyAskAtOnce(t *testing.T) {
	s := newService(t, t.TempDir())
	s.mosaics.drawing <- struct{}{} // nothing is drawn yet
	faces := []Face{{Seed: 1}, {Seed: 2}, {Seed: 3}}
	var all sync.WaitGroup
	answers := make([][]byte, 20)
	for i := range answers {
		all.Go(func() {
			data, err := s.Mosaic(t.Context(), faces, Small)
			if err != nil {
				t.Error(err)
			}
			answers[i] = data
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Mosaic(ctx, faces, Small); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("who does not wait: %v", err)
	}
	s.mosaics.mu.Lock()
	for i := range maxMaking {
		s.mosaics.making[fmt.Sprint("another ", i)] = nil
	}
	s.mosaics.mu.Unlock()
	if _, err := s.Mosaic(t.Context(), faces[:2], Small); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("one too many: %v", err)
	}
	<-s.mosaics.drawing
	all.Wait()
	for _, data := range answers {
		if len(data) == 0 || !bytes.Equal(data, answers[0]) {
			t.Fatal("they see different pictures")
		}
	}
	if made(s, "made") != 1 {
		t.Errorf("drawn %v times", made(s, "made"))
	}
}

// BenchmarkMosaic draws nine uploaded faces.
func BenchmarkMosaic(b *testing.B) {
	for _, n := range []int{4, 9} {
		b.Run(map[int]string{4: "four", 9: "nine"}[n], func(b *testing.B) {
			s := newService(b, b.TempDir())
			var faces []Face
			for u := range store.UserID(n) {
				uploads(b, s, Owner{User: u + 1}, quarters(600+int(u), 500))
				faces = append(faces, s.FaceOf(u+1))
			}
			for b.Loop() {
				if _, err := s.mosaics.draw(&making{}, faces); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkUpload is a photograph of 12 megapixels.
func BenchmarkUpload(b *testing.B) {
	photo := asJPEG(b, quarters(4000, 3000))
	for b.Loop() {
		if _, err := redraw(photo); err != nil {
			b.Fatal(err)
		}
	}
}
