package shape

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/insights"
	"github.com/obidos-cloud/obidos/internal/lang/schedule"
	"github.com/obidos-cloud/obidos/internal/service/logs/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// scheduleRecord is a scheduled query: what is asked, when, and as whom. When it is next due a timer tells.
type scheduleRecord struct {
	store.Unknown
	Name        string            `cbor:"1,keyasint"`
	Description string            `cbor:"2,keyasint,omitempty"`
	Text        string            `cbor:"3,keyasint"`
	Groups      []string          `cbor:"4,keyasint"` // as they were named
	Expression  string            `cbor:"5,keyasint"`
	Zone        string            `cbor:"6,keyasint"`
	Begin       int64             `cbor:"7,keyasint,omitempty"` // seconds before the time of a run; 0 = since the run before
	End         int64             `cbor:"8,keyasint,omitempty"`
	Destination string            `cbor:"9,keyasint,omitempty"` // JSON
	From        int64             `cbor:"10,keyasint,omitempty"`
	Until       int64             `cbor:"11,keyasint,omitempty"`
	Role        string            `cbor:"12,keyasint"`
	Disabled    bool              `cbor:"13,keyasint,omitempty"`
	Tags        map[string]string `cbor:"14,keyasint,omitempty"`
	Created     int64             `cbor:"15,keyasint"`
	Updated     int64             `cbor:"16,keyasint"`
	Last        int64             `cbor:"17,keyasint,omitempty"` // when it was last run
	Status      string            `cbor:"18,keyasint,omitempty"` // what became of that
	Next        int64             `cbor:"19,keyasint,omitempty"` // 0 = never
}

// runRecord is a run of a scheduled query.
type runRecord struct {
	store.Unknown
	Query  string `cbor:"1,keyasint,omitempty"` // its id
	Status string `cbor:"2,keyasint"`
	Error  string `cbor:"3,keyasint,omitempty"`

	Table   string `cbor:"4,keyasint,omitempty"` // the lookup table that the result goes into
	Sent    string `cbor:"5,keyasint,omitempty"` // what became of that
	Arrived string `cbor:"6,keyasint,omitempty"` // the table's ARN
	Failure string `cbor:"7,keyasint,omitempty"`
}

// runTask is a run that is to be done, or whose query is.
type runTask struct {
	store.Unknown
	ID string `cbor:"1,keyasint"`
	At int64  `cbor:"2,keyasint"` // milliseconds
}

// endTask is a run whose query has ended.
type endTask struct {
	ID string `cbor:"1,keyasint"` // of the query
}

const (
	maxGroups    = 50 // of a query
	maxSchedules = 1000
	maxRuns      = 1000 // that are remembered
)

func scheduleARN(scope aws.Scope, id string) string { return scope.ARN("logs", "scheduled-query:"+id) }

func noSchedule() *aws.Error {
	return logsapi.ResourceNotFoundException("The specified scheduled query does not exist.")
}

func unfit(format string, args ...any) *aws.Error {
	return logsapi.ValidationException(format, args...)
}

// schedule finds a scheduled query by its name or its ARN.
func (t *tables) schedule(tx *store.Tx, identifier string) (id string, r scheduleRecord, err error) {
	id = identifier
	if a, ok := aws.ParseARN(identifier); ok {
		if a.Scope() != tx.Scope() {
			return "", r, noSchedule()
		}
		id, _ = strings.CutPrefix(a.Resource, "scheduled-query:")
	} else if named, ok := t.scheduleNames.Get(tx, identifier); ok {
		id = named
	}
	r, ok := t.schedules.Get(tx, id)
	if !ok {
		return "", r, noSchedule()
	}
	return id, r, nil
}

// plan is when a scheduled query is to run.
type plan struct {
	*schedule.Schedule
	zone *time.Location
}

func planOf(expression, zone string) (p plan, err error) {
	if p.Schedule, err = schedule.Cron(expression); err != nil {
		return p, unfit("Invalid schedule expression: %s.", err.Error())
	}
	if p.zone, err = time.LoadLocation(cmp.Or(zone, "UTC")); err != nil || zone == "Local" {
		return p, unfit("Invalid time zone: %s.", zone)
	}
	return p, nil
}

