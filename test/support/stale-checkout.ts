import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { machineEnvironment, onMachine } from './machine.ts'

const CHECKOUT = resolve(import.meta.dirname, '../..')
const LIMIT_MS = 60_000
const LAUNCHER_TOOLS = ['readlink', 'sed', 'uname']

export interface Answer {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/**
 * A copy of this checkout, as an npm before 11.6 leaves it, on a machine whose Node is too old: node_modules/.bin/node is
 * not there, and the `node` on PATH runs npm and nothing else.
 */
export class StaleCheckout implements Disposable {
  readonly path: string
  /** The first directory on PATH. It suffices for the launcher; its `node` is the machine's. */
  readonly tools: string
  readonly #parent: string

  /** @param packages whether `npm ci` has run; `no-node` without its optional packages. */
  constructor(packages: 'installed' | 'no-node' | 'none' = 'installed') {
    this.#parent = mkdtempSync(join(tmpdir(), 'openspan start '))
    this.path = join(this.#parent, 'checkout')
    this.tools = join(this.#parent, 'tools')
    const left = ['.git', 'node_modules', 'coverage']
    cpSync(CHECKOUT, this.path, { recursive: true, filter: (path) => !left.includes(basename(path)) })
    if (packages !== 'none') this.#install(packages === 'installed')
    mkdirSync(this.tools)
    for (const tool of LAUNCHER_TOOLS)
      symlinkSync(onMachine(tool) ?? `no ${tool} here`, join(this.tools, tool))
    this.machineNode(
      'v18.19.0',
      `case "$1" in
         */npm|*/npm-cli.js) exec '${onMachine('node') ?? process.execPath}' "$@" ;;
         *) echo "the machine's Node was asked for $*" >&2; exit 99 ;;
       esac`,
    )
  }

  #install(withNode: boolean): void {
    const [from, to] = [join(CHECKOUT, 'node_modules'), join(this.path, 'node_modules')]
    mkdirSync(join(to, '.bin'), { recursive: true })
    for (const name of readdirSync(from))
      if (!name.startsWith('.') && (withNode || !name.startsWith('node-linux-')))
        symlinkSync(realpathSync(join(from, name)), join(to, name))
    for (const name of readdirSync(join(from, '.bin')))
      if (name !== 'node') symlinkSync(realpathSync(join(from, '.bin', name)), join(to, '.bin', name))
  }

  /** What the machine's own Node says of its version, and what it does (shell) when it is asked for more. */
  machineNode(version: string, otherwise: string): void {
    const path = join(this.tools, 'node')
    writeFileSync(path, `#!/bin/sh\nif [ "$1" = --version ]; then echo ${version}; exit; fi\n${otherwise}\n`)
    chmodSync(path, 0o755)
  }

  get env(): NodeJS.ProcessEnv {
    return machineEnvironment(this.tools)
  }

  /** Runs a command there; a relative program is one of the checkout. */
  run(command: readonly string[], cwd = this.path): Answer {
    const [program = '', ...args] = command
    const path = program.includes('/') ? resolve(this.path, program) : program
    const { status, stdout, stderr } = spawnSync(path, args, {
      cwd,
      env: this.env,
      encoding: 'utf8',
      timeout: LIMIT_MS,
    })
    return { status, stdout, stderr }
  }

  [Symbol.dispose](): void {
    rmSync(this.#parent, { recursive: true })
  }
}
