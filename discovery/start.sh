#!/bin/sh
# Starts the discovery service as it is meant to run: `discovery/start.sh -help`. It works without this too, a little slower.
self=$(readlink -f -- "$0")
checkout=${self%/discovery/*}
# Compiled code is kept where only the owner of the checkout writes: a command starts in half the time.
export NODE_COMPILE_CACHE="${NODE_COMPILE_CACHE:-$checkout/node_modules/.cache/compile}"
# --initial-heap-size (MiB): connections that come and go would make V8 collect the whole of a heap that is nearly all
# in use, twice in three seconds. --openssl-config: see there; a file of the operator's own takes its place.
exec "$checkout/bin/node" --initial-heap-size=64 --openssl-config="${OPENSSL_CONF:-$checkout/discovery/openssl.cnf}" \
  "$checkout/discovery/main.ts" "$@"
