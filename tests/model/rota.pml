/*
 * The protocol of Rota: the master's lease, dispatch, the executor's lease, start, finish and
 * recovery, for two masters, two executors (and the incarnation that comes after one of them) and
 * two tasks. docs/protocol.md tells it in words and says what stands here and what does not.
 *
 * One process of this model is one party, and one option of its loop is one step of it. A step is
 * atomic, as a statement is that takes its rows and commits. Dispatch takes two steps, since it
 * holds locks in between. Everything may happen between two steps, so a party that is paused needs
 * no word of its own: it is one that takes no step for a while. What a party has sent commits when
 * it likes, also when the party has long ended, been deposed or lost the connection.
 *
 * Time is in here as what it allows. A node is `silent` when its heartbeat is older than a whole
 * lease, both by the database and by the wait of the master itself. clock.pml shows that an executor
 * has stopped by then, and that is the guard of `silence` below.
 *
 * ONCE makes the tasks on_lost=fail, FAILOVER lets the database lose a dispatch once, ONE_TASK takes
 * the second task away, FAULTS is how many things may go wrong. Each macro that begins with another
 * word breaks the protocol in one place; run.sh names them, and what each one breaks.
 */
#ifndef FAULTS
#define FAULTS 2
#endif

#define MASTERS 2
#define NODES 3
#define TASKS 2
#define TRIES 4 /* handings of one task, and `room` is the promise that they suffice */
#define HANDINGS 8

#define TASK_OF(h) ((h) / TRIES)
#define NUMBER_OF(h) ((h) % TRIES)
#define NOBODY 3

/* --- Who is told apart, as options of a loop ---------------------------------------------------- */

#define EACH_HANDING(step)                                                                         \
    :: step(0) :: step(1) :: step(2) :: step(3) :: step(4) :: step(5) :: step(6) :: step(7)
#define EACH_NODE(step) :: step(0) :: step(1) :: step(2)
#define EACH_SLOT(step) :: step(0) :: step(1) :: step(2)
#define EACH_PAIR(step, m)                                                                         \
    :: step(m, 0, 0) :: step(m, 0, 1) :: step(m, 0, 2)                                             \
    :: step(m, 1, 0) :: step(m, 1, 1) :: step(m, 1, 2)

/* --- What the database knows -------------------------------------------------------------------- */

/* The row of `master`. Expired: by the database's clock, and not renewed. */
byte owner = 1; /* the master + 1 */
byte epoch = 1;
bool expired;

/* The rows of `node`, and whether a sweep of a dead one has gone through. */
bool dead[NODES];
bool silent[NODES];
bool swept[NODES];

/* A task waits (a row of `due`), or has ended. */
bool due[TASKS] = true;
bool ended[TASKS];
byte handed[TASKS]; /* rows of `attempt` */

/* Rows of `attempt`: handing h is number h % TRIES of task h / TRIES. */
byte who[HANDINGS] = NOBODY;
bool open[HANDINGS]; /* outcome is null */
bool started[HANDINGS];

/* The inbox number is (epoch, n), n in the order of commits: the epoch until it is read. */
byte number[HANDINGS];

/*
 * Statements of masters: slot m is the connection of master m, slot 2 what one of them left behind
 * with a connection that it lost. LOCKED holds the lease FOR SHARE and the node FOR KEY SHARE.
 */
#define SLOTS 3
#define LEFT_BEHIND 2
mtype = {NOTHING, DISPATCH, LOCKED, MARK, WAITING, SWEEP};
mtype slot_says[SLOTS] = NOTHING;
byte slot_task[SLOTS];
byte slot_node[SLOTS];
byte slot_epoch[SLOTS];
byte left_by; /* whose slot 2 is */

#define MASTER_OF(s) ((s) == LEFT_BEHIND -> left_by : (s))

/* --- What the parties know ---------------------------------------------------------------------- */

byte term[MASTERS] = 0; /* the epoch in which it believes itself master, 0: not */

/* JOINED has its row and may read; it may start only when a heartbeat was confirmed: HOLDS. */
mtype = {ABSENT, JOINED, HOLDS, DRAINING, ENDED};
mtype life[NODES] = ABSENT;
byte read_upto[NODES]; /* the epoch of the last number read */
bool late_beat[NODES]; /* a heartbeat of an ended executor is still on its way */

