#include "executor/leash.h"

#include "common/mem.h"
#include "executor/guardian.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* A question about a group, from the call until the guardian's echo. */
struct question {
    struct question *next;
    struct guardian_note note;
    leash_reply *reply;
    void *data;
};

struct leash {
    int fd;
    bool ended;
    struct leash_owner owner;
    sd_event_source *readable, *death;
    struct question *first, **end; /* in the order of their echoes */
    struct question **unsent;      /* the first that was not sent yet */
    int open;                      /* sent and without an echo */
};

static void lose(struct leash *leash)
{
    if (leash->ended)
        return;
    leash->ended = true;
    sd_event_source_set_enabled(leash->readable, SD_EVENT_OFF);
    leash->owner.gone(leash->owner.data);
}

static bool say(struct leash *leash, const struct guardian_note *note)
{
    return !leash->ended &&
           send(leash->fd, note, sizeof *note, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof *note;
}

/* Never more than the guardian's buffer holds: the rest waits for echoes. */
static void send_questions(struct leash *leash)
{
    while (*leash->unsent && leash->open < GUARDIAN_OPEN_MOST &&
           say(leash, &(*leash->unsent)->note)) {
        leash->unsent = &(*leash->unsent)->next;
        leash->open++;
    }
}

static void take_echo(struct leash *leash, const struct guardian_note *note)
{
    struct question *question = leash->first;

    if (!question || leash->unsent == &leash->first || question->note.group != note->group)
        return;
    leash->first = question->next;
    if (!leash->first)
        leash->end = &leash->first;
    if (leash->unsent == &question->next)
        leash->unsent = &leash->first;
    leash->open--;
    question->reply(question->data);
    free(question);
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *data)
{
    struct leash *leash = data;
    struct guardian_note note;
    ssize_t size;

    (void)source, (void)events;
    while ((size = recv(fd, &note, sizeof note, MSG_DONTWAIT)) == (ssize_t)sizeof note) {
        if (note.say == GUARDIAN_STOP)
            leash->owner.stop(leash->owner.data);
        else
            take_echo(leash, &note);
    }
    if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR))
        lose(leash);
    else
        send_questions(leash);
    return 0;
}

static int on_death(sd_event_source *source, const struct signalfd_siginfo *info, void *data)
{
    (void)source, (void)info;
    lose(data);
    return 0;
}

bool leash_open(struct leash **ret, sd_event *loop, int fd, const struct leash_owner *owner,
                struct fault *fault)
{
    struct leash *leash = mem_new(struct leash, .fd = fd, .owner = *owner);
    sigset_t death;
    int error;

    leash->end = leash->unsent = &leash->first;
    sigemptyset(&death);
    sigaddset(&death, GUARDIAN_GONE_SIGNAL);
    pthread_sigmask(SIG_BLOCK, &death, NULL);
    error = sd_event_add_io(loop, &leash->readable, fd, EPOLLIN, on_readable, leash);
    if (error >= 0)
        error = sd_event_add_signal(loop, &leash->death, GUARDIAN_GONE_SIGNAL, on_death, leash);
    if (error < 0) {
        leash_close(leash);
        return fault_set(fault, FAULT_BROKEN, "line to the guardian: %s", strerror(-error));
    }
    /* Before the work of the loop: what it says decides what may go on. */
    sd_event_source_set_priority(leash->readable, SD_EVENT_PRIORITY_IMPORTANT);
    sd_event_source_set_priority(leash->death, SD_EVENT_PRIORITY_IMPORTANT);
    *ret = leash;
    return true;
}

void leash_close(struct leash *leash)
{
    struct question *next;

    if (!leash)
        return;
    sd_event_source_disable_unref(leash->readable);
    sd_event_source_disable_unref(leash->death);
    for (struct question *question = leash->first; question; question = next) {
        next = question->next;
        free(question);
    }
    close(leash->fd);
    free(leash);
}

void leash_node(struct leash *leash, const struct uuid *node)
{
    say(leash, &(struct guardian_note){.say = GUARDIAN_NODE, .node = *node});
}

void leash_deadline(struct leash *leash, int64_t boot_us)
{
    say(leash, &(struct guardian_note){.say = GUARDIAN_DEADLINE, .deadline_us = boot_us});
}

void leash_stopped(struct leash *leash)
{
    say(leash, &(struct guardian_note){.say = GUARDIAN_STOPPED});
}

static void ask(struct leash *leash, enum guardian_say what, pid_t group, leash_reply *reply,
                void *data)
{
    struct question *question = mem_new(struct question, .note = {.say = what, .group = group},
                                        .reply = reply, .data = data);

    *leash->end = question;
    leash->end = &question->next;
    send_questions(leash);
}

void leash_add(struct leash *leash, pid_t group, leash_reply *reply, void *data)
{
    ask(leash, GUARDIAN_ADD, group, reply, data);
}

void leash_forget(struct leash *leash, pid_t group, leash_reply *reply, void *data)
{
    ask(leash, GUARDIAN_FORGET, group, reply, data);
}
