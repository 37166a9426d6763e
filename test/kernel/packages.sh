#!/bin/sh
# Fetches a Debian kernel with WireGuard, and qemu with what it takes to boot it, into a cache outside the checkout:
#   ~/.cache/openspan/kernel/root
# Nothing is installed on this machine: the packages are unpacked there, without those that the machine has already.
# About 150 MB to fetch when nothing is there, no time at all when everything is.
#
# usage: packages.sh            fetch what is missing
#        packages.sh --where    print the folder; exit 1 when it is not complete
set -eu

cache=${OPENSPAN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/openspan}/kernel
root=$cache/root

if [ "${1-}" = --where ]; then
  echo "$root"
  [ -e "$root" ]
  exit
fi
if [ -e "$root" ]; then exit 0; fi
[ "$(uname -m)" = x86_64 ] || { echo "kernel: only x86-64 machines are emulated here" >&2; exit 1; }
[ "$(id -u)" = 0 ] || { echo "kernel: run as root, as the tests do: apt-get needs it" >&2; exit 1; }

mkdir -p "$cache"
work=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
# One fetch at a time on a machine; the second finds everything there.
exec 9>"$cache/lock"
if command -v flock >/dev/null; then flock 9; fi
if [ -e "$root" ]; then exit 0; fi

echo "kernel: fetching a Debian kernel and qemu into $cache"
mkdir -p "$work/archives/partial" "$work/kernel" "$work/root"
# The kernel alone: what it depends on would make it bootable here, and here is not where it is booted.
if ! {
  apt-get update &&
    image=$(apt-cache depends --important linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p') &&
    (cd "$work/kernel" && apt-get -o APT::Sandbox::User=root download "$image") &&
    apt-get install -y --download-only --no-install-recommends --reinstall -o Dir::Cache::archives="$work/archives" \
      qemu-system-x86 busybox-static kmod cpio xz-utils
} >"$work/log" 2>&1; then
  cat "$work/log" >&2
  exit 1
fi
for package in "$work"/kernel/*.deb "$work"/archives/*.deb; do dpkg -x "$package" "$work/root"; done
# Where Debian puts things differs from release to release; here they have one place.
cd "$work/root"
mkdir tools
for tool in kmod cpio busybox qemu-system-x86_64; do
  for place in bin sbin usr/bin usr/sbin; do
    if [ -f "$place/$tool" ]; then ln -sf "../$place/$tool" tools/; fi
  done
  [ -e "tools/$tool" ] || { echo "kernel: no $tool in the packages" >&2; exit 1; }
done
ln -s kmod tools/modprobe
ln -s kmod tools/depmod
(cd boot && ln -s vmlinuz-* vmlinuz)
if [ ! -d lib/modules ]; then ln -s ../usr/lib/modules lib/modules; fi
mkdir -p lib/x86_64-linux-gnu usr/lib/x86_64-linux-gnu
LD_LIBRARY_PATH=$PWD/usr/lib/x86_64-linux-gnu:$PWD/lib/x86_64-linux-gnu tools/depmod -b "$PWD" "$(ls lib/modules)"
# The rename makes it whole or absent.
cd "$cache"
mv "$work/root" "$root"
