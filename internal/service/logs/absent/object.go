package absent

import (
	"context"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
)

// GetLogObject is logs:GetLogObject. Large log objects are made of what comes over OpenTelemetry, which does not: there are none.
func (Absent) GetLogObject(_ context.Context, in *logsapi.GetLogObjectInput) (*logsapi.GetLogObjectOutput, error) {
	return nil, logsapi.ResourceNotFoundException("The specified log object does not exist: %s", in.LogObjectPointer)
}
