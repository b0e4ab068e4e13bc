package query

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/insight"
	"github.com/streamctl/streamctl/internal/nearest"
)

const (
	// hintTime limits the search for known names.
	hintTime = time.Second
	// maxNear and maxKnown limit the names of a hint.
	maxNear, maxKnown = 3, 5
)

// hints returns advice about the event types and properties that no event of the answer's
// range has: they may be typing errors.
func (h asker) hints(ctx context.Context, run *insight.Run) (all []string) {
	types, paths := run.Unseen()
	if len(types)+len(paths) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, hintTime)
	defer cancel()
	all = h.typeHints(ctx, types)
	if len(paths) == 0 {
		return all
	}
	need := run.Need()
	known, err := h.Sequences.PropertyNames(ctx, need.From, need.To)
	if err != nil {
		h.Log.WarnContext(ctx, "names of properties not read", "err", err)
	}
	for _, path := range paths {
		name := strings.TrimPrefix(path, "properties.")
		all = append(all, unseen("No event of the question has the property "+name+" in this range.", name, known))
	}
	return all
}

// typeHints returns advice about event types without events.
func (d Deps) typeHints(ctx context.Context, types []string) (all []string) {
	if len(types) == 0 {
		return nil
	}
	values, err := d.Warehouse.Values(ctx, eventsSeries.key)
	if err != nil {
		d.Log.WarnContext(ctx, "event types not read", "err", err)
	}
	var known []string
	for _, v := range values {
		if !v.LastSeen.IsZero() {
			known = append(known, v.Value)
		}
	}
	for _, t := range types {
		all = append(all, unseen("No event has the type "+strconv.Quote(t)+" in this range.", t, known))
	}
	return all
}

// unseen adds known names to a sentence: the nearest ones, else the first ones.
func unseen(sentence, name string, known []string) string {
	var others []string
	for _, k := range known {
		if k == name {
			return sentence // it is right, and has no events
		}
		others = append(others, k)
	}
	near := written(nearest.Names(name, others, maxNear))
	others = written(others)
	switch {
	case len(near) > 0:
		return fmt.Sprintf("%s Did you mean %s?", sentence, strings.Join(near, " or "))
	case len(others) > maxKnown:
		return fmt.Sprintf("%s Known are %s and %d more.", sentence, strings.Join(others[:maxKnown], ", "), len(others)-maxKnown)
	case len(others) > 0:
		return fmt.Sprintf("%s Known are %s.", sentence, strings.Join(others, ", "))
	}
	return sentence
}

// written returns names as they are written in a question, so that a list of them is clear.
func written(names []string) (all []string) {
	for _, name := range names {
		if strings.ContainsAny(name, " {}(),\"=<>!*") {
			name = strconv.Quote(name)
		}
		all = append(all, name)
	}
	return all
}
