package auth

import (
	"strconv"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/lang/policy"
)

// Key implements policy.Keys: the condition keys that AWS has for every request, and those that the call's input fills.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
func (x *question) Key(name string) policy.Value {
	if rest, ok := strings.CutPrefix(name, "aws:"); ok {
		if v := x.global(rest); v.Present() {
			return v
		}
	} else if s := x.session; s != nil {
		if v, ok := s.Claims[name]; ok {
			return policy.One(v)
		}
	}
	if i := strings.Index(name, ":resourcetag/"); i > 0 {
		return tag(x.held.Tags, name[i+len(":resourcetag/"):])
	}
	one, many, ok := x.action.Value(x.call.Input, name)
	switch {
	case !ok:
		return some(x.held.Keys[name])
	case many != nil:
		return policy.Many(many)
	}
	return policy.One(one)
}

var yes, no = policy.One("true"), policy.One("false")

func truth(b bool) policy.Value {
	if b {
		return yes
	}
	return no
}

// some is v where it says something.
func some(v string) policy.Value {
	if v == "" {
		return policy.Value{}
	}
	return policy.One(v)
}

// global is a key of the prefix aws:, by the rest of its name.
func (x *question) global(name string) policy.Value {
	q, p, s, i := x.q, &x.request.Principal, x.session, x.identity
	switch name {
	case "currenttime":
		return policy.One(x.now.UTC().Format(time.RFC3339))
	case "epochtime":
		return policy.One(strconv.FormatInt(x.now.Unix(), 10))
	case "sourceip":
		if p.Kind == policy.Service {
			return policy.Value{}
		}
		return some(q.SourceIP)
	case "securetransport":
		return truth(q.Secure || p.Kind == policy.Service) // which calls from within
	case "useragent":
		return some(q.UserAgent)
	case "requestedregion":
		return some(q.Region)
	case "resourceaccount":
		return some(x.set.ResourceAccount)
	case "principalaccount":
		return some(p.Account)
	case "principalarn":
		if p.Kind == policy.Role {
			return some(p.Role)
		}
		return some(p.ARN)
	case "principaltype":
		return principalType(p.Kind)
	case "principalisawsservice":
		return truth(p.Kind == policy.Service)
	case "principalservicename":
		return some(p.Service)
	case "principalservicenameslist":
		if p.Service == "" {
			return policy.Value{}
		}
		return policy.Many([]string{p.Service})
	case "sourcearn":
		return some(q.SourceARN)
	case "sourceaccount":
		return some(accountOf(q.SourceARN))
	case "viaawsservice":
		return no
	case "userid":
		if p.Kind == policy.Anonymous {
			return policy.One("anonymous")
		}
		return some(q.Principal.UserID)
	case "username":
		if i == nil || i.Kind != User || p.Kind != policy.User {
			return policy.Value{}
		}
		return policy.One(i.Name)
	case "multifactorauthpresent":
		if s == nil {
			return policy.Value{}
		}
		return truth(!s.MFA.IsZero())
	case "multifactorauthage":
		if s == nil || s.MFA.IsZero() {
			return policy.Value{}
		}
		return policy.One(strconv.FormatInt(int64(x.now.Sub(s.MFA)/time.Second), 10))
	}
	if s != nil {
		switch name {
		case "tokenissuetime":
			return policy.One(s.Issued.UTC().Format(time.RFC3339))
		case "sourceidentity":
			return some(s.SourceIdentity)
		case "federatedprovider":
			return some(s.Provider)
		}
	}
	if key, ok := strings.CutPrefix(name, "principaltag/"); ok {
		if s != nil {
			if v := tag(s.Tags, key); v.Present() {
				return v
			}
		}
		if i != nil {
			return tag(i.Tags, key)
		}
	}
	return policy.Value{}
}

func principalType(k policy.PrincipalKind) policy.Value {
	switch k {
	case policy.Root:
		return policy.One("Account")
	case policy.User:
		return policy.One("User")
	case policy.Role:
		return policy.One("AssumedRole")
	case policy.FederatedUser:
		return policy.One("FederatedUser")
	case policy.Anonymous:
		return policy.One("Anonymous")
	}
	return policy.Value{}
}

// tag is the tag of a key, whose case is of no meaning.
func tag(tags map[string]string, key string) policy.Value {
	if v, ok := tags[key]; ok {
		return policy.One(v)
	}
	found := ""
	for k := range tags {
		if strings.EqualFold(k, key) && (found == "" || k < found) { // of several always the same
			found = k
		}
	}
	if found == "" {
		return policy.Value{}
	}
	return policy.One(tags[found])
}
