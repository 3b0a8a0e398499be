// db-scheduler by its page "Performance": executions are locked as they are fetched, far more at once than
// there are threads.

import com.github.kagkarlsson.scheduler.Scheduler;
import com.github.kagkarlsson.scheduler.SchedulerClient;
import com.github.kagkarlsson.scheduler.SchedulerName;
import com.github.kagkarlsson.scheduler.task.TaskInstance;
import com.github.kagkarlsson.scheduler.task.helper.OneTimeTask;
import com.github.kagkarlsson.scheduler.task.helper.Tasks;
import com.zaxxer.hikari.HikariDataSource;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import java.util.stream.Stream;

public class Peer {
    static final int THREADS = 100;
    static final double LOWER = 2.0;
    static final double UPPER = 6.0;
    static final int CONNECTIONS = 20;

    static final String[] SCHEMA = {
        """
        CREATE TABLE IF NOT EXISTS scheduled_tasks (
            task_name text NOT NULL,
            task_instance text NOT NULL,
            task_data bytea,
            execution_time timestamptz,
            picked boolean NOT NULL,
            picked_by text,
            last_success timestamptz,
            last_failure timestamptz,
            consecutive_failures int,
            last_heartbeat timestamptz,
            version bigint NOT NULL,
            priority smallint,
            state text,
            PRIMARY KEY (task_name, task_instance))
        """,
        "CREATE INDEX IF NOT EXISTS execution_time_idx ON scheduled_tasks (execution_time)",
        "CREATE INDEX IF NOT EXISTS last_heartbeat_idx ON scheduled_tasks (last_heartbeat)",
    };

    static final AtomicLong ran = new AtomicLong();
    static final OneTimeTask<String> noop = Tasks.oneTime("noop", String.class).execute((task, context) -> {
        if (ran.incrementAndGet() == 1) {
            say("first %.3f", System.currentTimeMillis() / 1e3);
        }
    });
    static long told;

    static void say(String format, Object... values) {
        System.out.println(format.formatted(values));
    }

    static void tell() {
        long now = ran.get();
        if (now != told) {
            told = now;
            say("ran %d", now);
        }
    }

    static HikariDataSource connect() {
        URI given = URI.create(System.getenv("DATABASE_URL"));
        String[] user = given.getUserInfo().split(":", 2);
        HikariDataSource source = new HikariDataSource();
        source.setJdbcUrl("jdbc:postgresql://%s:%d%s?reWriteBatchedInserts=true"
                .formatted(given.getHost(), given.getPort(), given.getPath()));
        source.setUsername(user[0]);
        source.setPassword(user[1]);
        source.setMaximumPoolSize(CONNECTIONS);
        return source;
    }

    static void fill(int count) throws Exception {
        try (HikariDataSource source = connect()) {
            try (var connection = source.getConnection(); var statement = connection.createStatement()) {
                for (String sql : SCHEMA) {
                    statement.execute(sql);
                }
            }
            Stream<TaskInstance<?>> all = IntStream.range(0, count)
                    .mapToObj(number -> noop.instance(Integer.toString(number), "{\"hello\": \"world\"}"));
            SchedulerClient.Builder.create(source, noop).build().scheduleBatch(all, Instant.now());
        }
    }

    static void work() {
        Scheduler scheduler = Scheduler.create(connect(), noop)
                .schedulerName(new SchedulerName.Fixed("peer " + ProcessHandle.current().pid()))
                .threads(THREADS)
                .pollUsingLockAndFetch(LOWER, UPPER)
                .pollingInterval(Duration.ofMillis(100))
                .build();
        scheduler.start();
        var telling = Executors.newSingleThreadScheduledExecutor();
        telling.scheduleWithFixedDelay(Peer::tell, 10, 10, TimeUnit.MILLISECONDS);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            scheduler.stop();
            telling.shutdown();
            say("ran %d", ran.get());
        }));
    }

    public static void main(String[] arguments) throws Exception {
        if (arguments[0].equals("fill")) {
            fill(Integer.parseInt(arguments[1]));
        } else {
            work();
        }
    }
}
