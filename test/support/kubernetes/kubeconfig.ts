import { stringify } from 'yaml'

/** The text of a kubeconfig with one cluster, one user and one context. */
export const kubeconfigText = (
  server: string,
  cluster: Readonly<Record<string, unknown>> = {},
  user: Readonly<Record<string, unknown>> = {},
): string =>
  stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'cluster', cluster: { server, ...cluster } }],
    users: [{ name: 'user', user }],
    contexts: [{ name: 'context', context: { cluster: 'cluster', user: 'user' } }],
    'current-context': 'context',
  })
