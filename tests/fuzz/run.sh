#!/usr/bin/env bash
#
# Runs the fuzz targets of tests/fuzz under libFuzzer (clang), one after the other.
#
#   tests/fuzz/run.sh                      every target, 1,000,000 executions each
#   tests/fuzz/run.sh task json            these two
#   tests/fuzz/run.sh --runs 10000000 task
#   tests/fuzz/run.sh --fast               UBSan alone, about five times as fast as with ASan
#   tests/fuzz/run.sh --merge              afterwards keep what adds coverage in tests/fuzz/corpus
#
# What is found stays in <build>/found and <build>/crashes. The build folder is build-fuzz, or the
# one that FUZZ_BUILD names.
set -euo pipefail
root=$(realpath "${BASH_SOURCE[0]%/*}/../..")

runs=1000000
sanitizers=address,undefined
merge=
targets=()

while (($#)); do
    case $1 in
    --runs) runs=$2; shift ;;
    --fast) sanitizers=undefined ;;
    --merge) merge=yes ;;
    --help | -h) sed -n '3,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit 0 ;;
    -*) echo "$0: $1 is not an option (--help lists all)" >&2; exit 2 ;;
    *) targets+=("$1") ;;
    esac
    shift
done
if ((!${#targets[@]})); then
    for folder in "$root"/tests/fuzz/corpus/*/; do
        targets+=("$(basename "$folder")")
    done
fi

build=$(realpath -m "${FUZZ_BUILD:-build-fuzz}")-${sanitizers%%,*}
[[ -e $build/build.ninja ]] ||
    CC=clang meson setup -Dfuzz=true -Db_lundef=false -Db_sanitize="$sanitizers" \
        -Dbuildtype=debugoptimized "$build" "$root" >/dev/null
ninja -C "$build" "${targets[@]/#/tests/fuzz_}" >"$build/ninja.log" ||
    { cat "$build/ninja.log"; exit 1; }
mkdir -p "$build/crashes"

# Short inputs are fast; a few targets need room for what they are about.
longest()
{
    case $1 in
    duration | instant) echo 64 ;;
    cursor) echo 320 ;;
    settings) echo 96 ;;
    batch) echo 128 ;;
    *) echo 1024 ;;
    esac
}

export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
status=0
for target in "${targets[@]}"; do
    seeds=$root/tests/fuzz/corpus/$target
    found=$build/found/$target
    mkdir -p "$found"
    begun=$SECONDS
    outcome=fine
    (cd "$found" && "$build/tests/fuzz_$target" -runs="$runs" -max_len="$(longest "$target")" \
        -timeout=10 -artifact_prefix="$build/crashes/$target-" "$found" "$seeds") \
        >"$build/$target.log" 2>&1 </dev/null || { outcome=FAILED; status=1; }
    echo "$target ($sanitizers): $(grep -c . <(ls "$found")) kept," \
        "$(tail -n 1 "$build/$target.log"), $((SECONDS - begun)) s: $outcome"
    if [[ $outcome == FAILED ]]; then
        tail -n 30 "$build/$target.log"
    elif [[ -n $merge ]]; then
        # Coverage without counters: few files that reach every branch.
        "$build/tests/fuzz_$target" -merge=1 -use_counters=0 "$seeds" "$found" \
            >>"$build/$target.log" 2>&1
    fi
done
exit "$status"
