package failure_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/streamctl/streamctl/internal/failure"
)

type classified failure.Class

func (classified) Error() string          { return "it failed" }
func (c classified) Class() failure.Class { return failure.Class(c) }

func TestOf(t *testing.T) {
	busy, declined := classified(failure.Busy), classified(failure.Declined)
	for name, test := range map[string]struct {
		err  error
		want failure.Class
	}{
		"nil":                           {nil, failure.Other},
		"no class":                      {errors.New("it failed"), failure.Other},
		"wrapped":                       {fmt.Errorf("update: %w", busy), failure.Busy},
		"joined after one without":      {errors.Join(errors.New("it failed"), busy), failure.Busy},
		"joined, the later one decides": {errors.Join(busy, declined), failure.Declined},
		"wrapped and joined":            {fmt.Errorf("update: %w", errors.Join(fmt.Errorf("wait: %w", busy), declined)), failure.Declined},
	} {
		if got := failure.Of(test.err); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

func TestOfForeign(t *testing.T) {
	foreign := errors.New("expired")
	of := func(err error) failure.Class {
		if err == foreign { //nolint:errorlint // each error of the chain separately
			return failure.Credentials
		}
		return failure.Other
	}
	for name, test := range map[string]struct {
		err  error
		want failure.Class
	}{
		"wrapped":             {fmt.Errorf("describe: %w", foreign), failure.Credentials},
		"beside a later one":  {errors.Join(classified(failure.Stack), foreign), failure.Credentials},
		"beside an early one": {errors.Join(foreign, classified(failure.Declined)), failure.Declined},
		"neither":             {errors.New("it failed"), failure.Other},
	} {
		if got := failure.Of(test.err, of); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}
