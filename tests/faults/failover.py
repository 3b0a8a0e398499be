"""PostgreSQL fails over to a streaming standby that lacks the last two seconds, or nothing."""

import time

from record import boot_us


def standby_promoted(scene):
    """The standby is cut off where it is asynchronous, the primary killed whole, the standby
    promoted: all goes on there by itself."""
    pair = scene.cluster.servers
    epoch = scene.cluster.value("SELECT epoch FROM master")
    if not pair.synchronous:
        scene.record.lost_from_us = boot_us()
        pair.cut()
        scene.wait_starts(200)
    pair.kill()
    killed = time.monotonic()
    if not pair.synchronous:
        scene.record.lost_upto_us = boot_us()
    pair.promote()
    scene.master(60)
    scene.note(f"{'synchronous' if pair.synchronous else 'asynchronous'} standby; a master"
               f" {time.monotonic() - killed:.1f} s after the kill")
    scene.wait_starts(200)
    assert scene.cluster.value("SELECT epoch FROM master") > epoch


standby_promoted.settings = {"executor_lease": "20s"}
standby_promoted.options = {"count": 3000, "seconds": 20}
