"""A cluster of real programs for one test module: real PostgreSQL, real Kafka, real processes.

`Servers` are the private PostgreSQL and Kafka of a whole test run, started through tools/*.sh.
`Cluster` is one module's own database, topics and consumer group on them, and the nodes it starts.
`Node` is one process of rota-producer, rota-consumer or rota-executor.

Nothing here sleeps for a fixed time: what takes time is waited for with `wait_until`, which names
what did not happen. Whatever was started is ended by `close`, by pid, however a test ends.
"""

import concurrent.futures
import ctypes
import errno
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse

import psycopg2

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENDED = ("succeeded", "failed", "cancelled", "expired", "skipped")
ALL_TYPES = "log,http,kafka,shell"


class TimeUp(AssertionError):
    """A condition did not come true in time."""


def wait_until(condition, seconds=10.0, what="the condition", every=0.02):
    """Returns the first true value of `condition()`; raises TimeUp after that many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise TimeUp(f"not within {seconds:g} s: {what} (last value: {value!r})")
        time.sleep(every)


GIVEN_PORTS = set()


def open_gate(gate):
    """Lets whoever reads that FIFO at this moment go on; there need not be anybody."""
    try:
        os.close(os.open(gate, os.O_WRONLY | os.O_NONBLOCK))
    except OSError as error:
        assert error.errno == errno.ENXIO


def free_port():
    """A loopback port where nothing listens. Below the range of outgoing connections, so that
    none of those takes it before the program does; and never the same one twice, since two
    programs that are started together would both find it free."""
    while True:
        port = 20000 + int.from_bytes(os.urandom(2), "big") % 12000
        if port in GIVEN_PORTS:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        GIVEN_PORTS.add(port)
        return port


def build_dir():
    build = os.environ.get("ROTA_BUILD")
    if not build:
        raise RuntimeError("ROTA_BUILD must name the build folder, such as ROTA_BUILD=build")
    return pathlib.Path(build).resolve()


def is_sanitized():
    options = json.loads((build_dir() / "meson-info" / "intro-buildoptions.json").read_text())
    return any(option["name"] == "b_sanitize" and "address" in option["value"] for option in options)


def clean_environment():
    """What the caller's shell may say about Rota must not reach the programs under test."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ROTA_")}


# --- Servers -----------------------------------------------------------------------------------


class Server:
    """PostgreSQL or Kafka through its script; keeps its port over restarts."""

    def __init__(self, name, folder):
        self.name, self.folder, self.port = name, folder, free_port()
        self.script = str(ROOT / "tools" / f"{name}.sh")
        self.environment = {}

    def run(self, verb, *arguments):
        done = subprocess.run([self.script, verb, str(self.folder), *map(str, arguments)],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180,
                              env={**os.environ, **self.environment})
        if done.returncode:
            raise RuntimeError(f"{self.name} {verb}: {done.stderr.strip()}")
        return done.stdout.strip()

    def start(self, seconds=0):
        """With seconds: tries again for so long. PostgreSQL refuses while processes of a server
        that was killed still end."""
        def started():
            try:
                self.run("start", self.port)
                return True
            except RuntimeError:
                if not seconds:
                    raise
                return False
        wait_until(started, seconds, f"{self.name} starts")

    def stop(self):
        self.run("stop")

    @property
    def pid(self):
        return int((self.folder / "pid").read_text().split()[0])

    def kill(self):
        """As a crash would; start(30) recovers."""
        os.kill(self.pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(self.pid), 10, f"{self.name} has ended")

    def quit(self):
        """PostgreSQL's `stop -m immediate`: ends without a checkpoint; start(30) recovers."""
        os.kill(self.pid, signal.SIGQUIT)
        wait_until(lambda: not is_alive(self.pid), 30, f"{self.name} has ended")

    def pause(self):
        """Freezes the server with all its processes: connections stay open, nothing answers."""
        for pid in family(self.pid):
            os.kill(pid, signal.SIGSTOP)

    def resume(self):
        for pid in family(self.pid):
            os.kill(pid, signal.SIGCONT)

    def remove(self):
        self.run("remove")


