#!/usr/bin/env bash
#
# Runs a command with a private PostgreSQL and Kafka of its own, and ends both after it:
#
#   tests/harness/with_servers.sh meson test -C build --suite integration
#
# The command finds them by TEST_DATABASE_URL (a superuser, an empty database) and
# TEST_KAFKA_BROKERS. Where both are set already, those servers are used and nothing is started.
# --postgres as first argument starts PostgreSQL only.
set -euo pipefail
root=$(realpath "${BASH_SOURCE[0]%/*}/../..")
# shellcheck source=SCRIPTDIR/../../tools/lib.sh
source "$root/tools/lib.sh"

folder=
kafka=yes
if [[ ${1:-} == --postgres ]]; then
    kafka=
    shift
fi

finish()
{
    local status=$?
    trap '' INT TERM HUP
    if [[ -n $folder ]]; then
        "$root/tools/kafka.sh" remove "$folder/kafka" || true
        "$root/tools/postgres.sh" remove "$folder/postgres" || true
        rm -rf "$folder"
    fi
    exit "$status"
}

start_servers()
{
    folder=$(mktemp -d "${TMPDIR:-/tmp}/rota-servers.XXXXXX")
    chmod 0711 "$folder"
    "$root/tools/postgres.sh" start "$folder/postgres" 0
    TEST_DATABASE_URL=$("$root/tools/postgres.sh" url "$folder/postgres")
    export TEST_DATABASE_URL
    [[ -n $kafka ]] || return 0
    "$root/tools/kafka.sh" start "$folder/kafka" 0
    TEST_KAFKA_BROKERS=$("$root/tools/kafka.sh" brokers "$folder/kafka")
    export TEST_KAFKA_BROKERS
}

(($#)) || die 'which command?'
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
if [[ -z ${TEST_DATABASE_URL:-} || -n $kafka && -z ${TEST_KAFKA_BROKERS:-} ]]; then
    start_servers
fi
"$@"
