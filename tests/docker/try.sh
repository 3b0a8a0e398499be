#!/usr/bin/env bash
#
# docker-compose.yml tried out: all of it comes up healthy, the README's task runs, the master's
# container is killed while 300 tasks fall due and each of them runs once, the cluster stops in time
# and cleanly, and starts again with everything still there.
#
#   tests/docker/try.sh
#
# Needs Docker with compose (either kind), curl, and what the Dockerfile names to be pulled or made
# by stand-ins.sh. It is a compose project of its own, rota-try, on any free port, and is removed at
# its end; only ./consumer-logs is shared with whatever else runs from this folder.
set -euo pipefail
root=$(realpath "${BASH_SOURCE[0]%/*}/../..")
# shellcheck source=SCRIPTDIR/../../tools/lib.sh
source "$root/tools/lib.sh"

export COMPOSE_PROJECT_NAME=rota-try ROTA_PORT=0
tasks=300
compose=(docker compose)
docker compose version >/dev/null 2>&1 || compose=(docker-compose)

cd "$root"
work=$(mktemp -d "${TMPDIR:-/tmp}/rota-try.XXXXXX")
# shellcheck disable=SC2317  # called by the trap
finish()
{
    local status=$?
    ((status == 0)) || "${compose[@]}" logs --tail 20 >&2 || true
    "${compose[@]}" down --volumes --timeout 60 >"$work/down" 2>&1 || cat "$work/down" >&2
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

sql()
{
    "${compose[@]}" exec -T postgres psql -qXAt -U rota -d rota "$@" </dev/null
}

post()
{
    curl -fsS -H 'content-type: application/json' -d @- "$url$1"
}

# Whether that many containers say that they are well.
healthy()
{
    local states
    states=$("${compose[@]}" ps -q | xargs docker inspect \
        -f '{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}')
    (($(grep -c '^healthy$' <<<"$states") == $1))
}

up()
{
    local began=$SECONDS
    "${compose[@]}" up -d >"$work/up" 2>&1 || die "compose up failed" "$(tail -n 30 "$work/up")"
    wait_until 180 healthy 8 || die "not all of it became healthy" "$("${compose[@]}" ps)"
    url=http://$("${compose[@]}" port producer 8080)
    say "up and healthy after $((SECONDS - began)) s"
}

# Nodes and containers are numbered apart: each is asked whether it is the master.
master_container()
{
    local container
    for container in $("${compose[@]}" ps -q consumer); do
        # shellcheck disable=SC2016  # the container's shell shall read it
        if docker exec "$container" bash -c 'exec 3<>/dev/tcp/127.0.0.1/8081 &&
                printf "GET /metrics HTTP/1.0\r\n\r\n" >&3 && cat <&3' 2>/dev/null |
            grep -qx $'rota_node_is_master 1\r\\?'; then
            echo "$container"
        fi
    done
}

epoch()
{
    sql -c 'SELECT epoch FROM master'
}

# What of the tasks in $work/posted succeeded, one line an attempt.
succeeded()
{
    sql -c "SELECT task_id FROM attempt JOIN task ON task.id = task_id
            WHERE outcome = 'succeeded' AND task.name = 'try' ORDER BY 1" >"$work/succeeded"
    (($(wc -l <"$work/succeeded") >= tasks))
}

try_one()
{
    local link
    link=$(post /schedule <<<'{"type":"log","delay":"PT1S","payload":{"hello":"world"}}' |
        grep -o '"self":"[^"]*"' | cut -d'"' -f4)
    wait_until 10 grep -q '"state":"succeeded"' <(curl -fsS -H 'prefer: wait=10' "$url$link") ||
        die "the README's task did not succeed" "$(curl -sS "$url$link")"
}

# One every 50 ms, from one second ahead on.
post_many()
{
    local n body=
    for ((n = 0; n < tasks; n++)); do
        printf -v body '%s,{"type":"log","name":"try","delay":"PT%d.%03dS"}' "$body" \
            $((1 + n / 20)) $((n % 20 * 50))
    done
    post /api/v1/tasks:batch <<<"[${body:1}]" | grep -o '"id":"[^"]*"' | cut -d'"' -f4 |
        sort >"$work/posted"
    (($(wc -l <"$work/posted") == tasks)) || die "not all of the batch was accepted"
}

some_ran()
{
    (($(sql -c 'SELECT count(*) FROM attempt') > 40))
}

new_master()
{
    (($(epoch) > $1)) && [[ $(master_container) ]]
}

try_kill()
{
    local before container
    before=$(epoch)
    container=$(master_container)
    [[ $container ]] || die "no container says that it is the master"
    post_many
    wait_until 20 some_ran || die "nothing ran"
    docker kill "$container" >/dev/null
    wait_until 20 new_master "$before" || die "no other consumer became master"
    wait_until 60 succeeded || die "only $(wc -l <"$work/succeeded") of $tasks succeeded"
    diff "$work/posted" "$work/succeeded" >"$work/diff" ||
        die "not each task succeeded once" "$(head "$work/diff")"
    [[ -z $(sql -c "$(cat sql/invariants.sql)") ]] || die "a promise is broken, see sql/invariants.sql"
    say "epoch $before, then $(epoch); all $tasks succeeded once;" \
        "$(sql -c "SELECT count(*) FILTER (WHERE assigned_at - run_at > interval '0.5 s')
                       || ' of them waited for the new master, at most '
                       || extract(milliseconds FROM max(assigned_at - run_at))::int || ' ms'
                   FROM attempt JOIN task ON task.id = task_id WHERE task.name = 'try'")"
}

try_stop()
{
    local began=$SECONDS codes
    "${compose[@]}" up -d >"$work/up" 2>&1
    wait_until 60 healthy 8 || die "the killed consumer did not come back"
    "${compose[@]}" stop >"$work/stop" 2>&1
    codes=$("${compose[@]}" ps -aq | xargs docker inspect -f '{{.Name}} {{.State.ExitCode}}')
    # Java ends a clean stop with 128 + TERM.
    ! grep -Ev ' 0$|kafka.* 143$' <<<"$codes" >&2 || die "not everything ended cleanly"
    say "stopped cleanly, $((SECONDS - began)) s after the killed one was asked back"
    up
    succeeded || die "what had succeeded is not there any more"
    try_one
}

say "building"
"${compose[@]}" build >"$work/build" 2>&1 || die "build failed" "$(tail -n 30 "$work/build")"
up
try_one
try_kill
try_stop
say "all well"
