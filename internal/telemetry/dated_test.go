package telemetry_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/telemetry"
)

// What is told with a time is added up in the minute of that time, before or after the present one, whenever it is told.
func TestMeasurementsThatTellTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, a, c, stop := running(t, telemetry.Options{})
		id := telemetry.SeriesID{Scope: here, Namespace: "Shop", Name: "Orders", Dimensions: telemetry.Dimensions("Stage", "dev"), Unit: "None"}
		minute := c.Now().Truncate(time.Minute)
		past, future, old := minute.AddDate(0, 0, -10), minute.Add(time.Hour), minute.AddDate(0, 0, -15)
		r.AddAt(id, past.Add(3*time.Second), 5, 2)
		r.AddAt(id, past.Add(59*time.Second), 0, 1)
		r.AddAt(id, future, -1, 1)
		r.AddAt(id, old, 1, 1) // nobody keeps it
		r.AddAt(id, past, 1, 0)
		time.Sleep(2 * time.Minute) // it is written
		r.AddAt(id, past, 7, 1)     // and added to
		stop()
		points, err := a.Data(context.Background(), id, old.Add(-time.Hour), future.Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if len(points) != 2 || !points[0].Minute.Equal(past) || !points[1].Minute.Equal(future) {
			t.Fatalf("%+v", points)
		}
		if d := points[0].Datum; d.Count != 4 || d.Sum != 17 || d.Min != 0 || d.Max != 7 || d.Percentile(0.9) < 6 {
			t.Errorf("%+v", d)
		}
		if d := points[1].Datum; d.Count != 1 || d.Sum != -1 || d.Min != -1 || d.Max != -1 {
			t.Errorf("%+v", d)
		}
	})
}

// A flood of series, each with a minute of its own, takes no more than so much memory, and is written before the minute ends.
func TestDatedSeriesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, a, c, stop := running(t, telemetry.Options{MaxSeries: 1500})
		at := c.Now()
		id := func(i int) telemetry.SeriesID {
			return telemetry.SeriesID{Scope: here, Namespace: "Shop", Name: "Orders", Dimensions: telemetry.Dimensions("Order", fmt.Sprint(i)), Unit: "None"}
		}
		for i := range 2000 {
			r.AddAt(id(i), at, 1, 1)
		}
		synctest.Wait()
		stop()
		there := 0
		for i := range 2000 {
			points, err := a.Data(context.Background(), id(i), at.Truncate(time.Minute), at.Add(time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			there += len(points)
		}
		if there < 1024 || there > 2000 {
			t.Errorf("%d series are there", there)
		}
	})
}
