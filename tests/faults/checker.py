"""Reads a record and says what promise it breaks. It does not ask Rota anything: what Rota says of
its tasks is part of the record, and is held against what the tasks wrote themselves.

`check` gives a Verdict: every finding has a kind, of which KINDS says what it breaks, and a text
that names the task. `rerun` is the one kind that is no fault: a run again that an asynchronous
failover may cause (its hand-over was lost with the old primary).
"""

import collections
import dataclasses

KINDS = {
    "lost": "an accepted task did not run, or did not end",
    "doubled": "a task ran more often than its policy allows",
    "overlap": "two runs of a task at the same time",
    "early": "a run before its instant by the database's clock",
    "refused ran": "a refused task ran",
    "stranger": "a run of a task that nobody asked for",
    "disagrees": "what Rota says of a task is not what its process wrote",
    "invariant": "a row of sql/invariants.sql, or a line of the trace that no task writes",
    "rerun": "a run again after its hand-over was lost with a failover: allowed there",
}
ENDED = ("succeeded", "failed", "cancelled", "expired", "skipped")
# A wall clock instant and run_at as it was rounded to the database's microseconds.
EARLY_S = 0.000002


@dataclasses.dataclass
class Verdict:
    findings: list = dataclasses.field(default_factory=list)
    accepted: int = 0
    ran: int = 0

    def add(self, kind, text):
        assert kind in KINDS
        self.findings.append((kind, text))

    def count(self, *kinds):
        return sum(1 for kind, _ in self.findings if kind in kinds)

    @property
    def faults(self):
        return [finding for finding in self.findings if finding[0] != "rerun"]


def check(record):
    verdict = Verdict()
    runs = collections.defaultdict(list)
    for run in record.runs:
        runs[run.mark].append(run)
    for mark, of_task in runs.items():
        of_task.sort(key=lambda run: run.start_us)
        if mark not in record.asked:
            verdict.add("stranger", f"{mark} ran on {of_task[0].node}")
    for asked in record.asked.values():
        check_task(verdict, record, asked, runs[asked.mark])
    for row in record.broken:
        verdict.add("invariant", str(row))
    for text in record.torn:
        verdict.add("invariant", text)
    return verdict


def check_task(verdict, record, asked, runs):
    verdict.ran += bool(runs)
    if asked.answer == "refused":
        if runs:
            verdict.add("refused ran", f"{asked.mark} ran {len(runs)} times")
        return
    task = record.tasks.get(asked.id) or find_by_run(record, runs)
    if asked.answer == "accepted":
        verdict.accepted += 1
        if task is None:
            verdict.add("lost", f"{asked.mark} ({asked.id}) is not known")
            return
    if task is None:
        if runs:
            verdict.add("disagrees", f"{asked.mark} ran and is not known")
        return
    if task.state not in ENDED:
        verdict.add("lost", f"{asked.mark} ({task.id}) is {task.state}")
    if task.state == "succeeded" and not runs:
        verdict.add("lost", f"{asked.mark} ({task.id}) succeeded, and never ran")
    check_identity(verdict, asked, task, runs)
    check_repeats(verdict, record, asked, task, runs)
    check_times(verdict, record, asked, runs)
    check_agreement(verdict, record, asked, task, runs)


def find_by_run(record, runs):
    return record.tasks.get(runs[0].task) if runs else None


def check_identity(verdict, asked, task, runs):
    for run in runs:
        if run.task != task.id:
            verdict.add("doubled", f"{asked.mark} ran as {run.task} and is {task.id}")


def lost_with_failover(record, run):
    """Started, so handed over, when commits no longer reached the standby."""
    return record.lost_from_us is not None and record.lost_from_us <= run.start_us <= record.lost_upto_us


def was_lost(record, node):
    return node in record.dead and (record.disturbed is None or node in record.disturbed)


def check_repeats(verdict, record, asked, task, runs):
    attempts = {attempt.token: attempt for attempt in task.attempts}
    for former, run in zip(runs, runs[1:]):
        name = f"{asked.mark} ({task.id}) token {former.token} on {former.node}, then {run.token} on {run.node}"
        attempt = attempts.get(former.token)
        if lost_with_failover(record, former) and (attempt is None or attempt.node != former.node or
                                                   run.token == former.token):
            verdict.add("rerun", name)
            continue
        if asked.on_lost == "fail":
            verdict.add("doubled", f"{name}: on_lost is fail")
        elif attempt is None or attempt.outcome not in ("lost", "returned"):
            verdict.add("doubled", f"{name}: the first is {attempt and attempt.outcome}")
        elif not was_lost(record, former.node):
            verdict.add("doubled", f"{name}: the first node is not dead, or nothing was done to it")
        if run.token <= former.token:
            verdict.add("doubled", f"{name}: tokens do not ascend")
        # What has left the machine cannot be stopped: only what an executor runs itself.
        if asked.type == "shell" and former.last_us >= run.start_us:
            verdict.add("overlap", f"{name}: {(former.last_us - run.start_us) / 1000:.1f} ms")


def check_times(verdict, record, asked, runs):
    for run in runs:
        if asked.run_at_wall is None:
            continue
        ahead = asked.run_at_wall - (run.start_wall + record.ahead(run.start_us))
        if ahead > EARLY_S:
            verdict.add("early", f"{asked.mark} token {run.token}: {ahead * 1000:.3f} ms")


def check_agreement(verdict, record, asked, task, runs):
    by_token = {run.token: run for run in runs}
    attempts = {attempt.token: attempt for attempt in task.attempts}
    name = f"{asked.mark} ({task.id})"
    succeeded = [attempt for attempt in task.attempts if attempt.outcome == "succeeded"]
    if (task.state == "succeeded") != (len(succeeded) == 1):
        verdict.add("disagrees", f"{name} is {task.state} with {len(succeeded)} attempts that succeeded")
    for attempt in task.attempts:
        run = by_token.get(attempt.token)
        if run and run.node != attempt.node and lost_with_failover(record, run):
            continue
        if attempt.outcome == "succeeded" and (run is None or run.end_us is None or run.node != attempt.node):
            verdict.add("disagrees", f"{name} token {attempt.token} succeeded; its process says {run}")
        elif attempt.outcome == "returned" and run and (asked.on_lost == "fail" or
                                                        not was_lost(record, run.node)):
            # Where its node was lost in the moment before its start was on record, it may have run.
            verdict.add("disagrees", f"{name} token {attempt.token} was returned, and ran on {run.node}")
        elif attempt.outcome == "lost" and attempt.node not in record.dead:
            verdict.add("disagrees", f"{name} token {attempt.token} lost on {attempt.node}, which lives")
        elif attempt.outcome is None:
            verdict.add("disagrees", f"{name} token {attempt.token} is open")
        elif attempt.outcome in ("failed", "timed_out", "cancelled"):
            verdict.add("disagrees", f"{name} token {attempt.token} is {attempt.outcome}; no task here is")
    for token, run in by_token.items():
        if token not in attempts and not lost_with_failover(record, run):
            verdict.add("disagrees", f"{name} token {token} ran on {run.node} and is not on record")
    if task.state == "failed" and not any(attempt.outcome == "lost" for attempt in task.attempts):
        verdict.add("disagrees", f"{name} failed, and was not lost")
    if task.state == "failed" and asked.on_lost == "retry":
        verdict.add("disagrees", f"{name} failed, and on_lost is retry")
    if task.state in ("cancelled", "expired", "skipped"):
        verdict.add("disagrees", f"{name} is {task.state}; nobody asked for that")
