package main

import (
	"context"
	"io"
	"net/http"
	"net/url"

	"github.com/sparkleim/sparkle/admin"
	"github.com/spf13/cobra"
)

// list is the command that shows all items of a path.
func list[T any](c *cli, short, path string, show func(w io.Writer, items []T)) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: short, Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			items, err := all[T](cmd.Context(), api, path, url.Values{})
			if err != nil {
				return err
			}
			if c.json {
				return writeJSON(cmd.OutOrStdout(), items)
			}
			show(cmd.OutOrStdout(), items)
			return nil
		},
	}
}

// all follows the pages of a list.
func all[T any](ctx context.Context, c *client, path string, query url.Values) ([]T, error) {
	items := []T{} // [] in JSON when there are none
	for {
		var page admin.Page[T]
		if err := c.call(ctx, http.MethodGet, path+"?"+query.Encode(), nil, &page); err != nil {
			return nil, err
		}
		items = append(items, page.Items...)
		if page.Next == "" {
			return items, nil
		}
		query.Set("cursor", page.Next)
	}
}
