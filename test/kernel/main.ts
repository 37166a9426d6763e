import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { readConsole, renderResults } from './console.ts'

/**
 * Runs tests under a Debian kernel with the real WireGuard module, in an emulated machine whose files are this
 * machine's own, read-only below a layer in memory. The exit status is that of the tests.
 *
 * `bin/node test/kernel/main.ts` runs the essential ones; `bin/node test/kernel/main.ts FILE…` others, and
 * `bin/node test/kernel/main.ts -- COMMAND…` anything else.
 */

interface Selection {
  readonly file: string
  /** A regular expression over the names of its tests; all by default. */
  readonly only?: string
}

/**
 * What differs, or might, where the kernel has WireGuard itself: a list for each machine. Two machines of one processor do
 * more than one of two, where each waits for the other whenever code is made.
 */
const ESSENTIAL: readonly (readonly Selection[])[] = [
  [
    { file: 'test/e2e/restart.test.ts' },
    { file: 'test/e2e/upgrade.test.ts', only: '^two peers that talk' },
    { file: 'test/kernel/clock.test.ts' },
  ],
  [
    { file: 'test/integration/kubespan-data-path.test.ts' },
    {
      file: 'test/integration/kubespan-host.test.ts',
      only: '^(a host without anything|drift: (the link is deleted|a peer is|the private key|the mark of)|a thousand peers|cleaning up|what a crash)',
    },
    { file: 'test/integration/kubespan-bypass.test.ts' },
    { file: 'test/e2e/race.test.ts', only: '^(one good endpoint|where a foreign firewall)' },
    { file: 'test/e2e/nested.test.ts' },
  ],
]

/** Emulation is that much slower, at worst. */
const PATIENCE = 20
/** Whatever hangs, this ends. */
const LIMIT_MINUTES = Number(process.env.KERNEL_LIMIT_MINUTES || 40)
/** A file that hangs does not keep the others from running. */
const FILE_LIMIT_SECONDS = 1_200
const MEMORY_MEGABYTES = 2_048

const HERE = import.meta.dirname
const CHECKOUT = resolve(HERE, '../..')

const args = process.argv.slice(2)
/** None where another command runs instead. */
const lanes: readonly (readonly Selection[])[] =
  args[0] === '--' ? [[]] : args.length > 0 ? [args.map((file) => ({ file }))] : ESSENTIAL

function guestCommand(lane: readonly Selection[]): readonly string[] {
  if (lane.length === 0) return args.slice(1)
  const script = lane.map(
    ({ file, only = '' }) => `sh test/kernel/file.sh ${FILE_LIMIT_SECONDS} '${only}' ${file}`,
  )
  return [
    ...['env', `OPENSPAN_PATIENCE=${PATIENCE}`, 'OPENSPAN_EMULATED=1', 'TEST_VERBOSE=1'],
    ...['sh', '-c', script.join('; ')],
  ]
}

/** Runs one of the scripts beside this file; what it says is for the user. */
function script(name: string, args: readonly string[] = []): string {
  const { status, stdout } = spawnSync('sh', [join(HERE, name), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  })
  if (status !== 0) process.exit(status ?? 1)
  return stdout.trim()
}

/** What is edited meanwhile would else change below the tests, or half of it: the machine reads a file when it needs it. */
function copyOfCheckout(to: string): string {
  const left = ['.git', 'node_modules', 'coverage']
  cpSync(CHECKOUT, to, { recursive: true, filter: (path) => !left.includes(basename(path)) })
  symlinkSync(realpathSync(join(CHECKOUT, 'node_modules')), join(to, 'node_modules'))
  return to
}

function machineArguments(root: string, initramfs: string, exitCode: string): readonly string[] {
  return [
    ...['-accel', 'tcg', '-cpu', 'max', '-m', `${MEMORY_MEGABYTES}`],
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none'],
    ...['qemu', 'seabios'].flatMap((name) => ['-L', join(root, 'usr/share', name)]),
    // The console, and what the guest says of its end.
    ...['-serial', 'stdio', '-serial', `file:${exitCode}`],
    ...['-kernel', join(root, 'boot/vmlinuz'), '-initrd', initramfs],
    ...['-append', 'console=ttyS0 quiet loglevel=3 mitigations=off panic=-1 random.trust_cpu=on'],
    ...['-device', 'virtio-rng-pci'],
    ...['-fsdev', 'local,id=host,path=/,security_model=none,readonly=on,multidevs=remap'],
    ...['-device', 'virtio-9p-pci,fsdev=host,mount_tag=host'],
  ]
}

script('packages.sh')
const root = script('packages.sh', ['--where'])
const work = mkdtempSync(join(tmpdir(), 'openspan-kernel-'))
process.once('exit', () => rmSync(work, { recursive: true, force: true }))
const checkout = copyOfCheckout(join(work, 'checkout'))
const libraries = [join(root, 'usr/lib/x86_64-linux-gnu'), join(root, 'lib/x86_64-linux-gnu')]
const machines: ChildProcess[] = []
let console = ''

/** Resolves, when the machine is off, to the status that it told; undefined when it told none. */
async function runMachine(command: readonly string[]): Promise<number | undefined> {
  const place = mkdtempSync(join(work, 'machine-'))
  const [initramfs, exitCode] = [join(place, 'initramfs'), join(place, 'exit-code')]
  script('initramfs.sh', [...[root, initramfs], ...[join(HERE, 'guest.sh'), root, checkout, ...command]])
  const machine = spawn(
    'nice',
    [join(root, 'tools/qemu-system-x86_64'), ...machineArguments(root, initramfs, exitCode)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        PATH: process.env.PATH,
        LD_LIBRARY_PATH: libraries.join(':'),
        QEMU_MODULE_DIR: join(root, 'usr/lib/x86_64-linux-gnu/qemu'),
      },
    },
  )
  machines.push(machine)
  const ended = new Promise((done) => machine.once('close', done).once('error', done))
  // Whole lines, as several machines may speak.
  createInterface(machine.stdout).on('line', (line) => {
    console += `${line}\n`
    process.stdout.write(`${line}\n`)
  })
  await ended
  const said = existsSync(exitCode) ? readFileSync(exitCode, 'utf8').trim() : ''
  return said === '' ? undefined : Number(said)
}

const endAll = (): void => {
  for (const machine of machines) machine.kill('SIGKILL')
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(signal, () => {
    endAll()
    process.exit(1)
  })
const alarm = setTimeout(() => {
  process.stderr.write(`kernel: not at an end after ${LIMIT_MINUTES} minutes\n`)
  endAll()
}, LIMIT_MINUTES * 60_000)
const startedAt = performance.now()
const statuses = await Promise.all(lanes.map((lane) => runMachine(guestCommand(lane))))
clearTimeout(alarm)

const results = readConsole(
  console,
  lanes.flat().map(({ file }) => file),
)
const minutes = (performance.now() - startedAt) / 60_000
if (results.length > 0)
  process.stdout.write(`\n${renderResults(results)}kernel: ${minutes.toFixed(1)} minutes\n`)
if (statuses.includes(undefined)) process.stderr.write('kernel: a machine ended without a word\n')
const isGood =
  statuses.every((status) => status === 0) && results.every(({ problem }) => problem === undefined)
process.exit(isGood ? 0 : (statuses.find((status) => status) ?? 1))
