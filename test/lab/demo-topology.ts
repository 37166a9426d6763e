import { behind, lan, nat, publicHost, type Topology, topology } from './topology.ts'

const withPod = { pod: true }

/**
 * The six hosts of `make demo`: every way of being connected that a mesh must cope with, IPv4 and IPv6, a pod on
 * each. `symmetric` adds two hosts behind NATs that nobody can punch, to show what that looks like.
 */
export const demoTopology = (options: { readonly symmetric?: boolean } = {}): Topology =>
  topology({
    hosts: [
      publicHost('public1', withPod),
      publicHost('public2', withPod),
      publicHost('lan1', withPod),
      publicHost('lan2', withPod),
      behind('router', 'natted', withPod),
      behind('conenat', 'cone', withPod),
      ...(options.symmetric ? [behind('symnat1', 'sym1', withPod), behind('symnat2', 'sym2', withPod)] : []),
    ],
    nats: [
      nat('router', 'port-restricted', { v6: true }),
      nat('conenat', 'full-cone'),
      ...(options.symmetric ? [nat('symnat1', 'symmetric'), nat('symnat2', 'symmetric')] : []),
    ],
    lans: [lan('office', 'lan1', 'lan2')],
  })
