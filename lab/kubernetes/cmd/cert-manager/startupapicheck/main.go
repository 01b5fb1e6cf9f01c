// Command startupapicheck waits until cert-manager's webhook answers: `check api --wait=1m`, as the chart's job calls it.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/cert-manager/cert-manager/internal/kube"
	"github.com/cert-manager/cert-manager/pkg/util/cmapichecker"
	"github.com/spf13/pflag"
)

func main() {
	wait := pflag.Duration("wait", 0, "how long to ask again after a failure")
	pflag.CountP("verbose", "v", "log level, without effect")
	pflag.Parse()
	if pflag.Arg(0) != "check" || pflag.Arg(1) != "api" {
		fail(fmt.Errorf("the only command is `check api`, not %q", pflag.Args()))
	}
	config, err := kube.BuildClientConfig("", os.Getenv("KUBECONFIG"))
	fail(err)
	checker, err := cmapichecker.New(config, os.Getenv("POD_NAMESPACE"))
	fail(err)
	ctx, cancel := context.WithTimeout(context.Background(), max(*wait, time.Second))
	defer cancel()
	for {
		err := checker.Check(ctx)
		if err == nil {
			fmt.Println("The cert-manager API is ready")
			return
		}
		fmt.Fprintln(os.Stderr, "not ready:", err)
		select {
		case <-ctx.Done():
			fail(ctx.Err())
		case <-time.After(5 * time.Second):
		}
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}
