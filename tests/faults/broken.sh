#!/usr/bin/env bash
#
# Breaks a promise on purpose, in a scratch copy, and sees that a test says so:
#
#   tests/faults/broken.sh              every variant of tests/faults/broken, one after the other
#   tests/faults/broken.sh 04 07        those whose names begin so
#   tests/faults/broken.sh --list       the variants, and what must catch each
#
# A variant is a patch, NN-name.patch; tests/faults/broken/catchers says which tests must fail on it,
# and how. A test that fails otherwise (a patch that does not build, a server that does not start)
# has caught nothing. About two minutes for each catcher; as root, as the fault runs. FAULTS_SEED=7
# draws as that seed does. Where KEEP names a folder, what each test printed is kept there.
set -euo pipefail
here=$(realpath "${BASH_SOURCE[0]%/*}")
root=$(realpath "$here/../..")
catchers=$here/broken/catchers
seed=${FAULTS_SEED:-7}
python=/usr/bin/python3

work=
group=
missed=0
caught=0

finish()
{
    local status=$?
    trap '' INT TERM HUP
    set +e
    if [[ -n $group ]]; then
        kill -- "-$group" 2>/dev/null
        wait "$group" 2>/dev/null
    fi
    [[ -z $work ]] || rm -rf "$work"
    exit "$status"
}

usage()
{
    sed -n '3,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
}

# variant | test file | -k expression | what the failure says | what that means
rows()
{
    grep -vE '^ *(#|$)' "$catchers" | sed -E 's/ *\| */|/g'
}

variants()
{
    local patch name
    for patch in "$here"/broken/*.patch; do
        name=$(basename "$patch" .patch)
        rows | grep -q "^$name|" || { echo "nothing is said to catch $name" >&2; return 1; }
        echo "$name"
    done
}

# All tracked files as they are now, built with the fault points.
copy()
{
    work=$(mktemp -d "${TMPDIR:-/tmp}/rota-broken.XXXXXX")
    chmod 0711 "$work"
    mkdir "$work/tree" "$work/out" "$work/tmp"
    chmod 0711 "$work/tree" "$work/tmp"
    export TMPDIR=$work/tmp PYTHONDONTWRITEBYTECODE=1 LC_ALL=C.UTF-8
    unset "${!ROTA_@}" "${!TEST_@}"
    (cd "$root" && git ls-files -z | xargs -0 cp --parents -t "$work/tree")
    cd "$work/tree"
    logged build meson setup build -Dfault_points=true --buildtype=debugoptimized
    logged build ninja -C build -j2
}

# What a command says is shown only where it fails.
logged()
{
    local out=$work/out/$1
    shift
    "$@" >"$out" 2>&1 || { cat "$out" >&2; return 1; }
}

# A statement that is new becomes known with --reconfigure.
build()
{
    logged "$1.build" meson setup --reconfigure build && logged "$1.build" ninja -C build -j2
}

# In a process group of its own, so that it ends whole when this script does.
run_test()
{
    local out=$1 status=0
    shift
    set -m
    ROTA_BUILD=$work/tree/build nice -n 10 "$python" -m pytest -p no:cacheprovider -x "$@" \
        </dev/null >"$out" 2>&1 &
    set +m
    group=$!
    wait "$group" || status=$?
    group=
    return "$status"
}

# The first line that matched, cut to a readable length.
words()
{
    grep -oE -m1 -- "$1" "$2" | head -n 1 | tr -s ' ' | cut -c1-150
}

# The row of a fault run's table, where there is one.
figures()
{
    awk -F ' *[|] *' '/^[|] [0-9]+[.] / {
        printf "            fault %s: accepted %d, run %d, lost %d, doubled %d, early %d, other %d\n",
            $2, $3, $4, $5, $6, $7, $8
    }' "$1"
}

try()
{
    local name=$1 file=$2 expression=$3 says=$4 meaning=$5 out status=0 options=()
    out=$work/out/$name.$(basename "$file" .py).${expression// /_}
    [[ $file != tests/faults/* ]] || options=(--seed "$seed")
    run_test "$out" "$file" -k "$expression" "${options[@]}" || status=$?
    [[ -z ${KEEP:-} ]] || { mkdir -p "$KEEP" && cp "$out" "$KEEP"; }
    # 1: tests were run, and some of them failed.
    if ((status == 1)) && grep -qE -- "$says" "$out"; then
        printf 'caught      %s\n            by %s -k "%s": %s\n            %s\n' \
            "$name" "$file" "$expression" "$meaning" "$(words "$says" "$out")"
        figures "$out"
        caught=$((caught + 1))
    else
        printf 'NOT CAUGHT  %s\n            by %s -k "%s": status %d\n' \
            "$name" "$file" "$expression" "$status"
        tail -n 20 "$out"
        missed=$((missed + 1))
    fi
}

play()
{
    local name=$1 patch=$here/broken/$1.patch file expression says meaning
    patch -p1 -s --dry-run <"$patch" || { echo "$name does not apply" >&2; return 1; }
    patch -p1 -s <"$patch"
    build "$name"
    while IFS='|' read -r _ file expression says meaning; do
        try "$name" "$file" "$expression" "$says" "$meaning"
    done < <(rows | grep "^$name|")
    patch -p1 -s -R <"$patch"
}

main()
{
    local names=() chosen=() word name
    mapfile -t names < <(variants)
    ((${#names[@]})) || exit 1
    for word in "$@"; do
        mapfile -t -O "${#chosen[@]}" chosen < <(printf '%s\n' "${names[@]}" | grep "^$word") ||
            true
    done
    (($#)) || chosen=("${names[@]}")
    ((${#chosen[@]})) || { echo "no such variant: $*" >&2; exit 2; }
    trap finish EXIT
    trap 'exit 130' INT TERM HUP
    copy
    for name in "${chosen[@]}"; do
        play "$name"
    done
    printf '\n%d variants, seed %s; caught: %d; not caught: %d\n' "${#chosen[@]}" "$seed" "$caught" "$missed"
    ((missed == 0))
}

case ${1:-} in
--list) rows | tr '|' '\t' ;;
-*) usage ;;
*) main "$@" ;;
esac
