#!/bin/sh
# Builds kube-apiserver and etcd from the Go module proxy, once per version, into a cache outside the checkout:
#   ~/.cache/openspan/k8s/VERSION/kube-apiserver and ~/.cache/openspan/k8s/VERSION/etcd
# About 10 minutes on two cores when nothing is there, no time at all when everything is. Every module is checked
# against the checksum database. Debian's own etcd is too old for watch bookmarks.
#
# usage: build.sh            build what is missing
#        build.sh --where    print both paths, one a line; exit 1 when one is missing
set -eu

KUBERNETES=v1.34.4
ETCD=v3.7.3

cache=${OPENSPAN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/openspan}/k8s
apiserver=$cache/$KUBERNETES/kube-apiserver
etcd=$cache/$ETCD/etcd

if [ "${1-}" = --where ]; then
  printf '%s\n%s\n' "$apiserver" "$etcd"
  [ -x "$apiserver" ] && [ -x "$etcd" ]
  exit
fi
if [ -x "$apiserver" ] && [ -x "$etcd" ]; then exit 0; fi
command -v go >/dev/null || { echo "build: Go is needed to build kube-apiserver and etcd" >&2; exit 1; }

mkdir -p "$cache"
work=$(mktemp -d "$cache/build.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
# One build at a time on a machine; the second finds everything there.
exec 9>"$cache/lock"
if command -v flock >/dev/null; then flock 9; fi

export GOFLAGS=-mod=mod GOWORK=off CGO_ENABLED=0

# build TARGET VERSION-FLAGS: the main package in the working directory. The rename makes it whole or absent.
build() {
  mkdir -p "${1%/*}"
  go build -p "${GO_BUILD_JOBS:-2}" -buildvcs=false -trimpath -ldflags "-s -w $2" -o "$work/out" .
  mv "$work/out" "$1"
}

if [ ! -x "$etcd" ]; then
  mkdir "$work/etcd"
  cd "$work/etcd"
  module=$(go mod download -json "go.etcd.io/etcd/server/v3@$ETCD" | sed -n 's/.*"GoMod": "\(.*\)",/\1/p')
  cat >go.mod <<EOT
module openspan.test/etcd
go $(sed -n 's/^go //p' "$module")
require go.etcd.io/etcd/server/v3 $ETCD
EOT
  cat >main.go <<'EOT'
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
EOT
  build "$etcd" ''
fi

if [ ! -x "$apiserver" ]; then
  mkdir "$work/apiserver"
  cd "$work/apiserver"
  module=$(go mod download -json "k8s.io/kubernetes@$KUBERNETES" | sed -n 's/.*"GoMod": "\(.*\)",/\1/p')
  {
    echo "module openspan.test/apiserver"
    sed -n 's/^\(go .*\)/\1/p' "$module"
    sed -n 's/^go \([0-9]*\.[0-9]*\).*/godebug default=go\1/p' "$module"
    echo "require k8s.io/kubernetes $KUBERNETES"
    # The staging modules are required as v0.0.0 and live beside the main one; each is also published under a tag.
    grep -oE '^[[:space:]]*k8s.io/[a-z0-9.-]+ (v0\.0\.0$|=> \./staging)' "$module" | awk '{ print $1 }' | sort -u |
      while read -r staging; do echo "replace $staging => $staging v0.${KUBERNETES#v1.}"; done
  } >go.mod
  cat >main.go <<'EOT'
package main

import (
	"os"
	_ "time/tzdata"

	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() { os.Exit(cli.Run(app.NewAPIServerCommand())) }
EOT
  minor=${KUBERNETES#v1.}
  version=k8s.io/component-base/version
  build "$apiserver" \
    "-X $version.gitVersion=$KUBERNETES -X $version.gitMajor=1 -X $version.gitMinor=${minor%%.*}"
fi
