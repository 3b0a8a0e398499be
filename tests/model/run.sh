#!/usr/bin/env bash
#
# Searches the model of the protocol (docs/protocol.md) exhaustively with Spin:
#
#   tests/model/run.sh               all of it: a line a search, then the sums
#   tests/model/run.sh NAME...       some of it
#   tests/model/run.sh --story NAME  the counterexample of a broken variant, step by step
#
# `holds` is the protocol: every state must be searched and no promise be broken. `breaks` is the
# protocol with a piece taken out: the named promise must break. `sees` is the protocol, asked
# whether the search comes to a case that is hard.
set -euo pipefail
here=$(realpath "${BASH_SOURCE[0]%/*}")

# name, what is expected, model, macros
searches=(
    'clock          holds                             clock'
    'retry          holds                             rota   FAULTS=2'
    'fail           holds                             rota   FAULTS=2 ONCE'
    'failover       holds                             rota   FAULTS=1 FAILOVER'
    'three_faults   holds                             rota   FAULTS=3 ONE_TASK'
    'no_cycle       ends                              rota   FAULTS=1'

    'no_epoch       breaks:every_task_ends            rota   FAULTS=1 NO_EPOCH'
    'no_mark        breaks:one_attempt_at_a_time      rota   FAULTS=1 NO_MARK CONSEQUENCE'
    'mark_and_sweep breaks:every_task_ends            rota   FAULTS=1 MARK_AND_SWEEP'
    'no_deadline    breaks:one_attempt_at_a_time      rota   FAULTS=1 NO_DEADLINE CONSEQUENCE'
    'no_token       breaks:finish_is_of_its_attempt   rota   FAULTS=1 NO_TOKEN'
    'no_number      breaks:finish_is_of_its_attempt   rota   FAULTS=1 NO_NUMBER FAILOVER'
    'node_clock     breaks:one_attempt_at_a_time      rota   FAULTS=1 NODE_CLOCK CONSEQUENCE'
    'retry_apart    breaks:due_or_open_or_ended       rota   FAULTS=1 RETRY_APART'
    'and_a_crash    breaks:every_task_ends            rota   FAULTS=2 RETRY_APART NO_INVARIANT ONE_TASK'
    'no_node_check  breaks:every_task_ends            rota   FAULTS=2 NO_NODE_CHECK ONE_TASK'
    'no_outcome     breaks:finish_accepted_once       rota   FAULTS=1 NO_OUTCOME'
    'no_asking      breaks:started_at_most_once       rota   FAULTS=1 ONCE NO_ASKING'
    'no_ledger      breaks:one_run_an_attempt         rota   FAULTS=1 NO_LEDGER'

    'no_kill        breaks:stopped_before_marked      clock  NO_DEADLINE'
    'wall_clock     breaks:stopped_before_marked      clock  NODE_CLOCK'
    'no_wait        breaks:stopped_before_marked      clock  NO_WAIT'
    'from_answer    breaks:stopped_before_marked      clock  FROM_ANSWER'
    'no_percent     breaks:stopped_before_marked      clock  FOR_RATES=0'
    'no_second      breaks:stopped_before_marked      clock  FOR_KILLING=0'
    'not_as_seen    breaks:stopped_before_marked      clock  NOT_AS_SEEN'

    'late_dispatch  sees                              rota   FAULTS=2 ONE_TASK SIGHT=LATE_DISPATCH'
    'late_finish    sees                              rota   FAULTS=1 ONE_TASK SIGHT=LATE_FINISH'
    'late_start     sees                              rota   FAULTS=1 ONE_TASK SIGHT=LATE_START'
    'lost_run       sees                              rota   FAULTS=1 ONE_TASK SIGHT=LOST_RUN'
    'lost_unread    sees                              rota   FAULTS=1 ONE_TASK SIGHT=LOST_UNREAD'
)

work=
finish()
{
    [[ -z $work ]] || rm -rf "$work"
}
trap finish EXIT

row()
{
    local found
    found=$(printf '%s\n' "${searches[@]}" | awk -v name="$1" '$1 == name')
    [[ -n $found ]] || { echo "no such search: $1" >&2; exit 2; }
    echo "$found"
}

