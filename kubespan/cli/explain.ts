import { addressPortOf } from '../../shared/net/address.ts'
import type { AddressExplanation, Candidate, PeerExplanation } from '../model/explanation.ts'
import type { SelfReport } from '../model/own-address.ts'
import { printable } from './printable.ts'
import { renderTable } from './table.ts'

/** `kubespan explain IP`: the answer first, then what it was concluded from. */
export function renderAddressExplanation(explanation: AddressExplanation): string {
  const { address, port, verdict, owner, bypassPorts, steps, candidates, notes } = explanation
  const bypass =
    bypassPorts.length === 0 || port !== undefined
      ? []
      : [`TCP to port ${bypassPorts.join(', ')} of it bypasses the tunnel: the mesh comes up through that`]
  const facts: [string, string][] = [
    ...(owner === undefined
      ? []
      : ([
          ['owner', `${owner.label === '' ? owner.publicKey : owner.label} (${owner.state})`],
          ...(owner.label === '' ? [] : [['key', owner.publicKey]]),
          ...(owner.sources.length === 0 ? [] : [['told by', owner.sources.join(', ')]]),
        ] as [string, string][])),
    ...steps.map(({ asked, says }): [string, string] => [asked, says]),
  ]
  return join(
    [`${port === undefined ? address : `TCP to ${addressPortOf(address, port)}`} ${verdict.says}`, ...bypass],
    renderFacts(facts),
    renderCandidates(candidates),
    renderNotes(notes),
  )
}

/** `kubespan explain PEER`. */
export function renderPeerExplanation(explanation: PeerExplanation): string {
  const { owner, address, verdicts, candidates, notes } = explanation
  const reason = owner.reason === undefined ? '' : `: ${owner.reason}`
  return join(
    [`${owner.label} is ${owner.state}${reason}`],
    renderFacts([
      ['mesh address', address],
      ['key', owner.publicKey],
      ['node id', owner.nodeId],
      ['told by', owner.sources.join(', ') || 'nobody any more'],
      ...verdicts.map(({ prefix, verdict }): [string, string] => [prefix, verdict.says]),
    ]),
    renderCandidates(candidates),
    renderNotes(notes),
  )
}

/** The same where several records carry one name. */
export const renderPeerExplanations = (name: string, explanations: readonly PeerExplanation[]): string =>
  [
    `${explanations.length} records carry the name ${printable(name)}; a machine that was installed anew leaves its old one behind, and "kubespan forget NODE-ID" drops it here\n`,
    ...explanations.map(renderPeerExplanation),
  ].join('\n')

/** `kubespan explain self`. */
export function renderSelf({ nodename, addresses, warnings }: SelfReport, notes: readonly string[]): string {
  const offered = new Set(addresses.flatMap(({ endpoint }) => endpoint ?? [])).size
  const routed = new Set(addresses.flatMap(({ address, isRouted }) => (isRouted ? [address] : []))).size
  return join(
    [`${nodename}: endpoints offered: ${offered}, addresses routed: ${routed}`],
    renderTable(
      ['ADDRESS', 'FROM', 'ENDPOINT', 'ROUTED', 'WHY NOT'],
      addresses.map(({ address, from, endpoint, isRouted, reasons }) => [
        address,
        from,
        endpoint ?? '-',
        isRouted ? 'yes' : 'no',
        reasons.join('; '),
      ]),
    ),
    renderNotes([...warnings, ...notes]),
  )
}

const join = (head: readonly string[], ...sections: readonly string[]): string =>
  [head.map((line) => `${printable(line)}\n`).join(''), ...sections]
    .filter((section) => section !== '')
    .join('\n')

function renderFacts(facts: readonly (readonly [string, string])[]): string {
  const width = Math.max(0, ...facts.map(([name]) => name.length))
  return facts.map(([name, value]) => `${printable(name.padEnd(width))}  ${printable(value)}\n`).join('')
}

const renderCandidates = (candidates: readonly Candidate[]): string =>
  candidates.length === 0
    ? ''
    : renderTable(
        ['ENDPOINT', 'KIND', 'LAST RESULT'],
        candidates.map(({ endpoint, kind, result }) => [endpoint, kind, result]),
      )

const renderNotes = (notes: readonly string[]): string =>
  notes.map((note) => `note: ${printable(note)}\n`).join('')
