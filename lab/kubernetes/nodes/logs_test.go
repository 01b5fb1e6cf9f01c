package nodes

import (
	"bytes"
	"context"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

func TestLogQueries(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	path := t.TempDir() + "/log"
	lines := "2026-11-23T11:00:00Z one\n2026-11-23T11:59:50Z two\n2026-11-23T11:59:59Z three\n2026-11-23T11:59:59Z unfin"
	if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{
		"":                               "one\ntwo\nthree\n",
		"tailLines=1":                    "three\n",
		"tailLines=0":                    "",
		"sinceSeconds=30":                "two\nthree\n",
		"sinceTime=2026-11-23T11:59:55Z": "three\n",
		"timestamps=true&tailLines=1":    "2026-11-23T11:59:59Z three\n",
		"limitBytes=5":                   "one\nt",
	} {
		t.Run(query, func(t *testing.T) {
			values, _ := url.ParseQuery(query)
			wanted, err := parseLogQuery(values, now)
			if err != nil {
				t.Fatal(err)
			}
			file, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			var out bytes.Buffer
			if err := wanted.copy(t.Context(), &out, file); err != nil || out.String() != want {
				t.Errorf("got %q, %v; want %q", out.String(), err, want)
			}
		})
	}
	if _, err := parseLogQuery(url.Values{"tailLines": {"many"}}, now); err == nil {
		t.Error("tailLines=many is accepted")
	}
}

func TestFollowedLogShowsLaterLinesAndEndsWithTheRun(t *testing.T) {
	folder := logs{t.TempDir()}
	log, err := folder.create("ns", "pod", "c")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := log.Write([]byte("first\n")); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(folder.path("ns", "pod", "c", false))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var out bytes.Buffer
	ended := make(chan error)
	go func() {
		ended <- logQuery{follow: true, tail: -1, limit: -1}.copy(t.Context(), &out, file)
	}()
	time.Sleep(followEvery)
	if _, err := log.Write([]byte("second\nthird\n")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * followEvery)
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := folder.create("ns", "pod", "c"); err != nil { // the next run
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil || out.String() != "first\nsecond\nthird\n" {
			t.Errorf("got %q, %v", out.String(), err)
		}
	case <-time.After(10 * followEvery):
		t.Error("still following a log that was replaced")
	}
	previous, err := os.ReadFile(folder.path("ns", "pod", "c", true))
	if err != nil || !strings.Contains(string(previous), "second") {
		t.Errorf("previous log %q, %v", previous, err)
	}
	folder.remove("ns", "pod")
	if left, _ := os.ReadDir(folder.dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestLargeLogIsCut(t *testing.T) {
	folder := logs{t.TempDir()}
	log, err := folder.create("ns", "pod", "c")
	if err != nil {
		t.Fatal(err)
	}
	line := []byte(strings.Repeat("x", 1<<20) + "\n")
	for range 11 {
		if _, err := log.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(folder.path("ns", "pod", "c", false))
	if err != nil || info.Size() > 2<<20 {
		t.Errorf("current log has %d bytes, %v", info.Size(), err)
	}
}

func TestOneLeaderAtATime(t *testing.T) {
	group := newTurns()
	first, stopFirst := context.WithCancel(t.Context())
	leading, ended := make(chan string, 2), make(chan error, 2)
	lead := func(ctx context.Context, name string) {
		ended <- group.lead(ctx, "ns/Deployment/d", func(ctx context.Context) error {
			leading <- name
			<-ctx.Done()
			return ctx.Err()
		})
	}
	go lead(first, "first")
	if got := <-leading; got != "first" {
		t.Fatal(got)
	}
	second, stopSecond := context.WithCancel(t.Context())
	go lead(second, "second")
	select {
	case got := <-leading:
		t.Fatalf("%s leads beside the first", got)
	case <-time.After(50 * time.Millisecond):
	}
	stopFirst()
	if got := <-leading; got != "second" {
		t.Fatal(got)
	}
	<-ended
	third, stopThird := context.WithCancel(t.Context())
	go lead(third, "third")
	stopThird() // while waiting
	if err := <-ended; err != context.Canceled {
		t.Errorf("waiting ended with %v", err)
	}
	stopSecond()
	<-ended
}
