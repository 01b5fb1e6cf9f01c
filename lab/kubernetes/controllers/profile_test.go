package controllers

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func quiet(string, ...any) {}

// serveProfile answers with whatever *text is at the time.
func serveProfile(t *testing.T, text *string) *profileSource {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if *text == "" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write([]byte(*text))
	}))
	t.Cleanup(server.Close)
	return newProfileSource(server.URL, quiet)
}

func TestProfileIsReadAgainAndTheLastGoodOneKept(t *testing.T) {
	text := `{"timing":"real","faults":{"machine":"never-ready"}}`
	source := serveProfile(t, &text)
	if got := source.get(context.Background()); got.Timing != "real" || got.Faults.Machine != "never-ready" {
		t.Fatalf("%+v", got)
	}
	for _, bad := range []string{"", "{", `{"timing":"slow"}`} {
		text = bad
		source.read = time.Time{}
		if got := source.get(context.Background()); got.Timing != "real" {
			t.Errorf("after %q: %+v", bad, got)
		}
	}
	text = `{}`
	source.read = time.Time{}
	if got := source.get(context.Background()); got != (Profile{Timing: "fast"}) {
		t.Errorf("%+v", got)
	}
}

func TestProfileNamesLegalTimings(t *testing.T) {
	text := `{"timing":"slow"}`
	source := serveProfile(t, &text)
	if _, err := source.fetch(context.Background()); err == nil || !strings.Contains(err.Error(), `timing "slow" (legal: fast, real)`) {
		t.Errorf("%v", err)
	}
}

func TestPaceTakesItsTimeOncePerObjectAndStep(t *testing.T) {
	text := `{"timing":"fast"}`
	p := newPace(serveProfile(t, &text))
	clock := time.Unix(0, 0)
	p.now = func() time.Time { return clock }
	ctx := context.Background()
	if left := p.left(ctx, "a", stepJoin); left != durations[stepJoin].fast {
		t.Errorf("begins with %s", left)
	}
	clock = clock.Add(durations[stepJoin].fast)
	if left := p.left(ctx, "a", stepJoin); left != 0 {
		t.Errorf("%s left at its end", left)
	}
	if left := p.left(ctx, "b", stepJoin); left == 0 {
		t.Error("another object has had no time of its own")
	}
	text = `{"timing":"real"}`
	p.profile.read = time.Time{}
	if left := p.left(ctx, "a", stepJoin); left != durations[stepJoin].real-durations[stepJoin].fast {
		t.Errorf("%s left after a change to real timing", left)
	}
}
