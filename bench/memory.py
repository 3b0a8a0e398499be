#!/usr/bin/python3
"""How much memory each program takes under load, and whether that grows.

    ROTA_BUILD=build bench/memory.py [MINUTES] [TASKS A SECOND]

Starts a private PostgreSQL and Kafka, a producer, two consumers and two executors, and asks for
tasks at a steady rate (300 a second for 60 minutes): mostly log, some shell and failing ones, with
reads of states, lists and metrics beside them. Once a minute the resident memory (VmRSS) of every
process is written down, and at the end eleven of its figures are printed, from the start to the end
at equal steps. Numbers are printed, none is judged.

An executor fills its memory of the reports it gave (2^17 of them, executor/past.h) before it is
steady: at 300 tasks a second that is after a quarter of an hour.
"""

import pathlib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "e2e"))

from cluster import Cluster, Servers, proper_of  # noqa: E402

TICK_S = 0.2


def resident_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])


def processes(cluster):
    """name -> pid; an executor is two."""
    found = {}
    for node in cluster.nodes:
        found[node.name + (" guardian" if node.role == "executor" else "")] = node.pid
        if node.role == "executor":
            found[node.name] = proper_of(node)
    return found


def tasks_of(number, count):
    log = [{"type": "log", "payload": {"n": number, "text": "x" * 100}, "tags": ["load"]}
           for _ in range(count - 2)]
    return [*log, {"type": "shell", "shell": {"command": "echo some output; exit 0"}},
            {"type": "shell", "delay": "PT30S", "shell": {"argv": ["/bin/false"]}}]


def ask(cluster, rate, until, asked, failures):
    size, number = max(3, int(rate * TICK_S)), 0
    while time.monotonic() < until:
        began = time.monotonic()
        answer = cluster.front.post("/api/v1/tasks:batch", tasks_of(number, size))
        if answer.status == 202:
            asked.append(size)
            last = answer.json()["results"][0]["id"]
            read(cluster, number, last)
        else:
            failures.append(answer.status)
        number += 1
        time.sleep(max(0, TICK_S - (time.monotonic() - began)))


def read(cluster, number, identity):
    cluster.front.get(f"/api/v1/tasks/{identity}")
    if number % 5 == 0:
        cluster.front.get("/api/v1/tasks?limit=100&state=failed")
        cluster.front.get("/api/v1/tasks?limit=100&tag=load")
    if number % 50 == 0:
        for node in cluster.nodes:
            node.get("/metrics")


def tell(samples):
    """Of each process eleven figures: at the start, after a tenth of the time, and so on."""
    print("KiB resident after 0 %, 10 %, ... 100 % of the time")
    for name, values in samples.items():
        last = len(values) - 1
        print(f"{name:20}" + "".join(f"{values[last * tenth // 10]:>8}" for tenth in range(11)))


def main():
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 60
    rate = float(sys.argv[2]) if len(sys.argv) > 2 else 300
    servers = Servers()
    try:
        servers.start()
        cluster = Cluster(servers, "memory")
        try:
            cluster.start()
            asked, failures, until = [], [], time.monotonic() + minutes * 60
            worker = threading.Thread(target=ask, args=(cluster, rate, until, asked, failures))
            worker.start()
            pids = processes(cluster)
            samples = {name: [] for name in pids}
            while worker.is_alive():
                for name, pid in pids.items():
                    samples[name].append(resident_kib(pid))
                worker.join(min(60, minutes * 60 / 20))
            cluster.wait_all_ended(sum(asked), 120)
            print(f"{sum(asked):,} tasks in {minutes:g} minutes, {len(failures)} batches refused;"
                  f" {cluster.broken_invariants()} broken")
            tell(samples)
        finally:
            cluster.close()
    finally:
        servers.close()


if __name__ == "__main__":
    main()