/* An executor's own view of a handing. OK and BACK are reports on their way, or to be repeated. */
mtype = {NONE, ASSIGNED, READ, ASKING, RUNNING, OK, BACK, OVER};
mtype stage[HANDINGS] = NONE;
bool start_sent[HANDINGS]; /* a start written in the background is on its way */

byte faults = FAULTS; /* that may still happen */
bool drained;         /* one executor does, at most */

/* Tasks are alike, and executors: the first that a master names is called 0, if 0 is there. */
bool task_named, node_named;

/* --- For the promises --------------------------------------------------------------------------- */

bool ran[HANDINGS];
bool ran_once[TASKS];
bool accepted[HANDINGS];
bool lost_by_failover[HANDINGS];
bool owed[TASKS]; /* RETRY_APART: the row that is still to be written */
bool seen_open[HANDINGS]; /* MARK_AND_SWEEP: a snapshot */
bool failed_over;

byte i, j, n; /* within one step: 0 between steps */

/* Each is a name in the output of a search that found it broken. */
bool one_run_an_attempt = true, one_attempt_at_a_time = true, started_at_most_once = true,
     finish_accepted_once = true, finish_is_of_its_attempt = true, due_or_open_or_ended = true,
     stopped_before_taken_away = true, numbers_suffice = true, every_task_ends = true;

inline promise(name, holds)
{
    name = (holds);
    assert(name)
}

/* Proof that the search comes to see the hard cases: broken where SIGHT is that number. */
#define LATE_DISPATCH 1
#define LATE_FINISH 2
#define LATE_START 3
#define LOST_RUN 4
#define LOST_UNREAD 5
#ifdef SIGHT
bool nothing_to_see = true;
inline sight(which) { promise(nothing_to_see, which != SIGHT) }
#else
inline sight(which) { skip }
#endif

/* The invariant, asked after every commit that touches it. */
#ifdef NO_INVARIANT
inline exactly_one(t) { skip } /* what comes of it is asked */
#else
inline exactly_one(t)
{
    n = due[t] + ended[t];
    for (j : 0 .. TRIES - 1) {
        n = n + open[t * TRIES + j]
    }
    promise(due_or_open_or_ended, n == 1);
    n = 0;
    j = 0
}
#endif

/* What nobody looks at any more gets one look, so that fewer states differ. */
inline tidy(h)
{
    if
    :: stage[h] == OVER && !open[h] ->
        who[h] = NOBODY;
        number[h] = 0;
        started[h] = false;
        start_sent[h] = false;
        ran[h] = false;
        accepted[h] = false
    :: else
    fi
}

inline over(h)
{
    stage[h] = OVER;
    tidy(h)
}

/* What nobody asks of a dead node is forgotten. */
inline bury(x)
{
    dead[x] = true;
    silent[x] = false;
    late_beat[x] = false
}

/* --- Masters ------------------------------------------------------------------------------------ */

#define IS_LOCKED (slot_says[0] == LOCKED || slot_says[1] == LOCKED || slot_says[2] == LOCKED)
#define HOLDS_NODE(s, x) (slot_says[s] == LOCKED && slot_node[s] == x)
#define NODE_IS_LOCKED(x) (HOLDS_NODE(0, x) || HOLDS_NODE(1, x) || HOLDS_NODE(2, x))
#define MAY_SEND(m) (term[m] != 0 && slot_says[m] == NOTHING)
#define LIVES(x) (life[x] == JOINED || life[x] == HOLDS || life[x] == DRAINING)

inline send(m, what, t, x)
{
    slot_says[m] = what;
    slot_task[m] = t;
    slot_node[m] = x;
    slot_epoch[m] = term[m]
}

inline clear(s)
{
    if
    :: (s) == LEFT_BEHIND -> left_by = 0
    :: else
    fi;
    slot_says[s] = NOTHING;
    slot_task[s] = 0;
    slot_node[s] = 0;
    slot_epoch[s] = 0
}

/* master_take.sql: waits for whoever holds the row FOR SHARE. */
inline take(m)
{
    d_step {
        term[m] == 0 && (owner == 0 || owner == m + 1 || expired) && !IS_LOCKED ->
        owner = m + 1;
        epoch++;
        expired = false;
        term[m] = epoch;
        printf("master %d takes the lease, epoch %d\n", m, epoch)
    }
}

