package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"

	"github.com/sparkleim/sparkle/admin"
	"github.com/spf13/cobra"
)

func (c *cli) verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "verify", Short: "Check the integrity of the store, while the server runs or not", Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := c.dir()
			if err != nil {
				return err
			}
			var report admin.VerifyReport
			err = newClient(filepath.Join(dir, socketName)).call(cmd.Context(), http.MethodPost, "/v1/verify", nil, &report)
			switch {
			case errors.Is(err, errNotRunning):
				return c.verifyStopped(cmd.Context(), cmd.OutOrStdout(), dir)
			case err != nil:
				return err
			}
			io.WriteString(cmd.OutOrStdout(), report.Report)
			return verdict(cmd.OutOrStdout(), report.Problems)
		},
	}
}

// verdict prints the last line of a check.
func verdict(out io.Writer, problems int) error {
	if problems > 0 {
		fmt.Fprintf(out, "%d problems: restore a backup into another directory, and keep this one to look into\n", problems)
		return errProblems
	}
	fmt.Fprintln(out, "no problems")
	return nil
}

// serverRuns tells whether a server answers on the socket of a data directory.
func serverRuns(ctx context.Context, dir string) bool {
	l, err := dialSocket(ctx, filepath.Join(dir, socketName))
	if err != nil {
		return false
	}
	l.Close()
	return true
}
