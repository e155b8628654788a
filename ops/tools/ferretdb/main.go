// The MongoDB protocol server: FerretDB as a library. The platform's own is on PostgreSQL, the one of
// a workspace on SQLite.
package main

import (
	"context"
	"flag"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:27017", "address to listen on")
	postgres := flag.String("postgresql-url", "", "PostgreSQL database, without a user: each client brings its own")
	sqlite := flag.String("sqlite-folder", "", "folder of SQLite databases, instead of PostgreSQL; without any sign-in")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	// Below errors it logs each connection, and what it answered to commands that failed: people's data.
	errors := &slog.HandlerOptions{Level: slog.LevelError}
	config := &ferretdb.Config{
		Listener:      ferretdb.ListenerConfig{TCP: *listen},
		Logger:        slog.New(slog.NewJSONHandler(os.Stderr, errors)),
		Handler:       "postgresql",
		PostgreSQLURL: *postgres,
	}
	if *sqlite != "" {
		config.Handler = "sqlite"
		config.SQLiteURL = "file:" + *sqlite + "/"
	}
	server, err := ferretdb.New(config)
	if err != nil {
		log.Fatal(err)
	}
	if err := server.Run(ctx); err != nil {
		log.Fatal(err)
	}
}
