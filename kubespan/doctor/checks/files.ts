import { error, type Finding, ok, warning } from '../../model/finding.ts'
import type { Facts, FileFact } from '../facts.ts'

/** Who may not read what holds a secret: a configuration may belong to the group of the daemon. */
const FORBIDDEN: Partial<Record<FileFact['what'], number>> = { identity: 0o077, configuration: 0o007 }
const WRITABLE_BY_OTHERS = 0o022
/** The state is a few kilobytes; less than this and the next write may fail. */
const FREE_MIN_BYTES = 1 << 20

export function checkFiles({ files, freeStateBytes, settings }: Facts): Finding[] {
  const findings = files
    .filter(({ what }) => what !== 'configuration' || settings.cluster !== undefined)
    .flatMap(checkFile)
  if (freeStateBytes !== undefined && freeStateBytes < FREE_MIN_BYTES)
    findings.push(
      error('files', `the disk of the state directory is full: ${freeStateBytes} bytes left`, 'df -h'),
    )
  return findings.length > 0
    ? findings
    : [ok('files', 'keys and configuration are readable by their owner only')]
}

function checkFile({ path, what, stat, problem }: FileFact): Finding[] {
  if (problem !== undefined) return [warning('files', `${what} ${path}: ${problem}`)]
  if (stat === undefined) return []
  if (what.endsWith('directory') && !stat.isDirectory)
    return [error('files', `${what} ${path} is no directory`)]
  if ((stat.mode & (FORBIDDEN[what] ?? 0)) !== 0)
    return [
      error(
        'files',
        `${what} ${path} holds a secret and has mode ${octal(stat.mode)}: others may read it`,
        `chmod ${what === 'configuration' ? 'o-rwx' : '600'} ${path}`,
      ),
    ]
  if (what === 'state directory' && (stat.mode & WRITABLE_BY_OTHERS) !== 0)
    return [
      error(
        'files',
        `${what} ${path} has mode ${octal(stat.mode)}: others may replace what is in it`,
        `chmod 700 ${path}`,
      ),
    ]
  return []
}

const octal = (mode: number): string => (mode & 0o777).toString(8).padStart(4, '0')
