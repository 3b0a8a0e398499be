#!/usr/bin/env bash
#
# Makes the images that docker-compose.yml and the Dockerfile name, where none can be pulled:
# Debian from its package archive, PostgreSQL from Debian's packages, Kafka from Maven's jars. They
# take the same settings as the real ones, as far as docker-compose.yml gives any, and get the same
# names, so that compose runs unchanged. For tests only.
#
#   tests/docker/stand-ins.sh
#
# As root (debootstrap). DOCKER_HOST says which Docker; an image that is there already stays.
set -euo pipefail
here=$(realpath "${BASH_SOURCE[0]%/*}")
root=$(realpath "$here/../..")
# shellcheck source=SCRIPTDIR/../../tools/lib.sh
source "$root/tools/lib.sh"

work=$(mktemp -d "${TMPDIR:-/tmp}/rota-stand-ins.XXXXXX")
trap 'rm -rf "$work"' EXIT

has_image()
{
    docker image inspect "$1" >/dev/null 2>&1
}

# base NAME RELEASE
base()
{
    ! has_image "$1" || return 0
    debootstrap --variant=minbase "$2" "$work/root"
    tar -C "$work/root" -c . | docker import - "$1"
    rm -rf "$work/root"
}

postgres()
{
    has_image postgres:17 || docker build -t postgres:17 "$here/postgres"
}

kafka()
{
    ! has_image apache/kafka:4.1.1 || return 0
    "$root/tools/kafka.sh" fetch
    cp -r "$here/kafka" "$work/"
    cp -r "${XDG_CACHE_HOME:-$HOME/.cache}/rota/kafka-4.1.1" "$work/kafka/libs"
    cp "$root/tools/kafka/log4j2.properties" "$work/kafka/"
    docker build -t apache/kafka:4.1.1 "$work/kafka"
}

base debian:trixie-slim trixie
postgres
kafka
