"""The disk that the logs are on is full."""

import os
import subprocess

from cluster import wait_until


def mount_small(scene):
    """Before the nodes start: the folder of the logs is 256 KiB of memory."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=0755", "none",
                    str(scene.cluster.logs)], check=True)
    scene.at_end.append(lambda: subprocess.run(["umount", "-l", str(scene.cluster.logs)], check=True))


def full(scene):
    """Work goes on; the lines that are lost are counted and said."""
    def room():
        facts = os.statvfs(scene.cluster.logs)
        return facts.f_bavail * facts.f_frsize
    wait_until(lambda: room() < 8192, 30, "the disk is full")
    scene.wait_starts(500)

    def lost():
        return sum(node.metric("rota_log_lines_lost_total") or 0
                   for role in ("executor", "consumer") for node in scene.cluster.of(role))
    wait_until(lost, 30, "the loss is counted")
    wait_until(lambda: any(node.lines("event=log.lost")
                           for node in scene.cluster.nodes), 30, "the loss is said")
    scene.load.finish()
    scene.wait_all_ended()
    scene.note(f"{int(lost())} log lines lost and counted")


full.before = mount_small
