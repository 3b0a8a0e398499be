/*
 * The guardian with a real executor process under it: this same program, started by the guardian
 * as it would start the executor. That process runs commands through child.c, and is then killed,
 * frozen, or loses its guardian. Afterwards nothing of what it started may be left.
 *
 * Each test has a mark (ROTA_NODE=...) in the environment of all its commands; the processes that
 * carry it are counted through /proc.
 */
#include "tests/unit/unit.h"

#include "common/clock.h"
#include "common/mem.h"
#include "executor/child.h"
#include "executor/guardian.h"
#include "executor/kin.h"
#include "executor/leash.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_US INT64_C(15000000)

/* A leader, a child of it in its group, and one that has left session, group and parent. */
#define FAMILY                                                                                     \
    "sleep 1000 & (setsid sleep 1001 >/dev/null 2>&1 </dev/null &) ; setsid -f sleep 1002 "        \
    ">/dev/null 2>&1 </dev/null; trap '' TERM; echo ready; wait; sleep 1003"

static char launcher[8192], own_path[4096];

/* --- The executor under test ----------------------------------------------------------------- */

static struct {
    sd_event *loop;
    struct leash *leash;
    struct child *child;
    char mark[64];
} proper;

static void on_child_end(void *data, const struct child_end *end)
{
    (void)data;
    proper.child = NULL;
    sd_event_exit(proper.loop, end->code == 0 ? 0 : 4);
}

static void on_stop(void *data)
{
    (void)data;
    if (proper.child)
        child_stop(proper.child, 200);
    else
        sd_event_exit(proper.loop, 0);
}

static int sweep_again(sd_event_source *source, void *data)
{
    (void)source, (void)data;
    if (kin_kill(getpid(), proper.mark) == 0)
        _exit(3);
    return 0;
}

static void on_guardian_gone(void *data)
{
    sd_event_source *sweep;

    (void)data;
    child_stop(proper.child, 0);
    sd_event_add_defer(proper.loop, &sweep, sweep_again, NULL);
    sd_event_source_set_enabled(sweep, SD_EVENT_ON);
}

static void note_life(const char *folder, const char *former)
{
    char path[4200], line[128];

    snprintf(path, sizeof path, "%s/lives", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    snprintf(line, sizeof line, "%d %s\n", (int)getpid(), former);
    assert_int_equal(write(fd, line, strlen(line)), strlen(line));
    close(fd);
}

/* proper <mark> <folder> <lease in ms, 0: none> <command> */
static int run_proper(int fd, const char *former, char **arguments)
{
    const struct leash_owner owner = {.stop = on_stop, .gone = on_guardian_gone};
    char *const command[] = {(char[]){"sh"}, (char[]){"-c"}, arguments[3], NULL};
    char *const environment[] = {(char[]){"PATH=/usr/bin:/bin"}, proper.mark, NULL};
    const struct child_settings settings = {.launcher = launcher,
                                            .arguments = command,
                                            .environment = environment,
                                            .directory = "",
                                            .output_most = 1024};
    struct uuid node = uuid_random();
    struct fault fault;
    int64_t lease_ms = atoll(arguments[2]);

    snprintf(proper.mark, sizeof proper.mark, "ROTA_NODE=%s", arguments[0]);
    sd_event_default(&proper.loop);
    if (!leash_open(&proper.leash, proper.loop, fd, &owner, &fault))
        return 1;
    leash_node(proper.leash, &node);
    if (lease_ms)
        leash_deadline(proper.leash, clock_boot_us() + lease_ms * 1000);
    /* A second life only says that it lives. */
    if (!*former && !child_start(&proper.child, proper.loop, proper.leash, &settings, on_child_end,
                                 NULL, &fault))
        return 1;
    note_life(arguments[1], former);
    return sd_event_loop(proper.loop);
}

/* --- The test's side ------------------------------------------------------------------------- */

struct scene {
    char mark[64], folder[64];
    pid_t guardian;
};

static int marked(const struct scene *scene)
{
    DIR *folder = opendir("/proc");
    struct dirent *entry;
    char path[300], text[8192], wanted[80];
    int count = 0;

    snprintf(wanted, sizeof wanted, "ROTA_NODE=%s", scene->mark);
    while ((entry = readdir(folder))) {
        snprintf(path, sizeof path, "/proc/%s/environ", entry->d_name);
        int fd = atoi(entry->d_name) > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        ssize_t size = fd < 0 ? 0 : read(fd, text, sizeof text);
        count += size > 0 && memmem(text, (size_t)size, wanted, strlen(wanted));
        if (fd >= 0)
            close(fd);
    }
    closedir(folder);
    return count;
}

/* Lives of the executor so far; *pid is the last one's, `former` what it was told. */
static int lives(const struct scene *scene, pid_t *pid, char former[static 64])
{
    char path[128], line[128];
    int count = 0;

    snprintf(path, sizeof path, "%s/lives", scene->folder);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) {
        count++;
        *former = '\0';
        sscanf(line, "%d %63s", pid, former);
    }
    if (file)
        fclose(file);
    return count;
}

#define EVENTUALLY(condition)                                                                      \
    do {                                                                                           \
        int64_t until_us = clock_boot_us() + PATIENCE_US;                                          \
        bool met;                                                                                  \
        while (!(met = (condition)) && clock_boot_us() < until_us)                                 \
            poll(NULL, 0, 5);                                                                      \
        assert_true(met);                                                                          \
    } while (0)

