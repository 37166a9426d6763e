import type { Finding, Severity } from '../model/finding.ts'
import { printable } from './printable.ts'

const ORDER: readonly Severity[] = ['error', 'warning', 'info', 'ok']

/** `kubespan doctor`: what is wrong first; every finding with what mends it on a line of its own. */
export function renderFindings(findings: readonly Finding[]): string {
  const sorted = ORDER.flatMap((severity) => findings.filter((finding) => finding.severity === severity))
  const width = Math.max(0, ...sorted.map(({ check }) => check.length))
  const indent = ' '.repeat(MARK_WIDTH + width + 2)
  const lines = sorted.map(
    ({ check, severity, says, mend }) =>
      `${severity.padEnd(MARK_WIDTH)}${printable(check.padEnd(width))}  ${printable(says)}\n` +
      (mend === undefined ? '' : `${indent}-> ${printable(mend)}\n`),
  )
  return `${lines.join('')}\n${summarise(findings)}\n`
}

const MARK_WIDTH = 'warning  '.length

function summarise(findings: readonly Finding[]): string {
  const count = (severity: Severity): number =>
    findings.filter((finding) => finding.severity === severity).length
  const parts = [plural(count('error'), 'error'), plural(count('warning'), 'warning')]
  return `${parts.join(', ')} in ${findings.length} findings`
}

const plural = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`
