import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import type { ToolCall, ToolEnd } from './run-tool.ts'

type Shell = ChildProcessByStdio<Writable, Readable, null>

/**
 * For each line it runs its arguments once, and says: what they printed, NUL, their status and what they complained of, NUL. Nothing
 * that is asked this way prints a NUL.
 */
const SCRIPT = `exec 3>&1
while read -r _; do
  complaint=$("$@" 2>&1 >&3 3>&- </dev/null)
  printf '\\0%s %s\\0' "$?" "$complaint"
done`

/** Statuses of a shell (POSIX 2.8.2): there is no such tool; and above this one a signal ended it. */
const NOT_FOUND = 127
const SIGNAL_STATUS = 128

const NO_END: ToolEnd = { stdout: '', stderr: '', exitCode: undefined, timedOut: false, code: undefined }

/**
 * One call that is made every few seconds for as long as we live. To start a process costs in proportion to the memory of the one
 * that starts it, and for a daemon that is more than the tool itself costs. So a small shell stays and starts it; it ends when its
 * standard input does, be it because we were killed.
 */
export class StandingTool {
  readonly #call: Omit<ToolCall, 'stdin' | 'onStarted'>
  #shell: Shell | undefined
  #said = ''
  #waiting: { readonly resolve: (end: ToolEnd) => void; readonly alarm: NodeJS.Timeout } | undefined
  #last: Promise<unknown> = Promise.resolve()

  constructor(call: Omit<ToolCall, 'stdin' | 'onStarted'>) {
    this.#call = call
  }

  /** Runs it once more, after whoever asked before; never rejects. */
  run(): Promise<ToolEnd> {
    const end = this.#last.then(() => this.#ask())
    this.#last = end
    return end
  }

  /** Ends the shell once what was asked is answered. */
  end(): void {
    void this.#last.then(() => this.#shell?.stdin.end())
  }

  #ask(): Promise<ToolEnd> {
    return new Promise((resolve) => {
      const alarm = setTimeout(() => this.#stop({ ...NO_END, timedOut: true }), this.#call.timeout)
      this.#waiting = { resolve, alarm }
      this.#said = ''
      this.#shell ??= this.#start()
      this.#shell.stdin.write('\n')
    })
  }

  #start(): Shell {
    const { tool, args, env } = this.#call
    // A session of its own, so that it can be killed with what it runs.
    const shell: Shell = spawn('/bin/sh', ['-c', SCRIPT, 'sh', tool, ...args], {
      ...{ env, detached: true },
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    shell.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (shell === this.#shell) this.#hear(text)
    })
    // That it is gone is told below.
    shell.stdin.on('error', () => {})
    shell.on('error', ({ message }) => {
      if (shell === this.#shell) this.#stop({ ...NO_END, code: `/bin/sh: ${message}` })
    })
    shell.on('close', () => {
      if (shell === this.#shell) this.#stop(NO_END)
    })
    // Whoever waits for an answer keeps us running by the alarm; the shell alone must not.
    for (const one of [shell, shell.stdin as Socket, shell.stdout as Socket]) one.unref()
    return shell
  }

  #hear(text: string): void {
    this.#said += text
    if (!text.endsWith('\0')) return
    const [stdout, end] = this.#said.split('\0')
    const [, status, stderr = ''] = /^(\d+) (.*)$/s.exec(end ?? '') ?? []
    if (stdout === undefined || status === undefined) return
    const code = Number(status)
    this.#give({
      ...{ stdout, stderr, timedOut: false },
      exitCode: code > SIGNAL_STATUS ? undefined : code,
      code: code === NOT_FOUND ? 'ENOENT' : undefined,
    })
  }

  /** The next call begins with another shell. */
  #stop(end: ToolEnd): void {
    const pid = this.#shell?.pid
    this.#shell = undefined
    if (end.timedOut && pid !== undefined) killSession(pid)
    this.#give(end)
  }

  #give(end: ToolEnd): void {
    clearTimeout(this.#waiting?.alarm)
    this.#waiting?.resolve(end)
    this.#waiting = undefined
  }
}

function killSession(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has just ended by itself.
  }
}
