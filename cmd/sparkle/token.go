package main

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/sparkleim/sparkle/admin"
	"github.com/spf13/cobra"
)

func (c *cli) tokenCommand() *cobra.Command {
	return commands("token", "Manage the tokens that open the API over HTTPS", c.tokenAdd(), list(c, "List tokens", "/v1/tokens", printTokens), c.tokenRevoke())
}

func (c *cli) tokenAdd() *cobra.Command {
	var n admin.NewToken
	cmd := &cobra.Command{Use: "add NAME", Short: "Make a token and print it", Args: arguments(cobra.ExactArgs(1))}
	cmd.Flags().StringVar(&n.User, "user", "", "username or number: it opens what is this user's own, /v1/me, and nothing else")
	cmd.Flags().IntVar(&n.Days, "days", 0, "days until it expires (default: never)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		n.Name = args[0]
		api, err := c.client()
		if err != nil {
			return err
		}
		var added admin.AddedToken
		if err := api.call(cmd.Context(), http.MethodPost, "/v1/tokens", n, &added); err != nil {
			return err
		}
		if c.json {
			return writeJSON(cmd.OutOrStdout(), added)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s\n", added.Secret)
		opens := "/v1/status"
		if n.User != "" {
			opens = "/v1/me/conversations"
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "It is not shown again. Use: curl -H 'Authorization: Bearer TOKEN' https://HOST%s\n", opens)
		return nil
	}
	return cmd
}

func printTokens(w io.Writer, tokens []admin.Token) {
	when := func(t *time.Time) string {
		if t == nil {
			return "-"
		}
		return day(*t)
	}
	t := newTable("ID", "NAME", "USER", "CREATED", "EXPIRES", "LAST USED", "REVOKED")
	for _, token := range tokens {
		t.add(token.ID, token.Name, cmp.Or(token.User, "-"), day(token.Created), when(token.Expires), when(token.LastUsed), when(token.Revoked))
	}
	t.write(w)
}

func (c *cli) tokenRevoke() *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Short: "Revoke a token", Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := strconv.ParseInt(args[0], 10, 64); err != nil {
				return usageError{fmt.Errorf("%q is not the id of a token: `sparkle token list` shows them", args[0])}
			}
			api, err := c.client()
			if err != nil {
				return err
			}
			if err := api.call(cmd.Context(), http.MethodDelete, "/v1/tokens/"+args[0], nil, nil); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "revoked token %s\n", args[0])
			return nil
		},
	}
}
