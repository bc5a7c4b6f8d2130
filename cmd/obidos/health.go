package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// healthCommand is the health check of containers and service managers: its exit status is the answer.
func healthCommand() *cobra.Command {
	var r running
	return r.command(&cobra.Command{
		Use:   "health",
		Short: "Exit with 0 if obidos serves, with 1 if it does not",
		Args:  cobra.NoArgs,
	}, func(c *cobra.Command, _ []string) error {
		h, err := r.health(c.Context())
		if err != nil {
			return err
		}
		if h.Trouble != "" { // it serves all the same: a restart would not mend a full disk
			fmt.Fprintln(c.ErrOrStderr(), h.Trouble)
		}
		fmt.Fprintln(c.OutOrStdout(), h.Status)
		return nil
	})
}
