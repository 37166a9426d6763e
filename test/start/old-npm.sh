#!/bin/sh
# Sets up what is committed here with the npm of Debian 12 and with that of Node 20, neither of which links
# node_modules/.bin/node, and makes the first steps. In clones of its own, which it removes. Needs Node, npm and git; takes
# half a minute.
set -eu
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'status=$?; [ "$status" = 0 ] || cat "$work/log" >&2; rm -rf "$work"; exit "$status"' EXIT
trap 'exit 1' INT TERM
exec 3>&1 >"$work/log" 2>&1

for version in 9.2.0 10.8.2; do
  tool=$work/npm-$version
  npm install --prefix "$tool" --no-save --no-audit --no-fund "npm@$version"
  npm() { node "$tool/node_modules/npm/bin/npm-cli.js" "$@"; }
  git clone -q . "$work/$version"
  (
    cd "$work/$version"
    npm ci
    npm run -s kubespan -- --version
    npm run -s discovery-service -- -version
    bin/kubespan --version
    bin/node --test --test-isolation=none test/unit/shared/net/address.test.ts
  )
  unset -f npm
  echo "set up with npm $version: starts" >&3
done
