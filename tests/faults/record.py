"""What a fault run keeps outside Rota: what was asked and answered, and what the tasks themselves
wrote. The checker believes nothing else but this and the final state.

Instants named *_us are microseconds of CLOCK_BOOTTIME (`boot_us`), one clock for every process of
this machine; those named *_wall are seconds since 1970 by its wall clock, which is also the
database's where a fault does not step that.
"""

import collections
import dataclasses
import time


def boot_us():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


@dataclasses.dataclass
class Asked:
    """One task as the load generator asked for it. `answer`: accepted (202), refused (an answer that
    says it will not run) or unknown (no answer, or one that says it is not known)."""
    mark: str
    on_lost: str = "retry"
    type: str = "shell"
    run_at_wall: float = None    # None: at once
    answer: str = "unknown"
    id: str = None


@dataclasses.dataclass
class Run:
    """One run as its own process wrote it down."""
    mark: str
    task: str
    token: int
    node: str
    pid: int
    start_us: int
    start_wall: float
    last_us: int                 # the last sign of life of it or of a process it made
    end_us: int = None           # None: it was ended


@dataclasses.dataclass
class Attempt:
    """One handing over as Rota says it was."""
    token: int
    node: str
    outcome: str


@dataclasses.dataclass
class Task:
    """A task as Rota says it is in the end."""
    id: str
    state: str
    attempts: list


@dataclasses.dataclass
class Record:
    asked: dict = dataclasses.field(default_factory=dict)     # by mark
    runs: list = dataclasses.field(default_factory=list)
    tasks: dict = dataclasses.field(default_factory=dict)     # by id
    dead: set = dataclasses.field(default_factory=set)        # nodes that Rota gave up
    disturbed: set = None        # nodes a fault was done to; None: any
    broken: list = dataclasses.field(default_factory=list)    # rows of sql/invariants.sql
    torn: list = dataclasses.field(default_factory=list)      # what read_trace complains of
    # Steps of the database's clock: (from when, seconds that it is ahead of the wall clock).
    steps: list = dataclasses.field(default_factory=list)
    # A failover to a standby that lacks what was committed from then on; None: nothing was lost.
    lost_from_us: int = None
    lost_upto_us: int = None

    def ahead(self, at_us):
        """Seconds that the database's clock is ahead of the wall clock at an instant."""
        return next((seconds for since, seconds in reversed(self.steps) if since <= at_us), 0)


def read_trace(path):
    """(runs, faults) of a trace file: a run for each start, and what cannot have come about rightly,
    such as a line without a start."""
    runs, faults = collections.OrderedDict(), []
    if not path.exists():
        return [], []
    for line in path.read_text().splitlines():
        fields = line.split()
        if len(fields) != 8:
            faults.append(f"a line that no task writes: {line!r}")
            continue
        word, mark, task, token, node, pid, boot, wall = fields
        key = (mark, task, int(token), node, int(pid))
        if word == "start":
            if key in runs:
                faults.append(f"{mark}: one process started twice, token {token} of {task}")
            runs[key] = Run(mark, task, int(token), node, int(pid), int(boot), int(wall) / 1e6, int(boot))
        elif key not in runs:
            faults.append(f"{mark}: {word} without a start, token {token} of {task}")
        else:
            runs[key].last_us = max(runs[key].last_us, int(boot))
            if word == "end":
                runs[key].end_us = int(boot)
    return list(runs.values()), faults
