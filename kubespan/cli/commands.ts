/** One command of `kubespan`, as help shows it. The options of a command are those that its help names. */
export interface CommandHelp {
  readonly name: string
  readonly arguments: string
  readonly summary: string
  readonly options: readonly OptionName[]
}

/** Every option of every command: what it takes and what it means. */
export const OPTIONS = {
  config: {
    type: 'string',
    short: 'c',
    value: 'FILE',
    help: 'configuration of this node (default /etc/kubespan/config.yaml)',
  },
  socket: {
    type: 'string',
    value: 'PATH',
    help: "the daemon's socket (default: in the run directory of the configuration)",
  },
  output: {
    type: 'string',
    short: 'o',
    value: 'FORMAT',
    help: 'table, json or yaml (default table); get also takes wide',
  },
  namespace: {
    type: 'string',
    value: 'NAME',
    help: 'another namespace than the usual one: cluster-raw has the affiliates as each source tells them',
  },
  watch: { type: 'boolean', short: 'w', help: 'go on showing what changes, marked + ~ -' },
  'down-on-exit': {
    type: 'boolean',
    help: 'leave the cluster and take everything back when the daemon is stopped',
  },
  'log-level': { type: 'string', value: 'LEVEL', help: 'debug, info, warn or error (default info)' },
  endpoint: { type: 'string', value: 'URL', help: 'discovery service to write into the configuration' },
  file: {
    type: 'string',
    value: 'FILE',
    help: 'write there and nowhere else, for the eyes of root (in /etc/kubespan: and of the service) alone; never overwrites',
  },
  'write-key': {
    type: 'boolean',
    help: 'print only the public write key of the cluster, for the list of allowed clusters of a discovery service',
  },
  help: { type: 'boolean', short: 'h', help: 'show this help' },
  version: { type: 'boolean', help: 'show the version' },
} as const satisfies Record<
  string,
  { type: 'string' | 'boolean'; short?: string; value?: string; help: string }
>

export type OptionName = keyof typeof OPTIONS

export const COMMANDS: readonly CommandHelp[] = [
  {
    name: 'run',
    arguments: '',
    summary: 'run the daemon in the foreground',
    options: ['config', 'down-on-exit', 'log-level'],
  },
  {
    name: 'status',
    arguments: '',
    summary: 'show the mesh as this node sees it',
    options: ['config', 'socket', 'output'],
  },
  { name: 'peers', arguments: '', summary: 'show the peers only', options: ['config', 'socket', 'output'] },
  {
    name: 'get',
    arguments: 'RESOURCE [ID]',
    summary: 'show resources, as talosctl does; "get rd" lists them',
    options: ['config', 'socket', 'output', 'namespace', 'watch'],
  },
  {
    name: 'explain',
    arguments: 'IP[:PORT]|PEER|self',
    summary:
      'say where packets to an address go and why; all about a peer; or what is published of this host',
    options: ['config', 'socket', 'output'],
  },
  {
    name: 'doctor',
    arguments: '',
    summary: 'look for what keeps the mesh from working on this host, and say what mends it',
    options: ['config', 'socket', 'output'],
  },
  {
    name: 'bugreport',
    arguments: '',
    summary: 'write all that helps to understand a fault into one archive, without secrets',
    options: ['config', 'socket', 'file'],
  },
  {
    name: 'gen',
    arguments: '',
    summary: 'make the configuration of a new mesh: cluster id, secret, service',
    options: ['endpoint', 'file'],
  },
  {
    name: 'config',
    arguments: 'validate|show [FILE]',
    summary: 'check a configuration, or show its effective values',
    options: ['config', 'socket', 'output', 'write-key'],
  },
  {
    name: 'reload',
    arguments: '',
    summary: 'make the daemon read its configuration again',
    options: ['config', 'socket'],
  },
  {
    name: 'forget',
    arguments: 'ID',
    summary:
      'drop a node that is not live, by node id or name, whether or not a service still lists its record',
    options: ['config', 'socket'],
  },
  {
    name: 'leave',
    arguments: '',
    summary: 'take this node out of the discovery services; tunnels stay',
    options: ['config', 'socket'],
  },
  {
    name: 'reset-identity',
    arguments: '',
    summary:
      'on a machine that is a copy of another: leave, stop the daemon, and set node id and keys aside, so that the next start makes new ones',
    options: ['config', 'socket'],
  },
  {
    name: 'down',
    arguments: '',
    summary: 'leave, stop the daemon, and remove all that it made on this host',
    options: ['config', 'socket'],
  },
  {
    name: 'completion',
    arguments: 'bash|zsh|fish',
    summary: 'print what makes the shell complete these commands',
    options: [],
  },
]

export function renderHelp(command?: CommandHelp): string {
  if (command === undefined) {
    const width = Math.max(...COMMANDS.map(({ name }) => name.length))
    return `kubespan joins this machine to a KubeSpan mesh.

usage: kubespan COMMAND [OPTIONS]

${COMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}\n`).join('')}
kubespan COMMAND --help shows the options of a command.
`
  }
  const rows = [...command.options, 'help' as const].map((name) => {
    const option: { type: string; short?: string; value?: string; help: string } = OPTIONS[name]
    const spelling = `${option.short === undefined ? '    ' : `-${option.short}, `}--${name}${option.value === undefined ? '' : ` ${option.value}`}`
    return [spelling, option.help] as const
  })
  const width = Math.max(...rows.map(([spelling]) => spelling.length))
  return `usage: kubespan ${command.name}${command.arguments === '' ? '' : ` ${command.arguments}`} [OPTIONS]

${command.summary}

${rows.map(([spelling, help]) => `  ${spelling.padEnd(width)}  ${help}\n`).join('')}`
}
