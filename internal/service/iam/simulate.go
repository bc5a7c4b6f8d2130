package iam

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/policy"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// simulation is a question of what would be allowed, asked of the policies it brings and of those there are.
type simulation struct {
	identity   []given // of the caller
	boundary   *given
	levels     [][]given // service control policies, from the organization's root to the account
	resource   *given
	owner      string // account of the resources where they do not say
	caller     policy.Principal
	actions    []string
	resources  []string
	keys       policy.Keys
	actualARNs bool // resources were named
}

// given is a policy that a simulation works with.
type given struct {
	policy.Source
	text string
	arn  string // of a managed one
	kind kind   // of an inline one: what it hangs on, and its name
	name string
}

// The types of policies that the simulator tells; its model has others, which it does not use.
const (
	identityPolicy iamapi.PolicySourceType = "IAM Policy"
	resourcePolicy iamapi.PolicySourceType = "Resource Policy"
)

// giveAll compiles policies that come with a request. They are known by the parameter and their place in it.
func giveAll(parameter string, texts []string, kind policy.Kind) (list []given, err error) {
	for i, text := range texts {
		g := given{text: text}
		g.Name, g.Type = parameter+"."+strconv.Itoa(i+1), string(identityPolicy)
		if g.Policy, err = policy.Parse(text, kind); err != nil {
			return nil, iamapi.InvalidInputException("%s: %s", g.Name, err.Error())
		}
		list = append(list, g)
	}
	return list, nil
}

// contextKeys are the condition keys of a simulation.
type contextKeys map[string]policy.Value

// Key implements policy.Keys.
func (k contextKeys) Key(name string) policy.Value { return k[name] }

func contextOf(entries []iamapi.ContextEntry) contextKeys {
	keys := contextKeys{}
	for _, e := range entries {
		switch {
		case strings.HasSuffix(string(e.ContextKeyType.V), "List"):
			keys[strings.ToLower(e.ContextKeyName.V)] = policy.Many(e.ContextKeyValues)
		case len(e.ContextKeyValues) > 0:
			keys[strings.ToLower(e.ContextKeyName.V)] = policy.One(e.ContextKeyValues[0])
		}
	}
	return keys
}

// principalOf is who a simulation has call, by the ARN of a user or role.
func principalOf(arn string) (policy.Principal, error) {
	a, ok := aws.ParseARN(arn)
	what, path, _ := strings.Cut(a.Resource, "/")
	p := policy.Principal{Kind: policy.User, Account: a.Account, ARN: arn}
	switch {
	case !ok || a.Service != "iam":
		return p, iamapi.InvalidInputException("Invalid Entity Arn: %s does not clearly define entity type and name.", arn)
	case a.Resource == "root":
		p.Kind = policy.Root
	case what == "role":
		p.Kind, p.Role = policy.Role, arn
		p.ARN = "arn:" + a.Partition + ":sts::" + a.Account + ":assumed-role/" + path[strings.LastIndexByte(path, '/')+1:] + "/simulation"
	case what != "user":
		return p, iamapi.InvalidInputException("Invalid Entity Arn: %s does not clearly define entity type and name.", arn)
	}
	return p, nil
}

