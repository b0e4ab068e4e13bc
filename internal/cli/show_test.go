package cli

import (
	"strconv"
	"testing"
)

func TestColors(t *testing.T) {
	for _, tt := range []struct {
		environment map[string]string
		flag, want  bool
	}{
		{nil, false, true},
		{map[string]string{"NO_COLOR": "1"}, false, false},
		{map[string]string{"NO_COLOR": ""}, false, true}, // as no-color.org defines
		{map[string]string{"TERM": "dumb"}, false, false},
		{nil, true, false},
	} {
		a := &App{Getenv: func(name string) string { return tt.environment[name] }}
		if err := a.command().PersistentFlags().Set("no-color", strconv.FormatBool(tt.flag)); err != nil {
			t.Fatal(err)
		}
		if got := wantsColors(a); got != tt.want {
			t.Errorf("%v, --no-color=%t: %t", tt.environment, tt.flag, got)
		}
	}
}