// next is the first time of a scheduled query behind after, in milliseconds; 0 where there is none.
func (r *scheduleRecord) next(after time.Time) int64 {
	p, err := planOf(r.Expression, r.Zone)
	if err != nil || r.Disabled {
		return 0
	}
	if from := time.UnixMilli(form.Milliseconds(r.From)); from.After(after) {
		after = from.Add(-time.Millisecond)
	}
	t, ok := p.Next(after, p.zone)
	if !ok || r.Until != 0 && t.UnixMilli() > form.Milliseconds(r.Until) {
		return 0
	}
	return t.UnixMilli()
}

// asked is what requests that make a scheduled query and those that change one have in common.
type asked struct {
	language    logsapi.QueryLanguage
	text        string
	groups      []string
	expression  string
	zone        string
	begin, end  aws.Opt[int64]
	destination *logsapi.DestinationConfiguration
	from, until aws.Opt[int64]
	role        string
	state       aws.Opt[logsapi.ScheduledQueryState]
}

// fill checks what is asked for and writes it into a record.
func (a *asked) fill(ctx context.Context, r *scheduleRecord) error {
	if err := form.CheckOne(a.state, "state"); err != nil {
		return err
	}
	if !slices.Contains(a.language.Values(), string(a.language)) {
		return unfit("1 validation error detected: Value '%s' at 'queryLanguage' failed to satisfy constraint: Member must satisfy enum value set: [%s]",
			a.language, strings.Join(a.language.Values(), ", "))
	}
	if a.language != logsapi.QueryLanguageCWLI {
		return unfit("The query language %s is not served.", a.language)
	}
	if _, err := insights.Parse(a.text); err != nil {
		return unfit("Invalid query string: %s", err.Error())
	}
	if len(a.groups) == 0 || len(a.groups) > maxGroups {
		return unfit("A scheduled query needs from 1 to %d log groups.", maxGroups)
	}
	for _, g := range a.groups {
		if _, err := form.Identify(ctx, g); err != nil {
			return err
		}
	}
	if _, err := planOf(a.expression, a.zone); err != nil {
		return err
	}
	if a.begin.Set && a.begin.V <= 0 || a.end.V < 0 || a.begin.Set && a.end.V >= a.begin.V {
		return unfit("startTimeOffset must be greater than 0, and greater than endTimeOffset.")
	}
	if a.until.Set && form.Milliseconds(a.until.V) <= form.Milliseconds(a.from.V) {
		return unfit("scheduleEndTime must be after scheduleStartTime.")
	}
	if !isRole(a.role) {
		return unfit("executionRoleArn is not the ARN of a role: %s", a.role)
	}
	if a.destination != nil {
		if err := checkDestination(a.destination); err != nil {
			return err
		}
		r.Destination = string(documentOf(a.destination))
	} else {
		r.Destination = ""
	}
	r.Text, r.Groups, r.Expression, r.Zone, r.Role = a.text, a.groups, a.expression, cmp.Or(a.zone, "UTC"), a.role
	r.Begin, r.End, r.From, r.Until = a.begin.V, a.end.V, a.from.V, a.until.V
	if a.state.Set {
		r.Disabled = a.state.V == logsapi.ScheduledQueryStateDISABLED
	}
	return nil
}

func isRole(arn string) bool {
	a, ok := aws.ParseARN(arn)
	return ok && a.Service == "iam" && strings.HasPrefix(a.Resource, "role/")
}

func checkDestination(d *logsapi.DestinationConfiguration) error {
	if d.S3Configuration != nil {
		return unfit("Delivering the results of queries to Amazon S3 is not served.")
	}
	l := d.LookupTableConfiguration
	if l == nil {
		return unfit("destinationConfiguration names no destination.")
	}
	if err := cmp.Or(checkLookupName(l.TableName), form.CheckTags(l.Tags)); err != nil {
		return err
	}
	if !isRole(l.RoleArn) {
		return unfit("roleArn is not the ARN of a role: %s", l.RoleArn)
	}
	if l.KmsKeyId.V != "" {
		return form.CheckKey(l.KmsKeyId.V)
	}
	return nil
}

