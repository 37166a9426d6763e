import { CLUSTER_RESOURCES, OTHER_NAMESPACES } from './resources/cluster.ts'
import { KUBESPAN_RESOURCES } from './resources/kubespan.ts'
import { NETWORK_RESOURCES } from './resources/network.ts'
import { aliasesOf, canonicalName, isCalled, type ResourceType } from './resources/resource.ts'

export type { ResourceRow, ResourceSource, ResourceType } from './resources/resource.ts'

/** The types themselves, as `kubespan get rd` lists them. */
const DEFINITIONS: ResourceType = {
  plural: 'ResourceDefinitions',
  type: 'ResourceDefinition',
  group: 'meta.cosi.dev',
  namespace: 'meta',
  columns: ['ALIASES'],
  rows: () =>
    RESOURCES.map((resource) => ({
      id: canonicalName(resource).toLowerCase(),
      cells: [aliasesOf(resource).join(' ')],
      spec: {
        type: canonicalName(resource),
        displayType: resource.type,
        aliases: aliasesOf(resource),
        defaultNamespace: resource.namespace,
      },
    })),
}

/** In the order in which `get rd` lists them; of two with the same short name the first one has it. */
export const RESOURCES: readonly ResourceType[] = [
  ...KUBESPAN_RESOURCES,
  ...CLUSTER_RESOURCES,
  ...NETWORK_RESOURCES,
  DEFINITIONS,
]

/** The type of that name or alias, in whatever case; in a namespace where one is named. */
export const findResource = (name: string, namespace?: string): ResourceType | undefined =>
  [...RESOURCES, ...(namespace === undefined ? [] : OTHER_NAMESPACES)].find(
    (resource) => isCalled(resource, name) && (namespace === undefined || resource.namespace === namespace),
  )
