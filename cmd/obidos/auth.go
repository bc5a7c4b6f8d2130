package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/federation"
	"github.com/obidos-cloud/obidos/internal/lang/policy"
	"github.com/obidos-cloud/obidos/internal/platform"
	"github.com/obidos-cloud/obidos/internal/service/iam"
)

// identity is what the settings say about who may do what.
func (c *config) identity() (i platform.Identity, err error) {
	if i.Mode, err = auth.ParseMode(c.auth); err != nil {
		return i, err
	}
	if i.Region = c.region; !auth.IsRegion(c.region) {
		return i, fmt.Errorf("region %q (from %s) is none: us-east-1 is one", c.region, c.from("region"))
	}
	if c.rootKey != "" {
		i.RootKey = iam.RootKey{Account: aws.DefaultAccount, ID: c.rootKey, Secret: c.rootSecret}
	}
	for _, value := range c.guardrails {
		account, path, ok := strings.Cut(value, "=")
		if !ok || !aws.IsAccount(account) {
			account, path = "", value
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return i, fmt.Errorf("guardrail (from %s): %w", c.from("guardrail"), err)
		}
		p, err := policy.Parse(string(text), policy.Guardrail)
		if err != nil {
			return i, fmt.Errorf("guardrail %s: %w", path, err)
		}
		if i.Guardrails == nil {
			i.Guardrails = map[string][]policy.Source{}
		}
		i.Guardrails[account] = append(i.Guardrails[account], policy.Source{Name: path, Policy: p})
	}
	i.PlainIssuers = c.oidcHTTP
	for _, value := range c.oidcKeys {
		issuer, path, ok := strings.Cut(value, "=")
		if !ok {
			return i, fmt.Errorf("oidc-keys %q (from %s) is not ISSUER=FILE", value, c.from("oidc-keys"))
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return i, fmt.Errorf("oidc-keys (from %s): %w", c.from("oidc-keys"), err)
		}
		if err := federation.CheckKeys(text); err != nil {
			return i, fmt.Errorf("oidc-keys %s: %w", path, err)
		}
		if i.IssuerKeys == nil {
			i.IssuerKeys = map[string][]byte{}
		}
		i.IssuerKeys[issuer] = text
	}
	return i, nil
}

func authCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "auth",
		Short: "See what was denied and why, and write policies from what was done",
	}
	c.AddCommand(authExplainCommand(), authGenerateCommand())
	return c
}

func authExplainCommand() *cobra.Command {
	var r running
	var count int
	c := r.command(&cobra.Command{
		Use:   "explain",
		Short: "Print the last denials, each with the statement that would allow it, ready to paste",
		Long: "Print the last denials, each with the statement that would allow it, ready to paste.\n\n" +
			"obidos remembers the last thousand of this node since it started, with --auth=iam and, though it refuses nothing, with --auth=log.",
		Args: cobra.NoArgs,
	}, func(c *cobra.Command, _ []string) error {
		var all []auth.Denial
		if err := r.ask(c.Context(), http.MethodGet, "/_obidos/auth/denials", nil, &all); err != nil {
			return err
		}
		explain(c.OutOrStdout(), all, count)
		return nil
	})
	c.Flags().IntVarP(&count, "number", "n", 5, "how many")
	return c
}

// explain prints denials that differ, the last ones last.
func explain(w io.Writer, all []auth.Denial, count int) {
	type kind struct{ identity, action, resource, reason string }
	seen := map[kind]int{}
	var different []auth.Denial
	for _, d := range all {
		k := kind{d.Identity, d.Action, d.Resource, d.Reason}
		if seen[k]++; seen[k] == 1 && len(different) < count {
			different = append(different, d)
		}
	}
	if len(different) == 0 {
		fmt.Fprintln(w, "nothing was denied")
		return
	}
	for i := len(different) - 1; i >= 0; i-- {
		d := different[i]
		times := ""
		if n := seen[kind{d.Identity, d.Action, d.Resource, d.Reason}]; n > 1 {
			times = fmt.Sprintf(" (%d times)", n)
		}
		fmt.Fprintf(w, "%s%s\n  %s may not %s\n  on %s\n  %s\n", d.Time.Local().Format(time.DateTime), times, d.Principal, d.Action, plain(d.Resource, ""), d.Reason)
		if d.Statement == "" {
			fmt.Fprint(w, "  That deny stands, whatever else allows it: the statement has to be changed.\n\n")
			continue
		}
		fmt.Fprintf(w, "  This would allow it, in %s:\n\n%s\n\n", plain(d.In, ""), plain(d.Statement, "\n"))
	}
}

// plain is s with a sign in place of each character that would tell a terminal something, but for some: callers name what they ask for.
func plain(s, but string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) || strings.ContainsRune(but, c) {
			return c
		}
		return unicode.ReplacementChar
	}, s)
}

func authGenerateCommand() *cobra.Command {
	var r running
	var principal, since string
	c := r.command(&cobra.Command{
		Use:     "generate",
		Short:   "Write the least policy that allows what was done",
		Example: "  obidos auth generate --since 10m --principal arn:aws:iam::000000000000:role/worker",
		Long: "Write the least policy that allows what was done: each action on just the resources it was done on.\n\n" +
			"It is made from what this node has seen since it started, with --auth=log or --auth=iam; what was denied counts as well.",
		Args: cobra.NoArgs,
	}, func(c *cobra.Command, _ []string) error {
		var text string
		path := "/_obidos/auth/policy?" + url.Values{"principal": {principal}, "since": {since}}.Encode()
		if err := r.ask(c.Context(), http.MethodGet, path, nil, &text); err != nil {
			return err
		}
		if text == "" {
			return errors.New("nothing was done that the policy would be about")
		}
		fmt.Fprintln(c.OutOrStdout(), plain(text, "\n"))
		return nil
	})
	c.Flags().StringVar(&principal, "principal", "", "`ARN` of the user or role it is for (default: everybody's)")
	c.Flags().StringVar(&since, "since", "", "only what was done in this `time` (10m, 2h)")
	return c
}

func accountCommand() *cobra.Command {
	c := &cobra.Command{Use: "account", Short: "Make accounts"}
	var r running
	c.AddCommand(r.command(&cobra.Command{
		Use:   "create NUMBER",
		Short: "Make an account of 12 digits, and print the access key of its root",
		Args:  cobra.ExactArgs(1),
	}, func(c *cobra.Command, args []string) error {
		var k iam.RootKey
		err := r.either(c.Context(), func() error {
			return r.ask(c.Context(), http.MethodPut, "/_obidos/accounts/"+url.PathEscape(args[0]), nil, &k)
		}, func(ctx context.Context, p *platform.Platform) (err error) {
			k, err = p.CreateAccount(ctx, args[0])
			return err
		})
		if err == nil {
			printRootKey(c.OutOrStdout(), k)
		}
		return err
	}))
	return c
}

// printRootKey tells a root's key the only time it can be told.
func printRootKey(w io.Writer, k iam.RootKey) {
	fmt.Fprintf(w, "root of account %s (this is told once: keep it)\nAWS_ACCESS_KEY_ID=%s\nAWS_SECRET_ACCESS_KEY=%s\n", k.Account, k.ID, k.Secret)
}
