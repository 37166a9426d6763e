import * as v from 'valibot'
import { checkDocument, readDocuments, type YamlDocument } from '../../shared/yaml-document.ts'
import type { HostFacts } from './host-facts.ts'
import type { PlacedDocument, PlacedMachineConfig } from './placed.ts'
import { type Resolved, resolveSettings } from './resolve.ts'
import * as schema from './schema.ts'

const SCHEMAS = {
  KubeSpanConfig: schema.KubeSpanConfig,
  KubeSpanEndpointsConfig: schema.KubeSpanEndpointsConfig,
  DiscoveryServiceConfig: schema.DiscoveryServiceConfig,
  DiscoveryIdentityConfig: schema.DiscoveryIdentityConfig,
  KubernetesRegistryConfig: schema.KubernetesRegistryConfig,
  NodeConfig: schema.NodeConfig,
} as const

const Kinded = v.looseObject({ kind: v.optional(v.string()) })

/**
 * The text of a configuration file to effective settings. A complete Talos machine configuration is taken as it is:
 * what does not concern discovery or KubeSpan is passed over. In a file of our documents alone an unknown kind is a
 * spelling mistake.
 */
export function parseConfig(file: string, text: string, host: HostFacts): Resolved {
  const { documents, problems } = readDocuments(file, text)
  const found = [...problems]
  const placed: PlacedDocument[] = []
  let machine: PlacedMachineConfig | undefined
  const foreign: { place: string; kind: string }[] = []

  for (const document of documents) {
    const head = checkDocument(document, Kinded)
    if (!head.ok) {
      found.push(...head.problems)
      continue
    }
    const { kind } = head.value
    if (kind === undefined) {
      if (machine !== undefined)
        found.push(`${document.place}: a second machine configuration; the first is at ${machine.place}`)
      machine = machineConfig(document, found) ?? machine
    } else if (isOurs(kind)) {
      const checked = checkDocument(document, SCHEMAS[kind])
      if (checked.ok) placed.push({ place: document.place, value: checked.value })
      else found.push(...checked.problems)
    } else foreign.push({ place: document.place, kind })
  }
  if (machine === undefined)
    found.push(
      ...foreign.map(
        ({ place, kind }) => `${place}: unknown kind ${kind}; there are ${Object.keys(SCHEMAS).join(', ')}`,
      ),
    )
  if (documents.length === 0 && found.length === 0)
    found.push(`${file}: is empty; make a configuration with "kubespan gen"`)
  // What spans documents can only be judged when each of them is right.
  if (found.length > 0) return { ...resolveSettings([], undefined, host), problems: found }
  return resolveSettings(placed, machine, host)
}

const isOurs = (kind: string): kind is keyof typeof SCHEMAS => Object.hasOwn(SCHEMAS, kind)

function machineConfig(document: YamlDocument, problems: string[]): PlacedMachineConfig | undefined {
  const checked = checkDocument(document, schema.MachineConfig)
  if (!checked.ok) {
    problems.push(...checked.problems)
    return undefined
  }
  if (checked.value.machine === undefined && checked.value.cluster === undefined)
    problems.push(
      `${document.place}: neither one of our documents (kind is missing) nor a machine configuration`,
    )
  return { place: document.place, value: checked.value }
}
