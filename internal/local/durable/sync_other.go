//go:build !linux

package durable

import "os"

// SyncData flushes a file's data to disk.
func SyncData(f *os.File) error { return f.Sync() }
