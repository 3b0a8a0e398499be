#!/usr/bin/env bash
#
# A private PostgreSQL: its data, log and password in a folder of its own, on the loopback only,
# durable (fsync on), made at the first start.
#
#   tools/postgres.sh start DIR PORT    PORT 0: any free one; makes the cluster where there is none
#   tools/postgres.sh url DIR           prints how to connect, password included
#   tools/postgres.sh sql DIR STATEMENT runs a statement in the database `postgres`
#   tools/postgres.sh status DIR        exit 0 while it runs
#   tools/postgres.sh replica DIR OF PORT  makes DIR a streaming standby of the server in OF, which
#                                       runs, and starts it; `sql DIR "select pg_promote()"` makes it
#                                       the primary
#   tools/postgres.sh stop DIR          ends it; the data stay
#   tools/postgres.sh remove DIR        ends it and removes the data
#
# Who connects needs the password that DIR/url holds (mode 0600): other people on this machine can
# reach the port and get no further. There is no socket in the file system, so DIR may be as deep
# as it likes. PostgreSQL refuses to run as root: there the data belong to the user `postgres`, and
# are kept under /var/tmp (DIR/data is a link) where that user cannot reach DIR.
set -euo pipefail
# shellcheck source=SCRIPTDIR/lib.sh
source "${BASH_SOURCE[0]%/*}/lib.sh"

usage()
{
    sed -n '3,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
}

# The folder of the programs: of that major version, or of the newest there is.
programs()
{
    local wanted=${1:-*} found
    found=$(compgen -G "/usr/lib/postgresql/$wanted/bin/postgres" | sort -V | tail -n 1) || true
    if [[ -x $found ]]; then
        echo "${found%/*}"
    elif command -v postgres >/dev/null && [[ $wanted == '*' ]]; then
        dirname "$(command -v postgres)"
    else
        return 1
    fi
}

# Runs a command as the user that the data belong to.
as_owner()
{
    if ((EUID == 0)); then
        setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"
    else
        "$@"
    fi
}

make_data_folder()
{
    local elsewhere
    if ((EUID != 0)); then
        mkdir -m 0700 "$dir/data"
    elif as_owner test -x "$dir"; then
        install -d -m 0700 -o postgres -g postgres "$dir/data"
    else
        elsewhere=$(mktemp -d /var/tmp/rota-postgres.XXXXXX)
        chown postgres:postgres "$elsewhere"
        ln -s "$elsewhere" "$dir/data"
    fi
}

# Bound to what a small machine shares with Kafka and Rota; all that concerns durability is as
# PostgreSQL ships it.
settings()
{
    cat <<-END
		listen_addresses = '127.0.0.1'
		unix_socket_directories = ''
		max_connections = 200
		shared_buffers = 256MB
		max_wal_size = 2GB
		min_wal_size = 256MB
		log_line_prefix = '%m [%p] %a '
		log_lock_waits = on
	END
}

make_cluster()
{
    local password pwfile
    password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    make_data_folder
    pwfile=$(mktemp)
    echo "$password" >"$pwfile"
    ((EUID != 0)) || chown postgres "$pwfile"
    as_owner env -C / "$bin/initdb" -D "$(realpath "$dir/data")" --username=rota --pwfile="$pwfile" \
        --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 >"$dir/initdb.out" 2>&1 ||
        { rm -f "$pwfile"; die "initdb failed: see $dir/initdb.out"; }
    rm -f "$pwfile"
    settings >>"$dir/data/postgresql.conf"
    (umask 077 && echo "$password" >"$dir/password")
}

write_url()
{
    (umask 077 && echo "postgresql://rota:$(<"$dir/password")@127.0.0.1:$port/rota" >"$dir/url")
}

