// Command startupapicheck waits until cert-manager's webhook answers: `check api --wait=1m`, as the chart's job calls it.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/cert-manager/cert-manager/lab/app"
	"github.com/cert-manager/cert-manager/pkg/util/cmapichecker"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/wait"
	ctrl "sigs.k8s.io/controller-runtime"
)

func main() {
	limit := pflag.Duration("wait", 0, "how long to ask again after a failure")
	pflag.CountP("verbose", "v", "log level, without effect")
	pflag.Parse() // the arguments are `check api`
	checker, err := cmapichecker.New(ctrl.GetConfigOrDie(), os.Getenv("POD_NAMESPACE"))
	app.Check(err)
	app.Check(wait.PollUntilContextTimeout(context.Background(), 5*time.Second, max(*limit, time.Second), true, func(ctx context.Context) (bool, error) {
		err := checker.Check(ctx)
		if err != nil {
			fmt.Println("not ready:", err)
		}
		return err == nil, nil
	}))
	fmt.Println("The cert-manager API is ready")
}