// keepSchedule writes a scheduled query, and when it is due next.
func (s *Shapes) keepSchedule(tx *store.Tx, id string, r *scheduleRecord) {
	r.Next = r.next(tx.Now())
	s.tables.schedules.Set(tx, *r, id)
	if r.Next == 0 {
		s.schedules.Cancel(tx, id)
	} else {
		s.schedules.At(tx, time.UnixMilli(r.Next), id, runTask{ID: id, At: r.Next})
	}
}

// CreateScheduledQuery is logs:CreateScheduledQuery.
func (s *Shapes) CreateScheduledQuery(ctx context.Context, in *logsapi.CreateScheduledQueryInput) (*logsapi.CreateScheduledQueryOutput, error) {
	if err := form.CheckTags(in.Tags); err != nil {
		return nil, err
	}
	r := scheduleRecord{Name: in.Name, Description: in.Description.V, Tags: in.Tags}
	if _, ok := aws.ParseARN(in.Name); ok || !utf8.ValidString(in.Name) {
		return nil, unfit("Invalid name: %s", in.Name)
	}
	a := asked{
		in.QueryLanguage, in.QueryString, in.LogGroupIdentifiers, in.ScheduleExpression, in.Timezone.V, in.StartTimeOffset, in.EndTimeOffset,
		in.DestinationConfiguration, in.ScheduleStartTime, in.ScheduleEndTime, in.ExecutionRoleArn, in.State,
	}
	if err := a.fill(ctx, &r); err != nil {
		return nil, err
	}
	return store.Update(ctx, s.space, func(tx *store.Tx) (*logsapi.CreateScheduledQueryOutput, error) {
		if s.tables.scheduleNames.Has(tx, in.Name) {
			return nil, logsapi.ConflictException("A scheduled query named %s already exists.", in.Name)
		}
		n := 0
		for range s.tables.scheduleNames.Keys(tx, store.ScanOptions{}) {
			n++
		}
		if n >= maxSchedules {
			return nil, logsapi.ServiceQuotaExceededException("There can be at most %d scheduled queries.", maxSchedules)
		}
		if err := s.groupsThere(ctx, tx, r.Groups); err != nil {
			return nil, err
		}
		r, id := r, tx.NewID()
		r.Created = tx.Now().UnixMilli()
		r.Updated = r.Created
		s.tables.scheduleNames.Set(tx, id, in.Name)
		s.keepSchedule(tx, id, &r)
		return &logsapi.CreateScheduledQueryOutput{ScheduledQueryArn: aws.Some(scheduleARN(tx.Scope(), id)), State: aws.Some(r.state())}, nil
	})
}

// groupsThere refuses groups that are not there.
func (s *Shapes) groupsThere(ctx context.Context, tx *store.Tx, groups []string) error {
	for _, g := range groups {
		name, err := form.Identify(ctx, g)
		if err != nil {
			return err
		}
		if _, ok := s.host.Group(tx, name); !ok {
			return logsapi.ResourceNotFoundException("Log group '%s' does not exist for account ID '%s'", name, tx.Scope().Account)
		}
	}
	return nil
}

func (r *scheduleRecord) state() logsapi.ScheduledQueryState {
	if r.Disabled {
		return logsapi.ScheduledQueryStateDISABLED
	}
	return logsapi.ScheduledQueryStateENABLED
}

func (r *scheduleRecord) destination() (d *logsapi.DestinationConfiguration, err error) {
	if r.Destination == "" {
		return nil, nil
	}
	return d, readDocument([]byte(r.Destination), &d)
}

