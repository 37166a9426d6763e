export type ToolErrorKind = 'missing' | 'failed' | 'timeout' | 'killed'

/** So many characters of the arguments are shown: one removal may name a thousand peers. */
const SHOWN_ARGUMENTS_MAX_LENGTH = 200

/** A tool of the host that did not do what it was told. Never holds what the tool was given on standard input. */
export class ToolError extends Error {
  override readonly name = 'ToolError'
  readonly kind: ToolErrorKind
  readonly tool: string
  readonly args: readonly string[]
  /** Undefined when the tool did not start, or did not end by itself. */
  readonly exitCode: number | undefined
  readonly stderr: string

  constructor(
    kind: ToolErrorKind,
    call: { readonly tool: string; readonly args: readonly string[] },
    end: { readonly exitCode?: number | undefined; readonly stderr?: string; readonly cause?: unknown },
  ) {
    const stderr = end.stderr?.trim() ?? ''
    super(describe(kind, call, end.exitCode, stderr), end.cause === undefined ? {} : { cause: end.cause })
    this.kind = kind
    this.tool = call.tool
    this.args = call.args
    this.exitCode = end.exitCode
    this.stderr = stderr
  }
}

function describe(
  kind: ToolErrorKind,
  { tool, args }: { readonly tool: string; readonly args: readonly string[] },
  exitCode: number | undefined,
  stderr: string,
): string {
  const words = args.join(' ')
  const call = `${tool} ${words.length > SHOWN_ARGUMENTS_MAX_LENGTH ? `${words.slice(0, SHOWN_ARGUMENTS_MAX_LENGTH)}…` : words}`
  const said = stderr === '' ? '' : `: ${stderr}`
  switch (kind) {
    case 'missing':
      return `${tool} is not installed on this host, or not in PATH`
    case 'timeout':
      return `${call} did not end in time${said}`
    case 'killed':
      return `${call} was killed${said}`
    case 'failed':
      return `${call} exited with ${exitCode}${said}`
    default:
      return kind satisfies never
  }
}