// with adds what both kinds of simulation are given.
func (m *simulation) with(ctx context.Context, boundaries []string, resource, owner, caller aws.Opt[string], actions, resources []string, entries []iamapi.ContextEntry) error {
	if len(boundaries) > 1 {
		return iamapi.InvalidInputException("There can be one permissions boundary.")
	}
	list, err := giveAll("PermissionsBoundaryPolicyInputList", boundaries, policy.Identity)
	if err != nil {
		return err
	}
	if len(list) > 0 {
		m.boundary = &list[0]
	}
	if caller.Set {
		if m.caller, err = principalOf(caller.V); err != nil {
			return err
		}
	}
	if resource.Set {
		if m.caller.ARN == "" {
			return iamapi.InvalidInputException("CallerArn must be given with a ResourcePolicy.")
		}
		g := given{text: resource.V}
		g.Name, g.Type = "ResourcePolicy", string(resourcePolicy)
		if g.Policy, err = policy.Parse(resource.V, policy.Resource); err != nil {
			return iamapi.InvalidInputException("ResourcePolicy: %s", err.Error())
		}
		m.resource = &g
	}
	if m.caller.ARN == "" {
		h := homeOf(ctx)
		m.caller = policy.Principal{Kind: policy.User, Account: h.account, ARN: h.arn("user/simulated")}
	}
	if m.owner = owner.V; owner.Set && !aws.IsAccount(owner.V) {
		a, ok := aws.ParseARN(owner.V)
		if !ok || !aws.IsAccount(a.Account) {
			return iamapi.InvalidInputException("ResourceOwner %s is neither an account nor its ARN.", owner.V)
		}
		m.owner = a.Account
	}
	for _, a := range actions {
		if service, name, ok := strings.Cut(a, ":"); !ok || service == "" || name == "" || strings.Contains(a, "*") {
			return iamapi.InvalidInputException("Invalid Action Name: %s", a)
		}
	}
	m.actions, m.resources, m.keys = actions, resources, contextOf(entries)
	m.actualARNs = len(resources) > 0 && !slices.Contains(resources, "*")
	if len(resources) == 0 {
		m.resources = []string{"*"}
	}
	return nil
}

func sources(list []given) []policy.Source {
	out := make([]policy.Source, len(list))
	for i := range list {
		out[i] = list[i].Source
	}
	return out
}

// verdict is what one action on one resource comes to.
type verdict struct {
	effect  policy.Effect
	matched []iamapi.Statement
	missing []string
	bounded *bool // whether the boundary allows it, where there is one
	allowed *bool // whether the organization does, where there is one
	details map[string]iamapi.PolicyEvaluationDecisionType
}

// try asks for one action on one resource.
func (m *simulation) try(action, resource string) verdict {
	set := policy.Set{Identity: sources(m.identity)}
	if m.boundary != nil {
		set.Boundary = &m.boundary.Source
	}
	if m.resource != nil {
		set.Resource, set.ResourceAccount = &m.resource.Source, m.owner
		if a, ok := aws.ParseARN(resource); ok && a.Account != "" && m.owner == "" {
			set.ResourceAccount = a.Account
		}
	}
	r := policy.Request{Action: action, Resource: resource, Principal: m.caller, Keys: m.keys}
	report := policy.Explain(&r, &set)
	v := verdict{effect: report.Effect, missing: report.Missing}

	organization := policy.Allowed
	for _, level := range m.levels {
		at := policy.Explain(&r, &policy.Set{Identity: sources(level)})
		v.missing = append(v.missing, at.Missing...)
		if at.Effect == policy.ExplicitDeny || at.Effect == policy.ImplicitDeny && organization == policy.Allowed {
			organization = at.Effect
		}
	}
	if len(m.levels) > 0 {
		ok := organization == policy.Allowed
		v.allowed = &ok
	}
	if m.boundary != nil {
		e, _ := report.Of(policy.BoundaryLayer)
		ok := e == policy.Allowed
		v.bounded = &ok
	}
	for i := range report.Matched {
		if t := &report.Matched[i]; t.Statement.Effect == report.Effect && t.Layer != policy.GuardrailLayer {
			v.matched = append(v.matched, m.statement(t))
		}
	}
	if organization != policy.Allowed && v.effect != policy.ExplicitDeny {
		v.effect, v.matched = organization, nil
	}
	if m.actualARNs {
		v.details = map[string]iamapi.PolicyEvaluationDecisionType{}
		if set.ResourceAccount != "" && set.ResourceAccount != m.caller.Account {
			e, _ := report.Of(policy.IdentityLayer)
			v.details["IAM Policy"] = decision(e)
			e, _ = report.Of(policy.ResourceLayer)
			v.details["Resource Policy"] = decision(e)
		}
	}
	return v
}

func decision(e policy.Effect) iamapi.PolicyEvaluationDecisionType {
	return iamapi.PolicyEvaluationDecisionType(e.String())
}

// statement is where a statement stands. AWS has it begin behind what is before it: "[", a comma, or a colon.
func (m *simulation) statement(t *policy.Match) iamapi.Statement {
	out := iamapi.Statement{SourcePolicyId: aws.Some(t.Source.Name), SourcePolicyType: aws.Some(iamapi.PolicySourceType(t.Source.Type))}
	start := t.Statement.Start
	if g := m.source(t.Source); g != nil {
		start = behind(g.text, start)
	}
	out.StartPosition, out.EndPosition = position(start), position(t.Statement.End)
	return out
}

