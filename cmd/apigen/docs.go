package main

import (
	"fmt"
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
		var names []string
		for _, o := range c.Operations {
			names = append(names, o.Name)
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
