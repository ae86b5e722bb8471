package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"

	"github.com/spf13/cobra"
)

// selects is flags that select records.
type selects interface {
	flags(cmd *cobra.Command)
	query(text string) (url.Values, error)
}

// export is the command that writes the records of a path as JSON lines or CSV.
func (c *cli) export(short, path string, s selects) *cobra.Command {
	var format, output string
	cmd := &cobra.Command{Use: "export", Short: short, Args: arguments(cobra.NoArgs)}
	s.flags(cmd)
	cmd.Flags().StringVar(&format, "format", "jsonl", "jsonl or csv")
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write (default: standard output)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		query, err := s.query("")
		if err != nil {
			return err
		}
		query.Set("format", format)
		api, err := c.client()
		if err != nil {
			return err
		}
		answer, err := api.stream(cmd.Context(), http.MethodGet, path+"?"+query.Encode(), "", nil)
		if err != nil {
			return err
		}
		defer answer.Close()
		return writeOutput(cmd, output, answer)
	}
	return cmd
}

// writeOutput copies to a new file that only we may read, or to standard
// output. A file that could not be written to its end is removed.
func writeOutput(cmd *cobra.Command, path string, r io.Reader) error {
	if path == "" {
		_, err := io.Copy(cmd.OutOrStdout(), r)
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists already: remove it or name another file", path)
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		os.Remove(path)
		return fmt.Errorf("%s was not written: %w", path, err)
	}
	return nil
}
