"""accept: how fast the front door takes tasks.

wrk posts single tasks on 64 and on 1,000 connections and batches on 8, with and without
flush.messages=1. Beside them: the same connections on /livez, which answers without Kafka, and
produce.c, librdkafka alone on a topic of the same settings with as many messages in flight. Nothing
is stored meanwhile; then consumer and executors start, and everything accepted must have run, once.
"""

import json
import subprocess

from place import HERE, Wrong, build_dir, wait_until

IN_FLIGHT_BATCHES = 10_000  # messages, for librdkafka at its best
BATCHERS = 8
WARM_UP = 200


def command(*words, seconds):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=seconds + 120,
                          check=False)
    if done.returncode:
        raise Wrong(f"{words[0]} ended with {done.returncode}: {done.stderr[-500:]}")
    return json.loads(done.stdout.splitlines()[-1])


class Accept:
    def __init__(self, bench, figures, flush, cluster, topic):
        self.bench, self.figures, self.cluster, self.topic = bench, figures, cluster, topic
        self.suffix = " with flush" if flush == "yes" else " without flush"
        self.seconds = bench.either(10, 1)
        self.size = bench.either(1000, 20)  # tasks of a batch
        self.answered = self.open = 0

    def wrk(self, path, connections, tasks):
        """Requests a second, and latencies; `tasks` 0: GET."""
        found = command("wrk", "--threads", 1, "--connections", connections, "--duration", f"{self.seconds}s",
                        "--timeout", "60s", "--script", HERE / "wrk.lua",
                        f"http://127.0.0.1:{self.cluster.front.port}{path}", "--", tasks, seconds=self.seconds)
        if found["refused"] or found["broken"] or not found["requests"]:
            raise Wrong(f"{path} on {connections} connections: {found}")
        self.answered += found["requests"] * tasks
        self.open += connections * tasks    # answers that wrk did not wait for at its end
        return found

    def produce(self, in_flight):
        found = command(build_dir() / "bench" / "produce", self.cluster.servers.brokers, self.topic, in_flight,
                        self.bench.either(5000, 200), seconds=self.seconds)
        return found["rate"]

    def single(self, connections):
        without = self.wrk("/livez", connections, 0)
        found = self.wrk("/schedule", connections, 1)
        name = f"single POSTs, {connections:,} connections{self.suffix}"
        self.figures.add(name, found["rate"], "1/s", (without["rate"], "/livez"),
                         (self.produce(connections), f"librdkafka, {connections:,} in flight"))
        for quantile in ("p50", "p99"):
            self.figures.add(f"{name}: {quantile}", found[f"{quantile}_ms"], "ms",
                             (without[f"{quantile}_ms"], "/livez"))

    def batches(self):
        found = self.wrk("/api/v1/tasks:batch", BATCHERS, self.size)
        name = f"batches of {self.size:,}, {BATCHERS} connections{self.suffix}"
        self.figures.add(name, found["rate"] * self.size, "tasks/s",
                         (self.produce(IN_FLIGHT_BATCHES), f"librdkafka, {IN_FLIGHT_BATCHES:,} in flight"))
        for quantile in ("p50", "p99"):
            self.figures.add(f"{name}: {quantile}", found[f"{quantile}_ms"], "ms")

    def check(self):
        """What was answered, and what was still open when wrk ended, is stored and runs."""
        front, cluster = self.cluster.front, self.cluster
        wait_until(lambda: front.metric("rota_http_requests_in_flight") <= 1, 60, "everything is answered")
        sent = int(front.metric("rota_produce_total", result="ok"))
        if not self.answered <= sent <= self.answered + self.open:
            raise Wrong(f"{self.answered:,} tasks were answered, {sent:,} are in Kafka")
        self.bench.say(f"running the {sent:,} tasks that were accepted")
        cluster.start(producers=0, consumers=1, executors=2)
        self.bench.wait_ended(cluster, sent)
        self.bench.check_ran(cluster, sent)


def warm_up(cluster):
    """The first messages wait until the topic is made and every partition is known: how many."""
    producer = cluster.producer()
    wait_until(lambda: http_is_up(producer), 30, "the producer answers")
    answer = producer.post("/api/v1/tasks:batch", [{"type": "log"}] * WARM_UP, timeout=60)
    if answer.status != 202 or any(result["status"] != 202 for result in answer.json()["results"]):
        raise Wrong(f"the first batch: {answer}")
    return WARM_UP


def http_is_up(node):
    try:
        return node.get("/livez").status == 200
    except OSError:
        return False


def run(bench, figures):
    for flush in bench.either(("yes", "no"), ("yes",)):
        settings = {"kafka_flush_messages": flush}
        with bench.cluster("accept", **settings) as cluster, bench.cluster("produce", **settings) as other:
            warm_up(other)  # makes the topic
            other.stop()
            cluster.consumer().wait_ready().stop()  # makes the tables
            accept = Accept(bench, figures, flush, cluster, other.prefix + "commands")
            accept.answered = warm_up(cluster)
            for turn in range(bench.rounds(3)):
                bench.say(f"accepting{accept.suffix}, round {turn + 1}")
                for connections in (64, 1000):
                    accept.single(connections)
                accept.batches()
            accept.check()
