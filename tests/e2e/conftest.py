"""Fixtures of the end-to-end tests. Run them as ./check e2e does:

    ROTA_BUILD=build /usr/bin/python3 -m pytest tests/e2e

`servers` lives as long as the run, `cluster` as long as a module: a fresh database, topics and
group, no node started. A module that needs other settings for all of its nodes says so in a
variable CLUSTER, such as `CLUSTER = {"retention": "1d"}`. `new_cluster` makes further ones.
Tests marked `slow` run with --slow only.
"""

import atexit
import sys

import pytest

from cluster import Cluster, Servers


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="also the tests marked slow")


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: runs with --slow only")


def pytest_collection_modifyitems(config, items):
    left_out = [] if config.getoption("--slow") else [i for i in items if i.get_closest_marker("slow")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def servers():
    servers = Servers()
    # Also when the run is broken off in a way that skips the fixtures' ends.
    atexit.register(servers.close)
    try:
        servers.start()
        yield servers
    finally:
        atexit.unregister(servers.close)
        servers.close()


@pytest.fixture(scope="module")
def cluster(servers, request):
    settings = getattr(request.module, "CLUSTER", {})
    cluster = Cluster(servers, request.module.__name__, **settings)
    try:
        yield cluster
    finally:
        cluster.close()


@pytest.fixture
def new_cluster(servers, request):
    """new_cluster(heartbeat="1s"): a cluster for one test alone."""
    made = []

    def make(**settings):
        made.append(Cluster(servers, request.node.name, **settings))
        return made[-1]

    make.made = made
    yield make
    for cluster in made:
        cluster.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Shows the logs of a failed test's nodes, while they still are there."""
    report = (yield).get_result()
    if not report.failed:
        return
    arguments = getattr(item, "funcargs", {})
    clusters = [arguments["cluster"]] if "cluster" in arguments else []
    clusters += getattr(arguments.get("new_cluster"), "made", [])
    for cluster in clusters:
        try:
            report.sections.append((f"nodes of {cluster.name}", cluster.report()))
        except Exception as problem:  # the report must not hide the failure itself
            print(f"no report: {problem}", file=sys.stderr)
