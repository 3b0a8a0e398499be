"""peers: the drain of five other job queues, each as its own documents set it for speed, beside Rota's.

`bench/peers/NAME` holds a small program for each of them. `fill COUNT` makes the peer's own tables and
puts no-op jobs into them, all available at once; `work` runs them until SIGTERM. It prints `first SECONDS`,
the instant of its first job's start, and `ran N`, how many have run so far. It is built in a cache outside
of this tree, by npm, Go, cargo or Maven; one that cannot be built is left out, and named.

Rounds of Rota and of each peer alternate; each has its own database on the same server. A peer's clock
runs from the first start of a job, so that connecting and starting cost it nothing, to the instant of the
question that its database answered with: none is left.
"""

import contextlib
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import threading
import time

import psycopg2

from place import LONG_S, Wrong, wait_until
from cluster import die_with_parent
from workloads import drain

HERE = pathlib.Path(__file__).resolve().parents[1] / "peers"
BUILD_S = 1800
NODE = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
JARS = ("mvn", "-B", "-q", "dependency:copy-dependencies", "-DoutputDirectory=lib")


class Peer:
    """`version` finds its own in `manifest`. `left` asks whether any of `total` jobs are; `kept` counts the
    finished ones on record, where the peer keeps any."""

    def __init__(self, name, title, manifest, version, build, program, processes, left, kept, **environment):
        self.name, self.build, self.program, self.processes = name, build, program, processes
        self.left, self.kept, self.environment = left, kept, environment
        self.title = title.format(re.search(version, (HERE / name / manifest).read_text())[1])


AWA_ENDED = """(SELECT coalesce(sum(completed_count), 0) FROM awa.receipt_completion_batches)
             + (SELECT count(*) FROM awa.done_entries WHERE state = 'completed')
             + (SELECT coalesce(sum(pruned_completed_count), 0) FROM awa.queue_terminal_rollups)"""

