import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  renderAddressExplanation,
  renderPeerExplanation,
  renderPeerExplanations,
} from '../../../../kubespan/cli/explain.ts'
import { describeCandidates, explainAddress, explainPeer } from '../../../../kubespan/inspect/explain.ts'
import type { AffiliateView, DaemonView } from '../../../../kubespan/model/daemon-view.ts'
import type { Way } from '../../../../kubespan/model/explanation.ts'
import type { Fate, FateGround, RouteAnswer } from '../../../../kubespan/model/fate.ts'
import type { Address, AddressPort, Prefix } from '../../../../shared/net/address.ts'
import { daemonView, peerView } from '../../../support/daemon-view.ts'

const out = (dev: string, isLocal = false): RouteAnswer => ({
  dev,
  isLocal,
  gateway: dev === 'eth0' ? '192.0.2.1' : undefined,
  source: undefined,
  table: dev === 'kubespan' ? 180 : 254,
})

/** A packet to a pod of worker-2, on a host where all is as it should be. */
const fate = (change: Partial<Fate> = {}): Fate => ({
  address: '10.0.0.2' as Address,
  routedBy: '10.0.0.0/24',
  bypassPorts: [],
  unmarked: out('eth0'),
  marked: out('kubespan'),
  owner: {
    publicKey: peerView().publicKey,
    prefix: '10.0.0.2/32' as Prefix,
    endpoint: undefined,
    handshakeAge: 5000,
  },
  ...change,
})
const ground: FateGround = {
  hasTable: true,
  hasDevice: true,
  rules: [{ family: 4, priority: 32500, fwmark: 0x40, fwmask: 0x60, table: 180 }],
  earlierRules: [],
}
const { placement } = daemonView().settings
const input = (view: DaemonView | null = daemonView(), change: Partial<FateGround> = {}) => ({
  placement,
  ground: { ...ground, ...change },
  view: view ?? undefined,
  candidates: [{ endpoint: '10.0.0.2:51820' as AddressPort, kind: 'in a shared private range' }],
  now: 10_000,
})
const NO_KUBESPAN: AffiliateView['kubespan'] = {
  publicKey: '',
  address: undefined,
  additionalAddresses: [],
  excludeAdvertisedNetworks: [],
  endpoints: [],
}
const affiliate = (change: Partial<AffiliateView>): AffiliateView => ({
  nodeId: 'node-9',
  addresses: ['10.0.0.9' as Address],
  hostname: 'h9',
  nodename: 'worker-9',
  machineType: 'worker',
  operatingSystem: '',
  kubespan: NO_KUBESPAN,
  controlPlane: undefined,
  isLocal: false,
  sources: ['service/default'],
  unconfirmedUntil: undefined,
  ...change,
})
const withPeer = (change: Parameters<typeof peerView>[0], more: Partial<DaemonView> = {}): DaemonView =>
  daemonView({ peers: [peerView(change)], ...more })
const lone = fate({ address: '10.0.0.9' as Address, routedBy: undefined, owner: undefined })

