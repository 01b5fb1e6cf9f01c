// Package logging writes log lines in k3s's form (logrus text), so that they read alike in the journal.
package logging

import (
	"fmt"
	"os"
	"time"
)

// Infof writes one line to standard error.
func Infof(format string, values ...any) { write("info", format, values...) }

// Warnf writes one line to standard error.
func Warnf(format string, values ...any) { write("warning", format, values...) }

// Fatalf writes one line to standard error and ends the process with status 1.
func Fatalf(format string, values ...any) {
	write("fatal", format, values...)
	os.Exit(1)
}

func write(level, format string, values ...any) {
	fmt.Fprintf(os.Stderr, "time=%q level=%s msg=%q\n", time.Now().Format(time.RFC3339), level, fmt.Sprintf(format, values...))
}
