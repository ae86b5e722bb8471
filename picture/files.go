package picture

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// contentLength is how much of a hash names a picture: 128 bits, as text.
const contentLength = 32

// contentName is the name of a picture by its large form.
func contentName(large []byte) string {
	sum := sha256.Sum256(large)
	return hex.EncodeToString(sum[:])[:contentLength]
}

// isContentName tells whether a name may be part of a path.
func isContentName(name string) bool {
	return len(name) == contentLength && strings.Trim(name, "0123456789abcdef") == ""
}

// FileName is the file of an uploaded picture in a size.
func FileName(name string, size Size) string {
	if size == Small {
		return name + "-96.jpg"
	}
	return name + "-512.jpg"
}

// contentOf is the picture that a file belongs to.
func contentOf(file string) (name string, ok bool) {
	name, _, _ = strings.Cut(file, "-")
	return name, IsFile(file)
}

// IsFile tells whether the name of a file is one that FileName gives.
func IsFile(file string) bool {
	name, _, _ := strings.Cut(file, "-")
	return isContentName(name) && (file == FileName(name, Small) || file == FileName(name, Large))
}

// Check tells whether both files of an uploaded picture are there and undamaged.
func Check(dir, name string) error {
	if !isContentName(name) {
		return errors.New("its name is none")
	}
	large, err := os.ReadFile(filepath.Join(dir, FileName(name, Large)))
	if err != nil {
		return err
	}
	if contentName(large) != name {
		return errors.New("its large file is damaged")
	}
	_, err = os.Stat(filepath.Join(dir, FileName(name, Small)))
	return err
}

// write makes a file that is whole, or not there, whenever the power fails.
func write(dir, file string, data []byte) (err error) {
	f, err := os.CreateTemp(dir, "new-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), filepath.Join(dir, file)); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// remove removes a file that may be gone.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
