package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// defaultProfileURL is where the lab serves the profile when LAB_PROFILE_URL is not set.
const defaultProfileURL = "http://203.0.113.10:8080/lab/profile.json"

// profileAge is how long a profile that was read is used before it is asked for again.
const profileAge = time.Second

// Profile tells the controllers how fast a site is and what goes wrong on it.
type Profile struct {
	// Timing is "fast" (the default) or "real", the latter with the minutes that a cloud takes.
	Timing string `json:"timing"`
	Faults Faults `json:"faults"`
}

// Faults are failures asked for. Each shows up as the real one would: in conditions and Events.
type Faults struct {
	// Machine "never-ready": servers run, but their kubelets never register a Node.
	Machine string `json:"machine,omitempty"`
	// Server "ERROR": a server that is not yet ready is reported in Nova's state ERROR.
	Server string `json:"server,omitempty"`
	// Condition names a condition of every Cluster that stays bad, whatever the objects say.
	Condition string `json:"condition,omitempty"`
	// Message is what that condition says. Default: "Failed as the lab's profile asks".
	Message string `json:"message,omitempty"`
	// Addon names an addon (a part of the HelmRelease's or Manifests' name) whose installation fails.
	Addon string `json:"addon,omitempty"`
}

// profileSource reads the profile and keeps it for profileAge.
type profileSource struct {
	url    string
	client *http.Client
	logf   func(format string, args ...any)

	mu      sync.Mutex
	current Profile
	read    time.Time
	failed  bool
}

func newProfileSource(url string, logf func(string, ...any)) *profileSource {
	if url == "" {
		url = defaultProfileURL
	}
	return &profileSource{url: url, client: &http.Client{Timeout: 2 * time.Second}, logf: logf, current: Profile{Timing: "fast"}}
}

// get returns the profile. When it cannot be read the last one is kept, at first the fast one without faults.
func (s *profileSource) get(ctx context.Context) Profile {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.read) < profileAge {
		return s.current
	}
	s.read = time.Now()
	profile, err := s.fetch(ctx)
	if err != nil {
		if !s.failed {
			s.logf("profile: %v; going on with timing %s", err, s.current.Timing)
		}
		s.failed = true
		return s.current
	}
	s.failed = false
	if profile != s.current {
		s.logf("profile: timing %s, faults %+v", profile.Timing, profile.Faults)
	}
	s.current = profile
	return profile
}

func (s *profileSource) fetch(ctx context.Context) (Profile, error) {
	profile := Profile{Timing: "fast"}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return profile, err
	}
	response, err := s.client.Do(request)
	if err != nil {
		return profile, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return profile, fmt.Errorf("%s answered %s", s.url, response.Status)
	}
	if err := json.NewDecoder(response.Body).Decode(&profile); err != nil {
		return profile, fmt.Errorf("%s: %w", s.url, err)
	}
	if profile.Timing != "fast" && profile.Timing != "real" {
		return profile, fmt.Errorf("%s: timing %q (legal: fast, real)", s.url, profile.Timing)
	}
	return profile, nil
}
