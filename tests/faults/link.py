"""A node in a network namespace of its own, whose link can be cut.

    PostgreSQL   is reached over the link (a veth pair) through a relay at its near end: what is cut
    Kafka, HTTP  are reached past the link, through relays that meet at a socket in the file system,
                 which a network namespace does not divide; at the same address as everywhere

Needs root, as namespaces do.
"""

import itertools
import os
import pathlib
import re
import subprocess
import sys

from cluster import free_port


RELAY = str(pathlib.Path(__file__).with_name("relay.py"))
NUMBERS = itertools.count(1)


def run(*words):
    subprocess.run(words, check=True, capture_output=True, timeout=20)


class Link:
    def __init__(self, scene):
        number = next(NUMBERS)
        # Short: names of interfaces have at most 15 characters.
        self.name = f"rota{os.getpid() % 100000}n{number}"
        self.near, self.far = f"{self.name}a", f"{self.name}b"
        # Of this process and this link: another run beside it has others.
        network = f"10.{100 + os.getpid() // 256 % 128}.{os.getpid() % 256}"
        self.address, far_address = (f"{network}.{number * 4 + n}" for n in (1, 2))
        self.folder = pathlib.Path(scene.cluster.folder) / self.name
        self.folder.mkdir()
        # A number of its own: who starts PostgreSQL again looks whether its port is free anywhere.
        self.relays, self.port = [], free_port()
        self.make(far_address)
        past = {scene.cluster.servers.kafka.port, scene.load.target.port}
        self.relay(f"{self.address}:{self.port}=127.0.0.1:{scene.cluster.servers.postgres.port}",
                   *(f"{self.folder}/{port}=127.0.0.1:{port}" for port in past))
        self.relay(*(f"127.0.0.1:{port}={self.folder}/{port}" for port in past), within=True)
        scene.at_end.append(self.close)

    def make(self, far_address):
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", self.near, "type", "veth", "peer", "name", self.far, "netns", self.name)
        run("ip", "address", "add", f"{self.address}/30", "dev", self.near)
        run("ip", "link", "set", self.near, "up")
        for words in (("address", "add", f"{far_address}/30", "dev", self.far),
                      ("link", "set", self.far, "up"), ("link", "set", "lo", "up")):
            run("ip", "-n", self.name, *words)

    def within(self):
        return ("nsenter", f"--net=/run/netns/{self.name}")

    def relay(self, *pairs, within=False):
        words = [sys.executable, RELAY, *pairs]
        self.relays.append(subprocess.Popen([*(self.within() if within else ()), *words],
                                            stdin=subprocess.DEVNULL))

    def settle(self, node):
        """The node is to be started at the far end."""
        node.within = self.within()
        node.environment["ROTA_DATABASE_URL"] = re.sub(
            r"@127\.0\.0\.1:\d+", f"@{self.address}:{self.port}", node.environment["ROTA_DATABASE_URL"])
        return node

    def cut(self):
        """From here on not a packet passes, and nobody is told."""
        run("ip", "link", "set", self.near, "down")

    def mend(self):
        run("ip", "link", "set", self.near, "up")

    def close(self):
        for relay in self.relays:
            relay.kill()
            relay.wait(10)
        run("ip", "netns", "del", self.name)

