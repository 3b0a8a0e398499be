//! awa on its queue storage, the default since 0.6, by its short path: without a deadline for each job
//! claims and completions are batches of receipts. So many workers that completions go through four shards.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use awa::{Client, InsertOpts, JobArgs, JobResult, QueueConfig, QueueStorage, QueueStorageConfig};
use serde::{Deserialize, Serialize};
use sqlx::postgres::{PgPool, PgPoolOptions};
use tokio::signal::unix::{signal, SignalKind};

const BATCH: u64 = 500;
const CONNECTIONS: u32 = 20;
const WORKERS: u32 = 1_024;
const CLAIMERS: u16 = 2;
const SHARDS: i16 = 4;
const QUEUE: &str = "noop";

type Outcome = Result<(), Box<dyn std::error::Error>>;

static RAN: AtomicU64 = AtomicU64::new(0);

#[derive(Clone, Serialize, Deserialize, JobArgs)]
struct Noop {
    hello: String,
}

async fn fill(pool: &PgPool, mut count: u64) -> Outcome {
    awa::migrations::run(pool).await?;
    let store = QueueStorage::new(QueueStorageConfig::default())?;
    sqlx::query(
        "INSERT INTO awa.queue_meta (queue, enqueue_shards) VALUES ($1, $2) ON CONFLICT DO NOTHING",
    )
    .bind(QUEUE)
    .bind(SHARDS)
    .execute(pool)
    .await?;
    let noop = Noop {
        hello: "world".into(),
    };
    let opts = InsertOpts {
        queue: QUEUE.into(),
        ..Default::default()
    };
    let job = awa::insert::params_with(&noop, opts)?;
    while count > 0 {
        let jobs = vec![job.clone(); BATCH.min(count) as usize];
        store.enqueue_params_copy(pool, &jobs).await?;
        count -= jobs.len() as u64;
    }
    Ok(())
}

/// Counts what ran; the first says when.
fn ran() {
    if RAN.fetch_add(1, Ordering::Relaxed) == 0 {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("a clock");
        println!("first {:.6}", now.as_secs_f64());
    }
}

async fn tell() {
    let mut told = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let ran = RAN.load(Ordering::Relaxed);
        if ran != told {
            told = ran;
            println!("ran {ran}");
        }
    }
}

async fn work(pool: PgPool) -> Outcome {
    let config = QueueConfig {
        max_workers: WORKERS,
        claimers: CLAIMERS,
        poll_interval: Duration::from_millis(50),
        deadline_duration: Duration::ZERO,
        ..Default::default()
    };
    let client = Client::builder(pool)
        .queue(QUEUE, config)
        .register::<Noop, _, _>(|_, _| async {
            ran();
            Ok(JobResult::Completed)
        })
        .build()?;
    let mut terminated = signal(SignalKind::terminate())?;
    client.start().await?;
    tokio::select! {
        _ = terminated.recv() => (),
        _ = tell() => (),
    }
    client.shutdown(Duration::from_secs(10)).await;
    println!("ran {}", RAN.load(Ordering::Relaxed));
    Ok(())
}

#[tokio::main]
async fn main() -> Outcome {
    let url = std::env::var("DATABASE_URL")?;
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .connect(&url)
        .await?;
    let given: Vec<String> = std::env::args().skip(1).collect();
    match given.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["fill", count] => fill(&pool, count.parse()?).await,
        ["work"] => work(pool).await,
        _ => Err("usage: peer fill COUNT | peer work".into()),
    }
}
