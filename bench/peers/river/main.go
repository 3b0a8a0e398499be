// River with the settings of its own benchmark (`river bench`) or lower: 2,000 workers a process, a fetch
// as soon as one may follow the last; completions are written in batches by default.
package main

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

const (
	batch       = 5_000
	connections = 20
	workers     = 2_000
	cooldown    = time.Millisecond
	poll        = 20 * time.Millisecond
)

type noop struct {
	Hello string `json:"hello"`
}

func (noop) Kind() string { return "noop" }

// Counts what ran; the first says when.
type worker struct {
	river.WorkerDefaults[noop]
	ran atomic.Int64
}

func (w *worker) Work(context.Context, *river.Job[noop]) error {
	if w.ran.Add(1) == 1 {
		fmt.Printf("first %.6f\n", float64(time.Now().UnixMicro())/1e6)
	}
	return nil
}

func (w *worker) tellWhile(running context.Context) {
	for told := int64(0); running.Err() == nil; time.Sleep(10 * time.Millisecond) {
		if ran := w.ran.Load(); ran != told {
			told = ran
			fmt.Printf("ran %d\n", ran)
		}
	}
}

func migrate(ctx context.Context, pool *pgxpool.Pool) {
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	must(err)
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	must(err)
}

func fill(ctx context.Context, pool *pgxpool.Pool, count int) {
	migrate(ctx, pool)
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{})
	must(err)
	for count > 0 {
		jobs := make([]river.InsertManyParams, min(batch, count))
		for i := range jobs {
			jobs[i].Args = noop{Hello: "world"}
		}
		_, err := client.InsertManyFast(ctx, jobs)
		must(err)
		count -= len(jobs)
	}
}

func work(ctx context.Context, pool *pgxpool.Pool) {
	counting := &worker{}
	known := river.NewWorkers()
	river.AddWorker(known, counting)
	client, err := river.NewClient[pgx.Tx](riverpgxv5.New(pool), &river.Config{
		FetchCooldown:     cooldown,
		FetchPollInterval: poll,
		Logger:            slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}},
		Workers:           known,
	})
	must(err)
	running, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
	defer stop()
	must(client.Start(ctx))
	counting.tellWhile(running)
	must(client.Stop(ctx))
	fmt.Printf("ran %d\n", counting.ran.Load())
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	ctx := context.Background()
	config, err := pgxpool.ParseConfig(os.Getenv("DATABASE_URL"))
	must(err)
	config.MaxConns = connections
	pool, err := pgxpool.NewWithConfig(ctx, config)
	must(err)
	defer pool.Close()
	if os.Args[1] == "fill" {
		count, err := strconv.Atoi(os.Args[2])
		must(err)
		fill(ctx, pool, count)
	} else {
		work(ctx, pool)
	}
}
