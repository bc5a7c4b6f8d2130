package policy

import (
	"fmt"
	"slices"
	"strings"
)

const (
	syntaxErrors = "Syntax errors in policy."
	legacyFailed = "The policy failed legacy parsing"
	noPrincipals = "Invalid principal in policy: com.amazon.balsa.error.InvalidPolicyException: The passed in policy has a statement with no principals!"
)

func notJSON(kind Kind) string {
	if kind == Trust {
		return "This policy contains invalid Json"
	}
	return syntaxErrors
}

// check is what is wrong with a document of a kind, in AWS's words and in AWS's order; empty where nothing is.
func check(root *node, kind Kind) string {
	if kind == Trust {
		return checkTrust(root)
	}
	statements, ok := statementsOf(root)
	if !ok {
		return syntaxErrors
	}
	named, unnamed := false, false
	for i := range statements {
		s := &statements[i]
		if !soundStatement(s) {
			return syntaxErrors
		}
		has := s.get("Principal") != nil || s.get("NotPrincipal") != nil
		named, unnamed = named || has, unnamed || !has
	}
	switch {
	case kind == Resource && unnamed:
		return "Missing required field Principal"
	case kind != Resource && named:
		return "Policy document should not specify a principal."
	}
	if v := root.get("Version"); (kind == Managed || kind == Guardrail) && (v == nil || v.text != version2012) {
		return "Policy document must be version 2012-10-17 or greater."
	}
	return checkStatements(statements, kind)
}

// checkStatements goes through statements that are well-formed.
func checkStatements(statements []node, kind Kind) string {
	var bad string // the first resource that is none
	for i := range statements {
		if e := statements[i].get("Effect").text; e != "Allow" && e != "Deny" || !parsesDates(&statements[i]) {
			return legacyFailed
		}
	}
	for i := range statements {
		for _, r := range append(statements[i].list("Resource"), statements[i].list("NotResource")...) {
			if bad == "" && kind != Resource {
				bad = badResource(r)
			}
		}
		if bad == "" && kind != Resource && !parsesResources(&statements[i]) {
			return legacyFailed
		}
	}
	if message := checkSids(statements); message != "" {
		return message
	}
	for i := range statements {
		if len(statements[i].list("Action"))+len(statements[i].list("NotAction")) == 0 {
			return "Policy statement must contain actions."
		}
	}
	if bad != "" {
		return bad
	}
	for i := range statements {
		for _, a := range append(statements[i].list("Action"), statements[i].list("NotAction")...) {
			if message := badAction(a); message != "" {
				return message
			}
		}
	}
	for i := range statements {
		if kind != Resource && len(statements[i].list("Resource"))+len(statements[i].list("NotResource")) == 0 {
			return "Policy statement must contain resources."
		}
	}
	return ""
}

// get is a member's value; nil where there is none.
func (n *node) get(name string) *node {
	for i := range n.members {
		if n.members[i].name == name {
			return &n.members[i].value
		}
	}
	return nil
}

// list is a member's value or values; none where there is no such member.
func (n *node) list(name string) []string {
	v := n.get(name)
	if v == nil {
		return nil
	}
	if v.kind == jsonString {
		return []string{v.text}
	}
	all := make([]string, 0, len(v.elements))
	for i := range v.elements {
		all = append(all, v.elements[i].text)
	}
	return all
}

// only reports whether n is an object with no other members than these, each once at most.
func (n *node) only(names ...string) bool {
	if n.kind != jsonObject {
		return false
	}
	for i, m := range n.members {
		if !slices.Contains(names, m.name) {
			return false
		}
		for _, before := range n.members[:i] {
			if before.name == m.name {
				return false
			}
		}
	}
	return true
}

// isOr reports whether n is not there, or is of a kind.
func (n *node) isOr(kind nodeKind) bool { return n == nil || n.kind == kind }

// strings reports whether n is not there, or is a string or a list of them.
func (n *node) strings() bool {
	if n == nil || n.kind == jsonString {
		return true
	}
	return n.kind == jsonArray && !slices.ContainsFunc(n.elements, func(e node) bool { return e.kind != jsonString })
}

// statementsOf are those of a document whose frame is sound.
func statementsOf(root *node) ([]node, bool) {
	if !root.only("Version", "Id", "Statement") || !root.get("Id").isOr(jsonString) {
		return nil, false
	}
	if v := root.get("Version"); v != nil && (v.kind != jsonString || v.text != version2008 && v.text != version2012) {
		return nil, false
	}
	s := root.get("Statement")
	switch {
	case s == nil:
		return nil, false
	case s.kind == jsonObject:
		return []node{*s}, true
	}
	return s.elements, s.kind == jsonArray && len(s.elements) > 0
}

func soundStatement(s *node) bool {
	if !s.only("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition") {
		return false
	}
	for _, name := range []string{"Principal", "Action", "Resource"} {
		if s.get(name) != nil && s.get("Not"+name) != nil {
			return false
		}
	}
	for _, name := range []string{"Action", "NotAction", "Resource", "NotResource"} {
		if !s.get(name).strings() {
			return false
		}
	}
	if e := s.get("Effect"); e == nil || !strings.EqualFold(e.text, "Allow") && !strings.EqualFold(e.text, "Deny") {
		return false
	}
	return s.get("Sid").isOr(jsonString) && soundPrincipal(s.get("Principal")) && soundPrincipal(s.get("NotPrincipal")) && soundCondition(s.get("Condition"))
}

