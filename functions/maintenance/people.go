package maintenance

import (
	"context"
	"time"
)

// People are the links between anonymous ids and users; *warehouse.DB satisfies it.
type People interface {
	// CheckLinks deletes links that no event makes, of a page of the anonymous ids after
	// one. The events arrived from (inclusive) to (exclusive); zero sets no limit. next is the
	// last id of the page, and empty at the end.
	CheckLinks(ctx context.Context, after string, from, to time.Time) (next string, deleted int, err error)
	// CountLinks counts the links of each user again.
	CountLinks(context.Context) error
}

// linkCheck is how far a check of the links has come.
type linkCheck struct {
	After string `json:"after,omitempty"`
	Done  bool   `json:"done,omitempty"`
}

// checkLinks is the first step of a replay: it deletes wrong links, and the records that
// follow restore the right ones. Selected events can't restore those of others.
func (r *replay) checkLinks(ctx context.Context) error {
	if r.match == nil && r.prefix == "" {
		people, p := r.s.Warehouse.People, r.s.params
		next, deleted, err := people.CheckLinks(ctx, r.at.Links.After, p.From, p.To)
		if err != nil {
			return err
		}
		if deleted > 0 {
			r.s.Log.WarnContext(ctx, "links of no event deleted", "job", r.s.job.ID, "links", deleted)
		}
		if next != "" {
			r.at.Links.After = next
			return r.save(ctx)
		}
		if err := people.CountLinks(ctx); err != nil {
			return err
		}
	}
	r.at.Links = linkCheck{Done: true}
	return r.save(ctx)
}