class Servers:
    def __init__(self):
        # Reachable, not readable: PostgreSQL may run as another user than the tests.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="rota-e2e-"))
        self.folder.chmod(0o711)
        self.postgres = Server("postgres", self.folder / "postgres")
        self.kafka = Server("kafka", self.folder / "kafka")

    def start(self):
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for started in [pool.submit(self.kafka.start), pool.submit(self.postgres.start)]:
                started.result()

    def close(self):
        for server in (self.kafka, self.postgres):
            server.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database):
        return re.sub(r"/rota$", f"/{database}", (self.postgres.folder / "url").read_text().strip())

    @property
    def brokers(self):
        return f"127.0.0.1:{self.kafka.port}"


# --- Processes ---------------------------------------------------------------------------------


def process_fields(pid):
    """The fields of /proc/PID/stat from the state on, or None."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return stat.rpartition(") ")[2].split()


def is_alive(pid):
    fields = process_fields(pid)
    return fields is not None and fields[0] not in "ZX"


def session_members(session):
    """The live processes of a session: a node's own, its guardian's and those of its tasks."""
    members = []
    for entry in os.listdir("/proc"):
        fields = process_fields(entry) if entry.isdigit() else None
        if fields and fields[3] == str(session) and fields[0] not in "ZX":
            members.append(int(entry))
    return members


def family(pid):
    """A process and its live descendants, parents first."""
    children = {}
    for entry in os.listdir("/proc"):
        fields = process_fields(entry) if entry.isdigit() else None
        if fields and fields[0] not in "ZX":
            children.setdefault(int(fields[1]), []).append(int(entry))
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found


def marked(node):
    """Live processes that carry the mark of the executor with that id in their environment."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            environment = pathlib.Path(f"/proc/{entry}/environ").read_bytes()
        except (OSError, NotADirectoryError):
            continue
        if f"ROTA_NODE={node}".encode() in environment.split(b"\0"):
            found.append(int(entry))
    return [pid for pid in found if is_alive(pid)]


def proper_of(executor):
    """The process under the guardian."""
    children = pathlib.Path(f"/proc/{executor.pid}/task/{executor.pid}/children").read_text()
    return int(children.split()[0])


def die_with_parent():
    """In the child before exec: a test run that is killed leaves no node behind. The kernel means
    the thread that started it, so only the main thread may ask for this."""
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.text[:300]}>"


