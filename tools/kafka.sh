#!/usr/bin/env bash
#
# A private Apache Kafka: one process in KRaft mode, on the loopback only, its data and log in a
# folder of its own.
#
#   tools/kafka.sh fetch                 copies the server's jars into the cache, if not there yet
#   tools/kafka.sh start DIR PORT        PORT 0: any free one; formats the data where there are none
#   tools/kafka.sh brokers DIR           prints its address
#   tools/kafka.sh topic DIR NAME [N]    makes a topic of N partitions (1) where it is missing
#   tools/kafka.sh status DIR            exit 0 while it runs
#   tools/kafka.sh stop DIR              ends it; the data stay
#   tools/kafka.sh remove DIR            ends it and removes the data
#
# The jars come through Maven (tools/kafka/pom.xml), into ~/.cache/rota or what XDG_CACHE_HOME says.
# KAFKA_HEAP sets Java's heap (512m). Java 17 or newer is needed.
set -euo pipefail
here=$(realpath "${BASH_SOURCE[0]%/*}")
# shellcheck source=SCRIPTDIR/lib.sh
source "$here/lib.sh"

jars=${XDG_CACHE_HOME:-~/.cache}/rota/kafka-4.1.1

usage()
{
    sed -n '3,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
}

# The cache names the list it was made from, so that a changed list is fetched anew.
is_fetched()
{
    cmp -s "$here/kafka/pom.xml" "$jars/pom.xml"
}

fetch()
{
    local fresh
    ! is_fetched || return 0
    command -v mvn >/dev/null || die 'Maven, which fetches Kafka, is not here' \
        'Install the package maven, then start again.'
    mkdir -p "${jars%/*}"
    fresh=$(mktemp -d "$jars.XXXXXX")
    if ! mvn -B -q -C -Dstyle.color=never -f "$here/kafka/pom.xml" dependency:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$fresh" >&2; then
        rm -rf "$fresh"
        die 'Maven could not fetch Kafka (see above)' \
            'It takes a network once; after that nothing more is fetched.'
    fi
    cp "$here/kafka/pom.xml" "$fresh/"
    rm -rf "$jars"
    # Where another start was quicker, its copy is as good.
    mv -T "$fresh" "$jars" 2>/dev/null || rm -rf "$fresh"
    is_fetched
}

# A short run of one of Kafka's own programs: quick to start rather than quick at length.
tool()
{
    java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$jars/*" \
        -Dlog4j2.configurationFile="$here/kafka/log4j2.properties" "$@"
}

# Ports may differ from those of the last start: nothing in the data names them. One copy of each
# internal topic is all that one process can keep.
settings()
{
    cat <<-END
		process.roles=broker,controller
		node.id=1
		listeners=PLAINTEXT://127.0.0.1:$1,CONTROLLER://127.0.0.1:$2
		advertised.listeners=PLAINTEXT://127.0.0.1:$1
		controller.listener.names=CONTROLLER
		controller.quorum.bootstrap.servers=127.0.0.1:$2
		log.dirs=$dir/data
		auto.create.topics.enable=false
		group.initial.rebalance.delay.ms=0
		offsets.topic.num.partitions=8
		offsets.topic.replication.factor=1
		transaction.state.log.num.partitions=4
		transaction.state.log.replication.factor=1
		transaction.state.log.min.isr=1
		share.coordinator.state.topic.num.partitions=4
		share.coordinator.state.topic.replication.factor=1
		share.coordinator.state.topic.min.isr=1
		log.cleaner.dedupe.buffer.size=16777216
		num.network.threads=2
		num.io.threads=4
	END
}

format()
{
    local id
    id=$(head -c 16 /dev/urandom | base64 | tr '+/' 'ab' | tr -d =)
    rm -rf "$dir/data"
    tool kafka.tools.StorageTool format --standalone --cluster-id "$id" \
        --config "$dir/server.properties" >"$dir/format.out" 2>&1 ||
        die "Kafka's data could not be formatted: see $dir/format.out"
    touch "$dir/formatted"
}

has_started()
{
    is_running "$dir/pid" || die 'Kafka ended at its start; the end of its log:' \
        "$(tail -n 5 "$dir/server.out")"
    grep -q 'Kafka Server started' "$dir/server.out"
}

start()
{
    local port=$1 controller
    mkdir -p "$dir"
    if is_running "$dir/pid"; then
        say "Kafka runs already in $dir"
        return
    fi
    command -v java >/dev/null || die 'Java, which Kafka needs, is not here' \
        'Install the package default-jre-headless, then start again.'
    fetch
    ((port > 0)) || port=$(free_port 0)
    ! port_taken "$port" || die "port $port, meant for Kafka, is in use" \
        "Stop what listens there (ss -ltnp 'sport = :$port' names it) or give another port."
    controller=$(free_port $((port + 1)))
    settings "$port" "$controller" >"$dir/server.properties"
    [[ -e $dir/formatted ]] || format
    echo "127.0.0.1:$port" >"$dir/brokers"
    spawn "$dir/pid" "$dir/server.out" java "-Xmx${KAFKA_HEAP:-512m}" -XX:+UseSerialGC \
        -cp "$jars/*" -Dlog4j2.configurationFile="$here/kafka/log4j2.properties" \
        kafka.Kafka "$dir/server.properties"
    wait_until 60 has_started || die "Kafka was not up within 60 s: see $dir/server.out"
}

topic()
{
    tool org.apache.kafka.tools.TopicCommand --bootstrap-server "$(<"$dir/brokers")" --create \
        --if-not-exists --topic "$1" --partitions "${2:-1}" --replication-factor 1 \
        >"$dir/topic.out" 2>&1 || die "topic $1 could not be made: see $dir/topic.out"
}

stop()
{
    stop_recorded "$dir/pid" 60
}

remove()
{
    [[ -d $dir ]] || return 0
    stop
    rm -rf "$dir/formatted" "$dir/data" "$dir/brokers" "$dir/server.properties" "$dir"/*.out "$dir"/*.out.old
}

main()
{
    (($# >= 1)) || { usage >&2; exit 2; }
    [[ $1 == fetch || $# -ge 2 ]] || { usage >&2; exit 2; }
    dir=$(realpath -m "${2:-.}")
    case $1 in
    fetch) fetch ;;
    start) start "${3:-0}" ;;
    stop) stop ;;
    status) is_running "$dir/pid" ;;
    brokers) cat "$dir/brokers" ;;
    topic) topic "${3:?name of the topic}" "${4:-1}" ;;
    remove) remove ;;
    *) usage >&2; exit 2 ;;
    esac
}

main "$@"