# search EXPECTED MODEL MACRO...: the checker's words, in a folder of their own. A counterexample is
# looked for breadth first, so that it is a shortest one.
search()
{
    local expected=$1 model=$2
    local how=(-O1 -DSAFETY) ask=(-n -m1000000)
    shift 2
    case $expected in
    breaks:* | sees) how=(-O0 -DSAFETY -DBFS); ask=(-n -w20) ;;
    ends) how=(-O1 -DNP); ask=(-n -l -m10000 -w20) ;;
    esac
    cp "$here/$model.pml" .
    spin -a "${@/#/-D}" "$model.pml"
    gcc -w -DNOREDUCE -DMEMLIM=1800 "${how[@]}" -o pan pan.c
    ./pan "${ask[@]}"
}

# All of it, no state twice for one, nothing left out.
is_whole()
{
    grep -q '^Full statespace search' "$1" && grep -q 'errors: 0$' "$1" &&
        ! grep -qiE 'not completed|too small|warning|out of memory|bitstate|hash-compact' "$1"
}

judge()
{
    local expected=$1 out=$2 promise
    case $expected in
    holds) is_whole "$out" ;;
    ends) is_whole "$out" && grep -qE '^.non-progress cycles .*\+' "$out" ;;
    sees) grep -q '^pan:1: assertion violated nothing_to_see ' "$out" ;;
    breaks:*)
        promise=${expected#breaks:}
        grep -q "^pan:1: assertion violated $promise " "$out"
        ;;
    esac
}

figure()
{
    sed -nE "s/$1/\\1/p" "$2" | head -n 1
}

one()
{
    local name expected model macros out began=$SECONDS verdict=ok states depth
    read -r name expected model macros <<<"$(row "$1")"
    work=$(mktemp -d)
    cd "$work"
    out=$work/out
    # shellcheck disable=SC2086 # macros are words
    search "$expected" "$model" $macros >"$out" 2>&1 || true
    judge "$expected" "$out" || verdict='not ok'
    states=$(figure '^ *([0-9]+) states, stored.*' "$out")
    depth=$(figure '.*depth reached ([0-9]+).*' "$out")
    printf '%s  %-15s %-32s %8s states, %6s steps deep, %3d s\n' "$verdict" "$name" "$expected" \
        "${states:-no}" "${depth:-0}" "$((SECONDS - began))"
    [[ $verdict == ok ]] || { tail -n 25 "$out" >&2; return 1; }
}

story()
{
    local name expected model macros
    read -r name expected model macros <<<"$(row "$1")"
    work=$(mktemp -d)
    cd "$work"
    # shellcheck disable=SC2086
    search "$expected" "$model" $macros >out 2>&1 || true
    judge "$expected" out || { cat out; return 1; }
    # shellcheck disable=SC2086
    spin -t "-D${macros// / -D}" "$model.pml" 2>/dev/null | sed -nE '/^#/q; s/^ +//; /./p' |
        grep -vE '^spin: (warning|trail)' || true
}

# As many at once as there are processors, two at most: a search takes up to 0.8 GB.
all()
{
    local names jobs out passed failed
    mapfile -t names < <(printf '%s\n' "$@")
    jobs=$(nproc)
    work=$(mktemp -d)
    out=$work/lines
    printf '%s\n' "${names[@]}" |
        xargs -P "$((jobs > 2 ? 2 : jobs))" -n 1 "$here/run.sh" --one | tee "$out" || true
    passed=$(grep -c '^ok ' "$out" || true)
    failed=$((${#names[@]} - passed))
    printf '\nOk: %d\nFail: %d\n' "$passed" "$failed"
    ((failed == 0))
}

case ${1:-} in
--one) one "$2" ;;
--story) story "$2" ;;
'') mapfile -t names < <(printf '%s\n' "${searches[@]}" | awk '{ print $1 }') && all "${names[@]}" ;;
-*) sed -n '3,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" ;;
*) all "$@" ;;
esac