# `processes` is by trial on two cores.
PEERS = (
    Peer("graphile-worker", "graphile-worker {}, no record", "package.json", r'"graphile-worker": "([\d.]+)"',
         build=[NODE], program=("node", "peer.js"), processes=2,
         left="SELECT EXISTS (SELECT FROM graphile_worker._private_jobs)", kept=None, NO_LOG_SUCCESS="1"),
    Peer("river", "River {}", "go.mod", r"/river v([\d.]+)",
         build=[("go", "build", "-o", "peer", ".")], program=("./peer",), processes=1,
         left="SELECT EXISTS (SELECT FROM river_job WHERE state IN ('available', 'running'))",
         kept="SELECT count(*) FROM river_job WHERE state = 'completed' AND attempt = 1"),
    Peer("awa", "awa {}, counts only", "Cargo.toml", r'awa = "=([\d.]+)"',
         build=[("cargo", "build", "--release")], program=("target/release/peer",), processes=1,
         left=f"SELECT %(total)s > {AWA_ENDED}", kept=f"SELECT {AWA_ENDED}"),
    Peer("pg-boss", "pg-boss {}", "package.json", r'"pg-boss": "([\d.]+)"',
         build=[NODE], program=("node", "peer.js"), processes=2,
         left="SELECT EXISTS (SELECT FROM pgboss.job WHERE state < 'completed')",
         kept="SELECT count(*) FROM pgboss.job WHERE state = 'completed' AND retry_count = 0"),
    Peer("db-scheduler", "db-scheduler {}, no record", "pom.xml",
         r"<artifactId>db-scheduler</artifactId>\s+<version>([\d.]+)",
         build=[JARS, ("javac", "-d", "classes", "-cp", "lib/*", "Peer.java")],
         program=("java", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", "classes:lib/*", "Peer"),
         processes=1, left="SELECT EXISTS (SELECT FROM scheduled_tasks)", kept=None),
)


# --- Building ----------------------------------------------------------------------------------


class LeftOut(Exception):
    """A peer cannot be built here; says why."""


def place(peer):
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(cache) / "rota" / "peers" / peer.name


def digest(folder):
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return hashlib.sha256(b"".join(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes()
                                   for file in files)).hexdigest()


def environment(peer):
    """Programs that came with the peer, as its Node.js does, go before those of this machine."""
    return {**os.environ, **peer.environment,
            "PATH": f"{place(peer) / 'node_modules/.bin'}:{os.environ['PATH']}"}


def run_step(step, folder, log):
    try:
        subprocess.run(step, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True,
                       timeout=BUILD_S)
    except FileNotFoundError:
        raise LeftOut(f"{step[0]} is not here") from None
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as problem:
        raise LeftOut(f"{problem}; see {log.name}") from None


def build(peer):
    """Copies the peer's files into the cache and builds them, unless these very files are built there."""
    source, folder = HERE / peer.name, place(peer)
    wanted, stamp = digest(source), folder / "built"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    stamp.unlink(missing_ok=True)
    shutil.copytree(source, folder, dirs_exist_ok=True)
    with open(folder / "build.log", "w") as log:
        for step in peer.build:
            run_step(step, folder, log)
    stamp.write_text(wanted)


def build_all(bench):
    built = []
    for peer in PEERS:
        bench.say(f"building {peer.name}")
        try:
            build(peer)
            built.append(peer)
        except LeftOut as problem:
            print(f"bench: {peer.name} is left out: {problem}", flush=True)
    if not built:
        raise Wrong("no peer could be built")
    return built


# --- Running -----------------------------------------------------------------------------------


class Worker:
    """One process of a peer that works; `first` and `ran` are what it said last."""

    def __init__(self, peer, cluster, number):
        self.first, self.ran, self.errors = None, 0, cluster.folder / f"{peer.name}-{number}.err"
        with open(self.errors, "ab") as errors:
            self.process = subprocess.Popen(
                [*peer.program, "work"], cwd=place(peer), env=reached(peer, cluster), text=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, preexec_fn=die_with_parent)
        self.listener = threading.Thread(target=self.listen)
        self.listener.start()

    def listen(self):
        for line in self.process.stdout:
            word, value = line.split()
            if word == "first":
                self.first = float(value)
            elif word == "ran":
                self.ran = int(value)

    def check_runs(self):
        if self.process.poll() is not None:
            raise Wrong(f"a peer ended by itself: {self.errors.read_text()[-2000:]}")

    def stop(self):
        """SIGTERM: what it runs ends first, and it says for the last time how many there were."""
        self.process.terminate()
        self.process.wait(60)
        self.listener.join()

    def close(self):
        self.process.kill()
        self.process.wait(10)
        self.listener.join()


def reached(peer, cluster):
    return {**environment(peer), "DATABASE_URL": cluster.database_url}


def open_database(bench, peer, stack):
    """Its own, without compilation of long queries: that is off in Rota's own sessions too."""
    cluster = stack.enter_context(bench.cluster(peer.name))
    cluster.maintain(f'ALTER DATABASE "{cluster.name}" SET jit = off')
    return cluster


def fill(peer, cluster, count):
    done = subprocess.run([*peer.program, "fill", str(count)], cwd=place(peer), env=reached(peer, cluster),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LONG_S)
    if done.returncode:
        raise Wrong(f"{peer.name} was not filled: {done.stderr[-2000:]}")
    cluster.sql("VACUUM (ANALYZE)")
    cluster.sql("CHECKPOINT")


def wait_ran(workers, count):
    """The programs' own counts are asked first: looking at the tables costs what is measured."""
    def all_ran():
        for worker in workers:
            worker.check_runs()
        return sum(worker.ran for worker in workers) >= count
    wait_until(all_ran, LONG_S, f"{count:,} jobs ran", every=0.005)


def wait_done(peer, cluster, workers, count, total):
    """The instant of the question that the database answered with: none is left."""
    connection = psycopg2.connect(cluster.database_url, connect_timeout=10)
    connection.autocommit = True
    with contextlib.closing(connection), connection.cursor() as cursor:
        def asked():
            now = time.time()
            cursor.execute(peer.left, {"total": total})
            return None if cursor.fetchone()[0] else now
        wait_ran(workers, count)
        return wait_until(asked, LONG_S, f"{peer.name}'s database says that all are done", every=0.005)


def check_once(peer, cluster, workers, count, total):
    """No job is left, as many ends are on record as there were jobs, and as many starts were counted."""
    ran = sum(worker.ran for worker in workers)
    if ran != count:
        raise Wrong(f"{peer.name} ran {ran:,} times for {count:,} jobs")
    kept = total if peer.kept is None else cluster.value(peer.kept)
    if kept != total:
        raise Wrong(f"{peer.name} has {kept:,} ends on record for {total:,} jobs")


def drain_peer(peer, cluster, count, before):
    """One round, after `before` jobs; returns the rate."""
    fill(peer, cluster, count)
    with contextlib.ExitStack() as stack:
        workers = []
        for number in range(peer.processes):
            workers.append(Worker(peer, cluster, number))
            stack.callback(workers[-1].close)
        ended = wait_done(peer, cluster, workers, count, before + count)
        for worker in workers:
            worker.stop()
    check_once(peer, cluster, workers, count, before + count)
    return count / (ended - min(worker.first for worker in workers if worker.first))


def run(bench, figures):
    count, rounds = bench.either(200_000, 2_000), bench.rounds(3)
    peers = build_all(bench)
    with contextlib.ExitStack() as stack:
        databases = [open_database(bench, peer, stack) for peer in peers]
        cluster = stack.enter_context(bench.cluster("peers"))
        cluster.start(producers=0, consumers=1, executors=2)
        for turn in range(rounds):
            bench.say(f"{count:,} jobs each, round {turn + 1} of {rounds}")
            rota, _ = drain.drain(bench, cluster, count, turn * count)
            rates = [(drain_peer(peer, database, count, turn * count), peer.title)
                     for peer, database in zip(peers, databases)]
            figures.add("due to finished", rota, "tasks/s", *rates)
        bench.check_ran(cluster, count * rounds)
