"""The checker is checked: a sound record passes, and each doctored one is caught for what it is."""

import copy

import pytest

from checker import KINDS, check
from record import Asked, Attempt, Record, Run, Task, read_trace


def run(mark, token=1, node="n1", start=1_000_000, end=1_100_000, last=None, task=None):
    return Run(mark, task or f"id-{mark}", token, node, 42, start, 1000 + start / 1e6,
               last or end or start, end)


def sound():
    """Three tasks: one that ran once; one lost and run again; one that was lost and may not."""
    record = Record()
    record.asked = {
        "plain": Asked("plain", answer="accepted", id="id-plain", run_at_wall=1000.5),
        "again": Asked("again", answer="accepted", id="id-again"),
        "once": Asked("once", on_lost="fail", answer="accepted", id="id-once"),
        "refused": Asked("refused", answer="refused"),
        "silent": Asked("silent"),
    }
    record.runs = [run("plain"), run("again", end=None, last=1_500_000),
                   run("again", token=2, node="n2", start=2_000_000, end=2_100_000),
                   run("once", end=None)]
    record.tasks = {
        "id-plain": Task("id-plain", "succeeded", [Attempt(1, "n1", "succeeded")]),
        "id-again": Task("id-again", "succeeded", [Attempt(1, "n1", "lost"), Attempt(2, "n2", "succeeded")]),
        "id-once": Task("id-once", "failed", [Attempt(1, "n1", "lost")]),
    }
    record.dead = {"n1"}
    return record


def test_a_sound_record_passes():
    verdict = check(sound())
    assert verdict.findings == []
    assert (verdict.accepted, verdict.ran) == (3, 3)


def drop_run(record):
    record.runs = [r for r in record.runs if r.mark != "plain"]


def drop_task(record):
    del record.tasks["id-plain"]


def still_waits(record):
    record.tasks["id-plain"] = Task("id-plain", "scheduled", [])
    record.runs = [r for r in record.runs if r.mark != "plain"]


def double_run(record):
    record.runs.append(run("plain", token=2, node="n2", start=3_000_000, end=3_100_000))


def same_token_again(record):
    record.runs.append(run("again", token=2, node="n2", start=3_000_000, end=3_100_000))


def double_under_lost(record):
    # Rota says that it was lost, but the node is alive.
    record.dead = set()


def double_undisturbed(record):
    record.disturbed = {"n9"}


def double_at_most_once(record):
    record.runs.append(run("once", token=2, node="n2", start=3_000_000, end=3_100_000))


def other_id(record):
    record.runs.append(run("plain", start=4_000_000, end=4_100_000, task="id-other"))


def overlap(record):
    record.runs[1].last_us = 2_000_001


def early(record):
    record.asked["plain"].run_at_wall = 1001.001


def refused_ran(record):
    record.runs.append(run("refused"))


def stranger(record):
    record.runs.append(run("nobody"))


def succeeded_without_end(record):
    record.runs[0].end_us = None


def succeeded_elsewhere(record):
    record.runs[0].node = "n2"


def returned_and_ran(record):
    record.tasks["id-once"].attempts[0].outcome = "returned"


def returned_by_the_living(record):
    record.tasks["id-again"].attempts[0].outcome = "returned"
    record.dead = set()


def ran_off_the_record(record):
    record.tasks["id-again"].attempts.pop(0)


def failed_for_nothing(record):
    record.tasks["id-again"] = Task("id-again", "failed", [Attempt(1, "n1", "lost"), Attempt(2, "n2", "lost")])


def left_open(record):
    record.tasks["id-once"].attempts.append(Attempt(2, "n1", None))


def broken_row(record):
    record.broken = [("task without a due row, an open attempt or an end", "id-plain")]


def impossible_trace(record):
    record.torn = ["plain: end without a start"]


@pytest.mark.parametrize("doctor, kind", [
    (drop_run, "lost"), (drop_task, "lost"), (still_waits, "lost"),
    (double_run, "doubled"), (same_token_again, "doubled"), (double_under_lost, "doubled"), (double_undisturbed, "doubled"),
    (double_at_most_once, "doubled"), (other_id, "doubled"),
    (overlap, "overlap"), (early, "early"), (refused_ran, "refused ran"), (stranger, "stranger"),
    (succeeded_without_end, "disagrees"), (succeeded_elsewhere, "disagrees"),
    (returned_and_ran, "disagrees"), (returned_by_the_living, "disagrees"), (ran_off_the_record, "disagrees"),
    (failed_for_nothing, "disagrees"), (left_open, "disagrees"),
    (broken_row, "invariant"), (impossible_trace, "invariant"),
], ids=lambda value: value.__name__ if callable(value) else value.replace(" ", "-"))
def test_a_doctored_record_is_caught(doctor, kind):
    record = sound()
    doctor(record)
    found = check(record).findings
    assert kind in [each for each, _ in found], found


def test_every_kind_has_a_doctored_record():
    marks = test_a_doctored_record_is_caught.pytestmark[0].args[1]
    assert {kind for _, kind in marks} == set(KINDS) - {"rerun"}


def test_a_lost_hand_over_may_run_again_and_is_counted_apart():
    record = sound()
    record.runs.append(run("plain", node="n2", start=3_000_000, end=3_100_000))
    record.tasks["id-plain"].attempts = [Attempt(1, "n2", "succeeded")]
    assert "doubled" in [kind for kind, _ in check(copy.deepcopy(record)).findings]
    record.lost_from_us, record.lost_upto_us = 900_000, 2_500_000
    verdict = check(record)
    assert verdict.faults == [] and verdict.count("rerun") == 1
    # Handed over before the standby was cut off: it may not.
    record.lost_from_us = 1_000_001
    assert check(record).faults


def test_a_start_that_was_not_on_record_yet_may_be_repeated():
    record = sound()
    record.tasks["id-again"].attempts[0].outcome = "returned"
    assert check(record).findings == []


def test_a_step_of_the_clock_moves_what_is_early():
    record = sound()
    record.asked["plain"].run_at_wall = 1010.9
    assert check(record).count("early") == 1
    record.steps = [(999_999, 10)]
    assert check(record).count("early") == 0
    record.steps = [(1_000_001, 10)]
    assert check(record).count("early") == 1


def test_a_trace_is_read(tmp_path):
    trace = tmp_path / "trace"
    trace.write_text("start a id-a 1 n1 7 1000 2000000\nbeat a id-a 1 n1 7 1500 2000500\n"
                     "end a id-a 1 n1 7 2000 2001000\nstart b id-b 1 n1 9 3000 2002000\n")
    runs, faults = read_trace(trace)
    assert faults == []
    assert [(r.mark, r.token, r.start_us, r.last_us, r.end_us) for r in runs] == [
        ("a", 1, 1000, 2000, 2000), ("b", 1, 3000, 3000, None)]
    assert runs[0].start_wall == 2.0


def test_a_trace_that_cannot_be_is_told(tmp_path):
    trace = tmp_path / "trace"
    trace.write_text("end a id-a 1 n1 7 1000 2000000\nstart b id-b 1 n1 9 3000 2002000\n"
                     "start b id-b 1 n1 9 3001 2002001\nstart c id-c 1\n")
    faults = read_trace(trace)[1]
    assert len(faults) == 3
    assert "without a start" in faults[0] and "twice" in faults[1] and "no task" in faults[2]
    assert read_trace(tmp_path / "none") == ([], [])
