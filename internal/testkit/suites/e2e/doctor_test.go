package e2e_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// apiProxy returns a proxy that connects every host to the stand-in's REST APIs, so that
// the program reaches them under their own names.
func (w *workplace) apiProxy() string {
	w.t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(rw, "only CONNECT", http.StatusMethodNotAllowed)
			return
		}
		target, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", w.platform.Fake.APIAddress)
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadGateway)
			return
		}
		rw.WriteHeader(http.StatusOK)
		client, buffered, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			w.t.Error(err)
			return
		}
		go func() {
			_, _ = io.Copy(target, buffered) // ends with either connection
			_ = target.Close()
		}()
		go func() {
			_, _ = io.Copy(client, target)
			_ = client.Close()
		}()
	}))
	w.t.Cleanup(server.Close)
	return server.URL
}

// TestDoctorLive sends a canary through a deployed stack, shows its dashboard, and finds a
// consumer that is disabled.
func TestDoctorLive(t *testing.T) {
	w := newWorkplace(t, "StackName: doctor")
	w.streamctl("deploy", "--env", "development").want(0)
	w.environ = append(w.environ, "HTTPS_PROXY="+w.apiProxy(), "AWS_CA_BUNDLE="+w.platform.Fake.CAFile)
	doctor := []string{"doctor", "--live", "--env", "development", "--source", w.platform.Root}
	w.streamctl(doctor...).want(0).says("ok    canary       event ").says(" and queryable after ").says("ok    drift ")
	w.streamctl("query", "events", "--event-type", "streamctl_canary", "--env", "development").want(0).says("streamctl_canary")
	s := w.deployed("doctor", "--env", "development")
	if status, answer := s.send(briefEvent); status != http.StatusAccepted {
		t.Fatal(status, answer)
	}
	s.dashboard()
	w.stopReading("doctor")
	w.streamctl(append(doctor, "--canary-timeout", "5s")...).want(1).says("FAIL  canary       event ").says("is not queryable after 5s")
	w.streamctl("status", "--env", "development").want(0).says("alarms: 0 of ")
	w.streamctl("destroy", "--env", "development", "--yes", "--no-drain").want(0)
}
