package pebble

import (
	"runtime"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// format is what tables and logs are written as. Raising it makes a data directory unreadable for older binaries, so it
// is a step of datadir's, never a side effect of a new pebble.
const format = pebble.FormatValueSeparation

// tuned are pebble's options for a process that idles small, opens fast and writes one log.
func tuned(o Options, fs vfs.FS, log pebble.Logger) *pebble.Options {
	if o.MemTable == 0 {
		o.MemTable = 16 << 20
	}
	if o.Cache == 0 {
		o.Cache = 64 << 20
	}
	p := &pebble.Options{
		FS:                          fs,
		Logger:                      log,
		FormatMajorVersion:          format,
		MemTableSize:                uint64(o.MemTable), // the first ones are smaller: it grows with use
		MemTableStopWritesThreshold: 3,                  // as many old logs are kept for reuse, and one more
		CacheSize:                   o.Cache,
		L0CompactionThreshold:       4,         // twice as eager costs a send 4 % more
		L0StopWritesThreshold:       1000,      // a backlog makes reads slower; stopping writes would make them fail
		LBaseMaxBytes:               256 << 20, // up to here what is kept is rewritten once
		MaxManifestFileSize:         16 << 20,
		// What a DeleteRange freed returns to the disk although nobody writes any more.
		FlushDelayDeleteRange: 10 * time.Second,
		CompactionConcurrencyRange: func() (int, int) {
			return 1, max(1, runtime.GOMAXPROCS(0)/2)
		},
	}
	p.Experimental.FileCacheShards = 1
	p.Experimental.CompactionScheduler = &compactions{}
	for i := range p.Levels {
		l := &p.Levels[i]
		l.BlockSize = 16 << 10
		l.IndexBlockSize = 128 << 10
		l.FilterPolicy = bloom.FilterPolicy(10)
		l.Compression = func() *sstable.CompressionProfile { return sstable.SnappyCompression }
	}
	// Most of what is written is soon deleted again: what reaches level 0 is not worth compressing yet.
	p.Levels[0].Compression = func() *sstable.CompressionProfile { return sstable.NoCompression }
	p.EnsureDefaults()
	return p
}
