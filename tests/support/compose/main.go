// compose-model reads a compose file with compose-go, the library that `docker compose` itself uses, and
// prints the resolved model as JSON. An unknown key, a reference to nothing, a value of the wrong kind ends
// it with 1.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: compose-model FILE [VARIABLE=VALUE...]")
		os.Exit(2)
	}
	options, err := cli.NewProjectOptions(os.Args[1:2], cli.WithEnv(os.Args[2:]), cli.WithProfiles([]string{"*"}))
	if err == nil {
		project, loading := options.LoadProject(context.Background())
		if err = loading; err == nil {
			var model []byte
			if model, err = project.MarshalJSON(); err == nil {
				_, err = os.Stdout.Write(model)
			}
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
