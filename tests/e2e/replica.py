"""A primary and its streaming standby, for stories in which PostgreSQL fails over.

`Pair` stands where a `Cluster` expects `Servers`: its url names both servers, as an operator would
write it; Kafka is that of the run. The standby is cut off at a known moment, so that it lacks what
was committed afterwards, and the former primary is killed whole before the standby is promoted.

Nothing here knows of Rota but the names of the databases.
"""

import os
import pathlib
import shutil
import signal
import tempfile

from cluster import Server, family, is_alive, run_sql, wait_until


class Standby(Server):
    """A streaming copy of another `Server` of PostgreSQL, made when it starts for the first time."""

    def __init__(self, folder, primary):
        super().__init__("postgres", folder)
        self.primary = primary

    def copy(self):
        self.run("replica", self.primary.folder, self.port)


class Pair:
    def __init__(self, servers, synchronous=False):
        self.kafka, self.brokers = servers.kafka, servers.brokers
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pair-", dir=servers.folder))
        self.folder.chmod(0o711)
        self.postgres = Server("postgres", self.folder / "primary")
        self.standby = Standby(self.folder / "standby", self.postgres)
        self.synchronous = synchronous

    def start(self):
        self.postgres.start()
        self.standby.copy()
        self.wait_streaming()
        if self.synchronous:
            # After the copy: the promoted standby must not wait for one of its own.
            self.ask(self.postgres, "ALTER SYSTEM SET synchronous_standby_names = '*'")
            self.ask(self.postgres, "SELECT pg_reload_conf()")
            wait_until(lambda: self.ask(self.postgres, "SELECT 1 FROM pg_stat_replication"
                                        " WHERE sync_state = 'sync'"), 20, "a synchronous standby")
        return self

    def close(self):
        for server in (self.standby, self.postgres):
            self.resume(server)
            server.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def address(self, server):
        """user and password, then host and port, of one server."""
        url = (server.folder / "url").read_text().strip()
        return url.partition("://")[2].rpartition("/")[0].split("@")

    def url(self, database):
        user, first = self.address(self.postgres)
        return (f"postgresql://{user}@{first},127.0.0.1:{self.standby.port}/{database}"
                "?target_session_attrs=read-write")

    def ask(self, server, statement, *arguments, database="postgres"):
        """Of one server alone, whichever it is by now."""
        user, host = self.address(server)
        return run_sql(f"postgresql://{user}@{host}/{database}", statement, arguments)

    # The standby.

    def wait_streaming(self):
        wait_until(lambda: self.ask(self.standby, "SELECT 1 FROM pg_stat_wal_receiver"
                                    " WHERE status = 'streaming'"), 20, "the standby streams")

    def wait_caught_up(self):
        """Until the standby shows everything that is committed on the primary now."""
        place = self.ask(self.postgres, "SELECT pg_current_wal_lsn()::text")[0][0]
        wait_until(lambda: self.ask(self.standby, "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn",
                                    place)[0][0], 20, f"the standby has replayed up to {place}")

    def cut(self):
        """From here on the standby gets nothing. What is committed before has arrived."""
        self.wait_caught_up()
        self.ask(self.standby, "ALTER SYSTEM SET primary_conninfo = ''")
        self.ask(self.standby, "SELECT pg_reload_conf()")
        wait_until(lambda: not self.ask(self.standby, "SELECT 1 FROM pg_stat_wal_receiver"), 20,
                   "the standby is cut off")

    def promote(self):
        self.ask(self.standby, "SELECT pg_promote()")
        wait_until(lambda: self.ask(self.standby, "SELECT NOT pg_is_in_recovery()")[0][0], 30,
                   "the standby is promoted")

    # The primary's end.

    def kill(self):
        """All processes of the primary at once, as a machine that loses its power."""
        pids = family(self.postgres.pid)
        for pid in pids:
            signal_if_alive(pid, signal.SIGKILL)
        for pid in pids:
            wait_until(lambda: not is_alive(pid), 10, f"process {pid} has ended")

    def fail_over(self):
        self.kill()
        self.promote()

    @staticmethod
    def resume(server):
        """A server that a test has frozen cannot be stopped."""
        try:
            for pid in family(server.pid):
                signal_if_alive(pid, signal.SIGCONT)
        except FileNotFoundError:
            pass


def signal_if_alive(pid, number):
    try:
        if is_alive(pid):
            os.kill(pid, number)
    except ProcessLookupError:
        pass


def timeline_epoch(timeline):
    """The least epoch of a master on that timeline."""
    return timeline << 20