/* The local deadline, or a renewal that finds no row. */
inline notice(m)
{
    d_step {
        term[m] != 0 && (owner != m + 1 || epoch != term[m] || expired) ->
        term[m] = 0;
        forget_owed(m);
        printf("master %d finds that its term is over\n", m)
    }
}

/*
 * A crash, or doubt after a lost connection: it is not master any more, and the statement under way
 * stays behind, to commit whenever it likes. (That it never does is no different from a crash before
 * it was sent. One that was left behind before makes room, unless it holds its locks.)
 */
inline lose(m)
{
    d_step {
        faults > 0 && term[m] != 0 && slot_says[LEFT_BEHIND] != LOCKED ->
        faults--;
        term[m] = 0;
        forget_owed(m);
        slot_says[LEFT_BEHIND] = slot_says[m];
        slot_task[LEFT_BEHIND] = slot_task[m];
        slot_node[LEFT_BEHIND] = slot_node[m];
        slot_epoch[LEFT_BEHIND] = slot_epoch[m];
        left_by = (slot_says[m] != NOTHING -> m : 0);
        clear(m);
        printf("master %d crashes or loses its connection\n", m)
    }
}

inline forget_owed(m)
{
    for (j : 0 .. TASKS - 1) {
        if
        :: owed[j] && owner == m + 1 -> owed[j] = false
        :: else
        fi
    };
    j = 0
}

/*
 * What it knows of the executors may have changed when the statement is carried out. It may also be
 * old already: that costs a fault, since it could go on for ever.
 */
inline send_dispatch(m, t, x)
{
    d_step {
        MAY_SEND(m) && due[t] && life[x] != ABSENT && ((!dead[x] && !silent[x]) || faults > 0) &&
        (t != 1 || task_named) && (x != 1 || node_named || dead[0]) ->
        faults = faults - (dead[x] || silent[x]);
        task_named = true;
        node_named = node_named || x == 0;
        send(m, DISPATCH, t, x);
        printf("master %d sends: dispatch task %d to executor %d (epoch %d)\n", m, t, x, term[m])
    }
}

#ifdef NODE_CLOCK
#define SEEMS_SILENT(x) (life[x] != ABSENT)
#else
#define SEEMS_SILENT(x) silent[x]
#endif

inline send_mark(m, x)
{
    d_step {
        MAY_SEND(m) && SEEMS_SILENT(x) && !dead[x] ->
        send(m, MARK, 0, x);
        printf("master %d sends: mark executor %d dead\n", m, x)
    }
}

#define HAS_OPEN_AT(h, x) (open[h] && who[h] == x)
#define HAS_OPEN(x)                                                                                \
    (HAS_OPEN_AT(0, x) || HAS_OPEN_AT(1, x) || HAS_OPEN_AT(2, x) || HAS_OPEN_AT(3, x) ||           \
     HAS_OPEN_AT(4, x) || HAS_OPEN_AT(5, x) || HAS_OPEN_AT(6, x) || HAS_OPEN_AT(7, x))

/* One sweep that went through must do; the programs repeat it for a while. */
#ifdef NO_MARK
#define TO_SWEEP(x) ((silent[x] || dead[x]) && HAS_OPEN(x))
#else
#define TO_SWEEP(x) (dead[x] && !swept[x])
#endif

inline send_sweep(m, x)
{
    d_step {
        MAY_SEND(m) && TO_SWEEP(x) ->
        send(m, SWEEP, 0, x);
        printf("master %d sends: sweep executor %d\n", m, x)
    }
}

#ifdef RETRY_APART
#define WRITE_OWED(m, t)                                                                           \
    d_step {                                                                                       \
        owed[t] && MAY_SEND(m) && owner == m + 1 ->                                                \
        owed[t] = false;                                                                           \
        due[t] = true;                                                                             \
        printf("master %d writes the due row of task %d\n", m, t)                                  \
    }
#endif

