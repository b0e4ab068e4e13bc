package query_test

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamctl/streamctl/functions/query"
	"github.com/streamctl/streamctl/internal/contract"
)

// fakeSQL records the tasks that reach it.
type fakeSQL struct{ got []contract.SQLTask }

func (f *fakeSQL) Open(_ context.Context, t contract.SQLTask) (io.ReadCloser, error) {
	f.got = append(f.got, t)
	return io.NopCloser(strings.NewReader("streamed")), nil
}

func (f *fakeSQL) Collect(_ context.Context, t contract.SQLTask) contract.SQLResponse {
	f.got = append(f.got, t)
	return contract.SQLResponse{Messages: []byte("whole")}
}

func (f *fakeSQL) Cancel(_ context.Context, token string) (int, error) {
	f.got = append(f.got, contract.SQLTask{Token: token, Cancel: true})
	return 1, nil
}

// apiHandler answers events of the API.
type apiHandler struct{ deadline time.Duration }

func (a *apiHandler) Invoke(ctx context.Context, _ []byte) ([]byte, error) {
	if deadline, ok := ctx.Deadline(); ok {
		a.deadline = time.Until(deadline)
	}
	return []byte(`"api"`), nil
}

// TestServe tells SQL tasks and events of the API apart: no data of a client of the API
// can make its event a task.
func TestServe(t *testing.T) {
	const api, invalid = `"api"`, "error"
	for payload, want := range map[string]string{
		`{"sql":{"token":"x","text":"SELECT 1","bind":{},"stream":true}}`: "streamed",
		`{"sql":{"token":"x","text":"SELECT 1"}}`:                         `{"messages":"d2hvbGU="}`,
		`{"sql":{"token":"x","cancel":true}}`:                             `{"canceled":1}`,
		`{"sql":{"tokens":"x"}}`:                                          invalid,
		`{"sql":null}`:                                                    invalid,
		`{"sql":"SELECT 1"}`:                                              invalid,
		`{"sql":{},"sqls":1}`:                                             invalid,
		`{}`:                                                              api,
		`{"SQL":{"token":"x"}}`:                                           api,
		`[{"sql":{}}]`:                                                    api,
		`{"resource":"/metrics/{metric}","httpMethod":"GET","body":"{\"sql\":{}}"}`:                      api,
		`{"resource":"/","sql":{"token":"x"}}`:                                                           api,
		`{"sql":{"token":"x"},"requestContext":{}}`:                                                      api,
		`{"sql":{"token":"x"},"httpMethod":null}`:                                                        api,
		`{"sql":{"token":"x"},"sql":{"token":"y"}}`:                                                      api, // a duplicate name is invalid JSON
		`{"queryStringParameters":{"sql":"{}"},"headers":{"sql":"x"},"pathParameters":{"metric":"sql"}}`: api,
	} {
		sql := &fakeSQL{}
		r, err := query.Server{API: &apiHandler{}, SQL: sql}.Serve(t.Context(), json.RawMessage(payload))
		got := invalid
		if err == nil {
			text, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			got = string(text)
		}
		if got != want {
			t.Errorf("%s: %s, %v, want %s", payload, got, err, want)
		}
		if (want == api || want == invalid) && len(sql.got) > 0 {
			t.Errorf("%s: ran %v", payload, sql.got)
		}
	}
}

// TestRequestTime bounds requests of the API, whatever the function's timeout is.
func TestRequestTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for timeout, want := range map[time.Duration]time.Duration{900 * time.Second: query.RequestTime, 17 * time.Second: 17 * time.Second} {
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			api := &apiHandler{}
			if _, err := (query.Server{API: api}).Serve(ctx, json.RawMessage(`{}`)); err != nil || api.deadline != want {
				t.Errorf("timeout %s: deadline in %s, %v", timeout, api.deadline, err)
			}
			cancel()
		}
	})
}
