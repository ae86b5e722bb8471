package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/sparkleim/sparkle/admin"
	"github.com/sparkleim/sparkle/store"
	"github.com/spf13/cobra"
)

func (c *cli) userCommand() *cobra.Command {
	return commands("user", "Manage users",
		c.userAdd(), c.userImport(), c.userList(), c.userPassword(),
		c.userSwitch("disable", "Disable a user: the user's devices are disconnected", true),
		c.userSwitch("enable", "Enable a disabled user", false),
		c.userPicture(), c.userCalls(), c.userRemove())
}

func userURL(user string) string { return "/v1/users/" + url.PathEscape(user) }

func (c *cli) userAdd() *cobra.Command {
	var n admin.NewUser
	cmd := &cobra.Command{Use: "add USER[@DOMAIN]", Short: "Add a user; without --password one is made and printed", Args: arguments(cobra.ExactArgs(1))}
	cmd.Flags().StringVar(&n.Password, "password", "", "password; - reads it from standard input")
	cmd.Flags().StringVar(&n.DisplayName, "name", "", "display name")
	cmd.Flags().StringSliceVar(&n.Numbers, "number", nil, "further number that reaches the user (may be repeated)")
	cmd.Flags().BoolVar(&n.Admin, "admin", false, "make the user an administrator")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		n.Username, n.Domain, _ = strings.Cut(strings.ToLower(args[0]), "@")
		if err := readPassword(cmd, &n.Password); err != nil {
			return err
		}
		api, err := c.client()
		if err != nil {
			return err
		}
		var added admin.AddedUser
		if err := api.call(cmd.Context(), http.MethodPost, "/v1/users", n, &added); err != nil {
			return err
		}
		return c.printAdded(cmd.OutOrStdout(), "added", added)
	}
	return cmd
}

// readPassword replaces - by the first line of standard input, so that the
// password stands neither in the shell's history nor in the list of processes.
func readPassword(cmd *cobra.Command, password *string) error {
	if *password != "-" {
		return nil
	}
	b, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), 4096))
	if err != nil {
		return err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	if *password = strings.TrimSuffix(line, "\r"); *password == "" {
		return errors.New("no password on standard input")
	}
	return nil
}

func (c *cli) printAdded(w io.Writer, what string, added admin.AddedUser) error {
	if c.json {
		return writeJSON(w, added)
	}
	fmt.Fprintf(w, "%s %s\n", what, added.User.AOR())
	if added.Password != "" {
		fmt.Fprintf(w, "password: %s (it is not shown again)\n", added.Password)
	}
	return nil
}

func (c *cli) userImport() *cobra.Command {
	var domain string
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Import users from CSV: user,password,display name,numbers",
		Long: "Import users from CSV, one a row: user,password,display name,numbers (several\n" +
			"numbers are separated by spaces). UTF-8 and GB18030 are recognised. Users who\n" +
			"exist are updated; without a password they keep theirs. With a problem in any\n" +
			"row nothing is imported and every problem is printed. - reads standard input.",
		Args: arguments(cobra.ExactArgs(1)),
	}
	cmd.Flags().StringVar(&domain, "domain", "", "domain of the users (default: the first of the server)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path := "/v1/users/import"
		if domain != "" {
			path += "?domain=" + url.QueryEscape(domain)
		}
		var report admin.ImportReport
		return c.importFile(cmd, path, args[0], &report, func(w io.Writer) {
			fmt.Fprintf(w, "%d added, %d updated (%s)\n", report.Added, report.Updated, report.Encoding)
		})
	}
	return cmd
}

// importFile sends a CSV file, or standard input for -, and shows the report, or
// which rows cannot be imported.
func (c *cli) importFile(cmd *cobra.Command, path, name string, report any, show func(w io.Writer)) error {
	file, err := openInput(cmd, name)
	if err != nil {
		return err
	}
	defer file.Close()
	api, err := c.client()
	if err != nil {
		return err
	}
	answer, err := api.stream(cmd.Context(), http.MethodPost, path, "text/csv", file)
	var refused *problem
	if errors.As(err, &refused) && len(refused.rows) > 0 {
		fmt.Fprintln(cmd.ErrOrStderr(), refused)
		return errProblems
	}
	if err != nil {
		return err
	}
	defer answer.Close()
	if err := decode(answer, report); err != nil {
		return err
	}
	if c.json {
		return writeJSON(cmd.OutOrStdout(), report)
	}
	show(cmd.OutOrStdout())
	return nil
}

func openInput(cmd *cobra.Command, path string) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(cmd.InOrStdin()), nil
	}
	return os.Open(path)
}

func (c *cli) userList() *cobra.Command {
	return &cobra.Command{
		Use: "list [PART]", Short: "List users, or those whose name or number contains PART", Args: arguments(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			query := url.Values{"limit": {"1000"}}
			if len(args) == 1 {
				query.Set("match", args[0])
			}
			users, err := all[store.User](cmd.Context(), api, "/v1/users", query)
			if err != nil {
				return err
			}
			if c.json {
				return writeJSON(cmd.OutOrStdout(), users)
			}
			printUsers(cmd.OutOrStdout(), users)
			return nil
		},
	}
}

func printUsers(w io.Writer, users []store.User) {
	t := newTable("ADDRESS", "NAME", "NUMBERS", "STATE")
	for _, u := range users {
		state := "active"
		switch {
		case u.Disabled:
			state = "disabled"
		case u.Admin:
			state = "administrator"
		}
		t.add(u.AOR(), cmp.Or(u.DisplayName, "-"), cmp.Or(strings.Join(u.Numbers, " "), "-"), state)
	}
	t.write(w)
}

func (c *cli) userPassword() *cobra.Command {
	var request admin.NewPasswordRequest
	cmd := &cobra.Command{Use: "passwd USER", Short: "Set a password; without --password one is made and printed", Args: arguments(cobra.ExactArgs(1))}
	cmd.Flags().StringVar(&request.Password, "password", "", "password; - reads it from standard input")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := readPassword(cmd, &request.Password); err != nil {
			return err
		}
		api, err := c.client()
		if err != nil {
			return err
		}
		var changed admin.AddedUser
		if err := api.call(cmd.Context(), http.MethodPut, userURL(args[0])+"/password", request, &changed); err != nil {
			return err
		}
		return c.printAdded(cmd.OutOrStdout(), "new password for", changed)
	}
	return cmd
}

func (c *cli) userSwitch(use, short string, disabled bool) *cobra.Command {
	return &cobra.Command{
		Use: use + " USER", Short: short, Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			var u store.User
			if err := api.call(cmd.Context(), http.MethodPatch, userURL(args[0]), admin.UserChange{Disabled: &disabled}, &u); err != nil {
				return err
			}
			if c.json {
				return writeJSON(cmd.OutOrStdout(), u)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%sd %s\n", use, u.AOR())
			return nil
		},
	}
}

func (c *cli) userRemove() *cobra.Command {
	return &cobra.Command{
		Use: "remove USER", Short: "Remove a user; the archive keeps what the user wrote", Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			if err := api.call(cmd.Context(), http.MethodDelete, userURL(args[0]), nil, nil); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "removed %s\n", args[0])
			return nil
		},
	}
}