func position(p policy.Position) *iamapi.Position {
	return &iamapi.Position{Line: aws.Some(int32(p.Line)), Column: aws.Some(int32(p.Column))}
}

// source is the policy that a statement is of.
func (m *simulation) source(s *policy.Source) *given {
	of := func(g *given) bool { return g.Policy == s.Policy && g.Name == s.Name }
	if i := slices.IndexFunc(m.identity, func(g given) bool { return of(&g) }); i >= 0 {
		return &m.identity[i]
	}
	for _, g := range [...]*given{m.boundary, m.resource} {
		if g != nil && of(g) {
			return g
		}
	}
	return nil
}

// behind is the place behind the last of text before p that is no white space.
func behind(text string, p policy.Position) policy.Position {
	offset := 0
	for line := 1; line < p.Line; line++ {
		i := strings.IndexByte(text[offset:], '\n')
		if i < 0 {
			return p
		}
		offset += i + 1
	}
	if offset += p.Column - 1; offset > len(text) {
		return p
	}
	before := strings.TrimRight(text[:offset], " \t\r\n")
	return policy.Position{Line: strings.Count(before, "\n") + 1, Column: len(before) - strings.LastIndexByte(before, '\n')}
}

// run asks for every action on every resource, as far as the page shows them.
func (m *simulation) run(pg *form.Page) []iamapi.EvaluationResult {
	results := []iamapi.EvaluationResult{}
	for i, action := range m.actions {
		at := strconv.Itoa(1_000_000 + i)
		if at <= pg.After {
			continue
		}
		if !pg.Add(at) {
			break
		}
		results = append(results, m.result(action))
	}
	return results
}

// result is what an action comes to on all resources together, and on each.
func (m *simulation) result(action string) iamapi.EvaluationResult {
	out := iamapi.EvaluationResult{EvalActionName: action, EvalResourceName: aws.Some("*"), MatchedStatements: []iamapi.Statement{}, MissingContextValues: []string{}}
	if len(m.resources) == 1 {
		out.EvalResourceName = aws.Some(m.resources[0])
	}
	all := verdict{effect: policy.Allowed}
	var verdicts []verdict
	for _, resource := range m.resources {
		v := m.try(action, resource)
		verdicts = append(verdicts, v)
		if v.effect == policy.ExplicitDeny || v.effect == policy.ImplicitDeny && all.effect == policy.Allowed {
			all.effect = v.effect
		}
		all.bounded, all.allowed = both(all.bounded, v.bounded), both(all.allowed, v.allowed)
		for name, e := range v.details {
			if all.details == nil {
				all.details = map[string]iamapi.PolicyEvaluationDecisionType{}
			}
			if was, ok := all.details[name]; !ok || was == iamapi.PolicyEvaluationDecisionTypeAllowed || e == iamapi.PolicyEvaluationDecisionTypeExplicitDeny {
				all.details[name] = e
			}
		}
		if v.details != nil && all.details == nil {
			all.details = map[string]iamapi.PolicyEvaluationDecisionType{}
		}
		for _, key := range v.missing {
			if !slices.ContainsFunc(out.MissingContextValues, func(k string) bool { return strings.EqualFold(k, key) }) {
				out.MissingContextValues = append(out.MissingContextValues, key)
			}
		}
	}
	for _, v := range verdicts {
		for _, t := range v.matched {
			if v.effect == all.effect && !slices.ContainsFunc(out.MatchedStatements, func(o iamapi.Statement) bool {
				return o.SourcePolicyId == t.SourcePolicyId && *o.StartPosition == *t.StartPosition
			}) {
				out.MatchedStatements = append(out.MatchedStatements, t)
			}
		}
	}
	out.EvalDecision, out.EvalDecisionDetails = decision(all.effect), all.details
	out.PermissionsBoundaryDecisionDetail = boundedBy(all.bounded)
	if all.allowed != nil {
		out.OrganizationsDecisionDetail = &iamapi.OrganizationsDecisionDetail{AllowedByOrganizations: aws.Some(*all.allowed)}
	}
	if m.actualARNs {
		for i, v := range verdicts {
			r := iamapi.ResourceSpecificResult{
				EvalResourceName: m.resources[i], EvalResourceDecision: decision(v.effect), MatchedStatements: v.matched, MissingContextValues: v.missing,
				EvalDecisionDetails: v.details, PermissionsBoundaryDecisionDetail: boundedBy(v.bounded),
			}
			if r.MatchedStatements == nil {
				r.MatchedStatements = []iamapi.Statement{}
			}
			if r.MissingContextValues == nil {
				r.MissingContextValues = []string{}
			}
			out.ResourceSpecificResults = append(out.ResourceSpecificResults, r)
		}
	}
	return out
}

