package resource

import (
	"context"

	"github.com/obidos-cloud/obidos/internal/store"
)

// Became is Note of a resource whose properties, as JSON, were before and are after now: empty where it was not, or is not there.
// It notes nothing where both are the same.
func (f *Feed) Became(ctx context.Context, w store.Writer, typeName, arn, before, after string) {
	c := Change{Type: typeName, ARN: arn, Action: Updated, Before: before, After: after}
	switch {
	case before == after:
		return
	case before == "":
		c.Action = Created
	case after == "":
		c.Action = Deleted
	}
	f.Note(ctx, w, c)
}
