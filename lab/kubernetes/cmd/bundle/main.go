// Command bundle puts programs behind an executable: bundle -o OUTPUT EXECUTABLE PROGRAM... Package bundle takes them out again.
package main

import (
	"flag"
	"fmt"
	"os"

	"capi-mgmt/lab/kubernetes/bundle"
)

func main() {
	output := flag.String("o", "", "file to write")
	flag.Parse()
	if *output == "" || flag.NArg() < 2 {
		fmt.Fprintln(os.Stderr, "usage: bundle -o OUTPUT EXECUTABLE PROGRAM...")
		os.Exit(2)
	}
	if err := bundle.Append(*output, flag.Arg(0), flag.Args()[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