#define OPTION_DISPATCH(m, t, x) send_dispatch(m, t, x)
#ifdef NO_MARK
#define RECOVERY(m) :: send_sweep(m, 0) :: send_sweep(m, 1) :: send_sweep(m, 2)
#elif defined(MARK_AND_SWEEP)
#define RECOVERY(m) :: send_mark(m, 0) :: send_mark(m, 1) :: send_mark(m, 2)
#else
#define RECOVERY(m)                                                                                \
    :: send_mark(m, 0) :: send_mark(m, 1) :: send_mark(m, 2)                                       \
    :: send_sweep(m, 0) :: send_sweep(m, 1) :: send_sweep(m, 2)
#endif

proctype master(byte m)
{
end:
    do
    :: take(m)
    :: notice(m)
    :: lose(m)
    EACH_PAIR(OPTION_DISPATCH, m)
    RECOVERY(m)
#ifdef RETRY_APART
    :: WRITE_OWED(m, 0)
    :: WRITE_OWED(m, 1)
#endif
    od
}

/* --- What the database does with the statements of masters -------------------------------------- */

#ifdef NO_EPOCH
#define LEASED(s) (owner == MASTER_OF(s) + 1 && !expired)
#else
#define LEASED(s) (owner == MASTER_OF(s) + 1 && epoch == slot_epoch[s] && !expired)
#endif

/* The answer says that the lease is not held: its term is over. */
inline refuse(s)
{
    if
    :: (s) != LEFT_BEHIND && term[s] == slot_epoch[s] -> term[s] = 0
    :: else
    fi;
    clear(s)
}

#ifdef NO_NODE_CHECK
#define TAKES_WORK(x) (!silent[x])
#else
#define TAKES_WORK(x) (!silent[x] && !dead[x])
#endif

/* dispatch.sql, until it has its locks. Looked at after the wait, on the rows as they are then. */
inline lock(s)
{
    d_step {
        slot_says[s] == DISPATCH ->
        if
        :: !LEASED(s) -> refuse(s); sight(LATE_DISPATCH)
        :: LEASED(s) && !TAKES_WORK(slot_node[s]) -> clear(s)
        :: else -> slot_says[s] = LOCKED
        fi;
        printf("dispatch of slot %d has its locks or is refused\n", s)
    }
}

inline hand(h, x, e)
{
    who[h] = x;
    open[h] = true;
    if
    :: LIVES(x) -> number[h] = e; stage[h] = ASSIGNED
    :: else -> stage[h] = OVER /* nobody is there to read it */
    fi
}

/* Its due row, if it is still there, becomes an attempt. */
inline dispatch(s)
{
    d_step {
        slot_says[s] == LOCKED ->
        i = slot_task[s];
        if
        :: due[i] ->
            due[i] = false;
            promise(numbers_suffice, handed[i] < TRIES);
            hand(i * TRIES + handed[i], slot_node[s], slot_epoch[s]);
            handed[i]++;
            exactly_one(i);
            printf("committed: task %d, handing %d, is executor %d's\n", i, handed[i] - 1,
                   slot_node[s])
        :: else
        fi;
        clear(s);
        i = 0
    }
}

#ifdef NODE_CLOCK
#define IS_SILENT(x) true
#else
#define IS_SILENT(x) silent[x]
#endif

/* Never started, by the record: handed back. Started: lost, and on_lost decides. */
inline close_lost(h)
{
#ifndef CONSEQUENCE
    promise(stopped_before_taken_away, stage[h] != RUNNING || lost_by_failover[h]);
#endif
    open[h] = false;
#ifdef SIGHT
    if
    :: started[h] -> sight(LOST_RUN)
    :: stage[h] == OVER -> sight(LOST_UNREAD)
    :: else
    fi;
#endif
#ifdef ONCE
    if
    :: started[h] -> ended[TASK_OF(h)] = true
    :: else -> due[TASK_OF(h)] = true
    fi;
#else
#ifdef RETRY_APART
    owed[TASK_OF(h)] = true;
#else
    due[TASK_OF(h)] = true;
#endif
#endif
    exactly_one(TASK_OF(h));
    tidy(h)
}

inline sweep_all(x)
{
    for (i : 0 .. HANDINGS - 1) {
        if
        :: open[i] && who[i] == x ->
            printf("committed: handing %d of task %d is closed\n", NUMBER_OF(i), TASK_OF(i));
            close_lost(i)
        :: else
        fi
    }
    swept[x] = true;
    i = 0
}

