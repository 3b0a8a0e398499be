/*
 * Fault points: places where timing decides, by name. In a build with -Dfault_points=true a test
 * can stop or kill a process exactly there; in any other build a point is nothing, and the programs
 * do not hold its name.
 *
 * A process looks at each point for the file that FAULT_POINT names. Where that file says
 *
 *     dispatch.committed=kill
 *
 * the process that passes this point renames the file to FILE.reached, writes its number there and
 * kills itself; with =stop it stops itself until it is sent SIGCONT; with =kill@3 it does so when
 * it passes for the third time. So a point can be set at any time, on one node, and strikes once.
 *
 * `sending` is right before a statement goes out, `committed` is when its answer is here and
 * nothing has been made of it. Each name below must be used by tests/e2e/test_points.py.
 */
#pragma once

/* producer */
#define POINT_ACCEPT_SENT "accept.sent"           /* handed to Kafka's client, no report yet */
#define POINT_ACCEPT_DELIVERED "accept.delivered" /* Kafka has it, the caller has no answer */

/* consumer: commands become rows */
#define POINT_CLAIM_SENDING "claim.sending"     /* first record of a partition: its offset's row */
#define POINT_CLAIM_COMMITTED "claim.committed" /* that row is there */
#define POINT_STORE_SENDING "store.sending"     /* a batch and its offsets */
#define POINT_STORE_COMMITTED "store.committed" /* they are stored */
#define POINT_CANCEL_ENDED "cancel.ended"       /* a waiting task was ended */
#define POINT_CANCEL_BETWEEN "cancel.between"   /* it did not wait; its attempt is not asked yet */
#define POINT_CANCEL_ASKED "cancel.asked"       /* the open attempt was asked to end */
#define POINT_EDIT_READ "edit.read"             /* a schedule was read, its change is not written */
#define POINT_REDRIVE_COMMITTED "redrive.committed" /* it waits again, the offset is not moved */
#define POINT_BOUNDS_COMMITTED "bounds.committed"   /* a queue is changed, likewise */
#define POINT_EDIT_COMMITTED "edit.committed"       /* it is changed, the offset is not moved */
#define POINT_CANCEL_MISSED "cancel.missed" /* no open attempt either; not looked again yet */

/* consumer: the lease */
#define POINT_TAKE_SENDING "take.sending"
#define POINT_TAKE_COMMITTED "take.committed" /* taken: the term has not begun here */
#define POINT_RENEW_SENDING "renew.sending"
#define POINT_RENEW_COMMITTED "renew.committed"
#define POINT_RELEASE_SENDING "release.sending" /* its term has ended, the lease is not free */
#define POINT_RELEASE_COMMITTED "release.committed"

/* consumer: what only a master may write */
#define POINT_DISPATCH_SENDING "dispatch.sending"
#define POINT_DISPATCH_COMMITTED "dispatch.committed" /* assigned, no executor was woken */
#define POINT_PLAN_SENDING "plan.sending"             /* fires are to be decided */
#define POINT_PLAN_COMMITTED "plan.committed"         /* they are, dispatch does not know */
#define POINT_MARK_SENDING "mark.sending"             /* silent nodes are to be marked dead */
#define POINT_MARK_COMMITTED "mark.committed"         /* dead, and not swept */
#define POINT_RECOVER_SENDING "recover.sending"
#define POINT_RECOVER_COMMITTED "recover.committed" /* something came back, nobody was told */
#define POINT_RETIRE_SENDING "retire.sending"       /* a dead executor need not be swept again */
#define POINT_RETAIN_SENDING "retain.sending"
#define POINT_RETAIN_COMMITTED "retain.committed"
#define POINT_LETTER_DELIVERED "letter.delivered" /* in the topic, not marked as published */
#define POINT_LETTER_MARKED "letter.marked"

/* executor */
#define POINT_JOIN_COMMITTED "join.committed"     /* it has its row; its guardian does not know */
#define POINT_BEAT_COMMITTED "beat.committed"     /* the lease is longer, the deadlines are not */
#define POINT_FORMER_SENDING "former.sending"     /* the former incarnation is to be marked dead */
#define POINT_FORMER_COMMITTED "former.committed" /* it is */
#define POINT_INBOX_SENDING "inbox.sending"       /* what is assigned is not read */
#define POINT_INBOX_READ "inbox.read"             /* read, nothing of it was started */
#define POINT_START_SENDING "start.sending"
#define POINT_START_COMMITTED "start.committed" /* on_lost=fail: it may run, and does not yet */
#define POINT_SPAWN_FORKED "spawn.forked"       /* a child waits; the guardian does not know it */
#define POINT_SPAWN_KNOWN "spawn.known"         /* it does, and the child still waits */
#define POINT_FINISH_SENDING "finish.sending"   /* ended or handed back, not reported */
#define POINT_FINISH_COMMITTED "finish.committed"
#define POINT_LEAVE_COMMITTED "leave.committed" /* signed off */

/* guardian */
#define POINT_GUARDIAN_HEARD "guardian.heard"     /* it knows a group and has not said so */
#define POINT_GUARDIAN_EMPTIED "guardian.emptied" /* all is gone, no new executor yet */

#ifdef ROTA_FAULT_POINTS
void point_pass(const char *name, int *passings);

#define POINT(name)                                                                                \
    do {                                                                                           \
        static int passings;                                                                       \
        point_pass(POINT_##name, &passings);                                                       \
    } while (0)
#else
#define POINT(name) ((void)0)
#endif
