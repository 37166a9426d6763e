import { randomBytes } from 'node:crypto'
import { stringify } from 'yaml'

/**
 * `kubespan gen`: the documents that all nodes of a new mesh share. The id and the secret are 32 random bytes each;
 * whoever holds the secret is a member, whoever holds the id may see and disturb the ciphertext.
 */
export function generateClusterConfig(discoveryUrl: string): string {
  const documents = [
    { apiVersion: 'v1alpha1', kind: 'KubeSpanConfig', enabled: true },
    { apiVersion: 'v1alpha1', kind: 'DiscoveryServiceConfig', name: 'default', endpoint: discoveryUrl },
    {
      apiVersion: 'v1alpha1',
      kind: 'DiscoveryIdentityConfig',
      clusterID: randomBytes(32).toString('base64'),
      clusterSecret: randomBytes(32).toString('base64'),
    },
  ]
  return documents.map((document) => `---\n${stringify(document)}`).join('')
}
