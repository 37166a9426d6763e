import { spawn } from 'node:child_process'
import type { Milliseconds } from '../../shared/clock.ts'

export interface ToolCall {
  readonly tool: string
  readonly args: readonly string[]
  readonly env: NodeJS.ProcessEnv
  /** A descriptor that the tool reads. */
  readonly stdin: 'ignore' | number
  /** Then it is killed. */
  readonly timeout: Milliseconds
  onStarted(pid: number | undefined): void
}

export interface ToolEnd {
  readonly stdout: string
  readonly stderr: string
  /** Undefined when it did not end by itself, or never began. */
  readonly exitCode: number | undefined
  readonly timedOut: boolean
  /** Why it could not be started, as Node has it: `ENOENT`. */
  readonly code: string | undefined
}

/**
 * Runs a tool to its end; never rejects. By Node itself, because to look at WireGuard every few seconds is most of what an idle
 * daemon does, and what a library does around each process was more than a tenth of that.
 */
export function runTool({ tool, args, env, stdin, timeout, onStarted }: ToolCall): Promise<ToolEnd> {
  return new Promise((resolve) => {
    const said = { stdout: '', stderr: '' }
    let [alarm, timedOut]: [NodeJS.Timeout | undefined, boolean] = [undefined, false]
    const end = (exitCode: number | undefined, code?: string): void => {
      clearTimeout(alarm)
      resolve({ ...said, exitCode, timedOut, code })
    }
    const notStarted = (error: unknown): void =>
      end(undefined, error instanceof Error && 'code' in error ? String(error.code) : String(error))
    try {
      const child = spawn(tool, args, { env, stdio: [stdin, 'pipe', 'pipe'] })
      onStarted(child.pid)
      // Not as an option of `spawn`: there the alarm of what was never started stays set.
      alarm = setTimeout(() => {
        timedOut = child.kill('SIGKILL')
      }, timeout)
      for (const stream of ['stdout', 'stderr'] as const)
        child[stream]?.setEncoding('utf8').on('data', (text: string) => {
          said[stream] += text
        })
      child.on('error', notStarted)
      child.on('close', (exitCode) => end(exitCode ?? undefined))
    } catch (error) {
      // A list of arguments that is too long, for one.
      notStarted(error)
    }
  })
}
