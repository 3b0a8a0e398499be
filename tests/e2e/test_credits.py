"""Executors go on getting work whatever mix of tasks they had, and whoever had the last of it."""

from cluster import wait_until

QUICK = {"heartbeat": "200ms", "alive": "2s", "poll": "200ms"}


def shell(cluster, seconds=0):
    return cluster.schedule({"type": "shell", "shell": {"command": f"sleep {seconds}"}})["id"]


def test_one_slot_each_and_one_task_at_a_time(new_cluster):
    """More is reserved than there is to give: what nobody got must not count for ever."""
    cluster = new_cluster(executor_slots="1", **QUICK)
    cluster.start(consumers=1)
    for _ in range(8):
        cluster.wait_state(shell(cluster), "succeeded")
    cluster.of("executor")[1].stop()
    for _ in range(4):
        cluster.wait_state(shell(cluster), "succeeded")
    assert cluster.value("SELECT count(*) FROM attempt") == 12


def test_both_stay_busy_through_a_backlog(new_cluster):
    cluster = new_cluster(executor_slots="4", **QUICK)
    cluster.start(consumers=1)
    answer = cluster.front.post("/api/v1/tasks:batch",
                                [{"type": "shell", "shell": {"command": "sleep 0.05"}}] * 200)
    assert answer.status == 202
    cluster.wait_all_ended(200, 60)
    shares = [row[0] for row in cluster.sql("SELECT count(*) FROM attempt GROUP BY executor")]
    assert len(shares) == 2 and min(shares) > 50, shares


def test_a_window_that_shrinks(new_cluster):
    """Log tasks open the window wide; then a burst with one that needs a slot closes it."""
    cluster = new_cluster(executor_slots="4", **QUICK)
    cluster.start(consumers=1, executors=1)
    cluster.front.post("/api/v1/tasks:batch", [{"type": "log"}] * 1000)
    cluster.wait_all_ended(1000, 30)
    burst = [{"type": "log", "delay": "PT1S"}] * 40
    burst[20] = {"type": "shell", "delay": "PT1S", "shell": {"command": "true"}}
    cluster.front.post("/api/v1/tasks:batch", burst)
    wait_until(lambda: cluster.value("SELECT count(*) FROM task") == 1040, 10, "all are stored")
    cluster.wait_all_ended(1040, 20)
    cluster.wait_state(shell(cluster), "succeeded")
