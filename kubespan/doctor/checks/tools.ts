import { DEBIAN, installCommand, type Packages, packageOf } from '../../host/packages.ts'
import { type NeededTool, TOOLS, type ToolReport, type ToolReports } from '../../host/tool-reports.ts'
import { error, type Finding, info, ok } from '../../model/finding.ts'
import type { Facts } from '../facts.ts'

/** Whether the tools will do. The daemon asks this at its start as well, and then an error keeps it from running. */

/** The options that we cannot do without, `-N` and `-t`, came with these. */
const IP_SINCE = 'iproute2 5.0 of 2019'
const NFT_SINCE = 'nftables 0.9.3 of 2019'

type Answer = NonNullable<ToolReport['answer']>
/** What is wrong with a tool that answers so; undefined when nothing is. */
type Judge = (answer: Answer, file: string, packages: Packages) => Finding | undefined

const fault = (says: string, mend: string): Finding => error('tools', says, mend)

const JUDGES: Readonly<Record<NeededTool, Judge>> = {
  ip({ exitCode, stdout, stderr }, file, packages) {
    if (/BusyBox/.test(stderr))
      return fault(`${file} is BusyBox's ip, which knows no JSON`, installCommand(['ip'], packages))
    if (/\bis unknown, try "ip -help"/.test(stderr) || (exitCode === 0 && !isJson(stdout)))
      return fault(`${file} is too old: ${IP_SINCE} or later is needed`, upgrade('ip', file, packages))
    return undefined
  },
  nft({ stderr }, file, packages) {
    if (/JSON support not compiled/i.test(stderr))
      return fault(
        `${file} was built without JSON, in which the daemon reads what it says`,
        packages.nftWithJson ?? upgrade('nft', file, packages),
      )
    if (/unrecognized option|invalid option|unknown option/.test(stderr))
      return fault(`${file} is too old: ${NFT_SINCE} or later is needed`, upgrade('nft', file, packages))
    if (/(Protocol|Operation) not supported/.test(stderr))
      return fault('the kernel has no nf_tables', 'modprobe nf_tables, in a container on its host')
    return undefined
  },
  wg({ stderr }, file) {
    if (/fopen: Permission denied/.test(stderr))
      return fault(
        `${file} may not read what it is given, not even from a pipe: AppArmor or the like confines it`,
        `aa-complain ${file}`,
      )
    return undefined
  },
}

/** Errors of ld.so, and of a shell that cannot run its script. */
const CANNOT_RUN = /error while loading shared libraries|Exec format error|bad interpreter/

/** One finding for each tool that will not do. What is wrong in no known way is left to whoever needs the answer. */
export function judgeTools(reports: ToolReports, packages: Packages): Finding[] {
  return Object.entries(reports).flatMap(([name, { file, unusableFile, answer }]) => {
    const tool = name as NeededTool
    if (unusableFile !== undefined)
      return [fault(`${unusableFile} may not be started`, `chmod a+rx ${unusableFile}`)]
    if (file === undefined || answer === undefined) return []
    if (CANNOT_RUN.test(answer.stderr))
      return [fault(`${file} does not run: ${firstLine(answer.stderr)}`, upgrade(tool, file, packages))]
    return JUDGES[tool](answer, file, packages) ?? []
  })
}

/** What the package manager has put there it also renews; what stands before that has to go. */
const upgrade = (tool: NeededTool, file: string, packages: Packages): string =>
  file.startsWith('/usr/local/')
    ? `mv ${file} ${file}.off && ${installCommand([tool], packages)}`
    : `${packages.restore} ${packageOf(tool, packages)}`

const firstLine = (text: string): string => text.split('\n')[0] ?? ''

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

export function checkPrograms({ programs, tools, packages = DEBIAN }: Facts): Finding[] {
  const faults = judgeTools(tools ?? {}, packages)
  const missing = TOOLS.filter(
    (tool) => !programs.has(tool) && tools?.[tool]?.unusableFile === undefined,
  ).map((program) => fault(`${program} is not installed`, installCommand([program], packages)))
  const errors = [...missing, ...faults]
  return [
    ...(errors.length === 0 ? [ok('tools', 'ip, nft and wg are installed')] : errors),
    ...(tools === undefined || programs.has('fping')
      ? []
      : [info('tools', WITHOUT_FPING, installCommand(['fping'], packages))]),
  ]
}

/** It is asked for an echo of peers. */
export const WITHOUT_FPING =
  'fping is not installed: a dead path is noticed later, and status shows no round trips'