// UpdateScheduledQuery is logs:UpdateScheduledQuery. What is not said has none from now on; only whether it is enabled stays.
func (s *Shapes) UpdateScheduledQuery(ctx context.Context, in *logsapi.UpdateScheduledQueryInput) (*logsapi.UpdateScheduledQueryOutput, error) {
	a := asked{
		in.QueryLanguage, in.QueryString, in.LogGroupIdentifiers, in.ScheduleExpression, in.Timezone.V, in.StartTimeOffset, in.EndTimeOffset,
		in.DestinationConfiguration, in.ScheduleStartTime, in.ScheduleEndTime, in.ExecutionRoleArn, in.State,
	}
	return store.Update(ctx, s.space, func(tx *store.Tx) (*logsapi.UpdateScheduledQueryOutput, error) {
		id, r, err := s.tables.schedule(tx, in.Identifier)
		if err != nil {
			return nil, err
		}
		r.Description = in.Description.V
		if err := cmp.Or(a.fill(ctx, &r), s.groupsThere(ctx, tx, r.Groups)); err != nil {
			return nil, err
		}
		r.Updated = tx.Now().UnixMilli()
		s.keepSchedule(tx, id, &r)
		d, err := r.destination()
		return &logsapi.UpdateScheduledQueryOutput{
			ScheduledQueryArn: aws.Some(scheduleARN(tx.Scope(), id)), Name: aws.Some(r.Name), Description: aws.NonZero(r.Description),
			QueryLanguage: aws.Some(logsapi.QueryLanguageCWLI), QueryString: aws.Some(r.Text), LogGroupIdentifiers: r.Groups,
			ScheduleExpression: aws.Some(r.Expression), Timezone: aws.Some(r.Zone), StartTimeOffset: aws.NonZero(r.Begin), EndTimeOffset: aws.NonZero(r.End),
			DestinationConfiguration: d, State: aws.Some(r.state()), ScheduleType: aws.Some(logsapi.ScheduleTypeCUSTOMERMANAGED),
			LastTriggeredTime: aws.NonZero(r.Last), LastExecutionStatus: aws.NonZero(logsapi.ExecutionStatus(r.Status)),
			ScheduleStartTime: aws.NonZero(r.From), ScheduleEndTime: aws.NonZero(r.Until), ExecutionRoleArn: aws.Some(r.Role),
			CreationTime: aws.Some(r.Created), LastUpdatedTime: aws.Some(r.Updated),
		}, err
	})
}

// DeleteScheduledQuery is logs:DeleteScheduledQuery.
func (s *Shapes) DeleteScheduledQuery(ctx context.Context, in *logsapi.DeleteScheduledQueryInput) (*logsapi.DeleteScheduledQueryOutput, error) {
	return store.UpdateWith(ctx, s.space, store.UpdateOptions{Frees: true}, func(tx *store.Tx) (*logsapi.DeleteScheduledQueryOutput, error) {
		id, r, err := s.tables.schedule(tx, in.Identifier)
		if err != nil {
			return nil, err
		}
		s.tables.schedules.Delete(tx, id)
		s.tables.scheduleNames.Delete(tx, r.Name)
		s.tables.runs.DeleteAll(tx, id)
		s.schedules.Cancel(tx, id)
		return nil, nil
	})
}

// GetScheduledQuery is logs:GetScheduledQuery.
func (s *Shapes) GetScheduledQuery(ctx context.Context, in *logsapi.GetScheduledQueryInput) (*logsapi.GetScheduledQueryOutput, error) {
	return store.View(ctx, s.space, func(tx *store.Tx) (*logsapi.GetScheduledQueryOutput, error) {
		id, r, err := s.tables.schedule(tx, in.Identifier)
		if err != nil {
			return nil, err
		}
		d, err := r.destination()
		return &logsapi.GetScheduledQueryOutput{
			ScheduledQueryArn: aws.Some(scheduleARN(tx.Scope(), id)), Name: aws.Some(r.Name), Description: aws.NonZero(r.Description),
			QueryLanguage: aws.Some(logsapi.QueryLanguageCWLI), QueryString: aws.Some(r.Text), LogGroupIdentifiers: r.Groups,
			ScheduleExpression: aws.Some(r.Expression), Timezone: aws.Some(r.Zone), StartTimeOffset: aws.NonZero(r.Begin), EndTimeOffset: aws.NonZero(r.End),
			DestinationConfiguration: d, State: aws.Some(r.state()), ScheduleType: aws.Some(logsapi.ScheduleTypeCUSTOMERMANAGED),
			LastTriggeredTime: aws.NonZero(r.Last), LastExecutionStatus: aws.NonZero(logsapi.ExecutionStatus(r.Status)),
			ScheduleStartTime: aws.NonZero(r.From), ScheduleEndTime: aws.NonZero(r.Until), ExecutionRoleArn: aws.Some(r.Role),
			CreationTime: aws.Some(r.Created), LastUpdatedTime: aws.Some(r.Updated),
		}, err
	})
}