test('every way that a packet can go is told, and why', () => {
  const cases: readonly [string, Fate, ReturnType<typeof input>, Way, RegExp][] = [
    ['all is well', fate(), input(), 'tunnel', /through the tunnel to worker-2$/],
    [
      'the peer is down',
      fate(),
      input(withPeer({ state: 'down', reason: 'it has gone silent' })),
      'black hole',
      /because worker-2 is down \(it has gone silent\)/,
    ],
    [
      'the peer was never up',
      fate(),
      input(withPeer({ state: 'unknown' })),
      'black hole',
      /worker-2 is not up yet/,
    ],
    [
      'the link is gone',
      fate({ marked: { refusal: 'No route to host' }, owner: undefined }),
      input(),
      'black hole',
      /link kubespan is down or gone/,
    ],
    [
      'WireGuard lost the peer',
      fate({ owner: undefined }),
      input(daemonView({ peers: [] })),
      'black hole',
      /no peer of WireGuard owns it/,
    ],
    [
      'on the link itself',
      fate({ routedBy: undefined, unmarked: out('kubespan') }),
      input(),
      'tunnel',
      /worker-2/,
    ],
    ['an own address', fate({ unmarked: out('lo', true) }), input(), 'local', /this host itself/],
    [
      'no way out',
      fate({ unmarked: { refusal: 'Network is unreachable' } }),
      input(),
      'no route',
      /"Network is unreachable" before any mark/,
    ],
    [
      'a foreign rule',
      fate({ marked: out('tailscale0') }),
      input(daemonView(), { earlierRules: ['5270: lookup 52 (IPv4)'] }),
      'black hole',
      /out of tailscale0 although it is marked/,
    ],
    ['nobody has it', lone, input(), 'native', /out of eth0 because no peer owns it/],
    ['no mesh', lone, input(null, { hasTable: false }), 'native', /there is no mesh on this host/],
    [
      'no KubeSpan there',
      lone,
      input(daemonView({ affiliates: [affiliate({})] })),
      'native',
      /worker-9, which has it, does not take part/,
    ],
    [
      'excluded',
      lone,
      input(
        daemonView({
          affiliates: [affiliate({ kubespan: { ...NO_KUBESPAN, publicKey: 'k' } })],
        }),
      ),
      'native',
      /worker-9 announces it, but it is excluded/,
    ],
    [
      'down and let out',
      fate({ routedBy: undefined }),
      input(
        withPeer({ state: 'down' }, { settings: { ...daemonView().settings, allowDownPeerBypass: true } }),
      ),
      'native',
      /worker-2 is down and allowDownPeerBypass is true/,
    ],
    [
      'not routed yet',
      fate({ routedBy: undefined }),
      input(),
      'native',
      /does not hold it yet, though worker-2 announces it/,
    ],
  ]
  for (const [name, packet, given, way, says] of cases) {
    const { verdict } = explainAddress(packet, given)
    assert.equal(verdict.way, way, name)
    assert.match(verdict.says, says, name)
  }
})

test('one port may bypass what the address is bound to', () => {
  const service = fate({ bypassPorts: [443] })
  assert.equal(explainAddress(service, { ...input(), port: 80 }).verdict.way, 'tunnel')
  const bypass = explainAddress(service, { ...input(), port: 443 })
  assert.match(bypass.verdict.says, /bypasses the tunnel because the mesh comes up through it: a discovery/)
  assert.match(renderAddressExplanation(bypass), /^TCP to 10\.0\.0\.2:443 bypasses the tunnel/)
  const [first] = daemonView().services
  const named = daemonView({ services: first === undefined ? [] : [{ ...first, endpoint: '10.0.0.2:443' }] })
  assert.match(
    explainAddress(service, { ...input(named), port: 443 }).verdict.says,
    /it is the discovery service default/,
  )
  assert.match(renderAddressExplanation(explainAddress(service, input())), /\nTCP to port 443 of it bypasses/)
})

test('without a daemon the kernel alone speaks', () => {
  const { verdict, owner, candidates } = explainAddress(fate(), input(null))
  assert.deepEqual([verdict.way, owner?.state, candidates], ['tunnel', 'up', []])
  assert.match(verdict.says, /to cGVlciBrZXk=$/)
  const silent = explainAddress(
    fate({
      owner: {
        publicKey: 'k',
        prefix: '10.0.0.2/32' as Prefix,
        endpoint: undefined,
        handshakeAge: undefined,
      },
    }),
    input(null),
  )
  assert.match(silent.verdict.says, /because k is down \(there never was a handshake\)/)
})

test('the steps say what the kernel answered', () => {
  const text = renderAddressExplanation(explainAddress(fate(), input()))
  assert.equal(
    text,
    `10.0.0.2 goes through the tunnel to worker-2

owner                         worker-2 (up)
key                           cGVlciBrZXk=
nft set of inet openspan      10.0.0.0/24 holds it: packets get mark 0x40/0x60
ip rule 32500                 mark 0x40/0x60 looks into table 180
ip route get                  via 192.0.2.1 dev eth0 table 254
ip route get … mark 0x40      dev kubespan table 180
wg show kubespan allowed-ips  10.0.0.2/32 of worker-2

ENDPOINT        KIND                       LAST RESULT
10.0.0.2:51820  in a shared private range  in use, handshake 5s ago

note: WireGuard's own packets to 10.0.0.2:51820, the endpoint of worker-2, go natively
`
      .replace('ENDPOINT         ', 'ENDPOINT        ')
      .replace('51820   in', '51820  in'),
  )
  const broken = explainAddress(lone, input(null, { hasTable: false, hasDevice: false, rules: [] }))
  assert.deepEqual(
    broken.steps.map(({ says }) => says),
    [
      'the table is not there',
      'is not there',
      'via 192.0.2.1 dev eth0 table 254',
      'dev kubespan table 180',
      'WireGuard does not answer there',
    ],
  )
})

