package dashboard

import (
	"net/http"
	"time"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/insight"
)

// statement is the SQL behind the answer to a question.
type statement struct {
	SQL string `json:"sql"`
	// Note describes what the statement lacks; may be empty.
	Note string `json:"note,omitempty"`
}

// sql responds with the statement that gives the answer to a question. The parameters are
// those of the question.
func (s server) sql(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue(api.ParameterMetric)
	if !insight.IsQuestion(name) {
		refuse(w, http.StatusNotFound, "unknown question "+quote(name))
		return
	}
	given := map[string]string{}
	for key, values := range r.URL.Query() {
		given[key] = values[0]
	}
	q, err := insight.Read(name, given, time.Now())
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	text, note := q.SQL()
	if text == "" {
		refuse(w, http.StatusNotFound, "this question has no SQL")
		return
	}
	s.write(w, r, statement{text, note})
}