#ifdef MARK_AND_SWEEP
/* The snapshot of a statement that marks and sweeps is older than its wait for the node's row. */
inline look(x)
{
    for (i : 0 .. HANDINGS - 1) {
        if
        :: open[i] && who[i] == x -> seen_open[i] = true
        :: else
        fi
    }
    i = 0
}

inline sweep_seen(x)
{
    for (i : 0 .. HANDINGS - 1) {
        if
        :: seen_open[i] && open[i] && who[i] == x -> seen_open[i] = false; close_lost(i)
        :: else
        fi
    }
    swept[x] = true;
    i = 0
}

inline begin_mark(s)
{
    d_step {
        slot_says[s] == MARK ->
        look(slot_node[s]);
        slot_says[s] = WAITING
    }
}
#define MARK_BEGUN WAITING
#else
#define MARK_BEGUN MARK
#endif

/* mark_dead.sql: waits for a dispatch that holds the node. */
inline mark(s)
{
    d_step {
        slot_says[s] == MARK_BEGUN && !NODE_IS_LOCKED(slot_node[s]) ->
        if
        :: !LEASED(s) -> refuse(s)
        :: LEASED(s) && (dead[slot_node[s]] || !IS_SILENT(slot_node[s])) -> clear(s)
        :: else ->
            bury(slot_node[s]);
            printf("committed: executor %d is marked dead\n", slot_node[s]);
#ifdef MARK_AND_SWEEP
            sweep_seen(slot_node[s]);
#endif
            clear(s)
        fi
    }
}

/* recover.sql */
inline sweep(s)
{
    d_step {
        slot_says[s] == SWEEP ->
        if
        :: !LEASED(s) -> refuse(s)
        :: else ->
            sweep_all(slot_node[s]);
            clear(s)
        fi
    }
}

proctype database()
{
end:
    do
    EACH_SLOT(lock)
    EACH_SLOT(dispatch)
#ifdef MARK_AND_SWEEP
    EACH_SLOT(begin_mark)
#endif
    EACH_SLOT(mark)
    EACH_SLOT(sweep)
    od
}

/* --- Executors: the lease ----------------------------------------------------------------------- */

inline end_life(x)
{
    life[x] = ENDED;
    read_upto[x] = 0;
    late_beat[x] = !dead[x];
    for (i : 0 .. HANDINGS - 1) {
        if
        :: who[i] == x && (stage[i] == ASSIGNED || stage[i] == READ || stage[i] == RUNNING) ->
            over(i)
        :: else /* what was sent is on its way: ASKING, OK, BACK */
        fi
    }
    i = 0
}

/* node_beat.sql, confirmed. A node that is marked dead finds no row, and gives up. */
inline beat(x)
{
    d_step {
        life[x] == JOINED || (LIVES(x) && dead[x]) ->
        if
        :: dead[x] -> end_life(x)
        :: else -> life[x] = HOLDS; silent[x] = false
        fi;
        printf("executor %d beats: %e\n", x, life[x])
    }
}

/* The first two are there from the start; that a first heartbeat takes its time is a fault. */
inline be_born(x, how)
{
    d_step {
        life[x] == ABSENT && (how == HOLDS || faults > 0) ->
        faults = faults - (how == JOINED);
        life[x] = how;
        printf("executor %d is %e\n", x, how)
    }
}

inline beat_late(x)
{
    d_step {
        late_beat[x] ->
        late_beat[x] = false;
        if
        :: !dead[x] -> silent[x] = false
        :: else
        fi;
        printf("a heartbeat of executor %d, which has ended, arrives\n", x)
    }
}

/* A crash, or the local deadline: the guardian has killed all of it. */
inline end_executor(x)
{
    d_step {
        x < 2 && faults > 0 && LIVES(x) ->
        faults--;
        end_life(x);
        printf("executor %d has ended, killed by a crash or its deadline\n", x)
    }
}

inline drain(x)
{
    d_step {
        x < 2 && faults > 0 && life[x] == HOLDS && !drained ->
        faults--;
        drained = true;
        life[x] = DRAINING;
        printf("executor %d drains\n", x)
    }
}

