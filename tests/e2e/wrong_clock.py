"""Wall clocks of nodes that are wrong; boot and monotonic clocks are left alone (harness/wrong_clock.c)."""

import os
import struct

from cluster import build_dir


def off_by(seconds):
    """The environment of a program whose clock is off by so much, always."""
    return {"LD_PRELOAD": str(build_dir() / "tests" / "harness" / "wrong_clock.so"), "TEST_CLOCK_OFF": str(seconds)}


class Clock:
    """A wall clock that is off by what a file says, from that moment on."""

    def __init__(self, path):
        self.path = path
        self.step(0)

    def step(self, seconds):
        # In place: processes have it mapped.
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        os.pwrite(fd, struct.pack("q", seconds), 0)
        os.close(fd)

    def environment(self):
        return {"LD_PRELOAD": str(build_dir() / "tests" / "harness" / "wrong_clock.so"),
                "TEST_CLOCK_FILE": str(self.path)}
