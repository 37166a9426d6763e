import type { RawNode } from '../../../kubespan/sources/kubernetes/node-record.ts'
import { encodeNodeId } from '../../../shared/identity/node-id.ts'

/**
 * A Node as large as they are in the field, about 11 KB: labels, conditions, 50 images, managed fields; annotated as a
 * node of the mesh.
 */
export function largeNode(number: number): RawNode {
  const [high, low] = [number >> 8, number & 255]
  const id = encodeNodeId(Uint8Array.from({ length: 32 }, (_, at) => [high, low][at] ?? at * 7))
  const name = `worker-${String(number).padStart(4, '0')}`
  const image = (at: number) => ({
    names: [
      `registry.example.com/library/image-${at}@sha256:${String(at).padStart(64, '0')}`,
      `registry.example.com/library/image-${at}:v1.${at}.0`,
    ],
    sizeBytes: 1_000_000 + at,
  })
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: {
        'beta.kubernetes.io/arch': 'amd64',
        'kubernetes.io/arch': 'amd64',
        'kubernetes.io/hostname': name,
        'kubernetes.io/os': 'linux',
        'topology.kubernetes.io/region': 'region-1',
        'topology.kubernetes.io/zone': `zone-${number % 3}`,
      },
      annotations: {
        'node.alpha.kubernetes.io/ttl': '0',
        'cluster.talos.dev/node-id': id,
        'networking.talos.dev/self-ips': `10.0.${high}.${low},fd00:1::${number.toString(16)}`,
        'networking.talos.dev/kubespan-ip': `fd00:2::${number.toString(16)}`,
        'networking.talos.dev/kubespan-public-key': Buffer.alloc(32, number).toString('base64'),
        'networking.talos.dev/assigned-prefixes': `10.${128 + high}.${low}.0/24`,
        'networking.talos.dev/kubespan-endpoints': `10.0.${high}.${low}:51820,[fd00:1::${number.toString(16)}]:51820`,
      },
    },
    spec: { podCIDR: `10.${128 + high}.${low}.0/24`, podCIDRs: [`10.${128 + high}.${low}.0/24`] },
    status: {
      addresses: [
        { type: 'InternalIP', address: `10.0.${high}.${low}` },
        { type: 'Hostname', address: name },
      ],
      capacity: { cpu: '16', memory: '64Gi', pods: '110', 'ephemeral-storage': '200Gi' },
      conditions: ['MemoryPressure', 'DiskPressure', 'PIDPressure', 'Ready'].map((type) => ({
        type,
        status: type === 'Ready' ? 'True' : 'False',
        lastHeartbeatTime: '2026-01-01T00:00:00Z',
        lastTransitionTime: '2026-01-01T00:00:00Z',
        reason: `Kubelet${type}`,
        message: `kubelet has been asked about ${type} and found nothing to complain about`,
      })),
      images: Array.from({ length: 50 }, (_, at) => image(at)),
      nodeInfo: { machineID: id.slice(0, 32), osImage: 'Debian GNU/Linux 13 (trixie)' },
    },
  } as RawNode
}
