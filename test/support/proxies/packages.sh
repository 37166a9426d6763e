#!/bin/sh
# Fetches Debian's nginx and haproxy into a cache outside the checkout:
#   ~/.cache/openspan/proxies/root
# They are unpacked there, with the libraries that the machine does not have: installed, they would start as services.
# About 4 MB to fetch when nothing is there, no time at all when everything is.
#
# usage: packages.sh    fetch what is missing, print the folder
set -eu

cache=${OPENSPAN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/openspan}/proxies
root=$cache/root
echo "$root"
if [ -e "$root" ]; then exit 0; fi
[ "$(id -u)" = 0 ] || { echo "proxies: run as root, as the tests do: apt-get needs it" >&2; exit 1; }

mkdir -p "$cache"
work=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
# One fetch at a time on a machine; the second finds everything there.
exec 9>"$cache/lock"
flock 9
if [ -e "$root" ]; then exit 0; fi

mkdir -p "$work/archives/partial" "$work/root"
if ! {
  apt-get update &&
    apt-get install -y --download-only --no-install-recommends --reinstall -o Dir::Cache::archives="$work/archives" \
      nginx haproxy
} >"$work/log" 2>&1; then
  cat "$work/log" >&2
  exit 1
fi
for package in "$work"/archives/*.deb; do dpkg -x "$package" "$work/root"; done
# The rename makes it whole or absent.
mv "$work/root" "$root"
