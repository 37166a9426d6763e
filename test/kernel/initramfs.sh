#!/bin/sh
# Writes what the kernel starts with: as few modules as it takes to mount this machine's own files, read-only below a
# layer in memory. All other modules are loaded from there when they are asked for.
#
# usage: initramfs.sh ROOT OUTPUT SCRIPT [ARGUMENT…]    SCRIPT becomes process 1 on those files
set -eu

root=$1 output=$2
shift 2
export LD_LIBRARY_PATH="$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu"
version=$(ls "$root/lib/modules")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

mkdir "$work/modules" "$work/proc" "$work/sys" "$work/dev" "$work/host" "$work/layer" "$work/root"
cp "$root/tools/busybox" "$work/busybox"
for module in virtio_pci virtio_rng 9pnet_virtio 9p overlay; do
  "$root/tools/modprobe" -d "$root" -S "$version" --show-depends "$module"
done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' >"$work/list"
place=10
while read -r file; do
  name=$(basename "$file")
  case $file in
  *.xz) xz -dc "$file" >"$work/modules/$place-${name%.xz}" ;;
  *) cp "$file" "$work/modules/$place-$name" ;;
  esac
  place=$((place + 1))
done <"$work/list"
rm "$work/list"
printf '%s\n' "$@" >"$work/arguments"

cat >"$work/init" <<'INIT'
#!/busybox sh
b=/busybox
$b mount -t proc none /proc
$b mount -t sysfs none /sys
for module in /modules/*; do $b insmod "$module" || echo "init: $module is refused"; done
$b mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro host /host
$b mount -t tmpfs none /layer
$b mkdir /layer/upper /layer/work
$b mount -t overlay -o lowerdir=/host,upperdir=/layer/upper,workdir=/layer/work none /root
for place in proc sys; do $b umount "/$place"; done
set --
while read -r argument; do set -- "$@" "$argument"; done </arguments
exec $b switch_root /root /bin/sh "$@"
INIT
chmod +x "$work/init"
(cd "$work" && find . | "$root/tools/cpio" -o -H newc --quiet) >"$output"
