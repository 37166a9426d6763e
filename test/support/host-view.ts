import type { HostView } from '../../kubespan/model/host-view.ts'
import type { Address } from '../../shared/net/address.ts'

export const hostView = (change: Partial<HostView> = {}): HostView => ({
  links: [
    {
      name: 'kubespan',
      type: 'none',
      kind: 'wireguard',
      hardwareAddress: '',
      operationalState: 'unknown',
      hasCarrier: true,
      mtuBytes: 1420,
      index: 7,
      wireguard: { publicKey: 'b3VyIGtleQ==', listenPort: 51820, fwmark: 0x20, peers: 1 },
    },
  ],
  addresses: [{ link: 'kubespan', address: 'fd00::1' as Address, bits: 64, scope: 'global' }],
  routes: [
    {
      family: 4,
      destination: '0.0.0.0/0',
      link: 'kubespan',
      type: 'unicast',
      table: 180,
      metric: 1,
      mtuBytes: 1420,
    },
    {
      family: 6,
      destination: '::/0',
      link: '',
      type: 'unreachable',
      table: 180,
      metric: 4294967295,
      mtuBytes: undefined,
    },
  ],
  rules: [{ family: 4, priority: 32500, fwmark: 0x40, fwmask: 0x60, table: 180 }],
  chains: [
    {
      id: 'openspan/kubespan_outgoing',
      type: 'route',
      hook: 'output',
      priority: 0,
      policy: 'accept',
      rules: ['oifname "lo" accept'],
    },
  ],
  sets: [{ id: 'openspan/routed_v4', type: 'ipv4_addr', elements: ['10.0.0.2'] }],
  ...change,
})
