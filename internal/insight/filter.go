package insight

// column has the values of a property.
type column struct {
	*texts
	// filters are those that test the property.
	filters []Filter
	// classes reports that only the results of the filters are needed: a value is then
	// replaced by a 1 for each filter that it passes, and a 0 for the others.
	classes bool
}

// code returns the code of a value of sequence.Value.
func (c *column) code(value string) int32 {
	if !c.classes {
		return c.texts.code(value)
	}
	class := make([]byte, len(c.filters))
	for i := range c.filters {
		class[i] = '0'
		if c.filters[i].matches(value) {
			class[i] = '1'
		}
	}
	return c.texts.code(string(class))
}

// test is a filter of a column.
type test struct {
	number int // of the column
	column *column
	// class is the filter's place in a class.
	class  int
	filter Filter
	// known has the results by code if the column has values: 0 unknown, 1 passes, 2
	// doesn't.
	known []int8
}

func (r *Run) tests(filters []Filter) []test {
	all := make([]test, len(filters))
	for i, f := range filters {
		n := r.column(f.Path)
		c := r.columns[n]
		all[i] = test{number: n, column: c, class: len(c.filters), filter: f}
		c.filters = append(c.filters, f)
	}
	return all
}

func (t *test) passes(code int32) bool {
	if t.column.classes {
		class := t.column.values[code]
		return class != "" && class[t.class] == '1'
	}
	for int(code) >= len(t.known) {
		t.known = append(t.known, make([]int8, len(t.column.values)-len(t.known))...)
	}
	if t.known[code] == 0 {
		t.known[code] = 2
		if t.filter.matches(t.column.values[code]) {
			t.known[code] = 1
		}
	}
	return t.known[code] == 1
}

func passes(tests []test, e *events, i int) bool {
	for j := range tests {
		if !tests[j].passes(e.value(i, tests[j].number)) {
			return false
		}
	}
	return true
}

// matcher is a compiled selection.
type matcher struct {
	kind  int32 // 0 for every type
	tests []test
}

func (r *Run) matcher(s Selection) matcher {
	return matcher{r.types.code(s.Type), r.tests(s.Filters)}
}

func (m *matcher) matches(e *events, i int) bool {
	return (m.kind == 0 || e.kinds[i] == m.kind) && passes(m.tests, e, i)
}
