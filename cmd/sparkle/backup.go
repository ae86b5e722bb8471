package main

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sparkleim/sparkle/picture"
	"github.com/sparkleim/sparkle/store"
	"github.com/sparkleim/sparkle/store/sqldb"
	"github.com/spf13/cobra"
)

// The names in a data directory and in a backup.
const (
	databaseName = "main.db"
	keyName      = "master.key"
	manifestName = "manifest.json"
)

// manifest is the first entry of a backup.
type manifest struct {
	Version string         `json:"version"` // of the program
	Created time.Time      `json:"created"`
	Files   []manifestFile `json:"files"` // in the order of the entries that follow
}

type manifestFile struct {
	Name   string `json:"name"` // below the data directory, with slashes
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	path   string // where it is read from
}

func (c *cli) backupCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Write a backup of the whole server to a new file, while it runs or not",
		Long: "Write a backup of the whole server to a new file (tar), while it runs or not:\n" +
			"the database, its key, pictures and the certificates below the data directory.\n" +
			"Whoever has the file can read every message: keep it like a password.",
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			backup, err := c.openBackup(cmd.Context())
			if err != nil {
				return err
			}
			defer backup.Close()
			if err := writeOutput(cmd, args[0], backup); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s written; `sparkle restore %s DIRECTORY` brings it back\n", args[0], args[0])
			return nil
		},
	}
}

// openBackup reads a backup from the running server, or from the store of a
// stopped one.
func (c *cli) openBackup(ctx context.Context) (io.ReadCloser, error) {
	dir, err := c.dir()
	if err != nil {
		return nil, err
	}
	backup, err := newClient(filepath.Join(dir, socketName)).stream(ctx, http.MethodPost, "/v1/backup", "", nil)
	if !errors.Is(err, errNotRunning) {
		return backup, err
	}
	db, err := openStopped(dir)
	if err != nil {
		return nil, err
	}
	r, w := io.Pipe()
	go func() {
		err := writeBackup(ctx, db, dir, w)
		w.CloseWithError(errors.Join(err, db.Close()))
	}()
	return r, nil
}

// openStopped opens the store of a server that does not run. It makes no new
// one.
func openStopped(dir string) (*sqldb.DB, error) {
	if !exists(filepath.Join(dir, databaseName)) {
		return nil, fmt.Errorf("%s holds no %s: name the data directory with --data", dir, databaseName)
	}
	return sqldb.Open(sqldb.Config{Dir: dir})
}

// backup writes a backup of the running server.
func (s *Server) backup(ctx context.Context, w io.Writer) error {
	return writeBackup(ctx, s.store, s.cfg.DataDir, w)
}

// writeBackup writes the tar archive: the manifest, then its files.
func writeBackup(ctx context.Context, db store.Maintenance, dir string, w io.Writer) error {
	work, err := os.MkdirTemp(dir, "backup-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	// Whatever picture the copy of the database names was there before it was
	// made, or after.
	err = errors.Join(linkPictures(dir, work), db.Backup(ctx, filepath.Join(work, databaseName)), linkPictures(dir, work))
	if err != nil {
		return err
	}
	m, err := newManifest(dir, work)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(w)
	if err := m.write(archive); err != nil {
		return err
	}
	for _, f := range m.Files {
		if err := addFile(archive, f, m.Created); err != nil {
			return err
		}
	}
	return archive.Close()
}

// newManifest lists what is in the data directory dir, and in work what would
// change while it is read.
func newManifest(dir, work string) (manifest, error) {
	m := manifest{Version: programVersion(), Created: time.Now().UTC()}
	sources := map[string]string{databaseName: filepath.Join(work, databaseName), keyName: filepath.Join(dir, keyName)}
	names := []string{databaseName, keyName}
	certificates, err := filepath.Glob(filepath.Join(certsDir(dir), "*.pem"))
	if err != nil {
		return m, err
	}
	linked, err := filepath.Glob(filepath.Join(work, picturesName, "*.jpg"))
	if err != nil {
		return m, err
	}
	for _, path := range append(certificates, linked...) {
		name := filepath.Base(filepath.Dir(path)) + "/" + filepath.Base(path)
		names = append(names, name)
		sources[name] = path
	}
	for _, name := range names {
		size, sum, err := hashFile(sources[name])
		if err != nil {
			return m, err
		}
		m.Files = append(m.Files, manifestFile{name, size, sum, sources[name]})
	}
	return m, nil
}

func hashFile(path string) (size int64, sum string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	h := sha256.New()
	size, err = io.Copy(h, f)
	return size, hex.EncodeToString(h.Sum(nil)), err
}

func (m manifest) write(archive *tar.Writer) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := archive.WriteHeader(&tar.Header{Name: manifestName, Mode: 0o600, Size: int64(len(b)), ModTime: m.Created}); err != nil {
		return err
	}
	_, err = archive.Write(b)
	return err
}

func addFile(archive *tar.Writer, f manifestFile, at time.Time) error {
	if err := archive.WriteHeader(&tar.Header{Name: f.Name, Mode: 0o600, Size: f.Size, ModTime: at}); err != nil {
		return err
	}
	source, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer source.Close()
	_, err = io.Copy(archive, source)
	return err
}

// belongs tells whether a name may stand in a backup: nothing that could be
// written outside of the data directory.
func belongs(name string) bool {
	if name == databaseName || name == keyName {
		return true
	}
	if file, isPicture := strings.CutPrefix(name, picturesName+"/"); isPicture {
		return picture.IsFile(file)
	}
	base, inCerts := strings.CutPrefix(name, "certs/")
	return inCerts && strings.HasSuffix(base, ".pem") && !strings.ContainsAny(base, `/\`) && !strings.HasPrefix(base, ".")
}
