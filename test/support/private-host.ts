import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { env, execArgv, execPath, exit, getuid, stderr } from 'node:process'

/** Set in the process that lives in the private namespaces. */
const INSIDE = 'OPENSPAN_PRIVATE_HOST'

/** Why no private host can be had here; undefined when one can. */
export function whyNoPrivateHost(tools: readonly string[]): string | undefined {
  if (getuid?.() !== 0) return 'needs root, for namespaces of its own'
  const missing = ['unshare', 'setpriv', ...tools].filter(
    (tool) => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0,
  )
  if (missing.length > 0) return `needs ${missing.join(', ')}`
  return spawnSync('unshare', [...NAMESPACES, 'true']).status === 0 ? undefined : 'may not make namespaces'
}

const NAMESPACES = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc']

/** A /run of its own, so that links of the same name can exist side by side: their sockets lie in /run/wireguard. */
const PREPARE = `
  set -e
  mount -t tmpfs none /run
  ip link set lo up
  exec "$@"`

/**
 * Continues the test file that calls this, and only there, in network, mount and process namespaces of its own: the
 * real tools work on nothing else, and everything ends with the process, whatever happens to it. Returns inside them.
 */
export function enterPrivateHost(file: string): void {
  if (env[INSIDE] !== undefined) return
  const options = execArgv.filter((option) => /^--test-(name-pattern|reporter|timeout)=/.test(option))
  const inside = ['sh', '-c', PREPARE, 'sh', execPath, ...options, file]
  // `--kill-child` covers all that is inside; the signal covers `unshare` itself, should this process be killed.
  const { status, signal, error } = spawnSync(
    'setpriv',
    ['--pdeathsig', 'KILL', 'unshare', ...NAMESPACES, ...inside],
    {
      stdio: 'inherit',
      env: { ...env, [INSIDE]: '1' },
    },
  )
  if (status === null) stderr.write(`the private host of ${file} ended by ${signal ?? error}\n`)
  exit(status ?? 1)
}

/** Kills the processes of this name and these arguments; in a private host those are all of the tests themselves. */
export function killExactly(...command: readonly string[]): void {
  if (env[INSIDE] === undefined) throw new Error("outside of a private host such a process may be anybody's")
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name)))
    if (commandOf(pid) === `${command.join('\0')}\0`) process.kill(Number(pid), 'SIGKILL')
}

/** Empty for one that has just ended. */
function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}
