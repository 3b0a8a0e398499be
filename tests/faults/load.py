"""The load of a fault run: asks for tasks all along, and keeps a list of what was answered.

It behaves as a careful client does: every task has an idempotency key, and where the answer is
missing or says that it is not known (503), the same tasks are asked for again with the same keys,
until each is accepted or refused. Some are wrong on purpose; they must be refused and never run.
"""

import http.client
import http.server
import itertools
import json
import os
import random
import threading
import time
import urllib.parse

from record import Asked, boot_us

BATCH = 20
TICK_S = 0.1
ASK_TIMEOUT_S = 15


class Target(http.server.ThreadingHTTPServer):
    """The other end of `http` tasks: writes their trace as the shell tasks do."""
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, trace):
        super().__init__(("127.0.0.1", 0), TargetRequest)
        self.trace = os.open(trace, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self.requests = itertools.count(1)    # stands where a process has its id
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def port(self):
        return self.server_address[1]

    def tell(self, word, mark, task, token, request):
        wall_us = time.clock_gettime_ns(time.CLOCK_REALTIME) // 1000
        os.write(self.trace, f"{word} {mark} {task} {token} - {request} {boot_us()} {wall_us}\n".encode())

    def handle_error(self, request, client_address):
        pass    # a client that went away: the faults do that

    def close(self):
        self.shutdown()
        self.server_close()
        os.close(self.trace)


class TargetRequest(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        facts = (self.path.strip("/"), self.headers["Rota-Task-Id"], self.headers["Rota-Attempt"],
                 next(self.server.requests))
        self.server.tell("start", *facts)
        self.server.tell("end", *facts)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Load:
    """`count` tasks over `seconds`: half of them asked for at the start, with instants all over that
    time, the others as it goes on, to run at once. `long_share` of them run for `long_ms` with child
    and grandchild. Every draw is from `rng`."""

    def __init__(self, ports, trace, program, rng, count, seconds, long_share=0.02,
                 long_ms=(2000, 4000)):
        self.ports, self.trace, self.program = ports, trace, program
        self.rng, self.count, self.seconds = rng, count, seconds
        self.long_share, self.long_ms = long_share, long_ms
        self.asked = {}
        self.answers = {"202": 0, "503": 0, "none": 0}
        self.target = Target(trace)
        self.stop = threading.Event()
        self.failure = None
        self.thread = threading.Thread(target=self.run, daemon=True)

    # --- What is asked for ---------------------------------------------------------------------

    def make(self, run_at_wall=None):
        mark = f"m{len(self.asked)}"
        draw = self.rng.random()
        on_lost = "fail" if self.rng.random() < 0.25 else "retry"
        body = {"idempotency_key": f"key-{mark}", "on_lost": on_lost}
        asked = Asked(mark, on_lost)
        if draw < 0.02:
            body.update(self.rng.choice([{"type": "shall"}, {"type": "shell", "queue": 7},
                                         {"type": "shell", "delay": "soon"},
                                         {"type": "shell", "shell": {"argv": []}}]))
        elif draw < 0.12:
            asked.type = "http"
            body.update(type="http", http={"url": f"http://127.0.0.1:{self.target.port}/{mark}",
                                           "method": "POST"})
        else:
            body.update(type="shell", shell={"argv": self.command(mark, draw)})
        if run_at_wall is not None:
            asked.run_at_wall = round(run_at_wall, 3)
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(asked.run_at_wall))
            body["run_at"] = f"{stamp}.{int(round(asked.run_at_wall * 1000)) % 1000:03}Z"
        self.asked[mark] = asked
        return asked, body

    def command(self, mark, draw):
        words = [str(self.program), str(self.trace), mark]
        if draw > 1 - self.long_share:
            return [*words, str(self.rng.randrange(*self.long_ms)), "family"]
        return [*words, str(self.rng.randrange(100, 600) if draw > 0.9 else 0)]

    # --- Asking --------------------------------------------------------------------------------

    def start(self):
        self.thread.start()
        return self

    def run(self):
        try:
            self.ask_all()
        except Exception as problem:    # told by finish(), in the thread of the test
            self.failure = problem

    def ask_all(self):
        began, wall = time.monotonic(), time.time()
        timed = [self.make(wall + self.rng.uniform(1, self.seconds)) for _ in range(self.count // 2)]
        self.rng.shuffle(timed)
        pending = [timed[i:i + BATCH] for i in range(0, len(timed), BATCH)]
        left = self.count - len(timed)
        while (pending or left) and not self.stop.is_set():
            due = self.count - len(timed) if self.seconds <= 0 else \
                int((self.count - len(timed)) * min(1, (time.monotonic() - began) / self.seconds))
            fresh = due - (self.count - len(timed) - left)
            if fresh > 0:
                pending.insert(0, [self.make() for _ in range(fresh)])
                left -= fresh
            if pending:
                again = self.ask(pending.pop(0))
                if again:
                    pending.append(again)
                    self.stop.wait(TICK_S)
            else:
                self.stop.wait(TICK_S)

    def ask(self, pairs):
        """Asks for a batch at one of the producers; returns what must be asked for again."""
        port = self.rng.choice(self.ports())
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ASK_TIMEOUT_S)
        try:
            connection.request("POST", "/api/v1/tasks:batch", json.dumps([body for _, body in pairs]),
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            results = json.loads(text)["results"] if answer.status in (202, 413, 422, 503) else []
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            self.answers["none"] += len(pairs)
            return pairs
        finally:
            connection.close()
        again = []
        for result in results:
            asked, body = pairs[result["index"]]
            if result["status"] == 202:
                asked.answer, asked.id = "accepted", result["id"]
                self.answers["202"] += 1
            elif result["status"] == 422:
                asked.answer = "refused"
            else:
                self.answers["503"] += 1
                again.append((asked, body))
        return again if results else pairs

    def finish(self, seconds=240):
        """Waits until everything is accepted or refused."""
        self.thread.join(seconds)
        late = self.thread.is_alive()
        self.stop.set()
        self.thread.join(ASK_TIMEOUT_S + 5)
        if self.failure:
            raise self.failure
        assert not late, f"not all tasks were answered within {seconds} s: {self.answers}"

    def close(self):
        self.stop.set()
        if self.thread.ident:
            self.thread.join(ASK_TIMEOUT_S + 5)
        self.target.close()


def seeded(seed, name):
    """A source of draws of its own for each fault, so that one run alone draws the same."""
    return random.Random(f"{seed}/{name}")