// ListScheduledQueries is logs:ListScheduledQueries: in the order of their names.
func (s *Shapes) ListScheduledQueries(ctx context.Context, in *logsapi.ListScheduledQueriesInput) (*logsapi.ListScheduledQueriesOutput, error) {
	if err := cmp.Or(form.CheckOne(in.State, "state"), form.CheckOne(in.ScheduleType, "scheduleType")); err != nil {
		return nil, err
	}
	after, err := form.PageAfter(in.NextToken)
	if err != nil {
		return nil, err
	}
	limit := int(in.MaxResults.Or(maxSchedules))
	return store.View(ctx, s.space, func(tx *store.Tx) (*logsapi.ListScheduledQueriesOutput, error) {
		out := &logsapi.ListScheduledQueriesOutput{ScheduledQueries: []logsapi.ScheduledQuerySummary{}}
		if in.ScheduleType.V == logsapi.ScheduleTypeAWSMANAGED {
			return out, nil
		}
		o := store.ScanOptions{}
		if after != "" {
			o.After = []any{after}
		}
		last := ""
		for _, id := range s.tables.scheduleNames.Scan(tx, o) {
			r, ok := s.tables.schedules.Get(tx, id)
			if !ok || in.State.Set && r.state() != in.State.V {
				continue
			}
			if len(out.ScheduledQueries) == limit {
				out.NextToken = form.PageToken(last)
				break
			}
			d, err := r.destination()
			if err != nil {
				return nil, err
			}
			last = r.Name
			out.ScheduledQueries = append(out.ScheduledQueries, logsapi.ScheduledQuerySummary{
				ScheduledQueryArn: aws.Some(scheduleARN(tx.Scope(), id)), Name: aws.Some(r.Name), State: aws.Some(r.state()),
				ScheduleType: aws.Some(logsapi.ScheduleTypeCUSTOMERMANAGED), LastTriggeredTime: aws.NonZero(r.Last),
				LastExecutionStatus: aws.NonZero(logsapi.ExecutionStatus(r.Status)), ScheduleExpression: aws.Some(r.Expression), Timezone: aws.Some(r.Zone),
				DestinationConfiguration: d, CreationTime: aws.Some(r.Created), LastUpdatedTime: aws.Some(r.Updated),
			})
		}
		return out, nil
	})
}

// GetScheduledQueryHistory is logs:GetScheduledQueryHistory: the newest run first.
func (s *Shapes) GetScheduledQueryHistory(ctx context.Context, in *logsapi.GetScheduledQueryHistoryInput) (*logsapi.GetScheduledQueryHistoryOutput, error) {
	for _, status := range in.ExecutionStatuses {
		if err := form.CheckOne(aws.Some(status), "executionStatuses"); err != nil {
			return nil, err
		}
	}
	from, to := form.Milliseconds(in.StartTime), form.Milliseconds(in.EndTime)
	if to < from {
		return nil, unfit("endTime must not be before startTime.")
	}
	if in.NextToken.Set {
		after, err := form.PageAfter(in.NextToken)
		if err != nil {
			return nil, err
		}
		t, err := time.Parse(time.RFC3339Nano, after)
		if err != nil {
			return nil, form.BadToken()
		}
		to = t.UnixMilli() - 1
	}
	limit := int(in.MaxResults.Or(maxRuns))
	return store.View(ctx, s.space, func(tx *store.Tx) (*logsapi.GetScheduledQueryHistoryOutput, error) {
		id, r, err := s.tables.schedule(tx, in.Identifier)
		if err != nil {
			return nil, err
		}
		out := &logsapi.GetScheduledQueryHistoryOutput{
			Name: aws.Some(r.Name), ScheduledQueryArn: aws.Some(scheduleARN(tx.Scope(), id)), TriggerHistory: []logsapi.TriggerHistoryRecord{},
		}
		last := int64(0)
		for k, run := range s.tables.runs.Scan(tx, store.ScanOptions{Reverse: true, From: []any{from}, Before: []any{to + 1}}, id) {
			if len(in.ExecutionStatuses) > 0 && !slices.Contains(in.ExecutionStatuses, logsapi.ExecutionStatus(run.Status)) {
				continue
			}
			if len(out.TriggerHistory) == limit {
				out.NextToken = form.PageToken(time.UnixMilli(last).UTC().Format(time.RFC3339Nano))
				break
			}
			last = k.Int64(1)
			out.TriggerHistory = append(out.TriggerHistory, run.shown(last))
		}
		return out, nil
	})
}

