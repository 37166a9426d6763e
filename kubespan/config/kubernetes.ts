import type { InferOutput } from 'valibot'
import { KUBELET_KUBECONFIGS, type KubernetesRegistrySettings, NODE_MATCHERS } from '../model/kubernetes.ts'
import type { KubernetesRegistryConfig } from './schema.ts'

export const KUBERNETES_DEFAULTS: KubernetesRegistrySettings = {
  enabled: true,
  access: { kind: 'kubeconfig', files: KUBELET_KUBECONFIGS, context: undefined },
  nodeName: undefined,
  matchNodeBy: NODE_MATCHERS,
  providerId: undefined,
}

type Given = InferOutput<typeof KubernetesRegistryConfig>

/** What a KubernetesRegistryConfig says, in the words of the settings; undefined where it says nothing. */
export function kubernetesGiven(given: Given): {
  readonly [K in keyof KubernetesRegistrySettings]: KubernetesRegistrySettings[K] | undefined
} {
  const { enabled, inCluster, kubeconfig, context, nodeName, matchNodeBy, providerID } = given
  const files = kubeconfig === undefined ? KUBELET_KUBECONFIGS : [kubeconfig]
  return {
    enabled,
    access: inCluster ? { kind: 'inCluster' } : { kind: 'kubeconfig', files, context },
    nodeName,
    matchNodeBy,
    providerId: providerID,
  }
}

/** Rules between the fields. */
export function kubernetesProblems({
  inCluster,
  kubeconfig,
  context,
  matchNodeBy,
  providerID,
}: Given): string[] {
  const problems: string[] = []
  if (inCluster && (kubeconfig !== undefined || context !== undefined))
    problems.push('inCluster excludes kubeconfig and context')
  if (matchNodeBy?.includes('providerID') && providerID === undefined)
    problems.push('matchNodeBy names providerID, which is not given')
  return problems
}
