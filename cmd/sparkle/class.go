package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/sparkleim/sparkle/store"
	"github.com/spf13/cobra"
)

func (c *cli) classCommand() *cobra.Command {
	return commands("class", "Manage classes of service: who may call where", list(c, "List classes of service", "/v1/classes", printClasses), c.classSet(), c.classRemove())
}

func classURL(name string) string { return "/v1/classes/" + url.PathEscape(name) }

func printClasses(w io.Writer, classes []store.ClassOfService) {
	limit := func(n int) string {
		if n == 0 {
			return "no limit"
		}
		return fmt.Sprint(n)
	}
	t := newTable("CLASS", "ALLOWED", "DENIED", "CALLS AT A TIME", "CALLS AN HOUR")
	for _, class := range classes {
		allowed := "everywhere"
		if len(class.Allow) > 0 {
			allowed = words(class.Allow)
		}
		t.add(class.Name, allowed, words(class.Deny), limit(class.MaxCalls), limit(class.CallsPerHour))
	}
	t.write(w)
}

func (c *cli) classSet() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "set CLASS",
		Short: "Make or change a class of service; a list that is given replaces the whole list",
		Long: "Make or change a class of service. Prefixes are written as +86 or +49176; the\n" +
			"longest one that fits decides. The class default holds for all users without\n" +
			"another, and without it they may call everywhere; `sparkle user calls USER\n" +
			"--class CLASS` gives one to a user.",
		Args: arguments(cobra.ExactArgs(1)),
	}
	e := editsOf[store.ClassOfService](cmd)
	e.list("allow", "prefix that may be called (may be repeated; none: everywhere)", func(s *store.ClassOfService) *[]string { return &s.Allow })
	e.list("deny", "prefix that may not be called (may be repeated)", func(s *store.ClassOfService) *[]string { return &s.Deny })
	e.number("max-calls", "calls of a user at the same time; 0 for no limit", func(s *store.ClassOfService) *int { return &s.MaxCalls })
	e.number("calls-per-hour", "calls of a user in an hour; 0 for no limit", func(s *store.ClassOfService) *int { return &s.CallsPerHour })
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := c.client()
		if err != nil {
			return err
		}
		var class store.ClassOfService
		err = api.call(cmd.Context(), http.MethodGet, classURL(args[0]), nil, &class)
		if err != nil && !isNotFound(err) {
			return err
		}
		e.apply(&class)
		if err := api.call(cmd.Context(), http.MethodPut, classURL(args[0]), class, &class); err != nil {
			return err
		}
		if c.json {
			return writeJSON(cmd.OutOrStdout(), class)
		}
		printClasses(cmd.OutOrStdout(), []store.ClassOfService{class})
		return nil
	}
	return cmd
}

// isNotFound tells that the server does not know what was asked for.
func isNotFound(err error) bool {
	p, ok := errors.AsType[*problem](err)
	return ok && p.status == http.StatusNotFound
}

func (c *cli) classRemove() *cobra.Command {
	return &cobra.Command{
		Use: "remove CLASS", Short: "Remove a class of service that no user has", Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.remove(cmd, classURL(args[0]), "class "+args[0])
		},
	}
}
