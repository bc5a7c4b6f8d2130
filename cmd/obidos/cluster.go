package main

import (
	"fmt"
	"net/http"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/obidos-cloud/obidos/internal/platform"
)

func clusterCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "cluster",
		Short: "Several nodes over one store",
		Long: "Every obidos that is started with the same --store and --cluster is a node of one cluster. Nodes find each other through the\n" +
			"store; any can be asked anything. A node that dies is replaced within three seconds, one that is stopped at once.",
		Args: cobra.NoArgs,
	}
	var r running
	c.AddCommand(r.command(&cobra.Command{
		Use:   "status",
		Short: "Say which nodes there are, and what each owns",
		Args:  cobra.NoArgs,
	}, func(c *cobra.Command, _ []string) error {
		var s platform.ClusterStatus
		if err := r.ask(c.Context(), http.MethodGet, "/_obidos/cluster", nil, &s); err != nil {
			return err
		}
		out := c.OutOrStdout()
		fmt.Fprintf(out, "cluster %s in %s (a read takes %s)\n", s.Cluster, s.Store, s.Latency)
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "NODE\tVERSION\tADDRESS\tOWNS\tHEARTBEAT\tSTATE")
		for _, n := range s.Nodes {
			state := n.State
			if n.Node == s.Node {
				state += " (asked)"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s ago\t%s\n", n.Node, n.Version, n.Address, n.Partitions, n.Heartbeat, state)
		}
		if s.Free > 0 {
			fmt.Fprintf(w, "(nobody)\t\t\t%d\t\t\n", s.Free)
		}
		return w.Flush()
	}))
	return c
}
