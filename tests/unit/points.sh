#!/usr/bin/env bash
#
# Fault points are in a build that was asked for them, and in no other.
#
#   points.sh yes|no common/point.h PROGRAM...
set -euo pipefail

wanted=$1
header=$2
shift 2
names=$(sed -n 's/^#define POINT_[A-Z_]* "\([^"]*\)".*/\1/p' "$header")
[[ -n $names ]]
found=$(cat "$@" | grep -aoF "$names
FAULT_POINT" | sort -u || true)

if [[ $wanted == no && -n $found ]]; then
    echo "The programs hold the names of fault points:" "$found"
    exit 1
fi
if [[ $wanted == yes ]]; then
    diff <(sort -u <<<"$names
FAULT_POINT") - <<<"$found"
fi