class Node:
    """One process. `settings` are its ROTA_* names without the prefix."""

    def __init__(self, cluster, role, number, settings):
        self.role, self.name = role, f"{role}-{number}"
        self.port = free_port()
        self.output = cluster.folder / f"{self.name}.out"
        self.environment = clean_environment()
        self.environment.update(cluster.settings(role))
        self.environment["ROTA_HTTP_ADDR"] = f"127.0.0.1:{self.port}"
        self.environment.update({f"ROTA_{key.upper()}": str(value)
                                 for key, value in settings.items()})
        self.process = None
        self.within = ()    # what the program is started by, such as nsenter

    def start(self, arguments=()):
        program = cluster_program(self.role)
        in_main = threading.current_thread() is threading.main_thread()
        with open(self.output, "ab") as output:
            self.process = subprocess.Popen(
                [*self.within, str(program), *arguments], env=self.environment, stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, start_new_session=True,
                preexec_fn=die_with_parent if in_main else None)
        return self

    @property
    def pid(self):
        return self.process.pid

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    @property
    def exit_status(self):
        return self.process.poll()

    def signal(self, number):
        self.process.send_signal(number)

    def pause(self):
        """Freezes everything the node is: process, guardian, tasks."""
        for pid in session_members(self.pid):
            os.kill(pid, signal.SIGSTOP)

    def resume(self):
        for pid in session_members(self.pid):
            os.kill(pid, signal.SIGCONT)

    def kill(self):
        """kill -9 of the process that was started; what it leaves behind is for the test to see."""
        self.process.kill()
        self.process.wait(10)

    def stop(self, seconds=40):
        """SIGTERM, then its exit status; fails where that takes longer."""
        if self.running:
            self.process.terminate()
        return self.wait_stopped(seconds)

    def wait_stopped(self, seconds=40):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise TimeUp(f"not within {seconds} s: {self.name} has stopped\n{self.tail()}") from None

    def close(self):
        """Ends the process and everything in its session, whatever state they are in."""
        if self.process is None:
            return
        if self.running:
            self.process.kill()
        self.process.wait(10)
        for pid in session_members(self.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def is_ready(self):
        if not self.running:
            raise AssertionError(f"{self.name} ended with {self.exit_status}:\n{self.tail()}")
        try:
            return self.get("/readyz", timeout=2).status == 200
        except (OSError, http.client.HTTPException):
            return False

    def wait_ready(self, seconds=30):
        wait_until(self.is_ready, seconds, f"{self.name} is ready")
        return self

    # What it says.

    def lines(self, pattern=""):
        """The lines of its log (and whatever else it printed) that the pattern is found in."""
        if not self.output.exists():
            return []
        text = self.output.read_text(errors="replace")
        return [line for line in text.splitlines() if re.search(pattern, line)]

    def tail(self, count=40):
        return "\n".join(self.lines()[-count:])

    def wait_line(self, pattern, seconds=10):
        return wait_until(lambda: self.lines(pattern), seconds,
                          f"{self.name} logs {pattern!r}")[0]

    def metric(self, name, **labels):
        """The sum of the samples with that name and at least those labels."""
        total = None
        for line in self.get("/metrics").text.splitlines():
            sample = re.match(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)", line)
            if not sample or sample[1] != name:
                continue
            found = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', sample[2] or ""))
            if all(found.get(key) == value for key, value in labels.items()):
                total = (total or 0.0) + float(sample[3])
        return total

    # HTTP.

    def request(self, method, path, body=None, headers=None, timeout=15):
        """One request on a connection of its own. A body that is no bytes or text goes as JSON."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        if isinstance(body, str):
            body = body.encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return Response(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path, headers=None, timeout=15):
        return self.request("GET", path, None, headers, timeout)

    def post(self, path, body=None, headers=None, timeout=15):
        return self.request("POST", path, body, headers, timeout)


def cluster_program(role):
    program = build_dir() / role / f"rota-{role}"
    if not program.exists():
        raise RuntimeError(f"{program} is not built")
    return program


# --- The cluster -------------------------------------------------------------------------------


class Cluster:
    """A database, a topic prefix and a consumer group of its own, and nodes that share them.

    `defaults` are settings of every node, as `heartbeat="1s"` for ROTA_HEARTBEAT.
    """

    def __init__(self, servers, name, **defaults):
        self.servers, self.defaults = servers, defaults
        self.name = re.sub(r"\W", "_", name.lower())[:40] + "_" + os.urandom(3).hex()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir=servers.folder))
        self.logs = self.folder / "consumer-logs"
        self.logs.mkdir()
        self.prefix = self.name.replace("_", "-") + "."
        self.database_url = servers.url(self.name)
        self.nodes, self.counts = [], {}
        self.maintain(f'CREATE DATABASE "{self.name}"')

    def settings(self, role):
        settings = {
            "ROTA_DATABASE_URL": self.database_url,
            "ROTA_KAFKA_BROKERS": self.servers.brokers,
            "ROTA_KAFKA_TOPIC_PREFIX": self.prefix,
            "ROTA_KAFKA_GROUP": self.prefix + "ingest",
            "ROTA_KAFKA_LEGACY_TOPIC": self.prefix + "scheduler-task",
            "ROTA_LOG_DIR": str(self.logs),
            "ROTA_LOG_STDERR": "yes",
        }
        if role == "executor":
            settings["ROTA_EXECUTOR_TYPES"] = ALL_TYPES
        settings.update({f"ROTA_{key.upper()}": str(value)
                         for key, value in self.defaults.items()})
        return settings

    # Nodes.

    def node(self, role, **settings):
        """A node that is not started yet."""
        self.counts[role] = self.counts.get(role, 0) + 1
        node = Node(self, role, self.counts[role], settings)
        self.nodes.append(node)
        return node

    def producer(self, **settings):
        return self.node("producer", **settings).start()

    def consumer(self, **settings):
        return self.node("consumer", **settings).start()

    def executor(self, **settings):
        return self.node("executor", **settings).start()

    def start(self, producers=1, consumers=2, executors=2, seconds=60):
        """Starts that many of each, and waits until all are ready and one is master."""
        wanted = {"consumer": consumers, "producer": producers, "executor": executors}
        started = [self.node(role).start() for role, count in wanted.items() for _ in range(count)]
        for node in started:
            node.wait_ready(seconds)
        if consumers:
            wait_until(self.master, seconds, "one consumer is master")
        return self

    def of(self, role):
        """The running nodes of a role."""
        return [node for node in self.nodes if node.role == role and node.running]

    @property
    def front(self):
        """A running producer."""
        producers = self.of("producer")
        if not producers:
            raise AssertionError("no producer runs")
        return producers[0]

    def master(self):
        """The node whose process holds the lease by the database's clock, or None."""
        rows = self.sql("SELECT n.pid FROM master m JOIN node n ON n.id = m.owner"
                        " WHERE m.expires_at > clock_timestamp()")
        return next((node for node in self.of("consumer") if rows and node.pid == rows[0][0]), None)

    def stop(self):
        """SIGTERM to all at once, as an orderly shutdown of the whole place; exit statuses by name."""
        for node in self.nodes:
            if node.running:
                node.process.terminate()
        return {node.name: node.wait_stopped() for node in self.nodes if node.process}

    def end_orderly(self):
        """SIGTERM to all that still runs: leaks are told at such an end only."""
        for node in self.nodes:
            if node.running:
                node.resume()
                node.process.terminate()
        for node in self.nodes:
            if node.running:
                try:
                    node.process.wait(60)
                except subprocess.TimeoutExpired:
                    pass  # what it needs for that may be gone by now

    def close(self):
        if is_sanitized():
            self.end_orderly()
        for node in self.nodes:
            node.close()
        complaints = [line for node in self.nodes
                      for line in node.lines(r"Sanitizer|: runtime error: ")]
        self.maintain(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')
        assert not complaints, complaints

    # SQL.

    def sql(self, query, *arguments):
        """Runs one statement in its own transaction and returns its rows, if it has any."""
        return run_sql(self.database_url, query, arguments)

    def value(self, query, *arguments):
        return self.sql(query, *arguments)[0][0]

    def maintain(self, statement):
        run_sql(self.servers.url("postgres"), statement, ())

    def broken_invariants(self):
        """The rows of sql/invariants.sql, each of them a broken promise."""
        return self.sql((ROOT / "sql" / "invariants.sql").read_text())

    # Tasks.

    def schedule(self, task, expect=202, **headers):
        """POSTs one task and returns what the producer answered, as JSON."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.front.post("/api/v1/tasks", task, headers)
        assert answer.status == expect, answer
        return answer.json()

    def task(self, identity):
        answer = self.front.get(f"/api/v1/tasks/{urllib.parse.quote(identity)}")
        return answer.json() if answer.status == 200 else None

    def attempts(self, identity):
        answer = self.front.get(f"/api/v1/tasks/{urllib.parse.quote(identity)}/attempts")
        assert answer.status == 200, answer
        return answer.json()

    def wait_state(self, identity, *states, seconds=15):
        """The task as soon as it is in one of the states (any end, where none is named)."""
        def reached():
            task = self.task(identity)
            return task if task and task["state"] in (states or ENDED) else None
        return wait_until(reached, seconds, f"task {identity} is {' or '.join(states or ENDED)}")

    def wait_all_ended(self, count, seconds=60):
        """Until that many tasks are stored and none of them waits or runs."""
        def ended():
            return self.sql("SELECT 1 WHERE (SELECT count(*) FROM task) >= %s"
                            " AND NOT EXISTS (SELECT FROM due)"
                            " AND NOT EXISTS (SELECT FROM attempt WHERE outcome IS NULL)", count)
        wait_until(ended, seconds, f"{count} tasks have ended", every=0.1)

    # Logs.

    def log_lines(self, pattern=""):
        """The lines of consumer-logs/*.log in time order (each begins with its ts)."""
        lines = []
        for file in self.logs.glob("*.log*"):
            lines += file.read_text(errors="replace").splitlines()
        return sorted((line for line in lines if re.search(pattern, line)), key=lambda line: line[:27])

    def report(self):
        """What a person wants to see of a failed test: the end of every node's output."""
        parts = []
        for node in self.nodes:
            state = "runs" if node.running else f"ended with {node.process and node.exit_status}"
            parts.append(f"--- {node.name} ({state}), settings "
                         f"{ {k: v for k, v in node.environment.items() if self.tells(k)} }\n"
                         f"{node.tail()}")
        return "\n".join(parts)

    @staticmethod
    def tells(name):
        return name.startswith("ROTA_") and "DATABASE" not in name and "TOKEN" not in name


def run_sql(url, query, arguments):
    connection = psycopg2.connect(url, connect_timeout=10)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(query, arguments or None)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()