// shown is a run as the history has it.
func (r *runRecord) shown(at int64) logsapi.TriggerHistoryRecord {
	h := logsapi.TriggerHistoryRecord{
		QueryId: aws.NonZero(r.Query), ExecutionStatus: aws.Some(logsapi.ExecutionStatus(r.Status)), TriggeredTimestamp: aws.Some(at),
		ErrorMessage: aws.NonZero(r.Error),
	}
	if r.Sent != "" {
		h.Destinations = []logsapi.ScheduledQueryDestination{{
			DestinationType: aws.Some(logsapi.ScheduledQueryDestinationTypeLOOKUPTABLE), DestinationIdentifier: aws.Some(r.Table),
			Status: aws.Some(logsapi.ActionStatus(r.Sent)), ProcessedIdentifier: aws.NonZero(r.Arrived), ErrorMessage: aws.NonZero(r.Failure),
		}}
	}
	return h
}

// scheduleDue writes a run of a scheduled query, and when the next is due.
func (s *Shapes) scheduleDue(ctx context.Context, t runTask) error {
	_, err := store.Update(ctx, s.space, func(tx *store.Tx) (struct{}, error) {
		r, ok := s.tables.schedules.Get(tx, t.ID)
		if !ok || r.Next != t.At {
			return struct{}{}, nil // it was changed since
		}
		r.Last, r.Status = t.At, string(logsapi.ExecutionStatusRunning)
		s.keepSchedule(tx, t.ID, &r)
		s.tables.runs.Set(tx, runRecord{Status: r.Status}, t.ID, t.At)
		s.runs.Add(tx, t, taskOf(t.ID))
		var kept []int64
		for k := range s.tables.runs.Keys(tx, store.ScanOptions{}, t.ID) {
			kept = append(kept, k.Int64(1))
		}
		for _, at := range kept[:max(0, len(kept)-maxRuns)] {
			s.tables.runs.Delete(tx, t.ID, at)
		}
		return struct{}{}, nil
	})
	return err
}

// as is the API as a role may use it.
func (s *Shapes) as(ctx context.Context, role, session string) (logsapi.Client, error) {
	if s.roles == nil {
		return logsapi.Client{}, logsapi.AccessDeniedException("Nobody can act as the role %s here.", role)
	}
	i, err := s.roles(ctx, role, session)
	return logsapi.Client{Invoker: i}, err
}

// refused is what is said of an error that trying again would not help; false where it would.
func refused(err error) (*aws.Error, bool) {
	e, ok := errors.AsType[*aws.Error](err)
	return e, ok && e.Status < 500
}

// runSchedule starts the query of a run, as the role that is told to.
func (s *Shapes) runSchedule(ctx context.Context, _ string, t runTask) error {
	r, err := store.View(ctx, s.space, func(tx *store.Tx) (scheduleRecord, error) {
		r, _ := s.tables.schedules.Get(tx, t.ID)
		return r, nil
	})
	if err != nil || r.Name == "" {
		return err
	}
	begin := r.Begin * 1000
	if begin == 0 {
		begin = max(r.Next-t.At, time.Minute.Milliseconds())
	}
	in := &logsapi.StartQueryInput{QueryString: r.Text, LogGroupIdentifiers: r.Groups, StartTime: t.At - begin, EndTime: t.At - r.End*1000 - 1}
	client, err := s.as(ctx, r.Role, "scheduled-query")
	var out *logsapi.StartQueryOutput
	if err == nil {
		out, err = client.StartQuery(ctx, in)
	}
	refusal, final := refused(err)
	if err != nil && !final {
		return err
	}
	_, err = store.Update(ctx, s.space, func(tx *store.Tx) (struct{}, error) {
		if final {
			status := logsapi.ExecutionStatusFailed
			if refusal.ErrorShape == logsapi.ErrMalformedQueryException {
				status = logsapi.ExecutionStatusInvalidQuery
			}
			s.ranSchedule(tx, t, func(run *runRecord) { run.Status, run.Error = string(status), refusal.Message })
			return struct{}{}, nil
		}
		_, running, ok := s.host.Query(tx, out.QueryId.V)
		if !ok {
			return struct{}{}, nil
		}
		s.ranSchedule(tx, t, func(run *runRecord) { run.Query = out.QueryId.V })
		s.tables.scheduled.Set(tx, t, out.QueryId.V)
		if !running { // it has ended already
			s.ends.Add(tx, endTask{out.QueryId.V}, taskOf(t.ID))
		}
		return struct{}{}, nil
	})
	return err
}

