"""One fault run: a cluster under load, something bad that is done to it, and the verdict.

A fault is a function `fault(scene)`; it is called while the load falls due and returns when the bad
thing is over. `play` does what is around it: starts the nodes and the load, lets the fault happen,
waits until everything has ended, gathers the record and has it checked.
"""

import collections
import contextlib
import dataclasses
import os
import pathlib
import signal
import time

import checker
import schedules
from cluster import ENDED, TimeUp, build_dir, wait_until
from load import Load, seeded
from record import Attempt, Record, Task, boot_us, read_trace

SETTINGS = {"lease": "2s", "resolve": "500ms", "heartbeat": "500ms", "alive": "2s", "poll": "500ms",
            "executor_lease": "8s", "executor_slots": "24", "kill_grace": "500ms",
            "executor_types": "log,http,kafka,shell"}
END_S = 120
TASKS = 2400
SECONDS = 16


@dataclasses.dataclass
class Row:
    """A line of the table."""
    fault: str
    accepted: int = 0
    ran: int = 0
    lost: int = 0
    doubled: int = 0
    early: int = 0
    other: int = 0
    rerun: int = 0
    fenced: int = 0
    fires: int = 0
    gap_ms: float = 0
    seconds: float = 0
    note: str = ""

    COLUMNS = (("fault", "fault"), ("accepted", "accepted"), ("ran", "run"), ("lost", "lost"),
               ("doubled", "doubled"), ("early", "early"), ("other", "other findings"),
               ("rerun", "run again (allowed)"), ("fenced", "fenced writes"), ("fires", "fires of schedules"),
               ("gap_ms", "longest gap in dispatch, ms"), ("seconds", "seconds"), ("note", "note"))

    def cells(self):
        return [str(round(value)) if isinstance(value, float) else str(value)
                for value in (getattr(self, name) for name, _ in self.COLUMNS)]


def end_runs(trace):
    """Kills what still writes to that file."""
    for entry in os.listdir("/proc"):
        try:
            words = pathlib.Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
        except (OSError, NotADirectoryError):
            continue
        if entry.isdigit() and str(trace).encode() in words[1:2]:
            os.kill(int(entry), signal.SIGKILL)


