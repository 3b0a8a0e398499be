/*
 * A Kafka for tests and for a look without Java: librdkafka's own mock cluster, served on loopback
 * to any process. It keeps what it holds in memory and drops the oldest beyond about 5 MB a
 * partition, so it is never used where a backlog counts.
 *
 *     mock_kafka [--brokers N] [--stay] [topic:partitions ...]
 *
 * Prints its bootstrap servers on one line, then obeys one command a line on stdin: "down 1", "up
 * 1" (a broker), "slow 1 500" (ms), "errors 0 7 3" (API key, error code, how often), "quit". It
 * lives until then, until stdin ends (not with --stay), or until SIGTERM. Its ports are chosen by
 * the kernel. Without topics it has those of a Rota with the default prefix.
 */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const char *const usual_topics[] = {
    "rota.commands:12",    "rota.events:3",    "rota.results:3",
    "rota.dead-letters:3", "scheduler-task:3",
};

static bool obey(rd_kafka_mock_cluster_t *cluster, const char *line)
{
    int first, second, times = 1;

    if (sscanf(line, "down %d", &first) == 1)
        rd_kafka_mock_broker_set_down(cluster, first);
    else if (sscanf(line, "up %d", &first) == 1)
        rd_kafka_mock_broker_set_up(cluster, first);
    else if (sscanf(line, "slow %d %d", &first, &second) == 2)
        rd_kafka_mock_broker_set_rtt(cluster, first, second);
    else if (sscanf(line, "errors %d %d %d", &first, &second, &times) >= 2)
        for (int i = 0; i < times; i++)
            rd_kafka_mock_push_request_errors(cluster, (int16_t)first, 1, second);
    else
        return strncmp(line, "quit", 4) != 0;
    return true;
}

static bool make_topic(rd_kafka_mock_cluster_t *cluster, const char *word, int brokers)
{
    char name[256];
    int partitions = 1;

    if (sscanf(word, "%255[^:]:%d", name, &partitions) < 1 || partitions < 1)
        return false;
    return !rd_kafka_mock_topic_create(cluster, name, partitions, brokers);
}

static bool make_topics(rd_kafka_mock_cluster_t *cluster, char **words, int count, int brokers)
{
    size_t usual = count ? 0 : sizeof usual_topics / sizeof *usual_topics;

    for (int i = 0; i < count; i++)
        if (!make_topic(cluster, words[i], brokers))
            return false;
    for (size_t i = 0; i < usual; i++)
        if (!make_topic(cluster, usual_topics[i], brokers))
            return false;
    return true;
}

/* Commands until one says quit, a signal comes, or stdin ends. */
static void serve(rd_kafka_mock_cluster_t *cluster, int signals, bool stay)
{
    struct pollfd sources[] = {{.fd = signals, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
    char line[100];

    setvbuf(stdin, NULL, _IONBF, 0); /* a line that is buffered would not show in poll */
    while (poll(sources, 2, -1) > 0 && !sources[0].revents) {
        if (fgets(line, sizeof line, stdin)) {
            if (!obey(cluster, line))
                return;
        } else if (stay) {
            sources[1].fd = -1;
        } else {
            return;
        }
    }
}

static int watch_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

int main(int count, char **words)
{
    int brokers = 1, signals = watch_signals();
    bool stay = false;
    char why[200];

    words++, count--;
    for (; count && !strncmp(*words, "--", 2); words++, count--) {
        if (!strcmp(*words, "--stay"))
            stay = true;
        else if (!strcmp(*words, "--brokers") && count > 1)
            brokers = atoi(*++words), count--;
        else
            return 2;
    }
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    /* It is a server: that it has no bootstrap servers is not worth a word. */
    rd_kafka_conf_set(conf, "log_level", "3", why, sizeof why);
    rd_kafka_t *kafka = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    rd_kafka_mock_cluster_t *cluster = kafka ? rd_kafka_mock_cluster_new(kafka, brokers) : NULL;

    if (!cluster || !make_topics(cluster, words, count, brokers))
        return 1;
    printf("%s\n", rd_kafka_mock_cluster_bootstraps(cluster));
    fflush(stdout);
    serve(cluster, signals, stay);
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(kafka);
    return 0;
}