// both is whether a and b hold; nil is one that says nothing.
func both(a, b *bool) *bool {
	if a == nil {
		return b
	}
	if b == nil {
		return a
	}
	ok := *a && *b
	return &ok
}

func boundedBy(allowed *bool) *iamapi.PermissionsBoundaryDecisionDetail {
	if allowed == nil {
		return nil
	}
	return &iamapi.PermissionsBoundaryDecisionDetail{AllowedByPermissionsBoundary: aws.Some(*allowed)}
}

// SimulateCustomPolicy is iam:SimulateCustomPolicy.
func (s *Service) SimulateCustomPolicy(ctx context.Context, in *iamapi.SimulateCustomPolicyInput) (*iamapi.SimulateCustomPolicyOutput, error) {
	pg, err := form.NewPage(in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	var m simulation
	if m.identity, err = giveAll("PolicyInputList", in.PolicyInputList, policy.Identity); err != nil {
		return nil, err
	}
	for _, level := range in.OrderedOrganizationPolicyInputList {
		list, err := giveAll("ServiceControlPolicyInputList", level.ServiceControlPolicyInputList, policy.Guardrail)
		if err != nil {
			return nil, err
		}
		m.levels = append(m.levels, list)
	}
	if err := m.with(ctx, in.PermissionsBoundaryPolicyInputList, in.ResourcePolicy, in.ResourceOwner, in.CallerArn, in.ActionNames, in.ResourceArns, in.ContextEntries); err != nil {
		return nil, err
	}
	results := m.run(pg)
	return &iamapi.SimulateCustomPolicyOutput{EvaluationResults: results, IsTruncated: pg.Truncated(), Marker: pg.Marker()}, nil
}

// SimulatePrincipalPolicy is iam:SimulatePrincipalPolicy.
func (s *Service) SimulatePrincipalPolicy(ctx context.Context, in *iamapi.SimulatePrincipalPolicyInput) (*iamapi.SimulatePrincipalPolicyOutput, error) {
	pg, err := form.NewPage(in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	excluded, err := exclusionOf(in.PolicyExclusionList)
	if err != nil {
		return nil, err
	}
	more, err := giveAll("PolicyInputList", in.PolicyInputList, policy.Identity)
	if err != nil {
		return nil, err
	}
	var m simulation
	isGroup := false
	if _, err := view(ctx, s, func(tx *store.Tx, h home) (struct{}, error) {
		k, name, err := sourceOf(h, in.PolicySourceArn)
		if err != nil {
			return struct{}{}, err
		}
		isGroup = k == aGroup
		m.identity, m.boundary, err = s.policiesOf(tx, h, k, name)
		return struct{}{}, err
	}); err != nil {
		return nil, err
	}
	m.identity = append(slices.DeleteFunc(m.identity, func(g given) bool { return excluded(&g, false) }), more...)
	if m.boundary != nil && excluded(m.boundary, true) {
		m.boundary = nil
	}
	if !in.CallerArn.Set && !isGroup {
		in.CallerArn = aws.Some(in.PolicySourceArn)
	}
	if err := m.with(ctx, in.PermissionsBoundaryPolicyInputList, in.ResourcePolicy, in.ResourceOwner, in.CallerArn, in.ActionNames, in.ResourceArns, in.ContextEntries); err != nil {
		return nil, err
	}
	results := m.run(pg)
	return &iamapi.SimulatePrincipalPolicyOutput{EvaluationResults: results, IsTruncated: pg.Truncated(), Marker: pg.Marker()}, nil
}
