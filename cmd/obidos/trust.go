package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/spf13/cobra"
)

func trustCommand() *cobra.Command {
	var r running
	var install bool
	c := r.command(&cobra.Command{
		Use:   "trust",
		Short: "Print the certificate of obidos' own CA, for clients that use https",
		Long: "Print the certificate of obidos' own CA. Save it and name it in AWS_CA_BUNDLE, NODE_EXTRA_CA_CERTS or SSL_CERT_FILE,\n" +
			"or have it put among those this machine trusts with --install.",
		Example: "  obidos trust > obidos.pem && export AWS_CA_BUNDLE=$PWD/obidos.pem",
		Args:    cobra.NoArgs,
	}, func(c *cobra.Command, _ []string) error {
		var cert string
		if err := r.ask(c.Context(), http.MethodGet, "/_obidos/ca.pem", nil, &cert); err != nil {
			return err
		}
		if install {
			return installCA(c, cert)
		}
		fmt.Fprint(c.OutOrStdout(), cert)
		return nil
	})
	c.Flags().BoolVar(&install, "install", false, "put it among the certificates this machine trusts (as root, on Debian and Red Hat systems)")
	return c
}

// installCA puts cert where the system's own tool collects trusted certificates.
func installCA(c *cobra.Command, cert string) error {
	for _, place := range []struct{ dir, command string }{
		{"/usr/local/share/ca-certificates", "update-ca-certificates"},
		{"/etc/pki/ca-trust/source/anchors", "update-ca-trust"},
	} {
		if info, err := os.Stat(place.dir); err != nil || !info.IsDir() {
			continue
		}
		path := place.dir + "/obidos.crt"
		if err := os.WriteFile(path, []byte(cert), 0o644); err != nil {
			return fmt.Errorf("%w (run this as root)", err)
		}
		if err := runHere(c.Context(), place.command); err != nil {
			return err
		}
		fmt.Fprintln(c.OutOrStdout(), "installed as", path)
		return nil
	}
	return errors.New("this system keeps its trusted certificates where obidos does not know; save the output of `obidos trust` and add it with the system's own tool")
}