# A copy of everything as of now; what comes later is streamed.
replica()
{
    local of from
    of=$(realpath "$1")
    [[ ! -e $dir/password ]] || die "$dir holds a server already" "To begin anew: $0 remove $dir"
    bin=$(programs "$(<"$of/data/PG_VERSION")") ||
        die 'no PostgreSQL programs here that can read these data'
    from=$(sed 's,.*:\([0-9]*\)/.*,\1,' "$of/url")
    mkdir -p "$dir"
    rm -rf "$dir/data"
    make_data_folder
    PGPASSWORD=$(<"$of/password") as_owner env -C / "$bin/pg_basebackup" -h 127.0.0.1 -p "$from" \
        -U rota -D "$(realpath "$dir/data")" -R -c fast >"$dir/basebackup.out" 2>&1 ||
        die "pg_basebackup failed: see $dir/basebackup.out"
    (umask 077 && cp "$of/password" "$dir/password")
    start "$2"
}

# The password goes through the environment: a command line can be read by everybody.
query()
{
    PGPASSWORD=$(<"$dir/password") PGOPTIONS='-c client_min_messages=warning' \
        "$bin/psql" -XqAt -h 127.0.0.1 -p "$port" -U rota -d postgres -c "$1"
}

sql()
{
    bin=$(programs)
    port=$(sed 's,.*:\([0-9]*\)/.*,\1,' "$dir/url")
    query "$1"
}

# False until it answers; ends the script where it has given up.
answers()
{
    is_running "$dir/pid" || die 'PostgreSQL ended at its start; the end of its log:' \
        "$(tail -n 5 "$dir/server.out")"
    query 'select 1' >/dev/null 2>&1
}

make_database()
{
    query "select 1 from pg_database where datname = 'rota'" | grep -q 1 ||
        query 'create database rota'
}

start()
{
    local data
    port=$1
    mkdir -p "$dir"
    if is_running "$dir/pid"; then
        say "PostgreSQL runs already in $dir"
        return
    fi
    bin=$(programs "$(cat "$dir/data/PG_VERSION" 2>/dev/null || true)") ||
        die 'no PostgreSQL programs here that can read these data' \
            "Install the package postgresql, or remove the data: $0 remove $dir"
    # A first start that was cut off has left a folder without its password.
    [[ -e $dir/password ]] || remove
    [[ -e $dir/password ]] || make_cluster
    ((port > 0)) || port=$(free_port 0)
    ! port_taken "$port" || die "port $port, meant for PostgreSQL, is in use" \
        "Stop what listens there (ss -ltnp 'sport = :$port' names it) or give another port."
    write_url
    data=$(realpath "$dir/data")
    cd /
    spawn_server "$data"
    wait_until 60 answers || die "PostgreSQL did not answer within 60 s: see $dir/server.out"
    make_database
}

spawn_server()
{
    local run=("$bin/postgres" -D "$1" -p "$port")
    ((EUID != 0)) ||
        run=(setpriv --reuid=postgres --regid=postgres --init-groups -- "${run[@]}")
    spawn "$dir/pid" "$dir/server.out" "${run[@]}"
}

# SIGINT is PostgreSQL's fast shutdown: clients are disconnected, nothing is lost.
stop()
{
    stop_recorded "$dir/pid" 60 INT
}

remove()
{
    local data
    [[ -d $dir ]] || return 0
    stop
    if [[ -L $dir/data ]]; then
        data=$(readlink "$dir/data")
        [[ $data != /var/tmp/rota-postgres.* ]] || rm -rf "$data"
    fi
    rm -rf "$dir/data" "$dir/password" "$dir/url" "$dir"/*.out "$dir"/*.out.old
}

main()
{
    (($# >= 2)) || { usage >&2; exit 2; }
    dir=$(realpath -m "$2")
    case $1 in
    start) start "${3:-0}" ;;
    replica) replica "${3:?of which server?}" "${4:-0}" ;;
    stop) stop ;;
    status) is_running "$dir/pid" ;;
    url) cat "$dir/url" ;;
    sql) sql "${3:?which statement?}" ;;
    remove) remove ;;
    *) usage >&2; exit 2 ;;
    esac
}

main "$@"
