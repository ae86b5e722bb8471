package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/sparkleim/sparkle/configs"
	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitDone     = 0
	exitFailed   = 1
	exitUsage    = 2
	exitProblems = 3
)

// defaultConfig is where an installed server has its configuration.
const defaultConfig = "/etc/sparkle/sparkle.toml"

// errProblems is returned by commands that have printed what they found.
var errProblems = errors.New("problems were found")

// usageError is a wrong use of the command line.
type usageError struct{ error }

// cli is what every command shares.
type cli struct {
	configPath string
	dataDir    string
	json       bool
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errProblems):
		return exitProblems
	case errors.As(err, &usage):
		fmt.Fprintf(errOut, "sparkle: %v\n", err)
		return exitUsage
	default:
		fmt.Fprintf(errOut, "sparkle: %v\n", err)
		return exitFailed
	}
}

func rootCommand() *cobra.Command {
	c := &cli{}
	root := commands("sparkle", "Messaging, presence, voice and video for an organisation, on standard SIP")
	root.SilenceUsage, root.SilenceErrors = true, true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w (`%s --help` shows the flags)", err, cmd.CommandPath())}
	})
	flags := root.PersistentFlags()
	flags.StringVar(&c.configPath, "config", "", "configuration file (default "+defaultConfig+")")
	flags.StringVar(&c.dataDir, "data", "", "data directory of the server, instead of the one that the configuration names")
	flags.BoolVar(&c.json, "json", false, "print JSON instead of tables")
	root.AddCommand(
		c.serveCommand(), c.localserveCommand(), c.quickstartCommand(),
		c.userCommand(), c.deviceCommand(), c.groupCommand(), c.unitCommand(), c.messageCommand(), c.traceCommand(),
		c.callCommand(), c.huntCommand(), c.classCommand(), c.trunkCommand(),
		c.backupCommand(), c.restoreCommand(), c.verifyCommand(),
		c.configCommand(), c.tokenCommand(), c.statusCommand(), c.pingCommand(), c.versionCommand(),
	)
	return root
}

// commands is a command that only has sub-commands.
func commands(use, short string, sub ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{Use: use, Short: short, Args: arguments(cobra.NoArgs), RunE: func(cmd *cobra.Command, _ []string) error {
		cmd.Help()
		return usageError{fmt.Errorf("%s needs one of its commands", cmd.CommandPath())}
	}}
	g.AddCommand(sub...)
	return g
}

// arguments makes a wrong number of arguments a usage error.
func arguments(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{fmt.Errorf("%w (usage: %s)", err, cmd.UseLine())}
		}
		return nil
	}
}

// load reads the configuration that --config names.
func (c *cli) load() (*configs.Config, error) {
	return configs.Load(cmp.Or(c.configPath, defaultConfig))
}

// dir is the data directory: --data, that of the configuration, or, where
// neither is given nor installed, the one of localserve.
func (c *cli) dir() (string, error) {
	if c.dataDir != "" {
		return c.dataDir, nil
	}
	if c.configPath == "" && !exists(defaultConfig) && exists(filepath.Join(localDir, socketName)) {
		return localDir, nil
	}
	cfg, err := c.load()
	if err != nil {
		return "", err
	}
	return cfg.DataDir, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
