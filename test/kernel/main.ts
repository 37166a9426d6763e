import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

/**
 * Runs tests under a Debian kernel with the real WireGuard module, in an emulated machine whose files are this
 * machine's own, read-only below a layer in memory. The exit status is that of the tests.
 *
 * `node test/kernel/main.ts` runs the essential ones; `node test/kernel/main.ts FILE…` others, and
 * `node test/kernel/main.ts -- COMMAND…` anything else.
 */

interface Selection {
  readonly file: string
  /** A regular expression over the names of its tests; all by default. */
  readonly only?: string
}

/** What differs, or might, where the kernel has WireGuard itself. Twenty minutes on two cores that have other work as well. */
const ESSENTIAL: readonly Selection[] = [
  {
    file: 'test/integration/kubespan-host.test.ts',
    only: '^(a host without anything|drift: (the link is deleted|a peer is|the private key|the mark of)|a thousand peers|cleaning up)',
  },
  { file: 'test/integration/kubespan-data-path.test.ts' },
  { file: 'test/e2e/race.test.ts', only: '^one good endpoint' },
  { file: 'test/e2e/restart.test.ts' },
]

/** Emulation is that much slower, at worst. */
const PATIENCE = 20
/** Whatever hangs, this ends. */
const LIMIT_MINUTES = Number(process.env.KERNEL_LIMIT_MINUTES || 40)
const PROCESSORS = 2
const MEMORY_MEGABYTES = 3_072

const HERE = import.meta.dirname
const CHECKOUT = resolve(HERE, '../..')

const REPORTER = '--test-reporter=./test/support/reporter.ts'

/** Each file by itself, the rest also when one fails. */
function guestCommand(args: readonly string[]): readonly string[] {
  if (args[0] === '--') return args.slice(1)
  const selections = args.length > 0 ? args.map((file): Selection => ({ file })) : ESSENTIAL
  const lines = selections.map(({ file, only }) => {
    const options = [REPORTER, ...(only === undefined ? [] : [`--test-name-pattern='${only}'`])]
    return `node --test ${options.join(' ')} ${file} || code=1`
  })
  const script = ['code=0', ...lines, 'exit $code'].join('; ')
  return ['env', `OPENSPAN_PATIENCE=${PATIENCE}`, 'TEST_VERBOSE=1', 'sh', '-c', script]
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

function machineArguments(root: string, initramfs: string, exitCode: string): readonly string[] {
  return [
    ...['-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', `${PROCESSORS}`, '-m', `${MEMORY_MEGABYTES}`],
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
const [initramfs, exitCode] = [join(work, 'initramfs'), join(work, 'exit-code')]
script('initramfs.sh', [
  ...[root, initramfs],
  ...[join(HERE, 'guest.sh'), root, CHECKOUT, ...guestCommand(process.argv.slice(2))],
])

const libraries = [join(root, 'usr/lib/x86_64-linux-gnu'), join(root, 'lib/x86_64-linux-gnu')]
const machine = spawn(
  'nice',
  [join(root, 'tools/qemu-system-x86_64'), ...machineArguments(root, initramfs, exitCode)],
  {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {
      PATH: process.env.PATH,
      LD_LIBRARY_PATH: libraries.join(':'),
      QEMU_MODULE_DIR: join(root, 'usr/lib/x86_64-linux-gnu/qemu'),
    },
  },
)
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(signal, () => {
    machine.kill('SIGKILL')
    process.exit(1)
  })
const alarm = setTimeout(() => {
  process.stderr.write(`kernel: not at an end after ${LIMIT_MINUTES} minutes\n`)
  machine.kill('SIGKILL')
}, LIMIT_MINUTES * 60_000)
await new Promise((ended) => machine.once('close', ended).once('error', ended))
clearTimeout(alarm)

/** Empty when the machine was killed, or ended before its command did. */
const said = readFileSync(exitCode, 'utf8').trim()
if (said === '') process.stderr.write('kernel: the machine ended without a word\n')
process.exit(said === '' ? 1 : Number(said))
