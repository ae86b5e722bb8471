package main

import (
	"cmp"
	"fmt"

	"github.com/sparkleim/sparkle/configs"
	"github.com/spf13/cobra"
)

func (c *cli) configCommand() *cobra.Command {
	return commands("config", "Explain and check the configuration", c.configDescribe(), c.configCheck())
}

func (c *cli) configDescribe() *cobra.Command {
	var sample string
	cmd := &cobra.Command{Use: "describe", Short: "Print every key with its explanation and its default", Args: arguments(cobra.NoArgs)}
	cmd.Flags().StringVar(&sample, "sample", "", "print the office or the localserve sample instead of the defaults")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		switch sample {
		case "":
			return configs.Describe(cmd.OutOrStdout(), configs.Default())
		case "office":
			return configs.Describe(cmd.OutOrStdout(), configs.Office("example.com", "/var/lib/sparkle"))
		case "localserve":
			return configs.Describe(cmd.OutOrStdout(), configs.Localserve(localDir, configs.StandardPorts()))
		}
		return usageError{fmt.Errorf("--sample %q: there are office and localserve", sample)}
	}
	return cmd
}

func (c *cli) configCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check [FILE]", Short: "Check a configuration file and what it names on this host", Args: arguments(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := cmp.Or(first(args), c.configPath, defaultConfig)
			cfg, err := configs.Load(path)
			if err != nil {
				return err
			}
			if err := cfg.CheckHost(!serverRuns(cmd.Context(), cfg.DataDir)); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: good\n", path)
			return nil
		},
	}
}
