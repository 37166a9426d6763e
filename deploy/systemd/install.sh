#!/bin/sh
# Installs this checkout as services: sh deploy/systemd/install.sh. Nothing is started; run it again after an upgrade.
# DESTDIR is put in front of every path.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
root=${DESTDIR:-}
# The units hide these from their services (ProtectHome, PrivateTmp), which would only say "status 127".
for hidden in home root run/user tmp var/tmp; do
  case $here/ in "/$hidden"/*)
    echo "services cannot see $here: move the checkout, to /opt/openspan for one, and run this there" >&2
    exit 1 ;;
  esac
done
"$here/bin/node" --version >/dev/null || exit 1 # it says what is missing

wrapper() { # name: of a program in bin
  printf '#!/bin/sh\nexec "%s" "$@"\n' "$here/bin/$1" > "$root/usr/local/bin/$1"
  chmod 0755 "$root/usr/local/bin/$1"
}
mkdir -p "$root/usr/local/bin" "$root/etc/systemd/system" "$root/etc/sysusers.d" "$root/etc/kubespan"
wrapper kubespan
wrapper discovery-service
for unit in kubespan kubespan-wireguard discovery-service; do
  install -m 0644 "$here/deploy/systemd/$unit.service" "$root/etc/systemd/system/"
done
install -m 0644 "$here/deploy/systemd/kubespan.sysusers.conf" "$root/etc/sysusers.d/kubespan.conf"

if [ -z "$root" ]; then
  systemd-sysusers /etc/sysusers.d/kubespan.conf
  if [ -e /etc/kubespan/config.yaml ]; then
    chown root:kubespan /etc/kubespan/config.yaml
    chmod 0640 /etc/kubespan/config.yaml
  fi
  systemctl daemon-reload
fi
echo "installed; next: systemctl enable --now kubespan (or discovery-service)"
