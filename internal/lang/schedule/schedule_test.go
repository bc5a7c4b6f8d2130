package schedule_test

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/obidos-cloud/obidos/internal/lang/schedule"
)

func TestNext(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ cron, zone, after, want string }{
		{"0 10 * * ? *", "UTC", "2026-11-23 09:59", "2026-11-23 10:00 2026-11-24 10:00"},
		{"15 12 * * ? *", "UTC", "2026-11-23 12:15", "2026-11-24 12:15"},
		{"0 18 ? * MON-FRI *", "UTC", "2026-11-27 18:00", "2026-11-30 18:00 2026-12-01 18:00"},
		{"0 8 1 * ? *", "UTC", "2026-11-23 00:00", "2026-12-01 08:00 2027-01-01 08:00"},
		{"0/15 * * * ? *", "UTC", "2026-11-23 09:50", "2026-11-23 10:00 2026-11-23 10:15"},
		{"*/10 * ? * mon-fri *", "UTC", "2026-11-27 23:55", "2026-11-30 00:00 2026-11-30 00:10"},
		{"0/5 8-17 ? * MON-FRI *", "UTC", "2026-11-27 17:55", "2026-11-30 08:00"},
		{"0 9 ? * 2#1 *", "UTC", "2026-11-23 00:00", "2026-12-07 09:00 2027-01-04 09:00"},
		{"0 9 ? * 6L *", "UTC", "2026-11-23 00:00", "2026-11-27 09:00 2026-12-25 09:00"},
		{"0 9 ? * L *", "UTC", "2026-11-23 00:00", "2026-11-28 09:00"},
		{"0 9 L * ? *", "UTC", "2027-02-01 00:00", "2027-02-28 09:00 2027-03-31 09:00"},
		{"0 9 L-2 * ? *", "UTC", "2027-02-01 00:00", "2027-02-26 09:00"},
		{"0 9 LW * ? *", "UTC", "2027-02-01 00:00", "2027-02-26 09:00 2027-03-31 09:00"},
		{"0 9 15W * ? *", "UTC", "2026-11-01 00:00", "2026-11-16 09:00 2026-12-15 09:00"},
		{"0 9 1W * ? *", "UTC", "2026-08-01 00:00", "2026-08-03 09:00"},
		{"0 9 31W 5 ? *", "UTC", "2026-01-01 00:00", "2026-05-29 09:00"},
		{"0 0 29 2 ? *", "UTC", "2026-01-01 00:00", "2028-02-29 00:00 2032-02-29 00:00"},
		{"30 6,18 1,15 1-3,JUN ? 2027-2028", "UTC", "2026-11-23 00:00", "2027-01-01 06:30 2027-01-01 18:30 2027-01-15 06:30"},
		{"0 0 30 2 ? *", "UTC", "2026-01-01 00:00", ""},
		{"0 0 1 1 ? 2020", "UTC", "2026-01-01 00:00", ""},
		// In New York clocks go forward on 14 March 2027 at 02:00, and back on 7 November at 02:00.
		{"30 2 * * ? *", "America/New_York", "2027-03-13 12:00", "2027-03-14 07:30 2027-03-15 06:30"},
		{"30 1 * * ? *", "America/New_York", "2027-11-06 12:00", "2027-11-07 05:30 2027-11-08 06:30"},
		{"0 9 * * ? *", "Asia/Tokyo", "2026-11-23 00:00", "2026-11-24 00:00"},
	} {
		s, err := schedule.Cron("cron(" + c.cron + ")")
		if err != nil {
			t.Errorf("%s: %v", c.cron, err)
			continue
		}
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		const form = "2006-01-02 15:04"
		at, _ := time.Parse(form, c.after)
		var got []string
		for range max(1, len(strings.Fields(c.want))/2) {
			next, ok := s.Next(at, zone)
			if !ok {
				break
			}
			if !next.After(at) {
				t.Fatalf("%s: %v is not behind %v", c.cron, next, at)
			}
			at = next
			got = append(got, next.UTC().Format(form))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s in %s behind %s: %s, want %s", c.cron, c.zone, c.after, strings.Join(got, " "), c.want)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "cron()", "rate(5 minutes)", "cron(0 10 * * ?)", "cron(0 10 * * ? * *)", "cron(60 10 * * ? *)", "cron(0 24 * * ? *)", "cron(0 10 0 * ? *)",
		"cron(0 10 32 * ? *)", "cron(0 10 * 13 ? *)", "cron(0 10 ? * 8 *)", "cron(0 10 ? * 0 *)", "cron(0 10 * * * *)", "cron(0 10 ? * ? *)",
		"cron(0 10 * * ? 1969)", "cron(0 10 * * ? 2200)", "cron(5-1 10 * * ? *)", "cron(0/0 10 * * ? *)", "cron(, 10 * * ? *)", "cron(a 10 * * ? *)",
		"cron(0 10 L-31 * ? *)", "cron(0 10 W * ? *)", "cron(0 10 ? * 2#6 *)", "cron(0 10 ? * FOO *)", "cron(-1 10 * * ? *)", "0 10 * * ? *",
	} {
		if _, err := schedule.Cron(text); err == nil || err.Error() == "" {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// FuzzCron: what is understood has times that follow each other, each on a whole minute.
func FuzzCron(f *testing.F) {
	for _, s := range []string{"cron(0 10 * * ? *)", "cron(0/5 8-17 ? * MON-FRI 2027/3)", "cron(0 9 L-2,15W,LW,3 * ? *)", "cron(0 9 ? * 6L,2#1,SUN *)"} {
		f.Add(s, int64(1_790_000_000))
	}
	f.Fuzz(func(t *testing.T, text string, at int64) {
		s, err := schedule.Cron(text)
		if err != nil {
			return
		}
		now := time.Unix(at%8_000_000_000, 0)
		for range 3 {
			next, ok := s.Next(now, time.UTC)
			if !ok {
				return
			}
			if !next.After(now) || next.Unix()%60 != 0 {
				t.Fatalf("%s: %v follows %v", text, next, now)
			}
			now = next
		}
	})
}
