package sequence

import (
	"cmp"
	"slices"
	"sort"
)

// Links has the ids of persons with several ids. Call Add for each id, then Sort once. A
// nil Links has no persons.
type Links struct {
	added []link
	// ids are sorted; persons has the person of each, and left the number of each
	// person's ids in slices that were not completed.
	ids     []uint64
	persons []uint32
	left    []uint8
}

type link struct {
	id, user uint64
	ids      uint8
}

// LinkBytes is the largest memory that an id takes.
const LinkBytes = 24 + 8 + 4 + 1

// NewLinks returns links with space for so many ids.
func NewLinks(n int) *Links { return &Links{added: make([]link, 0, n)} }

// Add adds the hash of an id, and that of the person's user id, which is an id too. ids is
// the number of the person's ids, up to 255, if some may not be added: the person is then
// never complete. It is 0 if all are added.
func (l *Links) Add(id, user uint64, ids int) {
	l.added = append(l.added, link{id, user, uint8(min(ids, 255))}) //nolint:gosec // limited
}

// Sort ends the adding of ids. Repeated ids count once.
func (l *Links) Sort() {
	slices.SortFunc(l.added, func(a, b link) int { return cmp.Or(cmp.Compare(a.user, b.user), cmp.Compare(a.id, b.id)) })
	l.added = slices.CompactFunc(l.added, func(a, b link) bool { return a.id == b.id && a.user == b.user })
	// The user becomes the person's number, in place.
	for i, last := 0, uint64(0); i < len(l.added); i++ {
		if one := &l.added[i]; i == 0 || one.user != last {
			last = one.user
			l.left = append(l.left, one.ids)
		}
		if l.added[i].ids == 0 {
			l.left[len(l.left)-1]++
		}
		l.added[i].user = uint64(len(l.left) - 1)
	}
	slices.SortFunc(l.added, func(a, b link) int { return cmp.Compare(a.id, b.id) })
	l.ids, l.persons = make([]uint64, len(l.added)), make([]uint32, len(l.added))
	for i, one := range l.added {
		l.ids[i], l.persons[i] = one.id, uint32(one.user) //nolint:gosec // an index of left
	}
	l.added = nil
}

// Person returns the number of the person with an id; ok is false for an id without links.
func (l *Links) Person(id uint64) (person uint32, ok bool) {
	if l == nil {
		return 0, false
	}
	i, ok := slices.BinarySearch(l.ids, id)
	if !ok {
		return 0, false
	}
	return l.persons[i], true
}

// Complete records that a slice was read, and calls each for the persons all of whose ids
// are in the slices that were read so far. Call it once for a slice.
func (l *Links) Complete(slice int, each func(person uint32) error) error {
	if l == nil {
		return nil
	}
	i := sort.Search(len(l.ids), func(i int) bool { return Slice(l.ids[i]) >= slice })
	for ; i < len(l.ids) && Slice(l.ids[i]) == slice; i++ {
		p := l.persons[i]
		if l.left[p]--; l.left[p] == 0 {
			if err := each(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// Bytes returns the approximate memory of the links.
func (l *Links) Bytes() int64 {
	if l == nil {
		return 0
	}
	return int64(len(l.ids))*12 + int64(len(l.left))
}
