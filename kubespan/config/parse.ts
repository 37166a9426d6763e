import * as v from 'valibot'
import {
  checkDocument,
  readDamagedDocuments,
  readDocuments,
  type YamlDocument,
} from '../../shared/yaml-document.ts'
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
 * spelling mistake. Beside problems stand the settings that go by what is right in the file: nothing that runs may go
 * by them, a command may to find its daemon.
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
    } else if (isOurs(kind)) placed.push(...placedDocument(document, kind, found))
    else foreign.push({ place: document.place, kind })
  }
  if (machine === undefined)
    found.push(
      ...foreign.map(
        ({ place, kind }) => `${place}: unknown kind ${kind}; there are ${Object.keys(SCHEMAS).join(', ')}`,
      ),
    )
  if (documents.length === 0 && found.length === 0)
    found.push(`${file}: is empty; make a configuration with "kubespan gen"`)
  if (found.length === 0) return resolveSettings(placed, machine, host)
  for (const document of readDamagedDocuments(file, text)) {
    const head = checkDocument(document, Kinded)
    const kind = head.ok ? head.value.kind : undefined
    if (kind !== undefined && isOurs(kind)) placed.push(...placedDocument(document, kind, []))
  }
  // What spans documents can only be judged when each of them is right.
  return { ...resolveSettings(placed, machine, host), problems: found }
}

const isOurs = (kind: string): kind is keyof typeof SCHEMAS => Object.hasOwn(SCHEMAS, kind)

/** The document as far as it is right. */
function placedDocument(
  document: YamlDocument,
  kind: keyof typeof SCHEMAS,
  problems: string[],
): PlacedDocument[] {
  const checked = checkDocument(document, SCHEMAS[kind])
  if (!checked.ok) problems.push(...checked.problems)
  const value = checked.ok ? checked.value : checked.usable
  return value === undefined ? [] : [{ place: document.place, value }]
}

function machineConfig(document: YamlDocument, problems: string[]): PlacedMachineConfig | undefined {
  const checked = checkDocument(document, schema.MachineConfig)
  if (!checked.ok) {
    problems.push(...checked.problems)
    return checked.usable && { place: document.place, value: checked.usable }
  }
  if (checked.value.machine === undefined && checked.value.cluster === undefined)
    problems.push(
      `${document.place}: neither one of our documents (kind is missing) nor a machine configuration`,
    )
  return { place: document.place, value: checked.value }
}
