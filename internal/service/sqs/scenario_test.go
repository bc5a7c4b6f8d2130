package sqs_test

import (
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/scenario"
	"github.com/obidos-cloud/obidos/internal/service/sqs"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

func TestScenarios(t *testing.T) {
	for _, file := range scenario.Files(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := start(t, memory.New(memory.Options{}), sqs.Options{EnforceLimits: strings.Contains(file, "limits")})
				defer p.stop()
				scenario.Play(t.Context(), t, file, scenario.Direct(sqsapi.API(), p, p.clock.Advance, synctest.Wait), "")
			})
		})
	}
}
