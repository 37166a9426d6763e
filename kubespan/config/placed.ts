import type { InferOutput } from 'valibot'
import type * as schema from './schema.ts'

interface DocumentByKind {
  KubeSpanConfig: InferOutput<typeof schema.KubeSpanConfig>
  KubeSpanEndpointsConfig: InferOutput<typeof schema.KubeSpanEndpointsConfig>
  DiscoveryServiceConfig: InferOutput<typeof schema.DiscoveryServiceConfig>
  DiscoveryIdentityConfig: InferOutput<typeof schema.DiscoveryIdentityConfig>
  KubernetesRegistryConfig: InferOutput<typeof schema.KubernetesRegistryConfig>
  NodeConfig: InferOutput<typeof schema.NodeConfig>
}
export type DocumentKind = keyof DocumentByKind

/** A document that passed its schema, and where it begins, as `file:line`. */
export interface PlacedDocument<K extends DocumentKind = DocumentKind> {
  readonly place: string
  readonly value: DocumentByKind[K]
}

export interface PlacedMachineConfig {
  readonly place: string
  readonly value: InferOutput<typeof schema.MachineConfig>
}
