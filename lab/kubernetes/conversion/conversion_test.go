package conversion

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

const question = `{"apiVersion":"apiextensions.k8s.io/v1","kind":"ConversionReview","request":{"uid":"u1","desiredAPIVersion":"x.io/v2",
"objects":[{"apiVersion":"x.io/v1","kind":"X","spec":{"big":9007199254740993}}]}}`

func ask(t *testing.T, answer Answer, body string) string {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, "https://svc.ns.svc:443/convert", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := answer.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatal(response.Status, err)
	}
	return string(text)
}

func TestRewritesTheVersionAndNothingElse(t *testing.T) {
	got := ask(t, Answer{}, question)
	want := `{"apiVersion":"apiextensions.k8s.io/v1","kind":"ConversionReview","response":{"uid":"u1","result":{"status":"Success"},` +
		`"convertedObjects":[{"apiVersion":"x.io/v2","kind":"X","spec":{"big":9007199254740993}}]}}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestUsesTheConverterAndTellsItsError(t *testing.T) {
	answer := Answer{Convert: func(object map[string]any, desired string) (map[string]any, error) {
		return nil, errors.New("no way from v1 to " + desired)
	}}
	want := `"response":{"uid":"u1","result":{"message":"no way from v1 to x.io/v2","status":"Failure"},"convertedObjects":null}`
	if got := ask(t, answer, question); !strings.Contains(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}