/*
 * A whole lease without a heartbeat, by the database and by the master's own wait. Who has confirmed
 * heartbeats has stopped before (clock.pml); who has none yet may not start anything.
 */
inline silence(x)
{
    d_step {
        !silent[x] && !dead[x] &&
        (life[x] == ENDED || life[x] == JOINED
#ifdef NO_DEADLINE
         || (x < 2 && faults > 0 && life[x] == HOLDS)
#endif
        ) ->
        if
        :: life[x] == HOLDS -> faults--
        :: else
        fi;
        silent[x] = true;
        printf("executor %d has been silent for a lease\n", x)
    }
}

#define IS_ACTIVE_AT(h, x) (who[h] == x && (stage[h] == READ || stage[h] == ASKING || stage[h] == RUNNING))
#define IS_ACTIVE(x)                                                                               \
    (IS_ACTIVE_AT(0, x) || IS_ACTIVE_AT(1, x) || IS_ACTIVE_AT(2, x) || IS_ACTIVE_AT(3, x) ||       \
     IS_ACTIVE_AT(4, x) || IS_ACTIVE_AT(5, x) || IS_ACTIVE_AT(6, x) || IS_ACTIVE_AT(7, x))

#define MAY_LEAVE(x) (!dead[x] && (life[x] == ENDED || (life[x] == DRAINING && !IS_ACTIVE(x))))

#ifdef MARK_AND_SWEEP
bool leaving[NODES];

inline begin_to_leave(x)
{
    d_step {
        MAY_LEAVE(x) && !leaving[x] ->
        leaving[x] = true;
        look(x);
        printf("executor %d sends: mark me dead and sweep (snapshot)\n", x)
    }
}

inline leave(x)
{
    d_step {
        leaving[x] && !NODE_IS_LOCKED(x) ->
        leaving[x] = false;
        if
        :: !dead[x] ->
            bury(x);
            end_life(x);
            sweep_seen(x)
        :: else
        fi;
        printf("committed: executor %d is marked dead and swept\n", x)
    }
}
#else
/* node_leave.sql: its own sign-off, or the next incarnation's word that all of it is gone. */
inline leave(x)
{
    d_step {
        MAY_LEAVE(x) && !NODE_IS_LOCKED(x) ->
        bury(x);
        if
        :: life[x] == DRAINING -> end_life(x)
        :: else
        fi;
        printf("committed: executor %d is signed off\n", x)
    }
}
#endif

/* The third is whoever comes after one that ended. It meets no more faults. */
inline come_after()
{
    d_step {
        life[2] == ABSENT && (life[0] == ENDED || life[1] == ENDED) ->
        life[2] = HOLDS;
        printf("executor 2 has joined\n")
    }
}

/* --- Executors: one handing --------------------------------------------------------------------- */

#define X(h) who[h]
#define HIS_LIFE(h) (who[h] != NOBODY && LIVES(who[h]))

/* inbox.sql: all that is open above the last number read. */
#ifdef NO_LEDGER
/* A read that begins again from the low mark, by an executor that does not know what it holds. */
#define IN_INBOX_AT(h, x) (stage[h] != READ && open[h] && who[h] == x)
#else
#define IN_INBOX_AT(h, x) (stage[h] == ASSIGNED && open[h] && who[h] == x && number[h] >= read_upto[x])
#endif
#define IN_INBOX(x)                                                                                \
    (IN_INBOX_AT(0, x) || IN_INBOX_AT(1, x) || IN_INBOX_AT(2, x) || IN_INBOX_AT(3, x) ||           \
     IN_INBOX_AT(4, x) || IN_INBOX_AT(5, x) || IN_INBOX_AT(6, x) || IN_INBOX_AT(7, x))

inline read(x)
{
    d_step {
        (life[x] == JOINED || life[x] == HOLDS) && IN_INBOX(x) ->
        n = read_upto[x];
        for (i : 0 .. HANDINGS - 1) {
            if
            :: IN_INBOX_AT(i, x) ->
                stage[i] = READ;
                if
                :: number[i] > n -> n = number[i]
                :: else
                fi;
                number[i] = 0;
                printf("executor %d reads handing %d of task %d\n", x, NUMBER_OF(i), TASK_OF(i))
            :: else
            fi
        }
        read_upto[x] = n;
        n = 0;
        i = 0
    }
}

