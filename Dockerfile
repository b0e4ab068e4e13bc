# streamctl for CI jobs, which need a shell. The release builds this image and provides the
# program for each platform.
FROM debian:stable-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
ARG TARGETPLATFORM
COPY $TARGETPLATFORM/streamctl /usr/local/bin/streamctl
COPY LICENSE bin/release/THIRD_PARTY_LICENSES /usr/share/doc/streamctl/
WORKDIR /work
CMD ["streamctl", "--help"]
