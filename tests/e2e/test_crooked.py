"""Crooked HTTP against the running producer: what is accepted exists once, what is refused never
appears, no request becomes two, and the producer goes on as if nothing had been.

10,000 idle connections are in test_input.py; what needs no Kafka is in integration/test_web.c.
"""

import concurrent.futures
import json
import pathlib
import re
import socket
import struct
import subprocess
import time

import pytest

from cluster import wait_until

ROUNDS = 15
MEMORY_MOST = 64 << 20

# A task's body is as long as any other: LENGTH bytes, BODY where it stands.
LENGTH = len(json.dumps({"type": "log", "name": "crooked.00000.a"}))
HEX = b"%x" % LENGTH
POST = b"POST /schedule HTTP/1.1\r\n"
HOST = b"Host: x\r\n"
JSON = b"Content-Type: application/json\r\n"
HEAD = POST + HOST + JSON
SIZE = b"Content-Length: %d\r\n" % LENGTH
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = HEX + b"\r\nBODY\r\n0\r\n\r\n"
GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n"


def with_header(line):
    return HEAD + line + SIZE + b"\r\nBODY"


def with_line(line):
    return line + b"\r\n" + HOST + JSON + SIZE + b"\r\nBODY"


def with_size(value):
    return HEAD + b"Content-Length: " + value + b"\r\n\r\nBODY"


def with_coding(value):
    return HEAD + b"Transfer-Encoding: " + value + b"\r\n\r\n" + CHUNKS


def with_chunks(chunks):
    return HEAD + CHUNKED + b"\r\n" + chunks


# What becomes of a request and of a plain one that follows it in the same packet.
BOTH = "202 202"  # both are taken
FIRST = "202"  # the first is taken, nothing behind it is read
SECOND = "4xx 202"  # the first is refused, and it is certain where the second begins
NONE = "closed"  # refused, and nothing behind it is read

