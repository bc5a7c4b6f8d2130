package main

import (
	"fmt"
	"slices"
	"strings"
)

// printDocs is the page that says what is served: of each service how many operations and which, and what is kept without effect.
func printDocs(contracts []*contract) []byte {
	var b strings.Builder
	b.WriteString(`# Services

Generated from ` + "`models/`" + `. What is not served answers 501 in the caller's own protocol and names service and operation.

| service | | served | of |
|---|---|--:|--:|
`)
	served, all := 0, 0
	for _, c := range contracts {
		n := len(c.Operations) + len(c.Unserved)
		name := c.Name
		if len(c.Operations) > 0 {
			name = "[" + name + "](#" + name + ")"
		}
		fmt.Fprintf(&b, "| %s | %s | %d | %d |\n", name, c.Title, len(c.Operations), n)
		served, all = served+len(c.Operations), all+n
	}
	fmt.Fprintf(&b, "| | all | %d | %d |\n", served, all)
	for _, c := range contracts {
		if len(c.Operations) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n", c.Name)
		if prefix := actionPrefix(c); prefix != c.Name {
			fmt.Fprintf(&b, "In policies its actions begin with `%s:`.\n\n", prefix)
		}
		var names []string
		for _, o := range c.Operations {
			names = append(names, o.Name+actionsOf(c, o.Name))
		}
		fmt.Fprintf(&b, "Served: %s.\n", strings.Join(names, ", "))
		if len(c.Unserved) > 0 {
			names = nil
			for _, r := range c.Unserved {
				names = append(names, r.Name)
			}
			fmt.Fprintf(&b, "\nNot served: %s.\n", strings.Join(names, ", "))
		}
		if len(c.Inert) > 0 {
			b.WriteString("\nKept without effect:\n\n| setting | |\n|---|---|\n")
			for _, i := range c.Inert {
				fmt.Fprintf(&b, "| `%s` | %s |\n", i.Path, i.Reason)
			}
		}
	}
	return []byte(b.String())
}

// actionPrefix is the service's name in IAM: that of most of its actions.
func actionPrefix(c *contract) string {
	count := map[string]int{}
	most := c.Name
	for _, o := range c.Operations {
		if rule := c.Authorization.Operation(o.Name); rule != nil && len(rule.Actions) > 0 {
			prefix, _, _ := strings.Cut(rule.Actions[0].Name, ":")
			if count[prefix]++; count[prefix] > count[most] {
				most = prefix
			}
		}
	}
	return most
}

// actionsOf says, in brackets, which actions of IAM an operation is where they are not called as it is.
func actionsOf(c *contract, operation string) string {
	rule := c.Authorization.Operation(operation)
	if rule == nil {
		return ""
	}
	if len(rule.Actions) == 0 {
		return " (needs no permission)"
	}
	var names []string
	for _, a := range rule.Actions {
		if _, name, _ := strings.Cut(a.Name, ":"); a.Mark != '+' && a.Mark != '?' && name != operation && !slices.Contains(names, "`"+a.Name+"`") {
			names = append(names, "`"+a.Name+"`")
		}
	}
	if len(names) == 0 {
		return ""
	}
	return " (" + strings.Join(names, ", ") + ")"
}