#define RUNS(h) (stage[h] == RUNNING && !lost_by_failover[h])
#define RUN_OF(t) (RUNS((t) * TRIES) + RUNS((t) * TRIES + 1) + RUNS((t) * TRIES + 2) + RUNS((t) * TRIES + 3))

inline set_going(h)
{
    promise(one_run_an_attempt, !ran[h]);
    ran[h] = true;
    stage[h] = RUNNING;
    promise(one_attempt_at_a_time, RUN_OF(TASK_OF(h)) <= 1 || lost_by_failover[h]);
#ifdef ONCE
    promise(started_at_most_once, !ran_once[TASK_OF(h)]);
    ran_once[TASK_OF(h)] = true;
#endif
    printf("executor %d starts handing %d of task %d\n", X(h), NUMBER_OF(h), TASK_OF(h))
}

#if defined(ONCE) && !defined(NO_ASKING)
/* on_lost=fail: its start is asked for, and it runs when that is on record. */
inline ask(h)
{
    d_step {
        stage[h] == READ && life[X(h)] == HOLDS ->
        stage[h] = ASKING;
        printf("executor %d asks for the start of handing %d of task %d\n", X(h), NUMBER_OF(h),
               TASK_OF(h))
    }
}

/* start.sql: committed, also when the one that asked has ended. A handing closed is fenced. */
inline write_start(h)
{
    d_step {
        stage[h] == ASKING && !started[h] ->
        started[h] = open[h];
        if
        :: !open[h] || !HIS_LIFE(h) -> over(h)
        :: else
        fi;
        printf("committed: the start of handing %d of task %d, or fenced\n", NUMBER_OF(h),
               TASK_OF(h))
    }
}

inline start(h)
{
    d_step {
        stage[h] == ASKING && started[h] && (life[X(h)] == HOLDS || life[X(h)] == DRAINING) ->
        set_going(h)
    }
}

#define STARTS EACH_HANDING(ask) EACH_HANDING(write_start) EACH_HANDING(start)
#else
/* on_lost=retry: starts at once, and the start is written in the background. */
inline start(h)
{
    d_step {
        stage[h] == READ && life[X(h)] == HOLDS ->
        set_going(h);
        start_sent[h] = true
    }
}

/* Also later than all else. For an attempt that was closed it is fenced, and what runs is stopped. */
inline write_start(h)
{
    d_step {
        start_sent[h] ->
        start_sent[h] = false;
        if
        :: open[h] ->
            started[h] = true;
            if
            :: !HIS_LIFE(h) -> sight(LATE_START)
            :: else
            fi
        :: !open[h] && stage[h] == RUNNING -> over(h)
        :: else
        fi;
        printf("committed: the start of handing %d of task %d, or fenced\n", NUMBER_OF(h),
               TASK_OF(h))
    }
}

#define STARTS EACH_HANDING(start) EACH_HANDING(write_start)
#endif

inline end_work(h)
{
    d_step {
        stage[h] == RUNNING && HIS_LIFE(h) ->
        stage[h] = OK;
        start_sent[h] = false; /* it goes with the finish */
        printf("handing %d of task %d has done its work\n", NUMBER_OF(h), TASK_OF(h))
    }
}

inline hand_back(h)
{
    d_step {
        stage[h] == READ && life[X(h)] == DRAINING ->
        stage[h] = BACK;
        printf("executor %d hands task %d back\n", X(h), TASK_OF(h))
    }
}

/* Which row a report finds: its own, where it names all it knows. */
#define SAME_TOKEN(h, g) (NUMBER_OF(h) - LOST_BEFORE(h) == NUMBER_OF(g) - LOST_BEFORE(g))
#define LOST_BEFORE(h)                                                                             \
    ((NUMBER_OF(h) > 0 && lost_by_failover[TASK_OF(h) * TRIES]) +                                  \
     (NUMBER_OF(h) > 1 && lost_by_failover[TASK_OF(h) * TRIES + 1]) +                              \
     (NUMBER_OF(h) > 2 && lost_by_failover[TASK_OF(h) * TRIES + 2]))
