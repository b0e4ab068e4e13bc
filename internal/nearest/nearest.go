// Package nearest finds the known name for a typo.
package nearest

import (
	"cmp"
	"slices"
	"strings"
)

// Name returns the known name that is nearest to a typo, the first of several;
// empty if none is near.
func Name(got string, known []string) string {
	if names := Names(got, known, 1); len(names) > 0 {
		return names[0]
	}
	return ""
}

// Names returns up to so many known names that are near to a typo, the nearest first.
func Names(got string, known []string, most int) []string {
	type near struct {
		name     string
		distance int
	}
	limit := max(2, len(got)/3)
	var all []near
	for _, k := range known {
		if len(k)-len(got) > limit || len(got)-len(k) > limit {
			continue
		}
		if n := editDistance(strings.ToLower(got), strings.ToLower(k)); n <= limit {
			all = append(all, near{k, n})
		}
	}
	slices.SortStableFunc(all, func(a, b near) int { return cmp.Compare(a.distance, b.distance) })
	var names []string
	for _, n := range all[:min(most, len(all))] {
		names = append(names, n.name)
	}
	return names
}

// editDistance is Levenshtein's: insertions, deletions and replacements.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(row[j]+1, row[j+1]+1, cost)
		}
	}
	return row[len(b)]
}