func soundPrincipal(n *node) bool {
	if n == nil || n.kind == jsonString && n.text == "*" {
		return true
	}
	if !n.only("AWS", "Service", "Federated", "CanonicalUser") || len(n.members) == 0 {
		return false
	}
	return !slices.ContainsFunc(n.members, func(m member) bool { return !m.value.strings() })
}

func soundCondition(n *node) bool {
	if n == nil {
		return true
	}
	if n.kind != jsonObject {
		return false
	}
	for i, o := range n.members {
		if slices.ContainsFunc(n.members[:i], func(m member) bool { return m.name == o.name }) || o.value.kind != jsonObject {
			return false
		}
		if _, _, ok := newCondition(o.name); !ok && len(o.value.members) > 0 {
			return false
		}
		for _, k := range o.value.members {
			if _, ok := scalars(&k.value); !ok {
				return false
			}
		}
	}
	return true
}

// parsesDates reports whether what Date operators are given are dates.
func parsesDates(s *node) bool {
	n := s.get("Condition")
	if n == nil {
		return true
	}
	for _, o := range n.members {
		if c, _, ok := newCondition(o.name); !ok || c.test < testDateEquals {
			continue
		}
		for _, k := range o.value.members {
			values, _ := scalars(&k.value)
			for _, v := range values {
				if _, ok := parseDate(v); !ok {
					return false
				}
			}
		}
	}
	return true
}

// parsesResources reports whether a statement's resources are what AWS's older parser takes.
func parsesResources(s *node) bool {
	for _, r := range append(s.list("Resource"), s.list("NotResource")...) {
		if r == "*" {
			continue
		}
		parts, whole := splitARN(r)
		if parts[2] == "" || !whole && strings.Contains(r, "::") {
			return false
		}
	}
	return true
}

func checkSids(statements []node) string {
	seen := map[string]bool{}
	for i := range statements {
		sid := statements[i].get("Sid")
		if sid == nil || sid.text == "" {
			continue
		}
		for j := range len(sid.text) {
			if c := lowerByte(sid.text[j]); (c < 'a' || c > 'z') && (c < '0' || c > '9') {
				return "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
			}
		}
		if seen[sid.text] {
			return "Statement IDs (SID) in a single policy must be unique."
		}
		seen[sid.text] = true
	}
	return ""
}

var partitions = []string{"aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc", "*"}

// badResource is what is wrong with a resource that a statement names; empty where nothing is.
func badResource(r string) string {
	if r == "*" {
		return ""
	}
	parts, _ := splitARN(r)
	n := 1 // parts there are
	for rest := r; n < 6; n++ {
		i := strings.IndexByte(rest, ':')
		if i < 0 {
			break
		}
		rest = rest[i+1:]
	}
	if n == 1 {
		return fmt.Sprintf(`Resource %s must be in ARN format or "*".`, r)
	}
	if !slices.Contains(partitions, parts[1]) {
		for i := max(n, 2); i < 6; i++ {
			parts[i] = "*"
		}
		return fmt.Sprintf("Partition %q is not valid for resource \"arn:%s\".", parts[1], strings.Join(parts[1:], ":"))
	}
	if n == 2 || strings.ContainsAny(parts[2], "*?") {
		return "Resource vendor must be fully qualified and cannot contain regexes."
	}
	switch parts[2] {
	case "s3":
		if parts[3] != "" && parts[4] == "" && n == 6 {
			return fmt.Sprintf("Resource %s can not contain region information.", r)
		}
	case "iam":
		if parts[3] != "" {
			return fmt.Sprintf("IAM resource %s cannot contain region information.", r)
		}
		if n == 6 && !iamPath(parts[5]) {
			return `IAM resource path must either be "*" or start with ` + strings.Join(iamPaths, ", ") + "."
		}
	}
	return ""
}

var iamPaths = []string{"user/", "federated-user/", "role/", "group/", "instance-profile/", "mfa/", "server-certificate/", "policy/", "sms-mfa/", "saml-provider/", "oidc-provider/", "report/", "access-report/"}

// iamPath reports whether a resource of IAM may begin like s; root is what AssumeRoot is for.
func iamPath(s string) bool {
	if s == "root" {
		return true
	}
	fixed := s
	if i := strings.IndexAny(s, "*?$"); i >= 0 {
		fixed = s[:i]
	}
	if strings.HasPrefix(s, "delegation-request/") { // younger than the text that lists the others
		return true
	}
	for _, p := range iamPaths {
		if strings.HasPrefix(s, p) || len(fixed) < len(s) && strings.HasPrefix(p, fixed) {
			return true
		}
	}
	return false
}

// badAction is what is wrong with an action that a statement names; empty where nothing is.
func badAction(a string) string {
	vendor, name, ok := strings.Cut(a, ":")
	switch {
	case a == "*":
		return ""
	case !ok:
		return "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
	case strings.Contains(name, ":"):
		return "Actions/Condition can contain only one colon."
	case vendor == "*":
		return ""
	}
	for i := range len(vendor) {
		if c := lowerByte(vendor[i]); (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return fmt.Sprintf("Vendor %s is not valid", vendor)
		}
	}
	return ""
}
