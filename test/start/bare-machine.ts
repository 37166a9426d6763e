import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type Finished, LabProcess, run } from '../lab/process.ts'
import { machineEnvironment, onMachine } from '../support/machine.ts'

const HERE = import.meta.dirname
const CHECKOUT = resolve(HERE, '../..')
const CACHE =
  process.env.OPENSPAN_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'openspan')
const READY_WITHIN_MS = 10_000
const NAMESPACES = ['--mount', '--pid', '--net', '--fork', '--kill-child']

/** Process 1 of the machine. What is written there is in memory, and gone with it. */
const BOOT = `
  lower=$1 parent=$2 packages=$3 at=$2/machine
  mount --make-rprivate /
  mount -t tmpfs tmpfs "$at"
  mkdir "$at/upper" "$at/work" "$at/root"
  mount -t overlay overlay -o "lowerdir=$lower,upperdir=$at/upper,workdir=$at/work" "$at/root"
  cd "$at/root"
  mount -t proc proc proc
  mount -t sysfs sysfs sys
  mount --rbind /dev dev
  mount -t tmpfs tmpfs run
  mkdir -p srv/machine root/.npm
  mount --bind "$parent/shared" srv/machine
  mount --bind "$packages" root/.npm
  cp /etc/resolv.conf etc/resolv.conf
  echo '192.0.2.10 discovery.example.org' >>etc/hosts
  ip link set lo up
  ip link add eth0 type veth peer name eth1
  ip addr add 192.0.2.10/24 dev eth0
  ip link set eth0 up
  ip link set eth1 up
  echo booted
  exec sleep infinity`

export interface ShellOptions {
  /** Of the machine; its root by default. */
  readonly cwd?: string
  /** `own` leads nowhere but to discovery.example.org, which is the machine itself; `host` is for what installs something. */
  readonly network?: 'own' | 'host'
  readonly timeoutMilliseconds?: number
  readonly check?: boolean
}

/** A machine with Debian 12 and nothing else: root, processes and network of its own, and this checkout to clone from. */
export class BareMachine implements AsyncDisposable {
  /** Where the machine finds what is checked out here, as a repository with one commit. */
  readonly origin = '/srv/machine/openspan.git'
  readonly #parent: string
  readonly #boot: LabProcess
  readonly #started: LabProcess[] = []
  readonly #env: readonly string[]

  private constructor(parent: string, lower: string) {
    this.#parent = parent
    for (const directory of ['machine', 'shared']) mkdirSync(join(parent, directory))
    this.#env = npmEnvironment(join(parent, 'shared'))
    commitOfCheckout(join(parent, 'shared/openspan.git'))
    const packages = join(CACHE, 'bare/npm')
    mkdirSync(packages, { recursive: true })
    const command = ['unshare', ...NAMESPACES, 'sh', '-ec', BOOT, 'sh', lower, parent, packages]
    this.#boot = LabProcess.start(command, { logPath: join(parent, 'boot.log') })
  }

  /** Why there can be none here; undefined when there can. */
  static whyNot(): string | undefined {
    if (process.env.OPENSPAN_BARE !== undefined) return 'this is such a machine already'
    if (process.getuid?.() !== 0) return 'only root can make one'
    const tools = ['debootstrap', 'unshare', 'nsenter', 'git', 'npm', 'apt-get']
    const missing = tools.filter((tool) => onMachine(tool) === undefined)
    if (missing.length > 0) return `not installed here: ${missing.join(', ')}`
    return spawnSync('unshare', [...NAMESPACES, 'true']).status === 0 ? undefined : 'may not make namespaces'
  }

  /** @param command has run on the machine, some time before. */
  static async start(command: string): Promise<BareMachine> {
    const root = execFileSync('sh', [join(HERE, 'bare-root.sh'), command], {
      stdio: ['ignore', 'pipe', 'inherit'],
      encoding: 'utf8',
    })
    const machine = new BareMachine(mkdtempSync(join(tmpdir(), 'openspan-bare-')), root.trim())
    try {
      await machine.#boot.waitFor(/^booted$/m, READY_WITHIN_MS)
      return machine
    } catch (error) {
      await machine[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Runs a line of shell to its end. */
  shell(
    line: string,
    { timeoutMilliseconds = 120_000, check = true, ...options }: ShellOptions = {},
  ): Promise<Finished> {
    return run(this.#command(line, options), { timeoutMilliseconds, check })
  }

  /** Runs a line of shell to its end, whose output is this program's. Answers its status. */
  attach(line: string, options: ShellOptions = {}): number {
    const [program = '', ...args] = this.#command(line, options)
    return spawnSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'] }).status ?? 1
  }

  /** Starts a line of shell that goes on until the machine ends. */
  start(line: string, options: ShellOptions = {}): LabProcess {
    const logPath = join(this.#parent, `${this.#started.length}.log`)
    const started = LabProcess.start(this.#command(line, options), { logPath })
    this.#started.push(started)
    return started
  }

  #command(line: string, { cwd = '/', network = 'own' }: ShellOptions): readonly string[] {
    const of = (name: string): string => `/proc/${this.#boot.pid}/ns/${name}`
    const namespaces = [`--mount=${of('mnt')}`, `--pid=${of('pid_for_children')}`]
    return [
      ...['nsenter', ...namespaces, ...(network === 'own' ? [`--net=${of('net')}`] : [])],
      ...['env', '-i', 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/root'],
      ...['TERM=dumb', 'DEBIAN_FRONTEND=noninteractive', 'OPENSPAN_BARE=1', ...this.#env],
      ...['chroot', join(this.#parent, 'machine/root'), 'sh', '-c', `cd "$1" && ${line}`, 'sh', cwd],
    ]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#boot.stop('SIGKILL')
    await Promise.all(this.#started.map((started) => started.stop('SIGKILL')))
    rmSync(this.#parent, { recursive: true })
  }
}

/** How this machine reaches the registry, for npm on the other one. Authorities are copied to the folder that it shares. */
function npmEnvironment(shared: string): readonly string[] {
  const npm = onMachine('npm') ?? 'npm'
  const setting = (name: string): string =>
    execFileSync(npm, ['config', 'get', name], {
      env: machineEnvironment(),
      cwd: '/',
      encoding: 'utf8',
    }).trim()
  const authorities = [setting('cafile'), process.env.NODE_EXTRA_CA_CERTS].find(
    (path) => path !== undefined && path !== 'null' && path !== '',
  )
  if (authorities !== undefined) copyFileSync(authorities, join(shared, 'authorities.pem'))
  const proxies = Object.entries(process.env).filter(([name]) => /^(https?|no)_proxy$/i.test(name))
  return [
    `npm_config_registry=${setting('registry')}`,
    ...(authorities === undefined ? [] : ['npm_config_cafile=/srv/machine/authorities.pem']),
    ...proxies.map(([name, value]) => `${name}=${value}`),
  ]
}

/** A bare repository with one commit: what is checked out here, changes included. */
function commitOfCheckout(repository: string): void {
  const settings = ['user.name=openspan', 'user.email=openspan@localhost', 'commit.gpgsign=false']
  const options = settings.flatMap((setting) => ['-c', setting])
  const git = (...args: readonly string[]): string =>
    execFileSync('git', [...options, `--git-dir=${repository}`, `--work-tree=${CHECKOUT}`, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      encoding: 'utf8',
    })
  execFileSync('git', ['init', '-q', '--bare', '-b', 'main', repository])
  git('add', '-A')
  git('commit', '-q', '-m', 'what is checked out')
}
