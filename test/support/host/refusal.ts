import { ToolError } from '../../../kubespan/host/tool-error.ts'

/** What a real tool does when it is told something that cannot be. */
export function refuse(tool: string, args: readonly string[], stderr: string, exitCode = 2): never {
  throw new ToolError('failed', { tool, args }, { exitCode, stderr })
}
