#!/bin/sh
# Brings a Debian or Ubuntu machine to where `make demo` and `make test` run: npm packages from the lock
# file, and the Debian packages that are missing. Does nothing, quickly, when all is there.
set -eu

command -v npm >/dev/null || { echo "install: npm is needed: apt-get install npm" >&2; exit 1; }
# TypeScript is not there after npm ci --omit=dev.
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ] ||
  [ ! -e node_modules/typescript ]; then
  echo "installing npm packages"
  log=$(mktemp)
  npm ci --no-audit --no-fund >"$log" 2>&1 || { cat "$log" >&2; rm -f "$log"; exit 1; }
  rm -f "$log"
  touch node_modules/.package-lock.json
fi

missing=
for pair in nft:nftables wg:wireguard-tools ip:iproute2 ping:iputils-ping fping:fping zsh:zsh tcpdump:tcpdump sysctl:procps \
  debootstrap:debootstrap redis-server:redis-server; do
  PATH="$PATH:/usr/sbin:/sbin" command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair#*:}"
done
# What debootstrap believes a Debian mirror by; Ubuntu does not bring it.
[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || missing="$missing debian-archive-keyring"
# Where the kernel has no WireGuard, userspace takes its place.
if ! ip link add openspan-probe type wireguard 2>/dev/null; then
  command -v wireguard-go >/dev/null || missing="$missing wireguard-go"
else
  ip link del openspan-probe
fi

if [ -n "$missing" ]; then
  [ "$(id -u)" = 0 ] || { echo "install: run as root, or install:$missing" >&2; exit 1; }
  echo "installing Debian packages:$missing"
  log=$(mktemp)
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1 ||
    { cat "$log" >&2; rm -f "$log"; exit 1; }
  rm -f "$log"
fi
