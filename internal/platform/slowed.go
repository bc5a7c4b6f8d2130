package platform

import (
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/obidos-cloud/obidos/internal/store/pebble/slowsync"
)

// slowed is the machine's file system with a delay added to each sync, so that figures measured on a fast or a moody disk
// can be compared.
func slowed(d time.Duration) vfs.FS { return slowsync.New(vfs.Default, d) }
