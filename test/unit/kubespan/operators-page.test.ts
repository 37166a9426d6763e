import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { COMMANDS, OPTIONS } from '../../../kubespan/cli/commands.ts'
import { RESOURCES } from '../../../kubespan/cli/resources.ts'
import { DEFAULT_PLACEMENT, DEFAULT_RACING, DEFAULT_TIMING } from '../../../kubespan/config/defaults.ts'
import * as schema from '../../../kubespan/config/schema.ts'
import { meshMetrics } from '../../../kubespan/metrics/mesh-metrics.ts'
import { DEFAULT_LINK_FILTERS } from '../../../kubespan/model/link-filter.ts'

const page = readFileSync('docs/kubespan.md', 'utf8')
const says = (word: string): void => assert.ok(page.includes(word), `docs/kubespan.md does not say ${word}`)

test('the page tells of every command and every option', () => {
  for (const { name } of COMMANDS) says(`kubespan ${name}`)
  for (const name of Object.keys(OPTIONS)) if (name !== 'help' && name !== 'version') says(`--${name}`)
})

test('the page tells of every resource and every metric', () => {
  for (const { plural, type } of RESOURCES) if (type !== 'ResourceDefinition') says(plural.toLowerCase())
  for (const { name } of meshMetrics) says(name)
})

test('the page tells of every setting', () => {
  const documents = [
    schema.KubeSpanConfig,
    schema.KubeSpanEndpointsConfig,
    schema.DiscoveryServiceConfig,
    schema.DiscoveryIdentityConfig,
    schema.NodeConfig,
  ]
  for (const { entries } of documents)
    for (const [name, entry] of Object.entries(entries)) {
      if (name === 'apiVersion') continue
      if (name === 'kind') says((entry as { literal: string }).literal)
      else {
        const { wrapped } = entry as { wrapped?: { entries?: object } }
        const inner = Object.keys(wrapped?.entries ?? {})
        if (inner.length === 0) says(`\`${name}\``)
        for (const field of inner) says(`\`${name}.${field}\``)
      }
    }
})

test('the defaults on the page are the defaults', () => {
  says(`| \`placement.listenPort\` | ${DEFAULT_PLACEMENT.listenPort} |`)
  says(`| ${DEFAULT_PLACEMENT.routingTable}, ${DEFAULT_PLACEMENT.rulePriority} |`)
  says(`| \`racing.port\` | ${DEFAULT_RACING.port} |`)
  says(`| \`racing.headStart\` | ${DEFAULT_RACING.headStart}ms |`)
  says(`| ${DEFAULT_RACING.concurrentRaces}, ${DEFAULT_RACING.packetsPerSecond} |`)
  says(`| \`timing.reconcileEvery\` | ${DEFAULT_TIMING.reconcileEvery / 1000}s |`)
  says(`| ${DEFAULT_TIMING.peerDownAfter / 1000}s, ${DEFAULT_TIMING.endpointGrace / 1000}s |`)
  says(`| ${DEFAULT_TIMING.graceAfterLoss / 60_000}m, ${DEFAULT_TIMING.graceAfterDeletion / 1000}s |`)
})

test('the links that are left out by default are all on the page', () => {
  for (const text of DEFAULT_LINK_FILTERS) says(`\`${text.replace(/^kind:/, '')}\``)
})
