#!/usr/bin/env bash
#
# Runs one isolation spec with PostgreSQL's own isolationtester and compares what comes out:
#
#   tests/isolation/run.sh tests/isolation/dispatch.spec
#
# {{name}} in a spec stands for the statement sql/queries/name.sql as the programs send it, so that
# the races are tried with the real statements: session setup { PREPARE d AS {{dispatch}} }.
# (Braces end a step: arrays are written ARRAY[...] there.) Each spec has a fresh database with the migrations applied. --accept keeps the result as expected.
# Needs TEST_DATABASE_URL (tests/harness/with_servers.sh sets it).
set -euo pipefail
root=$(realpath "${BASH_SOURCE[0]%/*}/../..")
accept=
if [[ ${1:-} == --accept ]]; then
    accept=yes
    shift
fi
spec=$1
name=$(basename "$spec" .spec)
expected=$root/tests/isolation/expected/$name.out

tester=$(compgen -G '/usr/lib/postgresql/*/lib/pgxs/src/test/isolation/isolationtester' |
    sort -V | tail -1) || true
if [[ -z $tester || -z ${TEST_DATABASE_URL:-} ]]; then
    echo "isolationtester or TEST_DATABASE_URL is missing" >&2
    exit 77
fi

work=$(mktemp -d)
export PGTZ=UTC
database="isolation_${name//-/_}_$$"
finish()
{
    psql -qX "$TEST_DATABASE_URL" -c "DROP DATABASE IF EXISTS $database WITH (FORCE)" || true
    rm -rf "$work"
}
trap finish EXIT
psql -qX "$TEST_DATABASE_URL" -c "CREATE DATABASE $database"
url=$(sed -E "s|/[^/?]*(\?.*)?$|/$database\1|" <<<"$TEST_DATABASE_URL")
for migration in "$root"/sql/migrations/*.sql; do
    psql -qX -v ON_ERROR_STOP=1 "$url" -f "$migration"
done

# Comments would end a step at the wrong place; the statement ends where its file does.
awk -v queries="$root/sql/queries" '
    {
        while (match($0, /\{\{[a-z_]+\}\}/)) {
            name = substr($0, RSTART + 2, RLENGTH - 4)
            before = substr($0, 1, RSTART - 1); after = substr($0, RSTART + RLENGTH)
            path = queries "/" name ".sql"; text = ""
            while ((got = (getline line < path)) > 0)
                if (line !~ /^[ \t]*--/) { sub(/;[ \t]*$/, "", line); text = text " " line }
            if (got < 0) { print "no such query: " path > "/dev/stderr"; exit 1 }
            close(path)
            gsub(/&/, "\\\\&", text)
            $0 = before text after
        }
        print
    }' "$spec" >"$work/$name.spec"

"$tester" "$url" <"$work/$name.spec" >"$work/$name.out" 2>&1 || { cat "$work/$name.out"; exit 1; }
# Instants of this run, and the column widths that follow from them, are not compared.
sed -E -i 's/[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}\.[0-9]+\+00/(now)/g; s/-{3,}/---/g; s/ +/ /g; s/\|35[0-9]{5}\|/|(left)|/; s/\b1[789][0-9]{14}\b/(us)/g' \
    "$work/$name.out"
if [[ -n $accept ]]; then
    cp "$work/$name.out" "$expected"
else
    diff -u "$expected" "$work/$name.out"
fi
