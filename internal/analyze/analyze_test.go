package analyze

import (
	"slices"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/metric"
)

func TestMeasures(t *testing.T) {
	got, err := measures([]Measure{{Name: "carts", By: "large", Value: "120.50"}, {Name: "seen"}})
	want := []metric.Contribution{{Key: "carts", Dimension: "large", Value: "120.50"}, {Key: "seen"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, wrong := range []struct {
		m    Measure
		want string
	}{
		{Measure{Name: "Carts"}, `metric "Carts"`},
		{Measure{Name: ""}, `metric ""`},
		{Measure{Name: "carts", Value: "1,5"}, `metric carts: "1,5"`},
		{Measure{Name: "carts", Value: "NaN"}, `metric carts: "NaN"`},
	} {
		if _, err := measures([]Measure{wrong.m}); err == nil || !strings.Contains(err.Error(), wrong.want) {
			t.Errorf("%+v: %v", wrong.m, err)
		}
	}
}