// ranSchedule writes what became of a run.
func (s *Shapes) ranSchedule(tx *store.Tx, t runTask, fn func(run *runRecord)) {
	r, there := s.tables.schedules.Get(tx, t.ID)
	run, ok := s.tables.runs.Get(tx, t.ID, t.At)
	if !there || !ok {
		return // it was deleted
	}
	fn(&run)
	s.tables.runs.Set(tx, run, t.ID, t.At)
	if r.Last == t.At && r.Status != run.Status {
		r.Status = run.Status
		s.tables.schedules.Set(tx, r, t.ID)
	}
}

// QueryEnded is told, in the transaction that ends a query, that it has ended.
func (s *Shapes) QueryEnded(tx *store.Tx, id string) {
	if t, ok := s.tables.scheduled.Get(tx, id); ok {
		s.ends.Add(tx, endTask{id}, taskOf(t.ID))
	}
}

// endRun writes what became of a run's query, and gives its result on.
func (s *Shapes) endRun(ctx context.Context, _ string, q endTask) error {
	var to *logsapi.LookupTableConfiguration
	t, err := store.Update(ctx, s.space, func(tx *store.Tx) (t runTask, err error) {
		to = nil
		t, _ = s.tables.scheduled.Get(tx, q.ID)
		status, _, ok := s.host.Query(tx, q.ID)
		r, there := s.tables.schedules.Get(tx, t.ID)
		if !ok || !there {
			s.tables.scheduled.Delete(tx, q.ID)
			return t, nil
		}
		d, err := r.destination()
		if err != nil {
			return t, err
		}
		s.ranSchedule(tx, t, func(run *runRecord) {
			run.Status = string(logsapi.ExecutionStatusComplete)
			if status != string(logsapi.QueryStatusComplete) {
				run.Status, run.Error = string(logsapi.ExecutionStatusFailed), "The query is "+strings.ToLower(status)+"."
			} else if d != nil && d.LookupTableConfiguration != nil {
				to = d.LookupTableConfiguration
				run.Table, run.Sent = to.TableName, string(logsapi.ActionStatusINPROGRESS)
			}
		})
		return t, nil
	})
	if err != nil {
		return err
	}
	arn := ""
	if to != nil {
		arn, err = s.deliverTable(ctx, q.ID, to)
	}
	refusal, final := refused(err)
	if err != nil && !final {
		return err
	}
	_, err = store.Update(ctx, s.space, func(tx *store.Tx) (struct{}, error) {
		if to != nil {
			s.ranSchedule(tx, t, func(run *runRecord) {
				if run.Sent, run.Arrived = string(logsapi.ActionStatusCOMPLETE), arn; final {
					run.Sent, run.Failure = string(logsapi.ActionStatusCLIENTERROR), refusal.Message
				}
			})
		}
		s.tables.scheduled.Delete(tx, q.ID)
		return struct{}{}, nil
	})
	return err
}

// deliverTable makes a lookup table of a query's result, or gives the one that is there that content, as the role that is told to.
func (s *Shapes) deliverTable(ctx context.Context, query string, to *logsapi.LookupTableConfiguration) (arn string, err error) {
	client, err := s.as(ctx, to.RoleArn, "scheduled-query")
	if err != nil {
		return "", err
	}
	arn = lookupARN(aws.RequestOf(ctx).Scope, to.TableName)
	_, err = client.UpdateLookupTable(ctx, &logsapi.UpdateLookupTableInput{LookupTableArn: arn, QueryId: aws.Some(query), Description: to.Description, KmsKeyId: to.KmsKeyId})
	if isNone(err) {
		_, err = client.CreateLookupTable(ctx, &logsapi.CreateLookupTableInput{
			LookupTableName: to.TableName, QueryId: aws.Some(query), Description: to.Description, KmsKeyId: to.KmsKeyId, Tags: to.Tags,
		})
	}
	return arn, err
}
