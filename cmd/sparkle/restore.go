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
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

// maxManifest bounds the manifest, in bytes.
const maxManifest = 64 << 20 // two entries of 200 bytes for each picture

func (c *cli) restoreCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "restore FILE DIRECTORY",
		Short: "Restore a backup into an empty directory and verify it",
		Long: "Restore a backup into an empty or new directory and verify it. Then let data_dir\n" +
			"of the configuration name that directory, and start the server.",
		Args: arguments(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			if err := restore(f, args[1]); err != nil {
				return fmt.Errorf("%s was not restored: %w", args[0], err)
			}
			return c.verifyStopped(cmd.Context(), cmd.OutOrStdout(), args[1])
		},
	}
}

// restore unpacks a backup into an empty directory. When it fails it leaves
// the directory empty.
func restore(backup io.Reader, dir string) (err error) {
	if err := makeEmpty(dir); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, clearDir(dir))
		}
	}()
	archive := tar.NewReader(backup)
	m, err := readManifest(archive)
	if err != nil {
		return err
	}
	for _, f := range m.Files {
		if !belongs(f.Name) {
			return fmt.Errorf("it contains %q, which is no part of a backup", f.Name)
		}
		if err := unpack(archive, f, filepath.Join(dir, filepath.FromSlash(f.Name))); err != nil {
			return err
		}
	}
	return nil
}

// makeEmpty wants a directory without anything in it.
func makeEmpty(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty (%s …): name a new directory", dir, entries[0].Name())
	}
	return nil
}

func clearDir(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}

func readManifest(archive *tar.Reader) (m manifest, err error) {
	h, err := archive.Next()
	if err != nil || h.Name != manifestName {
		return m, errors.New("it is not a backup of sparkle: it does not begin with a manifest")
	}
	if err := json.NewDecoder(io.LimitReader(archive, maxManifest)).Decode(&m); err != nil {
		return m, fmt.Errorf("its manifest cannot be read: %w", err)
	}
	return m, nil
}

// unpack writes the next entry, which must be f.
func unpack(archive *tar.Reader, f manifestFile, path string) error {
	h, err := archive.Next()
	if err != nil {
		return fmt.Errorf("it ends before %s: copy the file again", f.Name)
	}
	if h.Name != f.Name || h.Size != f.Size {
		return fmt.Errorf("%s does not match the manifest", h.Name)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	sum := sha256.New()
	_, err = io.Copy(io.MultiWriter(out, sum), archive)
	err = errors.Join(err, out.Sync(), out.Close())
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	if hex.EncodeToString(sum.Sum(nil)) != f.SHA256 {
		return fmt.Errorf("%s is damaged: its checksum differs from the manifest", f.Name)
	}
	return nil
}

// verifyStopped opens the store of a stopped server and checks it.
func (c *cli) verifyStopped(ctx context.Context, out io.Writer, dir string) error {
	db, err := openStopped(dir)
	if err != nil {
		return err
	}
	defer db.Close()
	problems, err := verify(ctx, db, dir, out)
	if err != nil {
		return err
	}
	return verdict(out, problems)
}
