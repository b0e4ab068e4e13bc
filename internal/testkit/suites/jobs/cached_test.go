package jobs_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// cached describes the metrics in Redis, without revisions and slots.
func (w *world) cached(t testing.TB) string {
	t.Helper()
	keys, err := w.redis.Keys(t.Context(), "m:*").Result()
	if err != nil {
		t.Fatal(err)
	}
	total, lines := int64(0), []string{}
	for _, key := range keys {
		fields, err := w.redis.HGetAll(t.Context(), key).Result()
		if err != nil {
			t.Fatal(err)
		}
		sums := map[string]int64{}
		for field, value := range fields {
			dimension, _, ok := strings.Cut(field, "/")
			parts := strings.Split(value, " ")
			if !ok || len(parts) != 5 {
				continue
			}
			n, err := strconv.ParseInt(parts[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			sums[dimension] += n
			total += n
		}
		for dimension, n := range sums {
			if n > 0 {
				lines = append(lines, fmt.Sprint(key, dimension, n))
			}
		}
	}
	users, err := w.redis.Keys(t.Context(), "u:2*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range users {
		n, err := w.redis.PFCount(t.Context(), key).Result()
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			lines = append(lines, fmt.Sprint(key, n))
		}
	}
	slices.Sort(lines)
	sum := uuid.NewSHA1(uuid.NameSpaceOID, []byte(strings.Join(lines, "\n")))
	return fmt.Sprintf("%d in %d series and days, %s", total, len(lines), sum)
}
