"""flow: tasks posted in batches, through Kafka, stored, dispatched and finished, all at once.

First as fast as it goes: the callers keep a number of tasks open (accepted and not finished), so that
nothing piles up, and the rate is that of the ends on record. Then at 70 % of that rate, evenly: the
time from a caller's request and from its 202 to the end on record, of every tenth batch. A batch is
stored while it is still being accepted: a task that ended before the answer was there counts as 0.
"""

import http.client
import io
import json
import threading
import time

import psycopg2

from place import Meter, Wrong, ended_by, wait_until

CALLERS = 8
SHARE = 0.7
LOOK_S = 0.05
TASK = {"type": "log", "payload": {"hello": "world"}}


class Load:
    """Callers that post batches: evenly at `rate` tasks a second, or with that many tasks open."""

    def __init__(self, bench, cluster, rate=None):
        self.cluster, self.rate = cluster, rate
        self.batch, self.most_open = bench.either(500, 20), bench.either(20_000, 500)
        self.body = json.dumps([TASK] * self.batch)
        self.sampled = bench.either(10, 1)  # one batch in so many
        self.lock, self.stopping = threading.Lock(), threading.Event()
        self.sent = self.accepted = 0
        self.ended, self.ended_before = 0, ended_by(cluster)
        self.answers, self.failure = [], None
        self.threads = [threading.Thread(target=self.guarded, args=(step,))
                        for step in [self.watch] + [self.call] * CALLERS]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            if thread.ident:
                thread.join()

    def start(self):
        self.began = time.monotonic()
        for thread in self.threads:
            thread.start()

    def end(self):
        """How many were accepted."""
        self.__exit__()
        if self.failure:
            raise self.failure
        return self.accepted

    def guarded(self, step):
        try:
            step()
        except Exception as problem:  # told by end(), in the thread of the workload
            self.failure = problem
            self.stopping.set()

    def watch(self):
        while not self.stopping.wait(LOOK_S):
            self.ended = ended_by(self.cluster) - self.ended_before

    def may_send(self):
        """Takes the next batch if its time has come: its number, or None."""
        with self.lock:
            due = (time.monotonic() >= self.began + self.sent / self.rate if self.rate
                   else self.sent - self.ended < self.most_open)
            if due:
                self.sent += self.batch
            return self.sent // self.batch if due else None

    def call(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.cluster.front.port, timeout=30)
        while not self.stopping.is_set():
            number = self.may_send()
            if number is None:
                time.sleep(0.001)
                continue
            asked_at = time.time()
            connection.request("POST", "/api/v1/tasks:batch", self.body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            body = answer.read()
            self.take(number, asked_at, answer.status, body)
        connection.close()

    def take(self, number, asked_at, status, body):
        answered_at = time.time()
        if status != 202 or body.count(b'"ingest"') != self.batch:
            raise Wrong(f"a batch was not accepted: {status} {body[:200]!r}")
        with self.lock:
            self.accepted += self.batch
            if number % self.sampled == 0:
                self.answers.append((asked_at, answered_at, body))


def to_finished_ms(cluster, answers):
    """Name -> ms, from the callers' request and from its 202 to the end on record."""
    rows = io.StringIO("".join(f"{result['id']}\t{asked!r}\t{answered!r}\n" for asked, answered, body in answers
                               for result in json.loads(body)["results"]))
    connection = psycopg2.connect(cluster.database_url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("CREATE TEMP TABLE answered (task_id uuid, asked float8, answered float8)")
            cursor.copy_expert("COPY answered FROM STDIN", rows)
            cursor.execute("WITH ends AS (SELECT w.*, extract(epoch FROM a.finished_at)::float8 AS at"
                           " FROM answered w JOIN attempt a USING (task_id))"
                           " SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY 1000 * (at - asked)),"
                           " percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP"
                           " (ORDER BY 1000 * greatest(0, at - answered)) FROM ends")
            from_request, from_answer = cursor.fetchone()
    finally:
        connection.close()
    if not from_request:
        raise Wrong("no answer was looked at")
    return {f"{name} to finished, {quantile}": value
            for name, found in (("request", from_request), ("202", from_answer))
            for quantile, value in zip(("p50", "p99"), found)}


def through(bench, cluster, before, rate=None):
    """Loads it for a while; returns accepted, ended a second, the meter and the answers."""
    with Load(bench, cluster, rate) as load:
        load.start()
        time.sleep(bench.either(5, 0.3))
        meter, began, before_it = Meter(cluster), cluster.value("SELECT clock_timestamp()"), load.ended
        time.sleep(bench.either(60, 0.7))
        wait_until(lambda: load.ended > before_it or load.failure, 60, "some tasks have ended")
        meter.stop()
        upto = cluster.value("SELECT clock_timestamp()")
        accepted = load.end()
    bench.wait_ended(cluster, before + accepted)
    ended = cluster.value("SELECT count(*) FROM attempt WHERE finished_at > %s AND finished_at <= %s", began, upto)
    if not ended:
        raise Wrong("nothing ended while it was measured")
    return accepted, ended, ended / (upto - began).total_seconds(), meter, load.answers


def run(bench, figures):
    ran = 0
    with bench.cluster("flow") as cluster:
        cluster.start()
        for turn in range(bench.rounds(1)):
            bench.say(f"as fast as it goes, round {turn + 1}")
            accepted, ended, rate, meter, _ = through(bench, cluster, ran)
            ran += accepted
            figures.add("posted to finished", rate, "tasks/s")
            figures.add("WAL", meter.wal / ended, "bytes/task")
            for name, cpu in sorted(meter.cpu_us(ended).items()):
                figures.add(f"CPU of {name}", cpu, "us/task")
            bench.say(f"at {SHARE:.0%} of that, round {turn + 1}")
            accepted, _, even, _, answers = through(bench, cluster, ran, SHARE * rate)
            ran += accepted
            figures.add(f"at {SHARE:.0%} of that: rate", even, "tasks/s")
            for name, value in to_finished_ms(cluster, answers).items():
                figures.add(f"at {SHARE:.0%} of that: {name}", value, "ms")
        bench.check_ran(cluster, ran)
