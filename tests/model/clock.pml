/*
 * The executor's lease in time: that a node whose heartbeat has been silent for a lease has stopped,
 * which rota.pml takes for granted (its `silence`).
 *
 * One executor with its guardian, one master and the database, each with a clock of its own. A lease
 * is ten units here. A tick is a unit of the clocks of database and master. The executor's may miss
 * one in a lease, which stands for clock rates that differ by less than 1 %, and a process may live
 * for one unit after SIGKILL was sent, which stands for the second of the margin. Requests and
 * answers take as long as they like, or are lost and carried out later all the same. The database's
 * clock may be stepped once, by any distance.
 *
 * A pause needs no word of its own: only the timer of the guardian is ever in a hurry.
 */
#define LEASE 10
#ifndef FOR_RATES
#define FOR_RATES 1 /* given up against a clock that is slow */
#endif
#ifndef FOR_KILLING
#define FOR_KILLING 1 /* and for SIGKILL to work */
#endif
#define LENGTH (LEASE - FOR_RATES - FOR_KILLING)

/* JOINED has no lease yet and does nothing. KILLED was sent SIGKILL and may act still. */
mtype = {JOINED, HOLDS, KILLED, GONE};
mtype life = JOINED;
byte left;             /* until its deadline, by its own clock */
byte since_miss = LEASE; /* since its clock missed a unit */

/* A heartbeat under way: sent, then committed or refused, then answered. */
mtype = {NONE, SENT, COMMITTED, REFUSED};
mtype heartbeat = NONE;
byte age_of_request; /* by the executor's clock */
bool stray;          /* one whose connection was lost, and that may still be carried out */

/* The node's row. */
bool dead;
byte age; /* of heartbeat_at, by the database's clock */
bool stepped;

/* The master: what it has seen of the row, and since when by its own clock. */
bool changed = true; /* since its last look */
byte unchanged;
bool marking; /* mark_dead.sql is under way */

/* A name in the output of a search that found it broken. */
bool stopped_before_marked = true;

inline older(clock)
{
    clock = (clock < LEASE -> clock + 1 : LEASE)
}

inline end_life(how)
{
    life = how;
    left = 0
}

/* A unit of the executor's own clock. At its deadline the guardian kills, whatever is frozen. */
inline tick_executor()
{
    if
    :: heartbeat != NONE -> older(age_of_request)
    :: else
    fi;
    if
    :: life == HOLDS && left > 1 -> left--
    :: life == HOLDS && left <= 1 ->
#ifdef NO_DEADLINE
        left = 0
#else
        end_life(KILLED)
#endif
    :: else
    fi
}

inline tick(missed)
{
    d_step {
        !missed || since_miss == LEASE ->
        if
        :: life == KILLED -> life = GONE
        :: else
        fi;
        older(age);
        older(unchanged);
        if
        :: missed -> since_miss = 0
        :: else -> older(since_miss); tick_executor()
        fi;
        printf("tick: executor %e, %d left; heartbeat is %d old, unchanged for %d\n", life, left, age,
               unchanged)
    }
}

inline commit_beat()
{
    age = 0;
    changed = true
}

#define ACTS (life == HOLDS || life == KILLED)

/* At the mark, and of whoever might act later. */
inline look_at_promise()
{
    stopped_before_marked = !(dead && ACTS);
    assert(stopped_before_marked)
}

/* The answer counts from the moment the request was sent. */
inline extend()
{
#ifdef FROM_ANSWER
    age_of_request = 0;
#endif
    if
    :: life == JOINED || life == HOLDS ->
        if
        :: age_of_request < LENGTH ->
            life = HOLDS;
            left = LENGTH - age_of_request;
            look_at_promise()
        :: else -> end_life(GONE)
        fi
    :: else
    fi
}

proctype executor()
{
end:
    do
    :: d_step { (life == JOINED || life == HOLDS) && heartbeat == NONE ->
        heartbeat = SENT;
        printf("the executor sends a heartbeat\n")
    }
    :: d_step {
        heartbeat == SENT ->
        if
        :: dead -> heartbeat = REFUSED
        :: else -> heartbeat = COMMITTED; commit_beat()
        fi;
        printf("the heartbeat: %e\n", heartbeat)
    }
    :: d_step {
        heartbeat == COMMITTED ->
        extend();
        heartbeat = NONE;
        age_of_request = 0;
        printf("the executor has its answer: %e, %d left\n", life, left)
    }
    :: d_step { heartbeat == REFUSED -> end_life(GONE); heartbeat = NONE; age_of_request = 0 }
    /* The connection is lost, before or after the commit. */
    :: d_step {
        heartbeat != NONE ->
        stray = stray || heartbeat == SENT;
        heartbeat = NONE;
        age_of_request = 0;
        printf("the executor loses its connection\n")
    }
    :: d_step {
        stray && !dead ->
        stray = false;
        commit_beat();
        printf("a heartbeat left behind is committed\n")
    }
    /* SIGKILL has worked, or the process has crashed. */
    :: d_step { life == KILLED || life == HOLDS -> end_life(GONE) }
    od
}

#ifdef NODE_CLOCK
/* Its wall clock may say anything. */
#define LOOKS_SILENT true
#define IS_SILENT true
#elif defined(NO_WAIT)
#define LOOKS_SILENT (age == LEASE)
#define IS_SILENT (age == LEASE)
#else
#define LOOKS_SILENT (!changed && unchanged == LEASE && age == LEASE)
#ifdef NOT_AS_SEEN
#define IS_SILENT (age == LEASE)
#else
#define IS_SILENT (age == LEASE && !changed)
#endif
#endif

proctype master()
{
end:
    do
    :: d_step {
        !dead && !marking ->
        marking = LOOKS_SILENT;
        if
        :: changed -> unchanged = 0; changed = false
        :: else
        fi;
        printf("the master looks: silent %d\n", marking)
    }
    /* A new term knows nothing yet: what was never seen before has changed. */
    :: d_step { !changed -> changed = true; marking = false }
    :: d_step {
        marking ->
        marking = false;
        if
        :: !dead && IS_SILENT ->
            dead = true;
            printf("committed: the node is marked dead\n");
            look_at_promise()
        :: else
        fi
    }
    od
}

proctype time()
{
end:
    do
    :: tick(false)
    :: tick(true)
    :: d_step {
        !stepped -> stepped = true; age = LEASE;
        printf("the clock of the database is stepped\n")
    }
    od
}

init
{
    atomic {
        run executor();
        run master();
        run time()
    }
}