test('each endpoint has its last result', () => {
  const endpoints = ['10.0.0.2:51820', '192.0.2.2:51820', '[2001:db8::2]:51820'] as AddressPort[]
  const results = ({ endpoint, ...change }: Parameters<typeof peerView>[0] & object) => {
    const heard =
      endpoint === undefined || endpoints.includes(endpoint) ? endpoints : [...endpoints, endpoint]
    const candidates = heard.map((one) => ({ endpoint: one, kind: 'public IPv4' }))
    const peer = peerView({ endpoints, ...change, ...(endpoint && { endpoint }) })
    return describeCandidates(peer, { candidates, now: 10_000 }).map(({ result }) => result)
  }
  assert.deepEqual(results({}), ['in use, handshake 5s ago', 'not in use', 'not in use'])
  assert.deepEqual(results({ endpoint: '198.51.100.1:40000' as AddressPort, lastUsedEndpoint: undefined }), [
    'not in use',
    'not in use',
    'not in use',
    'in use, handshake 5s ago, seen there and not announced',
  ])
  const trying = { endpoint: endpoints[1], lastUsedEndpoint: endpoints[1] }
  assert.equal(results({ ...trying, state: 'unknown' })[1], 'being tried since 9s ago')
  assert.equal(results({ ...trying, state: 'down' })[1], 'tried 9s ago, no answer')
  assert.equal(
    results({ endpoint: endpoints[2], lastUsedEndpoint: undefined, state: 'down' })[2],
    'last heard from there',
  )
})

test('an endpoint that is never tried says why', () => {
  const candidates = [{ endpoint: '127.0.0.1:1' as AddressPort, kind: '', notTried: 'it is no host' }]
  assert.deepEqual(describeCandidates(peerView(), { candidates, now: 0 }), [
    { endpoint: '127.0.0.1:1', kind: '', result: 'never tried: it is no host' },
  ])
})

test('a peer is explained with all that it owns', () => {
  const view = withPeer(
    { state: 'down', reason: 'it has gone silent' },
    { affiliates: [affiliate({ nodeId: 'node-2' })] },
  )
  const [peer] = view.peers
  assert.ok(peer !== undefined)
  const stolen = fate({
    address: 'fd00::2' as Address,
    owner: { publicKey: 'other', prefix: 'fd00::2/128' as Prefix, endpoint: undefined, handshakeAge: 1 },
  })
  const explained = explainPeer(peer, [fate(), stolen, lone], input(view))
  assert.deepEqual(
    explained.verdicts.map(({ prefix, verdict }) => [prefix, verdict.way]),
    [
      ['10.0.0.2/32', 'black hole'],
      ['fd00::2/128', 'black hole'],
    ],
  )
  assert.deepEqual(explained.notes, ['WireGuard gives fd00::2 to other'])
  const text = renderPeerExplanation(explained)
  assert.match(text, /^worker-2 is down: it has gone silent\n/)
  assert.match(text, /told by +service\/default\n/)
  assert.match(
    renderPeerExplanation(explainPeer(peerView({ allowedIps: [], label: '' }), [], input())),
    /^node-2 is up\n[\s\S]*told by +nobody any more\n[\s\S]*note: every address that it announces/,
  )
})

test('of several records with one name each is shown', () => {
  const records = ['up', 'down'].map((state, place) =>
    explainPeer(peerView({ nodeId: `id-${place}`, state: state as 'up', label: 'box' }), [], input()),
  )
  const text = renderPeerExplanations('box', records)
  assert.match(text, /^2 records carry the name box/)
  for (const part of [/box is up/, /box is down/, /id-0/, /id-1/, /kubespan forget/]) assert.match(text, part)
})

test('what is local to this host and claimed by a peer is told as what it is', () => {
  const local = [
    {
      prefix: '10.0.0.2/32' as Prefix,
      what: 'gateway of eth0',
      claimed: [{ prefix: '10.0.0.2/32' as Prefix, labels: ['worker-2'] }],
    },
  ]
  const own = fate({ routedBy: undefined, isLocal: true })
  assert.equal(
    explainAddress(own, input(daemonView({ local }))).verdict.says,
    'goes natively out of eth0 because it is local to this host: gateway of eth0 (also claimed by worker-2)',
  )
  assert.match(explainAddress(own, input(null)).verdict.says, /because it is local to this host/)
})
