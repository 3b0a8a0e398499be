# shellcheck shell=bash
#
# What quickstart, check and the scripts beside this file share: words for people, long steps,
# ports, packages, and processes that outlive the script that started them.
#
# A process is recorded as its pid together with the kernel's start time of that pid, and is only
# ever signalled while both still hold: a number that was given to a stranger meanwhile is left
# alone. Results go to stdout, words for people to stderr.

say()
{
    printf '%s\n' "$*" >&2
}

# One paragraph a problem: what is wrong, then what to do about it, a line each.
die()
{
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    shift
    (($#)) && printf '  %s\n' "$@" >&2
    exit 1
}

# Waits until the command succeeds, for at most that many seconds.
wait_until()
{
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.1
    done
}

# --- Long steps -------------------------------------------------------------------------------

step_pid=

# Runs a command with its output kept in a file and shown only when it fails; people see a line
# that counts the seconds. The command must not rely on `set -e`: see bash's manual on `||`. It
# gets a process group of its own, so that Ctrl-C reaches it by end_step only, and then whole.
step()
{
    local what=$1 log=$2 began=$SECONDS status=0
    shift 2
    set -m
    "$@" >"$log" 2>&1 </dev/null 9>&- &
    set +m
    step_pid=$!
    show_progress "$what" "$step_pid" "$began"
    wait "$step_pid" || status=$?
    step_pid=
    if ((status == 0)); then
        progress_line "$what: done in $((SECONDS - began)) s"$'\n'
        return 0
    fi
    progress_line "$what: failed after $((SECONDS - began)) s; the end of $log:"$'\n'
    tail -n 30 "$log" | sed 's/^/    /' >&2
    return 1
}

progress_line()
{
    if [[ -t 2 ]]; then
        printf '\r\033[K%s' "$1" >&2
    elif [[ $1 == *$'\n' ]]; then
        printf '%s' "$1" >&2
    fi
}

show_progress()
{
    local what=$1 pid=$2 began=$3 told=0 spent
    while kill -0 "$pid" 2>/dev/null; do
        spent=$((SECONDS - began))
        progress_line "$what ... $spent s"
        if [[ ! -t 2 ]] && ((spent >= told + 15)); then
            say "$what ... $spent s"
            told=$spent
        fi
        sleep 0.1
    done
}

# For a script's EXIT trap: a step that is still running does not outlive the script.
end_step()
{
    if [[ -n $step_pid ]]; then
        progress_line $'\n'
        kill -- "-$step_pid" 2>/dev/null || true
        wait "$step_pid" 2>/dev/null || true
    fi
}

# --- Ports ------------------------------------------------------------------------------------

# True when something listens on that TCP port, whoever it belongs to.
port_taken()
{
    local hex
    printf -v hex '%04X' "$1"
    awk -v port=":$hex" '$4 == "0A" && substr($2, length($2) - 4) == port { found = 1 }
                         END { exit !found }' /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# The first port from $1 on where nothing listens; from 0, somewhere below the range that the
# kernel takes for outgoing connections.
free_port()
{
    local port=$1
    ((port > 0)) || port=$((20000 + RANDOM % 10000))
    while port_taken "$port"; do
        port=$((port + 1))
    done
    echo "$port"
}

# --- Processes --------------------------------------------------------------------------------

# Whoever sources this may change the folder afterwards.
lib=$(realpath "${BASH_SOURCE[0]}")

# The kernel's start time of a process, in ticks since boot; fails for one that has ended.
start_time()
{
    local stat
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    read -ra stat <<<"${stat##*) }"
    [[ ${stat[0]} != [ZX] ]] || return 1
    echo "${stat[19]}"
}

# The pid that a record names, as long as it is still that process.
recorded()
{
    local pid start
    { read -r pid start <"$1"; } 2>/dev/null || return 1
    [[ $pid =~ ^[0-9]+$ && -n $start && $(start_time "$pid") == "$start" ]] || return 1
    echo "$pid"
}

is_running()
{
    recorded "$1" >/dev/null
}

is_gone()
{
    ! is_running "$1"
}

record()
{
    echo "$2 $(start_time "$2")" >"$1.new" && mv -f "$1.new" "$1"
}

# spawn RECORD OUTPUT COMMAND...: starts a command in a session of its own, with its record and
# its output in those files; the output of the start before is kept beside it as .old. The child
# writes the record itself before it becomes the command: nothing ever runs without one.
spawn()
{
    local record=$1 output=$2
    shift 2
    rm -f "$record"
    [[ ! -e $output ]] || mv -f "$output" "$output.old"
    # shellcheck disable=SC2016  # for the inner shell
    setsid bash -c 'source "$1"; record "$2" $$; shift 2; exec "$@"' spawn \
        "$lib" "$record" "$@" >"$output" 2>&1 </dev/null 9>&- &
    wait_until 10 test -e "$record"
}

# stop_recorded RECORD SECONDS [SIGNAL]: asks a recorded process to end, waits, and at the end of
# its patience kills it. A record of a process that is gone is just removed.
stop_recorded()
{
    local record=$1 patience=$2 signal=${3:-TERM} pid
    if pid=$(recorded "$record"); then
        kill -"$signal" "$pid" 2>/dev/null || true
        if ! wait_until "$patience" is_gone "$record"; then
            say "$record: process $pid did not stop within $patience s: killing it"
            kill -KILL "$pid" || true
            wait_until 5 is_gone "$record" || return 1
        fi
    fi
    rm -f "$record"
}

# --- Packages ---------------------------------------------------------------------------------

# What a script needs is a list of `KIND:NAME=PACKAGE`: a command, a library that pkg-config knows,
# or a file (a pattern), and the Debian package that brings it. What is there already need not have
# come by that package, nor by any.
is_there()
{
    local name=${1#*:}
    case $1 in
    command:*) command -v "$name" >/dev/null ;;
    library:*) pkg-config --exists "$name" 2>/dev/null ;;
    file:*) compgen -G "$name" >/dev/null ;;
    esac
}

missing_packages()
{
    local need
    for need; do
        is_there "${need%=*}" || echo "${need##*=}"
    done | sort -u
}

# The command that makes one root, where it does so without asking: nothing for root itself.
as_root()
{
    if ((EUID == 0)); then
        "$@"
    else
        sudo -n "$@"
    fi
}

# A PostgreSQL server that Debian installs starts a cluster of its own on port 5432. Nobody asked
# for that one: while we install, and only then, a setting of Debian's tools prevents it.
apt_install()
{
    local quiet=/etc/postgresql-common/createcluster.d/rota.conf status=0
    as_root mkdir -p "${quiet%/*}" || return
    echo 'create_main_cluster = false' | as_root tee "$quiet" >/dev/null || return
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 install -y \
        --no-install-recommends "$@" || status=$?
    as_root rm -f "$quiet"
    return "$status"
}

apt_update()
{
    as_root apt-get -o DPkg::Lock::Timeout=120 update
}

# Installs what is missing; does not touch apt when nothing is.
lists_are_read=

need_packages()
{
    local log=$1 missing
    shift
    mapfile -t missing < <(missing_packages "$@")
    ((${#missing[@]})) || return 0
    command -v apt-get >/dev/null ||
        die 'this script installs packages with apt, which is not here' \
            "Install by hand, then start again: ${missing[*]}"
    ((EUID == 0)) || sudo -n true 2>/dev/null ||
        die 'packages are missing, and installing them needs root' \
            "Run: sudo apt-get install --no-install-recommends ${missing[*]}" 'then start again.'
    say "Packages to install: ${missing[*]}"
    [[ -n $lists_are_read ]] || step 'Reading the package lists' "$log" apt_update || die_of_apt
    lists_are_read=yes
    step "Installing ${#missing[@]} packages" "$log" apt_install "${missing[@]}" || die_of_apt
}

die_of_apt()
{
    die 'apt could not install what is missing (see above)' \
        'Without a network: install the packages in another way, then start again; nothing is' \
        'fetched once all are there. With one: run "apt-get update" by hand and look at its errors.'
}

# shellcheck disable=SC2034  # the lists are read by the scripts that source this file
build_needs=(command:gcc=gcc file:/usr/include/stdlib.h=libc6-dev command:meson=meson
    command:ninja=ninja-build command:pkg-config=pkg-config library:libpq=libpq-dev
    library:rdkafka=librdkafka-dev library:libmicrohttpd=libmicrohttpd-dev
    library:json-c=libjson-c-dev library:libsystemd=libsystemd-dev
    library:libcurl=libcurl4-openssl-dev library:glib-2.0=libglib2.0-dev
    file:/usr/share/zoneinfo/Europe/Berlin=tzdata)
# shellcheck disable=SC2034
server_needs=('file:/usr/lib/postgresql/*/bin/postgres=postgresql' command:psql=postgresql-client
    command:setpriv=util-linux)
# shellcheck disable=SC2034
kafka_needs=(command:java=default-jre-headless command:mvn=maven)
