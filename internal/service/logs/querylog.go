package logs

import (
	"context"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/vendedlogs"
	"github.com/obidos-cloud/obidos/internal/store"
)

// vendedHost is the service as its deliveries see it.
type vendedHost struct{ s *Service }

func (h vendedHost) HasGroup(tx *store.Tx, name string) bool { return h.s.tables.groups.Has(tx, name) }

func (h vendedHost) CheckTags(tags map[string]string) error { return checkTags(tags) }

func (h vendedHost) Put(ctx context.Context, scope aws.Scope, group, stream string, events []logsapi.InputLogEvent) error {
	ctx = within(ctx, scope)
	_, err := h.s.CreateLogStream(ctx, &logsapi.CreateLogStreamInput{LogGroupName: group, LogStreamName: stream})
	if err != nil && !isThere(err) {
		return err
	}
	_, err = h.s.PutLogEvents(ctx, &logsapi.PutLogEventsInput{LogGroupName: group, LogStreamName: stream, LogEvents: events})
	return err
}

// queryLog is the type of the log that Insights keeps of the queries of an account.
const queryLog = "INSIGHTS_QUERY_LOGS"

// vendQuery has a query that has ended be logged, where a delivery wants it.
func (s *Service) vendQuery(tx *store.Tx, id string, q *queryRecord, failure string) {
	resource := groupARN(tx.Scope(), "*")
	if !s.Wanted(tx, resource, queryLog) {
		return
	}
	names := make([]string, len(q.Groups))
	for i, g := range q.Groups {
		names[i] = strings.Clone(g)
	}
	now, counts := tx.Now(), q.statistics()
	r := vendedlogs.Record{}
	for _, f := range []struct {
		name string
		v    any
	}{
		{"resource_arn", resource},
		{"event_timestamp", now.UnixMilli()},
		{"timestamp", now.UnixMilli()},
		{"log_type", queryLog},
		{"query_id", id},
		{"account_id", tx.Scope().Account},
		{"principal_arn", q.Principal},
		{"status", q.Status},
		{"bytes_scanned", q.Bytes},
		{"records_scanned", q.Scanned},
		{"records_matched", q.Matched},
		{"estimated_bytes_skipped", counts.EstimatedBytesSkipped.V},
		{"estimated_records_skipped", counts.EstimatedRecordsSkipped.V},
		{"query_duration_ms", q.Duration},
		{"create_time", q.Created},
		{"start_time", q.Start},
		{"end_time", q.End},
		{"log_group_names", names},
		{"log_group_count", len(names)},
		{"query_text", q.Text},
		{"query_language", string(logsapi.QueryLanguageCWLI)},
		{"error_message", failure},
		{"client_info", q.Client},
		{"query_source", "API"},
	} {
		r.Set(f.name, f.v)
	}
	s.Vend(tx, resource, queryLog, now, r)
}
