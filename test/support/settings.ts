import { parseConfig } from '../../kubespan/config/parse.ts'
import type { Settings } from '../../kubespan/model/settings.ts'

const MINIMAL = `
{apiVersion: v1alpha1, kind: KubeSpanConfig, enabled: true}
---
{apiVersion: v1alpha1, kind: DiscoveryServiceConfig, name: one, endpoint: "http://d.example"}
---
{apiVersion: v1alpha1, kind: DiscoveryIdentityConfig, clusterID: abc, clusterSecret: "${Buffer.alloc(32, 7).toString('base64')}"}
---
{apiVersion: v1alpha1, kind: NodeConfig, `

/** The defaults of a small configuration; `node` is what its NodeConfig says, as `wireguard: kernel, caFile: x`. */
export function settingsOf(node = ''): Settings {
  const { settings, problems } = parseConfig('c.yaml', `${MINIMAL}${node}}\n`, {
    hostname: 'box',
    operatingSystem: 'Debian (13)',
  })
  if (problems.length > 0) throw new Error(problems.join('\n'))
  return settings
}
