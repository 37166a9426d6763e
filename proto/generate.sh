#!/bin/sh
# Makes proto/gen out of the .proto files. With --check it fails, and shows how, where that is not what is committed.
set -e
cd "$(dirname "$0")/.."
bin/with-node protoc -I proto --es_out=proto/gen --es_opt=target=ts,import_extension=ts proto/*.proto
if [ "${1-}" = --check ]; then exec git diff --exit-code proto/gen; fi
