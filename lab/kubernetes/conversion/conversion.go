// Package conversion answers the API server's conversion webhook requests in process.
// Upstream analogue: the conversion webhook each provider's controller serves.
package conversion

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// Func gives object in the version desired ("group/version"). It may change and return its argument.
type Func func(object map[string]any, desired string) (map[string]any, error)

// Answer is an http.RoundTripper that answers a ConversionReview itself instead of sending it.
type Answer struct {
	// Convert does the work. nil rewrites apiVersion, as conversion strategy None does; the schema then prunes the fields
	// that the other version does not have.
	Convert Func
}

// review is an answer, with what the versions of apiextensions.k8s.io ConversionReview have in common.
type review struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Response   *response `json:"response"`
}

type request struct {
	UID     string           `json:"uid"`
	Desired string           `json:"desiredAPIVersion"`
	Objects []map[string]any `json:"objects"`
}

type response struct {
	UID     string            `json:"uid"`
	Result  map[string]string `json:"result"`
	Objects []map[string]any  `json:"convertedObjects"`
}

// RoundTrip answers the request, always with HTTP 200; a failed conversion is told in the review, as webhooks do.
func (a Answer) RoundTrip(r *http.Request) (*http.Response, error) {
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	// Only the request: the API server sends an empty response beside it, with a result of another shape.
	in := struct {
		APIVersion string   `json:"apiVersion"`
		Kind       string   `json:"kind"`
		Request    *request `json:"request"`
	}{}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber() // large integers must come back as they were
	if err := decoder.Decode(&in); err != nil {
		return nil, err
	}
	if in.Request == nil {
		return nil, fmt.Errorf("%s without a request", in.Kind)
	}
	out := review{APIVersion: in.APIVersion, Kind: in.Kind, Response: a.respond(in.Request)}
	answer, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header:        http.Header{"Content-Type": {"application/json"}},
		ContentLength: int64(len(answer)), Body: io.NopCloser(bytes.NewReader(answer)),
	}, nil
}

func (a Answer) respond(in *request) *response {
	convert := a.Convert
	if convert == nil {
		convert = rewrite
	}
	out := &response{UID: in.UID, Result: map[string]string{"status": "Success"}}
	for _, object := range in.Objects {
		converted, err := convert(object, in.Desired)
		if err != nil {
			return &response{UID: in.UID, Result: map[string]string{"status": "Failure", "message": err.Error()}}
		}
		out.Objects = append(out.Objects, converted)
	}
	return out
}

func rewrite(object map[string]any, desired string) (map[string]any, error) {
	object["apiVersion"] = desired
	return object, nil
}
