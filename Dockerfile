# All of Rota's programs in one image: what runs is the command.
#
#   docker build -t rota .
#   docker run --rm rota rota-consumer --help
#
# BASE may be any Debian from 12 on.
ARG BASE=debian:trixie-slim

FROM ${BASE} AS build
RUN apt-get update && apt-get install -y --no-install-recommends \
        gcc libc6-dev meson ninja-build pkg-config libpq-dev librdkafka-dev libmicrohttpd-dev \
        libjson-c-dev libsystemd-dev libcurl4-openssl-dev libglib2.0-dev
COPY . /source
RUN meson setup --buildtype=release --prefix=/usr/local --strip /build /source \
    && ninja -C /build \
    && DESTDIR=/installed meson install -C /build --no-rebuild

FROM ${BASE}
# Debian 13 has some of these under longer names, which it takes for the shorter ones.
RUN apt-get update && apt-get install -y --no-install-recommends \
        libpq5 librdkafka1 libmicrohttpd12 libjson-c5 libsystemd0 libcurl4 libglib2.0-0 \
        ca-certificates tzdata \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -o 65532 -g 65532 /var/log/rota
COPY --from=build /installed/usr/local/bin/ /usr/local/bin/
ENV ROTA_LOG_DIR=/var/log/rota
LABEL org.opencontainers.image.title="Rota" \
      org.opencontainers.image.description="Runs every scheduled task once, on time" \
      org.opencontainers.image.licenses="Apache-2.0"
# A number, so that "not root" can be seen without the image's list of users.
USER 65532:65532
STOPSIGNAL SIGTERM
EXPOSE 8080
# Asks the program's own /readyz. It fits the command below; for another program name that one
# (docker-compose.yml does).
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=3 \
    CMD ["rota-producer", "--healthcheck"]
CMD ["rota-producer"]
