"""Fault runs. `./check faults` runs them all and prints the table; `./check` runs those that are
not marked `long`. By hand:

    ROTA_BUILD=build /usr/bin/python3 -m pytest tests/faults --seed 7 -k executor_killed

The seed decides what is drawn (the tasks, their instants, what is done when); it is printed.
"""

import json
import pathlib
import random
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from cluster import Cluster, Servers  # noqa: E402
from scene import SETTINGS, Row, Scene  # noqa: E402

ROWS = []


def pytest_addoption(parser):
    parser.addoption("--seed", type=int, default=None, help="what all draws of the faults come from")
    parser.addoption("--schedules", type=int, default=0, help="so many of every second go on beside each fault")
    parser.addoption("--table", default=None, help="also write the table there, as JSON")


def pytest_configure(config):
    config.addinivalue_line("markers", "long: only in ./check faults")
    config.seed = config.getoption("--seed")
    if config.seed is None:
        config.seed = random.SystemRandom().randrange(1_000_000)


def pytest_report_header(config):
    return f"faults: seed {config.seed}"


@pytest.fixture(scope="session")
def servers():
    servers = Servers()
    try:
        servers.start()
        yield servers
    finally:
        servers.close()


@pytest.fixture
def own_postgres(servers):
    """own_postgres(environment): servers with the run's Kafka and a PostgreSQL of their own."""
    made = []

    def make(environment=None):
        own = Servers()
        own.kafka = servers.kafka
        made.append(own)
        own.postgres.environment = environment(own.folder) if environment else {}
        own.postgres.start()
        return own

    yield make
    for own in made:
        own.postgres.remove()
        shutil.rmtree(own.folder, ignore_errors=True)


@pytest.fixture
def scenes(servers, own_postgres, request):
    """scenes(count=..): a Scene with a cluster of its own that is not started."""
    made = []

    def make(fault, on=None, settings=None, **options):
        cluster = Cluster(on or servers, fault, **{**SETTINGS, **(settings or {})})
        scene = Scene(cluster, request.config.seed, fault,
                      schedules=request.config.getoption("--schedules"), **options)
        made.append(scene)
        return scene

    def close():
        for scene in made:
            tell_and_close(scene, request.node.failed_call)
        made.clear()

    make.close = close
    yield make
    close()


def tell_and_close(scene, failed):
    ROWS.append(scene.row)
    if failed:
        for finding in scene.findings[:50]:
            print(*finding, sep=": ")
        print(scene.cluster.report())
        for output in scene.cluster.servers.folder.glob("*/*.out*"):
            print("---", output.name, *output.read_text(errors="replace").splitlines()[-20:], sep="\n")
    scene.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    item.failed_call = getattr(item, "failed_call", False) or report.failed


def pytest_terminal_summary(terminalreporter, config):
    if not ROWS:
        return
    cells = [[title for _, title in Row.COLUMNS]] + [row.cells() for row in ROWS]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    terminalreporter.write_line(f"\nFaults, seed {config.seed}:")
    cells.insert(1, ["-" * width for width in widths])
    for row in cells:
        terminalreporter.write_line("| " + " | ".join(
            cell.ljust(width) for cell, width in zip(row, widths)) + " |")
    if config.getoption("--table"):
        pathlib.Path(config.getoption("--table")).write_text(
            json.dumps({"seed": config.seed, "rows": [vars(row) for row in ROWS]}, indent=1) + "\n")
