package obidostest

import "testing"

// Snapshot saves the platform's state under a name, in milliseconds, for Restore: between the cases of a test, say. The clock is
// part of it.
func (p *Platform) Snapshot(t testing.TB, name string) {
	t.Helper()
	if _, err := p.platform.SaveSnapshot(t.Context(), name); err != nil {
		t.Fatalf("save snapshot %s: %v", name, err)
	}
}

// Restore sets the platform's state back to a snapshot. Calls under way meanwhile fail in a way that SDKs try again.
func (p *Platform) Restore(t testing.TB, name string) {
	t.Helper()
	if err := p.platform.RestoreSnapshot(t.Context(), name); err != nil {
		t.Fatalf("restore snapshot %s: %v", name, err)
	}
}

// DeleteSnapshot forgets a snapshot.
func (p *Platform) DeleteSnapshot(t testing.TB, name string) {
	t.Helper()
	if err := p.platform.DeleteSnapshot(name); err != nil {
		t.Fatalf("delete snapshot %s: %v", name, err)
	}
}
