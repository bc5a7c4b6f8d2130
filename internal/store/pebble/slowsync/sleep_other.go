//go:build !linux

package slowsync

import "time"

func sleep(d time.Duration) { time.Sleep(d) }
