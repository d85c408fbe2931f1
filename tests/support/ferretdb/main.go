// ferretdb is FerretDB 1.24 as one program: MongoDB's wire protocol over PostgreSQL, for tests.
//
//	ferretdb ADDRESS POSTGRESQL-URL
//
// FerretDB's own command can't be built as a dependency (it wants a version file that a module
// doesn't have); its embeddable package is the supported way.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func run(address, url string) error {
	// Each key that is taken would be an error line; a batch that comes again is hundreds of them.
	quiet := &slog.HandlerOptions{Level: slog.LevelError + 1}
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:      ferretdb.ListenerConfig{TCP: address},
		Logger:        slog.New(slog.NewTextHandler(os.Stderr, quiet)),
		Handler:       "postgresql",
		PostgreSQLURL: url,
	})
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return server.Run(ctx)
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: ferretdb ADDRESS POSTGRESQL-URL")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
