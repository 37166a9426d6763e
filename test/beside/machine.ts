import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LabHost } from '../lab/box.ts'
import { type Finished, LabProcess, run } from '../lab/process.ts'
import { BareMachine } from '../start/bare-machine.ts'

/** Nothing of these is started where the root is made. */
const PACKAGES = [
  ...['systemd', 'dbus', 'iproute2', 'iputils-ping', 'nftables', 'iptables', 'conntrack', 'procps'],
  ...['ca-certificates', 'firewalld', 'ufw', 'network-manager', 'libvirt-daemon-system', 'libvirt-clients'],
  ...['dnsmasq-base', 'docker.io', 'busybox-static'],
].join(' ')
const INSTALL = [
  `printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d`,
  'chmod +x /usr/sbin/policy-rc.d',
  'apt-get update',
  `apt-get install -y --no-install-recommends --download-only ${PACKAGES}`,
  `unshare --net apt-get install -y --no-install-recommends ${PACKAGES}`,
  'apt-get clean',
].join(' && ')

const READY_WITHIN_MS = 20_000

/**
 * Process 1. The network is that of the host in the lab, everything else its own. What is written is in memory. That /sys is
 * read-only tells programs that there is no udev.
 */
const BOOT = `
  lower=$1 at=$2
  mount --make-rprivate /
  mount -t tmpfs tmpfs "$at"
  mkdir "$at/upper" "$at/work" "$at/root"
  mount -t overlay overlay -o "lowerdir=$lower,upperdir=$at/upper,workdir=$at/work" "$at/root"
  cd "$at/root"
  mount -t proc proc proc
  mount -t sysfs -o ro sysfs sys
  mount -t tmpfs tmpfs sys/fs/cgroup
  for c in cpu cpuacct cpuset devices freezer memory pids blkio; do
    mkdir sys/fs/cgroup/$c
    mount -t cgroup -o $c cgroup sys/fs/cgroup/$c || rmdir sys/fs/cgroup/$c
  done
  mount --rbind /dev dev
  mount -t tmpfs tmpfs run
  mkdir -p run/dbus run/systemd/netif run/lock var/lib/docker
  mount -t tmpfs tmpfs tmp
  mount -t tmpfs tmpfs var/lib/docker
  chroot . dbus-daemon --system --fork --nopidfile
  echo booted
  # Whoever is left alone is this shell's child, and ends properly.
  sleep infinity &
  wait`

/** A Debian 12 with these packages in the network of a host of the lab. */
export class Machine implements AsyncDisposable {
  readonly #parent: string
  readonly #boot: LabProcess

  private constructor(parent: string, boot: LabProcess) {
    this.#parent = parent
    this.#boot = boot
  }

  static whyNot = (): string | undefined => BareMachine.whyNot()

  static async start(host: LabHost): Promise<Machine> {
    const root = execFileSync('sh', [join(import.meta.dirname, '../start/bare-root.sh'), INSTALL], {
      stdio: ['ignore', 'pipe', 'inherit'],
      encoding: 'utf8',
    }).trim()
    const parent = mkdtempSync(join(tmpdir(), 'openspan-beside-'))
    const namespaces = ['--mount', '--pid', '--ipc', '--uts', '--fork', '--kill-child']
    const command = ['unshare', ...namespaces, 'sh', '-ec', BOOT, 'sh', root, parent]
    const boot = LabProcess.start(['ip', 'netns', 'exec', host.namespace, ...command], {
      logPath: join(parent, 'boot.log'),
    })
    const machine = new Machine(parent, boot)
    try {
      await boot.waitFor(/^booted$/m, READY_WITHIN_MS)
      return machine
    } catch (error) {
      await machine[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Runs shell there to its end. What it leaves in the background ends with the machine. */
  sh(script: string, check = true): Promise<Finished> {
    const of = (name: string): string => `/proc/${this.#boot.pid}/ns/${name}`
    return run(
      [
        ...['nsenter', `--mount=${of('mnt')}`, `--net=${of('net')}`, `--ipc=${of('ipc')}`],
        ...[`--uts=${of('uts')}`, `--pid=${of('pid_for_children')}`],
        ...['env', '-i', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/root', 'LANG=C.UTF-8', 'TERM=dumb'],
        ...['chroot', join(this.#parent, 'root'), 'sh', '-e'],
      ],
      { input: script, timeoutMilliseconds: 120_000, check },
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#boot.stop('SIGKILL')
    rmSync(this.#parent, { recursive: true, force: true })
  }
}
