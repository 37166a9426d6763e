#!/bin/sh
# Makes a root of Debian 12 in which a shell command has run, in a cache outside the checkout:
#   ~/.cache/openspan/bare/root-HASH
# A minute or two when nothing is there, no time at all when everything is. Packages come from where this machine has its
# own from, where that has the same release.
#
# usage: bare-root.sh COMMAND    make it, print its folder
set -eu

RELEASE=bookworm
command=$1
cache=${OPENSPAN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/openspan}/bare
root=$cache/root-$(printf %s "$RELEASE $command" | sha256sum | cut -c1-16)
echo "$root"
if [ -e "$root" ]; then exit 0; fi

PATH=$PATH:/usr/sbin:/sbin
mkdir -p "$cache"
# One at a time on a machine; the second finds everything there.
exec 9>"$cache/lock"
flock 9
if [ -e "$root" ]; then exit 0; fi

work=$(mktemp -d "$cache/make.XXXXXX")
new=$work/root
finish() {
  status=$?
  if mountpoint -q "$new/proc"; then umount "$new/proc"; fi
  if [ "$status" != 0 ]; then cat "$work/log" >&3; fi
  rm -rf --one-file-system "$work"
  exit "$status"
}
trap finish EXIT
trap 'exit 1' INT TERM
echo "bare-root: making a root of Debian $RELEASE in $cache" >&2
exec 3>&2 >"$work/log" 2>&1

# This machine's places of Debian, as lines of: URI CODENAME.
apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' 'Origin: Debian' |
  sort -u | grep " $RELEASE" >"$work/sources" || true
mirror=$(sed -n "s/ $RELEASE\$//p" "$work/sources")
debootstrap --force-check-gpg --variant=minbase "$RELEASE" "$new" $mirror
if [ -n "$mirror" ]; then sed 's/^/deb /; s/$/ main/' "$work/sources" >"$new/etc/apt/sources.list"; fi
apt-config dump | grep -E '^Acquire::(https?|Check-|Retries|ForceIPv)' >"$new/etc/apt/apt.conf.d/99host" || true
cp /etc/resolv.conf "$new/etc/resolv.conf"
# Nobody minds if this root is lost.
echo force-unsafe-io >"$new/etc/dpkg/dpkg.cfg.d/unsafe-io"

mount -t proc proc "$new/proc"
env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
  chroot "$new" sh -ec "$command"
umount "$new/proc"
# Of those that no README asks for any more nothing stays. The rename makes this one whole or absent.
find "$cache" -maxdepth 1 -name 'root-*' -mtime +30 -exec rm -rf --one-file-system {} +
mv "$new" "$root"