static void open_scene(struct scene *scene, const char *lease_ms, const char *command)
{
    static int number;

    snprintf(scene->mark, sizeof scene->mark, "test-%d-%d", (int)getpid(), ++number);
    snprintf(scene->folder, sizeof scene->folder, "/tmp/rota-guardian.XXXXXX");
    assert_non_null(mkdtemp(scene->folder));
    fflush(NULL);
    scene->guardian = fork();
    assert_true(scene->guardian >= 0);
    if (scene->guardian == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl(own_path, own_path, "guardian", scene->mark, scene->folder, lease_ms, command, NULL);
        _exit(127);
    }
}

static int status_of(struct scene *scene)
{
    int status = -1;
    pid_t ended = 0;

    EVENTUALLY((ended = waitpid(scene->guardian, &status, WNOHANG)) == scene->guardian);
    scene->guardian = 0;
    return status;
}

static void close_scene(struct scene *scene)
{
    char command[128];

    if (scene->guardian) {
        kill(scene->guardian, SIGTERM);
        status_of(scene);
    }
    EVENTUALLY(marked(scene) == 0);
    snprintf(command, sizeof command, "rm -r %s", scene->folder);
    assert_int_equal(system(command), 0);
}

/* --- Tests ----------------------------------------------------------------------------------- */

static void kills_all_when_the_executor_is_killed(void **state)
{
    struct scene scene = {0};
    pid_t first, second;
    char former[64];

    (void)state;
    open_scene(&scene, "0", FAMILY);
    EVENTUALLY(marked(&scene) == 4);
    EVENTUALLY(lives(&scene, &first, former) == 1);
    assert_string_equal(former, "");
    kill(first, SIGKILL);
    EVENTUALLY(lives(&scene, &second, former) == 2);
    /* The next incarnation starts only when nothing of the former is left. */
    assert_int_equal(marked(&scene), 0);
    assert_int_not_equal(first, second);
    assert_int_equal(strlen(former), strlen(GUARDIAN_FORMER) + UUID_TEXT - 1);
    close_scene(&scene);
}

static void kills_all_when_a_frozen_executor_passes_its_deadline(void **state)
{
    struct scene scene = {0};
    pid_t first, second;
    char former[64];

    (void)state;
    open_scene(&scene, "1500", FAMILY);
    EVENTUALLY(marked(&scene) == 4);
    EVENTUALLY(lives(&scene, &first, former) == 1);
    kill(first, SIGSTOP);
    EVENTUALLY(lives(&scene, &second, former) == 2);
    assert_int_equal(marked(&scene), 0);
    assert_int_equal(kill(first, 0), -1);
    close_scene(&scene);
}

static void the_executor_ends_all_when_its_guardian_is_killed(void **state)
{
    struct scene scene = {0};
    pid_t first;
    char former[64];

    (void)state;
    open_scene(&scene, "0", FAMILY);
    EVENTUALLY(marked(&scene) == 4);
    EVENTUALLY(lives(&scene, &first, former) == 1);
    kill(scene.guardian, SIGKILL);
    assert_true(WIFSIGNALED(status_of(&scene)));
    EVENTUALLY(marked(&scene) == 0);
    /* Whoever adopts it here may not reap it: a zombie acts no more. */
    EVENTUALLY(kill(first, 0) < 0 || marked(&scene) == 0);
    close_scene(&scene);
}

static void a_clean_stop_is_passed_on_and_ends_the_guardian(void **state)
{
    struct scene scene = {0};

    (void)state;
    open_scene(&scene, "0", "trap 'exit 0' TERM; echo; sleep 1000 & wait");
    EVENTUALLY(marked(&scene) == 2);
    kill(scene.guardian, SIGTERM);
    int status = status_of(&scene);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(marked(&scene), 0);
    close_scene(&scene);
}

static void what_a_clean_end_leaves_behind_is_killed(void **state)
{
    struct scene scene = {0};

    (void)state;
    open_scene(&scene, "0", "setsid -f sleep 1002 >/dev/null 2>&1 </dev/null; exit 0");
    assert_int_equal(status_of(&scene), 0);
    assert_int_equal(marked(&scene), 0);
    close_scene(&scene);
}

static int run_as(int count, char **arguments)
{
    int fd;

    if (sscanf(arguments[1], GUARDIAN_FLAG "%d", &fd) == 1) {
        const char *former = strncmp(arguments[2], "--former=", 9) ? "" : arguments[2];

        return run_proper(fd, former, arguments + (*former ? 4 : 3));
    }
    return guardian_run(count, arguments);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kills_all_when_the_executor_is_killed),
        cmocka_unit_test(kills_all_when_a_frozen_executor_passes_its_deadline),
        cmocka_unit_test(the_executor_ends_all_when_its_guardian_is_killed),
        cmocka_unit_test(a_clean_stop_is_passed_on_and_ends_the_guardian),
        cmocka_unit_test(what_a_clean_end_leaves_behind_is_killed),
    };

    /* In the build folder: tests/<this> and executor/rota-launch. */
    if (readlink("/proc/self/exe", own_path, sizeof own_path - 1) <= 0)
        return 1;
    snprintf(launcher, sizeof launcher, "%s", own_path);
    snprintf(strrchr(launcher, '/'), sizeof launcher / 2, "/../executor/rota-launch");
    if (count > 1)
        return run_as(count, arguments);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
