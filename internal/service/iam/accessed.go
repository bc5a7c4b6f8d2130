package iam

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/obidos-cloud/obidos/internal/api"
	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

const (
	accessEvery = 5 * time.Minute    // how exact the last use of an action is
	keptJobs    = 7 * 24 * time.Hour // how long a report is there to be read
	keptAccess  = 400 * 24 * time.Hour
	maxFresh    = 50_000 // accesses remembered, so as not to write them again
)

// accesses remembers what was written lately of who used what.
type accesses struct {
	mu   sync.RWMutex
	last map[accessKey]int64
}

type accessKey struct{ id, action, region string }

// fresh reports whether an access is worth writing, and remembers that it is written.
func (a *accesses) fresh(k accessKey, now int64) bool {
	recent := func() bool { last, ok := a.last[k]; return ok && now-last < int64(accessEvery/time.Second) }
	a.mu.RLock()
	known := recent()
	a.mu.RUnlock()
	if known {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if recent() {
		return false
	}
	if a.last == nil || len(a.last) >= maxFresh {
		a.last = map[accessKey]int64{}
	}
	a.last[accessKey{strings.Clone(k.id), strings.Clone(k.action), strings.Clone(k.region)}] = now
	return true
}

// Accessed notes that a user, a role or a root used an action, to five minutes. It is written with the next commit that is synced:
// a power cut may forget it.
func (s *Service) Accessed(ctx context.Context, a auth.Access) error {
	id, _, _ := strings.Cut(a.Principal.UserID, ":")
	service, action, ok := strings.Cut(a.Action, ":")
	if !ok || id == "" || a.Principal.Service != "" || !s.accessed.fresh(accessKey{id, a.Action, a.Region}, a.Time.Unix()) {
		return nil
	}
	return s.noteAccess(ctx, a, id, service, action)
}

// noteAccess is apart from Accessed so that what it keeps costs nothing where it is not called.
func (s *Service) noteAccess(ctx context.Context, a auth.Access, id, service, action string) error {
	_, err := store.UpdateWith(ctx, s.space, store.UpdateOptions{Lazy: true}, func(tx *store.Tx) (struct{}, error) {
		account := a.Principal.Account
		if id != account && !s.tables.users.Has(tx, account, id) && !s.tables.roles.Has(tx, account, id) {
			return struct{}{}, nil // it is deleted, and what it did with it
		}
		r, _ := s.tables.accesses.Get(tx, account, id, service)
		if r.Actions == nil {
			r.Actions = map[string]lastTime{}
		}
		now := lastTime{a.Time.Unix(), a.Region}
		if now.Time >= r.Time { // another node may have told of a later one
			r.Time, r.Region = now.Time, now.Region
		}
		if now.Time >= r.Actions[action].Time {
			r.Actions[action] = now
		}
		s.tables.accesses.Set(tx, r, account, id, service)
		return struct{}{}, nil
	})
	return err
}

// namespaces are the services there are, by the prefix of their actions.
var namespaces = sync.OnceValue(func() map[string]string {
	all := map[string]string{}
	for _, s := range api.All() {
		for i := range s.Operations {
			op := &s.Operations[i]
			prefix, _, _ := strings.Cut(op.Action(), ":")
			if auth := model.AuthorizationOf(op); auth != nil && len(auth.Actions) > 0 {
				prefix, _, _ = strings.Cut(auth.Actions[0].Name, ":")
			}
			if _, ok := all[prefix]; !ok {
				all[prefix] = s.Title
			}
		}
	}
	return all
})

// subjectOf is what an ARN stands for: a user or a role itself, the members of a group, or whoever has a policy.
func (s *Service) subjectOf(tx *store.Tx, h home, arn string) (who []who, allows func(service string) bool, err error) {
	a, ok := aws.ParseARN(arn)
	if !ok || a.Service != "iam" {
		return nil, nil, form.Invalid("Invalid ARN:  Could not be parsed!")
	}
	none := iamapi.NoSuchEntityException("%s does not exist.", arn)
	what, path, _ := strings.Cut(a.Resource, "/")
	name := path[strings.LastIndexByte(path, '/')+1:]
	if a.Account != h.account && (what != "policy" || a.Account != "aws") {
		return nil, nil, none
	}
	kinds := map[string]kind{"user": aUser, "role": aRole, "group": aGroup}
	k, isEntity := kinds[what]
	switch {
	case isEntity:
		e, err := s.entity(tx, h, k, name)
		if err != nil || h.arnOf(k, *e.named) != arn {
			return nil, nil, none
		}
		who = s.behind(tx, h, k, *e.named)
		parts := []*permits{e.permits}
		if k == aUser {
			u, _ := s.tables.users.Get(tx, h.account, e.ID)
			for _, g := range s.groupsOf(tx, h, u) {
				parts = append(parts, &g.permits)
			}
		}
		allows, err = s.allowing(tx, h, parts)
		return who, allows, err
	case what == "policy":
		p, ok, err := s.policyOf(tx, h, arn)
		if err != nil || !ok || p.arn(h) != arn {
			return nil, nil, none
		}
		seen := map[string]bool{}
		for key, id := range s.tables.uses.Scan(tx, store.ScanOptions{}, h.account, p.ref, uint64(asPermission)) {
			k := kind(key.Uint64(3))
			n, ok := s.byID(tx, h, k, id)
			if !ok {
				continue
			}
			for _, w := range s.behind(tx, h, k, n) {
				if !seen[w.ID] {
					seen[w.ID] = true
					who = append(who, w)
				}
			}
		}
		source, err := s.directory.source(tx, h, p)
		if err != nil {
			return nil, nil, err
		}
		return who, source.Policy.AllowsService, nil
	}
	return nil, nil, form.Invalid("ARN %s is not valid.", arn)
}

// behind are the users and roles that a user, role or group stands for.
func (s *Service) behind(tx *store.Tx, h home, k kind, n named) (out []who) {
	if k != aGroup {
		return []who{{n, k}}
	}
	for _, id := range s.tables.members.Scan(tx, store.ScanOptions{}, h.account, n.ID) {
		if u, ok := s.tables.users.Get(tx, h.account, id); ok {
			out = append(out, who{u.named, aUser})
		}
	}
	return out
}

// allowing reports of a service whether any policy allows an action of it.
func (s *Service) allowing(tx *store.Tx, h home, parts []*permits) (func(service string) bool, error) {
	var all []interface{ AllowsService(service string) bool }
	for _, p := range parts {
		for _, inline := range p.Inline {
			compiled, err := s.directory.compiled.Read(inline.Document)
			if err != nil {
				return nil, err
			}
			all = append(all, compiled)
		}
		for _, m := range s.attachedTo(tx, h, p) {
			source, err := s.directory.source(tx, h, m)
			if err != nil {
				return nil, err
			}
			all = append(all, source.Policy)
		}
	}
	return func(service string) bool {
		for _, p := range all {
			if p.AllowsService(service) {
				return true
			}
		}
		return false
	}, nil
}

// GenerateServiceLastAccessedDetails makes a report of the services that somebody may use. It is made when this is answered.
func (s *Service) GenerateServiceLastAccessedDetails(ctx context.Context, in *iamapi.GenerateServiceLastAccessedDetailsInput) (*iamapi.GenerateServiceLastAccessedDetailsOutput, error) {
	if in.Granularity.Set {
		if err := form.CheckEnum("granularity", in.Granularity.V); err != nil {
			return nil, err
		}
	}
	j, err := view(ctx, s, func(tx *store.Tx, h home) (j jobRecord, err error) {
		j.Created, j.Actions = form.Seconds(tx), in.Granularity.V == "ACTION_LEVEL"
		who, allows, err := s.subjectOf(tx, h, in.Arn)
		if err != nil {
			return j, err
		}
		j.Who = who
		j.Services = s.usesOf(tx, h, &j, allows)
		return j, nil
	})
	if err != nil {
		return nil, err
	}
	return write(ctx, s, func(tx *store.Tx, h home) (*iamapi.GenerateServiceLastAccessedDetailsOutput, error) {
		for k, old := range s.tables.jobs.Scan(tx, store.ScanOptions{Limit: 100}, h.account) {
			if j.Created-old.Created > int64(keptJobs/time.Second) {
				s.tables.jobs.Delete(tx, h.account, k.String(1))
			}
		}
		id := tx.NewID()
		s.tables.jobs.Set(tx, j, h.account, id)
		return &iamapi.GenerateServiceLastAccessedDetailsOutput{JobId: aws.Some(id)}, nil
	})
}

// usesOf is how those of a report have used the services they may.
func (s *Service) usesOf(tx *store.Tx, h home, j *jobRecord, allows func(service string) bool) []serviceUse {
	services := map[string]*serviceUse{}
	for name := range namespaces() {
		if allows(name) {
			services[name] = &serviceUse{Service: name}
		}
	}
	for i, w := range j.Who {
		for k, r := range s.tables.accesses.Scan(tx, store.ScanOptions{}, h.account, w.ID) {
			u, ok := services[k.String(2)]
			if !ok || j.Created-r.Time > int64(keptAccess/time.Second) {
				continue
			}
			u.Uses = append(u.Uses, lastUse{Who: i, Time: r.Time, Region: r.Region})
			for action, at := range r.Actions {
				n, ok := slices.BinarySearchFunc(u.Actions, action, func(l lastUse, a string) int { return cmp.Compare(l.Action, a) })
				if !ok {
					u.Actions = slices.Insert(u.Actions, n, lastUse{Action: action})
				}
				if at.Time > u.Actions[n].Time {
					u.Actions[n] = lastUse{Action: action, Who: i, Time: at.Time, Region: at.Region}
				}
			}
		}
	}
	out := make([]serviceUse, 0, len(services))
	for _, name := range slices.Sorted(maps.Keys(services)) {
		u := services[name]
		slices.SortStableFunc(u.Uses, func(a, b lastUse) int { return cmp.Compare(b.Time, a.Time) })
		if !j.Actions {
			u.Actions = nil
		}
		out = append(out, *u)
	}
	return out
}

// job is a report that was made.
func (s *Service) job(tx *store.Tx, h home, id string) (jobRecord, error) {
	j, ok := s.tables.jobs.Get(tx, h.account, id)
	if !ok || form.Seconds(tx)-j.Created > int64(keptJobs/time.Second) {
		return j, noJob(id)
	}
	return j, nil
}

func (w who) arn(h home) string { return h.arnOf(w.Kind, w.named) }

// GetServiceLastAccessedDetails tells of each service who used it last.
func (s *Service) GetServiceLastAccessedDetails(ctx context.Context, in *iamapi.GetServiceLastAccessedDetailsInput) (*iamapi.GetServiceLastAccessedDetailsOutput, error) {
	return view(ctx, s, func(tx *store.Tx, h home) (*iamapi.GetServiceLastAccessedDetailsOutput, error) {
		j, err := s.job(tx, h, in.JobId)
		if err != nil {
			return nil, err
		}
		p, err := form.NewPage(in.Marker, in.MaxItems)
		if err != nil {
			return nil, err
		}
		out := &iamapi.GetServiceLastAccessedDetailsOutput{
			JobStatus: "COMPLETED", JobType: aws.Some(iamapi.AccessAdvisorUsageGranularityTypeSERVICELEVEL), JobCreationDate: form.At(j.Created),
			JobCompletionDate: form.At(j.Created), ServicesLastAccessed: []iamapi.ServiceLastAccessed{},
		}
		if j.Actions {
			out.JobType = aws.Some(iamapi.AccessAdvisorUsageGranularityTypeACTIONLEVEL)
		}
		for _, u := range form.Slice(p, j.Services, func(u serviceUse) string { return u.Service }) {
			shape := iamapi.ServiceLastAccessed{
				ServiceName: namespaces()[u.Service], ServiceNamespace: u.Service, TotalAuthenticatedEntities: aws.Some(int32(len(u.Uses))),
			}
			if len(u.Uses) > 0 {
				last := u.Uses[0]
				shape.LastAuthenticated, shape.LastAuthenticatedEntity = aws.Some(form.At(last.Time)), aws.Some(j.Who[last.Who].arn(h))
				shape.LastAuthenticatedRegion = aws.NonZero(last.Region)
			}
			for _, a := range u.Actions {
				shape.TrackedActionsLastAccessed = append(shape.TrackedActionsLastAccessed, iamapi.TrackedActionLastAccessed{
					ActionName: aws.Some(a.Action), LastAccessedEntity: aws.Some(j.Who[a.Who].arn(h)), LastAccessedTime: aws.Some(form.At(a.Time)),
					LastAccessedRegion: aws.NonZero(a.Region),
				})
			}
			out.ServicesLastAccessed = append(out.ServicesLastAccessed, shape)
		}
		out.IsTruncated, out.Marker = p.Truncated(), p.Marker()
		return out, nil
	})
}

// GetServiceLastAccessedDetailsWithEntities tells of one service when each of those a report is about used it, the last one first.
func (s *Service) GetServiceLastAccessedDetailsWithEntities(ctx context.Context, in *iamapi.GetServiceLastAccessedDetailsWithEntitiesInput) (*iamapi.GetServiceLastAccessedDetailsWithEntitiesOutput, error) {
	return view(ctx, s, func(tx *store.Tx, h home) (*iamapi.GetServiceLastAccessedDetailsWithEntitiesOutput, error) {
		j, err := s.job(tx, h, in.JobId)
		if err != nil {
			return nil, err
		}
		p, err := form.NewPage(in.Marker, in.MaxItems)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(j.Services, func(u serviceUse) bool { return u.Service == in.ServiceNamespace })
		if i < 0 {
			return nil, iamapi.NoSuchEntityException("The service %s is not part of the report.", in.ServiceNamespace)
		}
		uses := slices.Clone(j.Services[i].Uses)
		did := map[int]bool{}
		for _, u := range uses {
			did[u.Who] = true
		}
		for i := range j.Who {
			if !did[i] {
				uses = append(uses, lastUse{Who: i})
			}
		}
		out := &iamapi.GetServiceLastAccessedDetailsWithEntitiesOutput{
			JobStatus: "COMPLETED", JobCreationDate: form.At(j.Created), JobCompletionDate: form.At(j.Created), EntityDetailsList: []iamapi.EntityDetails{},
		}
		n := 0
		for _, u := range form.Slice(p, uses, func(lastUse) string { n++; return fmt.Sprintf("%06d", n) }) {
			w := j.Who[u.Who]
			d := iamapi.EntityDetails{EntityInfo: &iamapi.EntityInfo{
				Arn: w.arn(h), Name: w.Name, Type: iamapi.PolicyOwnerEntityType(strings.ToUpper(w.Kind.traits().word)), Id: w.ID, Path: aws.Some(w.Path),
			}}
			if u.Time != 0 {
				d.LastAuthenticated = aws.Some(form.At(u.Time))
			}
			out.EntityDetailsList = append(out.EntityDetailsList, d)
		}
		out.IsTruncated, out.Marker = p.Truncated(), p.Marker()
		return out, nil
	})
}
