package sts

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/stsapi"
	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/policy"
)

// sessionPolicies limit what a new session may do.
type sessionPolicies struct {
	documents []string
	arns      []string
}

// readPolicies holds the session policies of a call to AWS's rules. Managed ones are AWS's or those of the account that the session is of.
func (s *Service) readPolicies(ctx context.Context, account string, document aws.Opt[string], arns []stsapi.PolicyDescriptorType) (p sessionPolicies, err error) {
	if document.Set {
		if _, err := policy.Parse(document.V, policy.Identity); err != nil {
			if e, ok := errors.AsType[*policy.Error](err); ok {
				return p, stsapi.MalformedPolicyDocumentException("%s", e.Message)
			}
			return p, err
		}
		p.documents = []string{document.V}
	}
	if len(arns) > 10 {
		return p, errInvalid.New("1 validation error detected: Value at 'policyArns' failed to satisfy constraint: Member must have length less than or equal to 10")
	}
	for _, d := range arns {
		a, ok := aws.ParseARN(d.Arn.V)
		if ok = ok && (a.Account == "aws" || a.Account == account); ok {
			if _, ok, err = s.o.Directory.Policy(ctx, d.Arn.V); err != nil {
				return p, err
			}
		}
		if !ok {
			return p, errParameter.New("Policy %s does not exist or is not attachable.", d.Arn.V)
		}
		p.arns = append(p.arns, d.Arn.V)
	}
	return p, nil
}

// room is how many bytes AWS's packed form of policies and tags may have, as we pack them.
const room = 2048

// packed is how much of the room policies and tags take, in percent.
func packed(p sessionPolicies, tags map[string]string) (percent aws.Opt[int32], err error) {
	if len(p.documents)+len(p.arns)+len(tags) == 0 {
		return percent, nil
	}
	text, err := json.Marshal([]any{p.documents, p.arns, tags})
	if err != nil {
		return percent, err
	}
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		return percent, err
	}
	if _, err := w.Write(text); err != nil {
		return percent, err
	}
	if err := w.Close(); err != nil {
		return percent, err
	}
	percent = aws.Some(int32((100*b.Len() + room - 1) / room))
	if percent.V <= 100 {
		return percent, nil
	}
	if len(p.documents)+len(p.arns) == 0 {
		return percent, stsapi.PackedPolicyTooLargeException("Packed size of session tags consumes %d%% of allotted space.", percent.V)
	}
	return percent, stsapi.PackedPolicyTooLargeException("Packed policy consumes %d%% of allotted space, please use smaller policy.", percent.V)
}

// sessionTags are the tags of a new session.
type sessionTags struct {
	all        map[string]string // with those it inherits
	passed     map[string]string // by this call
	transitive []string
}

// readTags are the tags that a call passes on top of those that the caller's session hands down.
func readTags(passed []stsapi.Tag, transitive []string, caller *aws.Session) (t sessionTags, err error) {
	t.all = map[string]string{}
	inherited := map[string]bool{} // in lower case
	if caller != nil {
		for _, k := range caller.TransitiveTags {
			t.all[k] = caller.Tags[k]
			t.transitive = append(t.transitive, k)
			inherited[strings.ToLower(k)] = true
		}
	}
	seen := map[string]string{} // keys as they are written, by themselves in lower case
	for _, one := range passed {
		low := strings.ToLower(one.Key)
		if _, ok := seen[low]; ok {
			return t, errParameter.New("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		if strings.HasPrefix(low, "aws:") {
			return t, errParameter.New("Tag keys that begin with aws: are reserved: %s", one.Key)
		}
		seen[low] = one.Key
	}
	for low := range seen {
		if inherited[low] {
			return t, errParameter.New("One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.")
		}
	}
	for _, k := range transitive {
		low := strings.ToLower(k)
		if inherited[low] {
			return t, errParameter.New("One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.")
		}
		key, ok := seen[low]
		if !ok {
			return t, errParameter.New("The specified transitive tag key must be included in the requested tags.")
		}
		t.transitive = append(t.transitive, key)
	}
	if len(passed) > 0 {
		t.passed = make(map[string]string, len(passed))
	}
	for _, one := range passed {
		t.passed[one.Key], t.all[one.Key] = one.Value, one.Value
	}
	return t, nil
}

// keys adds what tags say to condition keys.
func (t *sessionTags) keys(keys map[string]policy.Value, transitive []string) {
	if len(t.passed) == 0 {
		return
	}
	names := make([]string, 0, len(t.passed))
	for k, v := range t.passed {
		keys["aws:requesttag/"+strings.ToLower(k)] = policy.One(v)
		names = append(names, k)
	}
	keys["aws:tagkeys"] = policy.Many(names)
	if len(transitive) > 0 {
		keys["sts:transitivetagkeys"] = policy.Many(transitive)
	}
}

// issued is what an operation answers of new credentials.
type issued struct {
	credentials       *stsapi.Credentials
	principal         aws.Principal
	utilization, size aws.Opt[int32]
}

// largestToken is what MinimumSessionTokenSize may ask for at most: how much room a token takes is told in percent of it.
const largestToken = 4096

// issue makes credentials of a session that begins now.
func (s *Service) issue(ctx context.Context, session *aws.Session, lasts time.Duration, size aws.Opt[int32]) (issued, error) {
	session.Issued = s.o.Clock.Now()
	session.Expires = session.Issued.Add(lasts)
	if len(session.Tags) == 0 {
		session.Tags = nil
	}
	c, err := s.o.Sessions.Issue(ctx, session, int(size.V))
	if err != nil {
		return issued{}, fmt.Errorf("issue credentials: %w", err)
	}
	i := issued{
		credentials: &stsapi.Credentials{AccessKeyId: c.AccessKey, SecretAccessKey: c.Secret, SessionToken: c.Token, Expiration: c.Expires},
		principal:   auth.BearerOf(session),
	}
	if size.Set {
		i.size = aws.Some(int32(len(c.Token)))
		i.utilization = aws.Some(int32((100*len(c.Token) + largestToken - 1) / largestToken))
	}
	return i, nil
}