#if defined(NO_TOKEN)
#define FINDS(h, g) (TASK_OF(h) == TASK_OF(g))
#elif defined(NO_NUMBER)
#define FINDS(h, g) (TASK_OF(h) == TASK_OF(g) && SAME_TOKEN(h, g))
#else
#define FINDS(h, g) ((h) == (g))
#endif
#ifdef NO_OUTCOME
#define IS_OPEN(g) (open[g] || accepted[g])
#else
#define IS_OPEN(g) open[g]
#endif

inline accept(h, g)
{
    promise(finish_is_of_its_attempt, (g) == (h));
    promise(finish_accepted_once, !accepted[g]);
    accepted[g] = true;
    open[g] = false;
    if
    :: stage[h] == OK -> ended[TASK_OF(g)] = true
    :: else -> due[TASK_OF(g)] = true
    fi;
    exactly_one(TASK_OF(g))
}

/* finish.sql */
inline finish(h)
{
    for (i : 0 .. HANDINGS - 1) {
        if
        :: FINDS(h, i) && IS_OPEN(i) ->
            accept(h, i);
            printf("committed: the report on handing %d of task %d\n", NUMBER_OF(h), TASK_OF(h))
        :: else
        fi
    }
    i = 0
}

/* Committed, and answered, or nobody is left who would hear it. */
inline report(h)
{
    d_step {
        stage[h] == OK || stage[h] == BACK ->
        if
        :: !open[h] -> sight(LATE_FINISH)
        :: else
        fi;
        finish(h);
        over(h)
    }
}

/* The answer is lost: it is reported again. */
inline report_unheard(h)
{
    d_step {
        (stage[h] == OK || stage[h] == BACK) && HIS_LIFE(h) && faults > 0 && !accepted[h] ->
        faults--;
        finish(h);
        printf("the answer is lost\n")
    }
}

proctype executors()
{
end:
    do
    EACH_NODE(beat)
    EACH_NODE(beat_late)
    EACH_NODE(end_executor)
    EACH_NODE(drain)
    EACH_NODE(silence)
    EACH_NODE(leave)
#ifdef MARK_AND_SWEEP
    EACH_NODE(begin_to_leave)
#endif
    :: come_after()
    EACH_NODE(read)
    STARTS
    EACH_HANDING(end_work)
    EACH_HANDING(hand_back)
    EACH_HANDING(report)
    EACH_HANDING(report_unheard)
    od
}

/* --- What else happens -------------------------------------------------------------------------- */

/* The lease passes: no fault where its holder is not master any more, else a pause or a cut. */
inline pass()
{
    d_step {
        owner != 0 && !expired && (term[owner - 1] != epoch || faults > 0) ->
        if
        :: term[owner - 1] == epoch -> faults--
        :: else
        fi;
        expired = true;
        printf("the lease of master %d passes\n", owner - 1)
    }
}

#ifdef FAILOVER
/* The last commit, a dispatch, was not on the standby that takes over. All connections end. */
inline fail_over(h)
{
    d_step {
        !failed_over && open[h] && !started[h] && handed[TASK_OF(h)] == NUMBER_OF(h) + 1 ->
        failed_over = true;
        open[h] = false;
        lost_by_failover[h] = true;
        due[TASK_OF(h)] = true;
        tidy(h);
        for (i : 0 .. SLOTS - 1) {
            clear(i)
        }
        term[0] = 0;
        term[1] = 0;
        i = 0;
        printf("the database fails over and has lost handing %d of task %d\n", NUMBER_OF(h),
               TASK_OF(h))
    }
}
#endif

#define STUCK (!ended[0] || !ended[1])

proctype world()
{
end:
    do
    :: pass()
#ifdef FAILOVER
    EACH_HANDING(fail_over)
#endif
#ifndef CONSEQUENCE
    :: timeout -> promise(every_task_ends, !STUCK); break
#endif
    od
}

init
{
    atomic {
        term[0] = 1;
#ifdef ONE_TASK
        due[1] = false;
        ended[1] = true;
#endif
        if
        :: be_born(0, HOLDS)
        :: be_born(0, JOINED)
        fi;
        if
        :: be_born(1, HOLDS)
        :: be_born(1, JOINED)
        fi;
        run master(0);
        run master(1);
        run database();
        run executors();
        run world()
    }
}