CASES = {
    # Lengths.
    "plain": (with_header(b""), BOTH),
    "length with zeros": (with_size(b"00%d" % LENGTH), BOTH),
    "length twice the same": (HEAD + SIZE + SIZE + b"\r\nBODY", NONE),
    "length twice, none last": (HEAD + SIZE + b"Content-Length: 0\r\n\r\nBODY", NONE),
    "length twice, none first": (HEAD + b"Content-Length: 0\r\n" + SIZE + b"\r\nBODY", NONE),
    "list of lengths": (with_size(b"%d, %d" % (LENGTH, LENGTH)), NONE),
    "length with a sign": (with_size(b"+%d" % LENGTH), NONE),
    "negative length": (with_size(b"-1"), NONE),
    "length in hex": (with_size(b"0x" + HEX), NONE),
    "length with a space": (with_size(b"3 1"), NONE),
    "no length": (with_size(b""), NONE),
    "huge length": (with_size(b"9" * 23), "413"),
    "length over 2^64": (with_size(b"%d" % ((1 << 64) + LENGTH)), "413"),
    "length and U+0000": (with_size(b"%d\0" % LENGTH), NONE),
    "length on the next line": (HEAD + b"Content-Length:\r\n %d\r\n\r\nBODY" % LENGTH, NONE),
    "length in two lines": (HEAD + b"Content-: %d\r\n Length\r\n\r\nBODY" % LENGTH, NONE),
    "length, then a space": (HEAD + b"Content-Length : %d\r\n\r\nBODY" % LENGTH, NONE),
    "length, then a tab": (HEAD + b"Content-Length\t: %d\r\n\r\nBODY" % LENGTH, NONE),
    "length too small": (with_size(b"%d" % (LENGTH - 2)), "400 400"),
    "a body where none belongs": (GET + SIZE + b"\r\nBODY", "413"),
    "no body where none belongs": (GET + b"Content-Length: 0\r\n\r\n", "200 202"),
    "length with underscore": (with_header(b"Content_Length: 5\r\n"), BOTH),
    # Transfer codings.
    "chunked": (with_coding(b"chunked"), FIRST),
    "chunked, upper case": (with_coding(b"CHUNKED"), FIRST),
    "coding and length": (HEAD + CHUNKED + SIZE + b"\r\n" + CHUNKS, NONE),
    "length and coding": (HEAD + SIZE + CHUNKED + b"\r\n0\r\n\r\n", NONE),
    "coding, then a space, and length": (
        HEAD + b"Transfer-Encoding : chunked\r\n" + SIZE + b"\r\nBODY", NONE),
    "coding on the next line, and length": (
        HEAD + b"Transfer-Encoding:\r\n chunked\r\n" + SIZE + b"\r\nBODY", NONE),
    "unknown coding and length": (HEAD + b"Transfer-Encoding: x\r\n" + SIZE + b"\r\nBODY", NONE),
    "empty coding and length": (HEAD + b"Transfer-Encoding: \r\n" + SIZE + b"\r\nBODY", NONE),
    "coding twice": (HEAD + CHUNKED + CHUNKED + b"\r\n" + CHUNKS, NONE),
    "coding and U+0000": (with_coding(b"chunked\0x"), NONE),
    "coding with a control": (with_coding(b"\x0bchunked"), NONE),
    "chunked of HTTP/1.0": (with_coding(b"chunked").replace(b"/1.1", b"/1.0", 1), FIRST),
    "chunks where none belong": (GET + CHUNKED + b"\r\n0\r\n\r\n", "415"),
    **{f"coding {value.decode()}": (with_coding(value), NONE)
       for value in (b"gzip", b"gzip, chunked", b"chunked, identity", b"xchunked", b"chunked;q=1",
                     b",chunked", b'"chunked"', b"chunked ")},
    # Chunks.
    "chunk with an extension": (with_chunks(HEX + b';a="b"\r\nBODY\r\n0;x\r\n\r\n'), FIRST),
    "chunks with a trailer": (
        with_chunks(HEX + b"\r\nBODY\r\n0\r\nX: y\r\nContent-Length: 5\r\n\r\n"), FIRST),
    "chunks ended by LF": (with_chunks(HEX + b"\nBODY\n0\n\n"), FIRST),
    "trailer that is a request": (
        with_chunks(HEX + b"\r\nBODY\r\n0\r\nGET /x HTTP/1.1\r\n\r\n"), NONE),
    "chunk without a size": (with_chunks(b"\r\nBODY\r\n0\r\n\r\n"), NONE),
    "chunk too short": (with_chunks(b"5\r\nBODY\r\n0\r\n\r\n"), NONE),
    "chunk without an end": (with_chunks(HEX + b"\r\nBODY0\r\n\r\n"), NONE),
    "chunk with a wrong end": (with_chunks(HEX + b"\r\nBODYXX0\r\n\r\n"), NONE),
    "LF in an extension": (with_chunks(HEX + b";a\nb\r\nBODY\r\n0\r\n\r\n"), NONE),
    **{f"chunk of size {size!r}": (with_chunks(size + b"\r\nBODY\r\n0\r\n\r\n"), NONE)
       for size in (b"zz", b"-1", b"0x" + HEX, b" " + HEX, HEX + b" ", b"f" * 17,
                    b"1%016x" % LENGTH)},
    # Headers.
    "U+0000 in a value": (with_header(b"X: a\0b\r\n"), NONE),
    "U+0000 in a name": (with_header(b"X\0Y: b\r\n"), NONE),
    "LF alone": (with_header(b"").replace(b"\r\n", b"\n"), NONE),
    "LF alone, once": (with_header(b"X: a\n"), NONE),
    "CR alone": (with_header(b"X: a\rContent-Length: 0\r\n"), NONE),
    "folded": (with_header(b"X: a\r\n b\r\n"), NONE),
    "folded first": (POST + b" X: a\r\n" + with_header(b"")[len(POST):], NONE),
    "no colon": (with_header(b"nocolon\r\n"), NONE),
    "no name": (with_header(b": x\r\n"), NONE),
    "no name, and a request behind": (POST + HOST + b": x\r\n" + GET + b"\r\n", NONE),
    "space before the colon": (with_header(b"X : x\r\n"), NONE),
    "white space around a value": (with_header(b"X: \t x \t\r\nY:\r\nZ:z\r\n"), BOTH),
    "an empty host": (POST + b"Host:\r\n" + JSON + SIZE + b"\r\nBODY", BOTH),
    "a host with a port": (POST + b"Host: [::1]:80\r\n" + JSON + SIZE + b"\r\nBODY", BOTH),
    "no host": (POST + JSON + SIZE + b"\r\nBODY", NONE),
    "two hosts": (with_header(b"Host: y\r\n"), NONE),
    "a host that is none": (POST + b"Host: a b/c\r\n" + JSON + SIZE + b"\r\nBODY", NONE),
    "two types": (with_header(JSON), NONE),
    "upgrade": (with_header(b"Connection: Upgrade\r\nUpgrade: h2c\r\n"), BOTH),
    "a large header": (with_header(b"X: " + b"y" * 20000 + b"\r\n"), BOTH),
    "too large a header": (with_header(b"X: " + b"y" * 40000 + b"\r\n"), "431"),
    "too many headers": (with_header(b"".join(b"X-%d: y\r\n" % i for i in range(4000))), "431"),
    # The first line.
    "empty lines before": (b"\r\n\r\n" + with_header(b""), BOTH),
    "a space before": (b" " + with_header(b""), NONE),
    "U+0000 in the method": (with_line(b"PO\0ST /schedule HTTP/1.1"), NONE),
    "U+0000 in the path": (with_line(b"POST /schedule\0x HTTP/1.1"), NONE),
    "U+0000 behind the version": (with_line(b"POST /schedule HTTP/1.1\0"), NONE),
    "two spaces": (with_line(b"POST  /schedule HTTP/1.1"), NONE),
    "a tab": (with_line(b"POST\t/schedule HTTP/1.1"), NONE),
    "a space in the path": (with_line(b"POST /sched ule HTTP/1.1"), NONE),
    "more than a version": (with_line(b"POST /schedule HTTP/1.1 x"), NONE),
    "a version in small letters": (with_line(b"POST /schedule http/1.1"), NONE),
    "a version without a dot": (with_line(b"POST /schedule HTTP/11"), NONE),
    "HTTP/0.9": (b"GET /livez\r\n", NONE),
    "HTTP/1.0": (with_line(b"POST /schedule HTTP/1.0"), FIRST),
    "HTTP/1.0 without headers": (b"GET /livez HTTP/1.0\r\n\r\n", "200"),
    "HTTP/2.0": (with_line(b"POST /schedule HTTP/2.0"), NONE),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", NONE),
    "TLS": (bytes.fromhex("16030100a5010000a10303") + bytes(150) + b"\r\n\r\n", NONE),
    "bytes": (bytes(range(1, 256)) + b"\r\n\r\n", NONE),
    "absolute": (with_line(b"POST http://other/schedule HTTP/1.1"), BOTH),
    "a fragment": (with_line(b"POST /schedule#x HTTP/1.1"), SECOND),
    "another method": (with_line(b"BREW /schedule HTTP/1.1"), SECOND),
    "a method in small letters": (with_line(b"post /schedule HTTP/1.1"), SECOND),
    "a method that is no word": (with_line(b'"}POST /schedule HTTP/1.1'), NONE),
    "TRACE": (b"TRACE /schedule HTTP/1.1\r\nHost: x\r\n\r\n", SECOND),
    "CONNECT": (b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", SECOND),
    "OPTIONS *": (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", SECOND),
    "%00 in the path": (with_line(b"POST /sche%00dule HTTP/1.1"), SECOND),
    "%2F in the path": (b"GET /api%2Fv1/tasks HTTP/1.1\r\nHost: x\r\n\r\n", SECOND),
    "dots in the path": (b"GET /x/../livez HTTP/1.1\r\nHost: x\r\n\r\n", SECOND),
    "%00 in the query": (with_line(b"POST /schedule?data=%00 HTTP/1.1"), SECOND),
    "a long query": (b"GET /api/v1/tasks?tag=" + b"x" * 20000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
                     SECOND),
    "too long a query": (b"GET /?a=" + b"x" * 40000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", "414"),
    # Bodies.
    "too large a body": (with_size(b"524289"), "413"),
    "a compressed body": (with_header(b"Content-Encoding: gzip\r\n"), SECOND),
    "U+0000 for a body": (HEAD + b"Content-Length: 3\r\n\r\n\0\0\0", SECOND),
}


class Sent:
    """How often each task may exist, by name."""

    def __init__(self):
        self.names, self.count = {}, 0

    def bodies(self):
        """Two bodies, of tasks that nobody else asks for."""
        self.count += 1
        names = [f"crooked.{self.count:05}.{letter}" for letter in "ab"]
        for name in names:
            self.names[name] = 0
        return names, [json.dumps({"type": "log", "name": name}).encode() for name in names]


SENT = Sent()


@pytest.fixture(scope="module", autouse=True)
def started(cluster):
    cluster.start(producers=1, consumers=1, executors=0)
    plain(cluster.front)


def plain(node):
    """A request as it should be."""
    (name, _), (body, _) = SENT.bodies()
    answer = node.post("/schedule", body, {"Content-Type": "application/json"})
    assert answer.status == 202, answer
    SENT.names[name] = 1


@pytest.fixture(autouse=True)
def goes_on(cluster, started):
    yield
    plain(cluster.front)


# --- Speaking ------------------------------------------------------------------------------------


def connect(node):
    connection = socket.create_connection(("127.0.0.1", node.port), timeout=20)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def reset(connection):
    """Closes it so that the other side gets a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def answers_in(heard):
    """Status and body of each answer that is there whole."""
    answers = []
    while heard.startswith(b"HTTP/1.1 "):
        head, found, rest = heard.partition(b"\r\n\r\n")
        size = re.search(rb"\r\nContent-Length: (\d+)", head)
        if not found or (size and len(rest) < int(size[1])):
            break
        size = int(size[1]) if size else 0
        answers.append((int(head[9:12]), rest[:size]))
        heard = rest[size:]
    return answers


def read_answers(connection, count):
    """So many of them, or fewer where the connection is closed before; and whether it was."""
    heard = b""
    while len([status for status, _ in answers_in(heard) if status >= 200]) < count:
        try:
            got = connection.recv(65536)
        except ConnectionResetError:
            got = b""
        if not got:
            return answers_in(heard), True
        heard += got
    return answers_in(heard), False


def say(connection, data):
    try:
        connection.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        pass  # refused before all of it was there


def is_closed(connection):
    try:
        return connection.recv(65536) == b""
    except ConnectionResetError:
        return True


def try_case(node, case):
    """Sends the request and a plain one behind it. Returns what came, as text."""
    names, (first, second) = SENT.bodies()
    behind = with_header(b"").replace(b"BODY", second)
    with connect(node) as connection:
        say(connection, case.replace(b"BODY", first) + behind)
        answers, closed = read_answers(connection, 2)
    statuses = [status for status, _ in answers]
    # Which of the two was accepted: the answer to the second one is always the second.
    for place, status in enumerate(statuses[:2]):
        SENT.names[names[place]] += status == 202
    return " ".join(map(str, statuses)), closed


def fits(came, closed, wanted):
    if wanted == NONE:
        return closed and re.fullmatch(r"(4..|505)?", came)
    return re.fullmatch(wanted.replace("x", "."), came) and (closed or " " in wanted)


# --- One request ---------------------------------------------------------------------------------


@pytest.mark.parametrize("case, wanted", CASES.values(), ids=CASES.keys())
def test_one_request_is_never_two(cluster, case, wanted):
    came, closed = try_case(cluster.front, case)
    assert fits(came, closed, wanted), f"{came!r}{' and closed' * closed}, not {wanted!r}"


def test_memory_stays(cluster):
    """Some thousand crooked ones, many at a time."""
    front = cluster.front

    def memory():
        return int(pathlib.Path(f"/proc/{front.pid}/statm").read_text().split()[1]) * 4096

    def go_round(_):
        return [name for name, (case, wanted) in CASES.items()
                if not fits(*try_case(front, case), wanted)]

    assert not go_round(0)
    before = memory()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert not [name for wrong in pool.map(go_round, range(ROUNDS)) for name in wrong]
    if "libasan" not in pathlib.Path(f"/proc/{front.pid}/maps").read_text():
        assert memory() < before + MEMORY_MOST


# --- Requests in pieces --------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["plain", "chunked", "white space around a value"])
def test_a_byte_at_a_time(cluster, case):
    names, (body, _) = SENT.bodies()
    with connect(cluster.front) as connection:
        for byte in CASES[case][0].replace(b"BODY", body):
            connection.send(bytes([byte]))
        answers, _ = read_answers(connection, 1)
    assert [status for status, _ in answers] == [202]
    SENT.names[names[0]] = 1


def test_pipelined_requests_are_answered_in_order(cluster):
    names, packet = [], b""
    for _ in range(50):
        (name, _), (body, _) = SENT.bodies()
        names.append(name)
        packet += with_header(b"").replace(b"BODY", body) + GET + b"\r\n"
    with connect(cluster.front) as connection:
        connection.sendall(packet)
        answers, _ = read_answers(connection, 100)
    assert [status for status, _ in answers] == [202, 200] * 50
    ids = [json.loads(body)["id"] for status, body in answers if status == 202]
    for name in names:
        SENT.names[name] = 1
    wait_until(lambda: cluster.value("SELECT count(*) FROM task WHERE id = ANY(%s::uuid[])",
                                     ids) == 50, 20, "they are stored")
    stored = dict(cluster.sql("SELECT id::text, name FROM task WHERE id = ANY(%s::uuid[])", ids))
    assert [stored[identity] for identity in ids] == names


def test_a_client_that_asks_before_it_sends(cluster):
    names, (body, _) = SENT.bodies()
    with connect(cluster.front) as connection:
        connection.sendall(HEAD + b"Expect: 100-continue\r\n" + SIZE + b"\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        assert read_answers(connection, 1)[0][0][0] == 202
    SENT.names[names[0]] = 1
    with connect(cluster.front) as connection:
        connection.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 9999999\r\n\r\n")
        assert [status for status, _ in read_answers(connection, 1)[0]] == [413]
        assert is_closed(connection)


def test_an_endless_body_is_cut(cluster):
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    with connect(cluster.front) as connection:
        connection.sendall(HEAD + CHUNKED + b"\r\n")
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(100_000):
                connection.sendall(chunk)


# --- Requests that never end ---------------------------------------------------------------------


def connections(node):
    return node.metric("rota_http_connections")


@pytest.fixture(scope="module")
def hasty(cluster, started):
    """A producer that waits for nobody longer than it must."""
    node = cluster.producer(http_timeout="1s").wait_ready()
    yield node
    assert node.stop() == 0


def wait_alone(node):
    wait_until(lambda: connections(node) == 1, 30, "only the one that asks is open")


def test_silence_and_deafness_end_with_the_time_limit(hasty):
    """Half a head, half a body, and a client that takes no answer: each is cut off."""
    body = SENT.bodies()[1][0]
    halves = [b"", b"POST", HEAD, HEAD + SIZE, HEAD + SIZE + b"\r\n", HEAD + SIZE + b"\r\n" + body[:-1],
              HEAD + CHUNKED + b"\r\n" + HEX + b"\r\n" + body]
    silent = []
    for half in halves:
        silent.append(connect(hasty))
        silent[-1].sendall(half)
    deaf = connect(hasty)
    deaf.setblocking(False)
    deadline = time.monotonic() + 60
    try:
        while time.monotonic() < deadline:  # until neither side has room for more
            deaf.send((b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n") * 100)
    except BlockingIOError:
        pass
    plain(hasty)
    for connection in silent:
        assert is_closed(connection)
        connection.close()
    wait_alone(hasty)
    deaf.close()


@pytest.mark.parametrize("leave", [
    lambda connection: connection.shutdown(socket.SHUT_WR), socket.socket.close, reset,
], ids=["shutdown", "close", "reset"])
def test_clients_that_leave_half_way(hasty, leave):
    """libmicrohttpd may see a close that came with the last bytes only when the time is over."""
    for _ in range(100):
        body = SENT.bodies()[1][0]
        connection = connect(hasty)
        connection.sendall(HEAD + SIZE + b"\r\n" + body[:-1])
        leave(connection)
        connection.close()
    plain(hasty)
    wait_alone(hasty)


def test_clients_that_reset_instead_of_reading(hasty):
    """What they asked for was whole, so it may have been accepted: once, or never."""
    for _ in range(100):
        (name, _), (body, _) = SENT.bodies()
        SENT.names[name] = None
        connection = connect(hasty)
        connection.sendall((GET + b"\r\n") * 20 + with_header(b"").replace(b"BODY", body))
        reset(connection)
    plain(hasty)
    wait_alone(hasty)


# --- What is left of all this --------------------------------------------------------------------


def kcat(cluster, *arguments):
    return subprocess.run(["kcat", "-b", cluster.servers.brokers, *arguments], check=True,
                          capture_output=True, text=True, timeout=60).stdout


def records(cluster):
    """Commands that Kafka has, by its own count."""
    topic = f"{cluster.prefix}commands"
    partitions = re.search(r" with (\d+) partitions", kcat(cluster, "-L", "-t", topic))[1]
    asked = [word for number in range(int(partitions)) for word in ("-t", f"{topic}:{number}:-1")]
    return sum(map(int, re.findall(r"offset (\d+)", kcat(cluster, "-Q", *asked))))


def test_what_was_accepted_is_there_once_and_nothing_else(cluster):
    """The last one: Kafka has a record of each task that was accepted, and no other."""
    wanted = {name for name, times in SENT.names.items() if times == 1}
    either = {name for name, times in SENT.names.items() if times is None}
    stored = {}

    def is_all():
        stored.update(cluster.sql("SELECT name, count(*) FROM task GROUP BY name"))
        return wanted <= stored.keys() and sum(stored.values()) == records(cluster)
    wait_until(is_all, 60, "what was accepted is stored", every=0.2)
    assert set(stored.values()) == {1}
    assert stored.keys() <= wanted | either
    assert not cluster.sql("SELECT * FROM rejected")