class Scene:
    def __init__(self, cluster, seed, name, count=TASKS, seconds=SECONDS, schedules=0, **load):
        self.cluster, self.rng = cluster, seeded(seed, name)
        self.name, self.seed, self.schedules = name, seed, schedules
        self.trace = cluster.folder / "trace"
        self.record = Record(disturbed=set())
        self.row = Row(name)
        self.fenced = collections.Counter()
        self.load = Load(self.producer_ports, self.trace, build_dir() / "tests" / "faults" / "trace",
                         seeded(seed, name + " load"), count, seconds, **load)
        self.notes = []
        self.findings = []
        self.role_settings = {}
        self.prepare_node = lambda node: None
        self.at_end = []    # what undoes what the fault did outside Rota

    def producer_ports(self):
        return [node.port for node in self.cluster.of("producer")] or [1]

    # --- What faults use -----------------------------------------------------------------------

    def note(self, text):
        self.notes.append(text)

    def starts(self):
        """How many runs have begun."""
        if not self.trace.exists():
            return 0
        return sum(line.startswith("start") for line in self.trace.read_text().splitlines())

    def wait_starts(self, more, seconds=60):
        """Until that many more runs have begun."""
        wanted = self.starts() + more
        wait_until(lambda: self.starts() >= wanted, seconds, f"{more} more runs", every=0.05)

    @staticmethod
    def last(seconds):
        """The fault is as it is for so long, while the load goes on."""
        until_us = boot_us() + seconds * 1_000_000
        wait_until(lambda: boot_us() >= until_us, seconds + 30, f"{seconds:.1f} s are over")

    def master(self, seconds=30, but=None):
        """The master, as soon as there is one (other than `but`)."""
        def found():
            now = self.cluster.master()
            return now if now is not but else None
        return wait_until(found, seconds, "one is master")

    def node_id(self, node):
        """The id under which a live executor or consumer is registered now."""
        return self.cluster.value(
            "SELECT id::text FROM node WHERE name = %s AND dead_at IS NULL"
            " ORDER BY started_at DESC LIMIT 1", self.node_name(node))

    @staticmethod
    def node_name(node):
        return node.environment["ROTA_NODE_NAME"]

    def disturb(self, node):
        """From here on this executor's tasks may be lost: what is done to it is the fault."""
        ids = self.cluster.sql("SELECT id::text FROM node WHERE name = %s", self.node_name(node))
        self.record.disturbed |= {row[0] for row in ids}

    def disturb_all(self):
        self.record.disturbed = None

    def add(self, role, **settings):
        """One more node, started and named."""
        return self.make(role, **settings).start()

    def make(self, role, **settings):
        """A node that is not started yet."""
        node = self.cluster.node(role, **{**self.role_settings.get(role, {}), **settings})
        node.environment.setdefault("ROTA_NODE_NAME", f"{self.cluster.prefix}{node.name}")
        self.prepare_node(node)
        return node

    def count_fenced(self, node):
        """Takes the counter of a node that is about to go, or at the end."""
        try:
            self.fenced[node.name] = max(self.fenced[node.name],
                                         int(node.metric("rota_fenced_writes_total") or 0))
        except OSError:
            pass

    # --- The run -------------------------------------------------------------------------------

    def start(self, producers=2, consumers=3, executors=3):
        wanted = {"consumer": consumers, "producer": producers, "executor": executors}
        nodes = [self.add(role) for role, count in wanted.items() for _ in range(count)]
        for node in nodes:
            node.wait_ready(60)
        self.master(60)
        if self.schedules:
            schedules.put_all(self.cluster, self.schedules)
            schedules.wait_decided(self.cluster, 60)

    def close(self):
        with contextlib.ExitStack() as ends:
            for undo in self.at_end:
                ends.callback(undo)
            # The end of a scene kills executors and guardians at once, and what a task began outlives that.
            ends.callback(end_runs, self.trace)
            ends.callback(self.cluster.close)
            ends.callback(self.load.close)

    def play(self, fault):
        began = time.monotonic()
        try:
            self.load.start()
            self.wait_starts(100)
            try:
                fault(self)
            finally:    # also where something else was found wrong: the table says what came of it
                self.load.finish()
                self.wait_all_ended()
                self.gather()
                self.judge(checker.check(self.record))
        finally:
            self.load.stop.set()
            self.row.seconds = time.monotonic() - began
        return self.row

    def wait_all_ended(self):
        accepted = sum(asked.answer == "accepted" for asked in self.load.asked.values())
        try:
            wait_until(lambda: self.cluster.value("SELECT count(*) FROM task WHERE schedule_id IS NULL") >= accepted,
                       END_S, "all are stored", every=0.1)
            if self.schedules:
                schedules.wait_decided(self.cluster, END_S)
                schedules.halt(self.cluster)
            self.cluster.wait_all_ended(accepted, END_S)
        except TimeUp as late:
            self.note(f"not all ended: {late}")

    def gather(self):
        record = self.record
        record.asked = self.load.asked
        record.runs, record.torn = read_trace(self.trace)
        attempts = collections.defaultdict(list)
        for task, token, node, outcome in self.cluster.sql(
                "SELECT task_id::text, token, executor::text, outcome::text FROM attempt"
                " WHERE task_id IN (SELECT id FROM task WHERE schedule_id IS NULL)"
                " ORDER BY task_id, token"):
            attempts[task].append(Attempt(token, node, outcome))
        record.tasks = {identity: Task(identity, state, attempts[identity])
                        for identity, state in self.states().items()}
        record.dead = {row[0] for row in self.cluster.sql(
            "SELECT id::text FROM node WHERE dead_at IS NOT NULL")}
        record.broken = self.cluster.broken_invariants()
        if self.schedules:
            record.broken += schedules.broken(self.cluster, self.schedules)
            self.row.fires = schedules.decided(self.cluster)
        self.name_targets()
        for node in self.cluster.nodes:
            if node.running:
                self.count_fenced(node)
            # Who is gone has said it in its log: each task, and now and then one line for several.
            self.fenced[node.name] = max(self.fenced[node.name], len(node.lines(r"event=\w+\.fenced")))

    def states(self):
        """What the API says of each task that was asked for; it must be what the view says."""
        states, cursor = {}, ""
        while True:
            answer = self.cluster.front.get(f"/api/v1/tasks?limit=500{cursor}", timeout=30)
            assert answer.status == 200, answer
            page = answer.json()
            states.update((item["id"], item["state"]) for item in page["items"] if "schedule" not in item)
            if not page.get("next_cursor"):
                break
            cursor = f"&cursor={page['next_cursor']}"
        rows = dict(self.cluster.sql("SELECT task_id::text, state FROM task_state"
                                     " WHERE task_id IN (SELECT id FROM task WHERE schedule_id IS NULL)"))
        for identity in set(states) ^ set(rows) | {i for i in states if rows.get(i) != states[i]}:
            self.record.broken.append(("the API and the database differ", identity,
                                       states.get(identity), rows.get(identity)))
        return states

    def name_targets(self):
        """An HTTP target does not know which executor called it: the hand-over says it."""
        for run in self.record.runs:
            task = self.record.tasks.get(run.task)
            if run.node == "-" and task:
                run.node = next((a.node for a in task.attempts if a.token == run.token), "-")

    def judge(self, verdict):
        row = self.row
        row.accepted, row.ran = verdict.accepted, verdict.ran
        row.lost = verdict.count("lost")
        row.doubled = verdict.count("doubled", "overlap")
        row.early = verdict.count("early")
        row.rerun = verdict.count("rerun")
        row.other = len(verdict.faults) - row.lost - row.doubled - row.early
        row.fenced = sum(self.fenced.values())
        row.gap_ms = self.longest_gap_ms()
        row.note = "; ".join(self.notes)
        self.findings = verdict.findings

    def longest_gap_ms(self):
        """Between two starts, while the load lasted: tasks fall due all that time."""
        starts = sorted(run.start_us for run in self.record.runs if run.token == 1)
        gaps = [later - former for former, later in zip(starts, starts[1:])]
        return max(gaps, default=0) / 1000
