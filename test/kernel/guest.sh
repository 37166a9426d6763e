#!/bin/sh
# Process 1 of the emulated machine, whose files are this machine's: runs a command, says how it ended, switches off.
#
# usage: guest.sh ROOT CHECKOUT COMMAND [ARGUMENT…]
root=$1 checkout=$2
shift 2

export PATH="$checkout/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" HOME=/root LANG=C.UTF-8
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts none /dev/pts
mount -t tmpfs none /dev/shm
mount -t tmpfs none /run
mount -t tmpfs none /sys/fs/cgroup
for name in fd:fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do ln -s "/proc/self/${name#*:}" "/dev/${name%%:*}"; done
ip link set lo up

# The kernel asks for modules by itself, with next to nothing in its environment.
cat >/run/modprobe <<MODPROBE
#!/bin/sh
LD_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu exec $root/tools/modprobe -d $root "\$@"
MODPROBE
chmod +x /run/modprobe
echo /run/modprobe >/proc/sys/kernel/modprobe

cd "$checkout" || exit
echo "guest: Linux $(uname -r) after $(cut -d' ' -f1 /proc/uptime) s"
"$@"
code=$?
echo "guest: ended with $code after $(cut -d' ' -f1 /proc/uptime) s"
echo "$code" >/dev/ttyS1
sync
"$root/tools/busybox" poweroff -f
