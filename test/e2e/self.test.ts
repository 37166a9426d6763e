import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { AffiliateView, DaemonView } from '../../kubespan/model/daemon-view.ts'
import type { SelfReport } from '../../kubespan/model/own-address.ts'
import { LAN_BRIDGE } from '../lab/attachment.ts'
import type { LabHost } from '../lab/box.ts'
import { Lab } from '../lab/lab.ts'
import { Mesh, mesh as startMesh } from '../lab/mesh.ts'
import { run } from '../lab/process.ts'
import { lan, publicHost, topology } from '../lab/topology.ts'
import { patient } from '../support/patience.ts'
import {
  afterPeriod,
  assertNoneLost,
  assertReaches,
  FAST,
  PATIENCE_MS,
  skip,
  steadyPing,
  ulaOf,
} from './story.ts'

/** What others know of a host. */
const recordOf = (view: DaemonView, { name }: LabHost): AffiliateView | undefined =>
  view.affiliates.find(({ nodename, isLocal }) => nodename === name && !isLocal)

/** Offered as an endpoint, or routed, or both, or neither. */
function useOf(record: AffiliateView | undefined, address: string): string {
  const isOffered = record?.kubespan.endpoints.some((endpoint) => endpoint.includes(address))
  const isRouted = record?.addresses.some((own) => own === address)
  return [isOffered && 'endpoint', isRouted && 'routed'].filter(Boolean).join(' and ') || 'nowhere'
}

test('an address is published once it is this host’s, and offered while it lasts', { skip }, async (t) => {
  const world = topology({ hosts: [publicHost('a'), publicHost('b')], lans: [lan('office', 'a', 'b')] })
  await using lab = await Lab.create(world, { prefix: 'e2eself' })
  const [a, b] = [lab.host('a'), lab.host('b')]
  const [twice, ending, late] = ['2001:db8:77::7', '2001:db8:77::8', '2001:db8:77::9']
  for (const host of lab.hosts)
    await host.sh(`sysctl -wq net.ipv6.conf.eth1.accept_dad=1 net.ipv6.conf.eth1.dad_transmits=1
      ip -6 addr add 2001:db8:77::${host.index}/64 dev eth1 nodad`)
  // A bridge that snoops lets solicitations through only once it has heard reports.
  await lab.box('office').sh(`ip link set ${LAN_BRIDGE} type bridge mcast_snooping 0`)
  await b.sh(`ip -6 addr add ${twice}/64 dev eth1 nodad`)
  await a.sh(`ip -6 addr add ${twice}/64 dev eth1; ip -6 addr add ${ending}/64 dev eth1 nodad preferred_lft 0
    until ip -6 addr show dev eth1 | grep -q dadfailed; do sleep 0.1; done`)
  await using mesh = await startMesh(lab, { timing: { ...FAST, reconcileEvery: '10m' } })
  await mesh.full(PATIENCE_MS)

  await t.test('what another machine has is nowhere; what is deprecated is routed only', async () => {
    const view = await mesh.until(b, (seen) => useOf(recordOf(seen, a), ending) !== 'nowhere', PATIENCE_MS)
    assert.equal(useOf(recordOf(view, a), twice), 'nowhere')
    assert.equal(useOf(recordOf(view, a), ending), 'routed')
    assert.equal(useOf(recordOf(await mesh.control(a).view(), b), twice), 'endpoint and routed')
  })

  await t.test('what is on trial is nowhere, and taken within a second when the trial is over', async () => {
    await a.sh(`sysctl -wq net.ipv6.conf.eth1.dad_transmits=3; ip -6 addr add ${late}/64 dev eth1`)
    await mesh.control(a).view()
    assert.match((await a.sh('ip -6 addr show dev eth1')).stdout, new RegExp(`${late}/64.* tentative`))
    assert.equal(useOf(recordOf(await mesh.control(b).view(), a), late), 'nowhere')
    const trial = a.sh(`while ip -6 addr show dev eth1 tentative | grep -q ${late}; do sleep 0.05; done`)
    const published = mesh.until(b, (seen) => useOf(recordOf(seen, a), late) === 'endpoint and routed')
    await trial
    const endedAt = performance.now()
    await published
    const took = performance.now() - endedAt
    assert.ok(took < 1_000, `published ${Math.round(took)} ms after the trial`)
  })
})

/** As a host with many: all of one link at once, by one process. */
const addMany = async (host: LabHost, family: 4 | 6, addresses: readonly string[]): Promise<void> => {
  const input = addresses
    .map((address) => `addr add ${address} dev eth0${family === 6 ? ' nodad' : ''}\n`)
    .join('')
  await host.exec('ip', [`-${family}`, '-batch', '-'], { input })
}

/** What is given to a host that already has ways out. */
const give = (host: LabHost, lines: readonly string[]) =>
  host.sh(lines.map((line) => `ip ${line}`).join('\n'))

/** Links as other programs make them, and those that only look alike. */
const NOWHERE = {
  docker0: '172.17.0.1',
  'br-0a1b2c3d4e5f': '172.18.0.1',
  virbr0: '192.168.122.1',
  lxdbr0: '10.66.0.1',
  cni0: '10.88.0.1',
  tailscale0: '100.64.0.7',
  wt0: '100.90.0.1',
  zt5u4y: '10.147.17.1',
}
const SOMEWHERE = { vmbr0: '192.168.50.1', br0: '192.168.51.1' }

test('links that lead to nobody are neither endpoints nor routed, unless the user wants them', {
  skip,
}, async (t) => {
  const world = topology({ hosts: [publicHost('a'), publicHost('b')] })
  await using lab = await Lab.create(world, { prefix: 'e2enowhere' })
  const [a, b] = [lab.host('a'), lab.host('b')]
  for (const host of lab.hosts)
    for (const [name, address] of Object.entries({ ...NOWHERE, ...SOMEWHERE }))
      if (host === a || name === 'docker0')
        await give(host, [
          `link add ${name} type bridge`,
          `addr add ${address}/24 dev ${name}`,
          `link set ${name} up`,
        ])
  // Tunnels are known by their kind, whatever they are called.
  await using _tunnel = a.spawn('wireguard-go', ['-f', 'corp'], { name: 'corp' })
  await a.sh('until ip link show corp; do sleep 0.05; done')
  await give(a, [
    'addr add 10.99.0.1/24 dev corp',
    'link set corp up',
    'link add br-lan type bridge',
    'addr add 192.168.52.1/24 dev br-lan',
    'link set br-lan up',
    'route add default via 192.168.52.254 dev br-lan metric 5000',
  ])
  const nowhere = [...Object.values(NOWHERE), '10.99.0.1']
  await using mesh = await startMesh(lab, { timing: FAST })
  await mesh.full(PATIENCE_MS)

  await t.test('what is so by default', async () => {
    const view = await mesh.until(b, (seen) => recordOf(seen, a) !== undefined, PATIENCE_MS)
    const record = recordOf(view, a)
    for (const address of nowhere) assert.equal(useOf(record, `${address}`), 'nowhere', address)
    for (const address of [...Object.values(SOMEWHERE), '192.168.52.1'])
      assert.equal(useOf(record, address), 'endpoint and routed', address)
    const { stdout } = await mesh.kubespan(a, ['status'])
    assert.match(stdout, /left out: .*docker0/)
  })

  await t.test('explain self tells of every address what became of it and why', async () => {
    const { stdout } = await mesh.kubespan(a, ['explain', 'self'])
    assert.match(
      stdout,
      /172\.17\.0\.1 +docker0 +- +no +link docker0 leads to nobody else \(filters\.links: docker\*\)/,
    )
    assert.match(stdout, /10\.99\.0\.1 +corp +- +no .*kind:tun\)/)
    assert.match(stdout, /127\.0\.0\.1 +lo +- +no +of scope host/)
    const report = JSON.parse(
      (await mesh.kubespan(a, ['explain', 'self', '-o', 'json'])).stdout,
    ) as SelfReport
    const all = await a.sh('ip -o addr show | wc -l')
    assert.ok(report.addresses.length >= Number(all.stdout), 'every address that ip shows')
  })

  await t.test('filters.links keeps, adds and replaces', async () => {
    mesh.writeConfig(a, { NodeConfig: { timing: FAST, filters: { links: ['!tailscale*', 'vmbr*'] } } })
    const view = await mesh.until(
      b,
      (seen) =>
        useOf(recordOf(seen, a), NOWHERE.tailscale0) !== 'nowhere' &&
        useOf(recordOf(seen, a), SOMEWHERE.vmbr0) !== 'endpoint and routed',
      PATIENCE_MS,
    )
    assert.equal(useOf(recordOf(view, a), NOWHERE.docker0), 'nowhere')
    mesh.writeConfig(a, { NodeConfig: { timing: FAST, filters: { links: ['!*', 'wt0'] } } })
    const all = await mesh.until(
      b,
      (seen) => useOf(recordOf(seen, a), '10.99.0.1') !== 'nowhere',
      PATIENCE_MS,
    )
    assert.equal(useOf(recordOf(all, a), '10.99.0.1'), 'endpoint and routed')
    assert.equal(
      recordOf(all, a)?.addresses.some((address) => address === NOWHERE.wt0),
      false,
    )
  })
})

test('a host with more addresses than a record takes is in the mesh, with the best of them', {
  skip,
}, async (t) => {
  const world = topology({ hosts: [publicHost('a'), publicHost('b')] })
  await using lab = await Lab.create(world, { prefix: 'e2emany' })
  const [a, b] = [lab.host('a'), lab.host('b')]
  const range = (count: number, text: (index: number) => string) =>
    Array.from({ length: count }, (_, index) => text(index + 1))
  await addMany(
    a,
    4,
    range(70, (index) => `10.70.0.${index}/24`),
  )
  await using mesh = await startMesh(lab, { timing: FAST })
  const stages: Readonly<Record<string, () => Promise<void>>> = {
    'of IPv4': async () => {},
    'and 40 of IPv6': () =>
      addMany(
        a,
        6,
        range(40, (index) => `2001:db8:a40::${index.toString(16)}/64`),
      ),
    'and 150': () =>
      addMany(
        a,
        6,
        range(150, (index) => `2001:db8:a150::${index.toString(16)}/64`),
      ),
  }
  let ofIpv6 = 0
  for (const [what, add] of Object.entries(stages))
    await t.test(`70 ${what}`, async () => {
      await add()
      ofIpv6 += what === 'of IPv4' ? 0 : Number(/\d+/.exec(what)?.[0])
      await mesh.full(PATIENCE_MS)
      const own = await mesh.until(a, (view) => view.warnings.length > 0, PATIENCE_MS)
      assert.equal(own.warnings.length, 1, own.warnings.join('\n'))
      assert.match(
        own.warnings[0] ?? '',
        /^not published, as a discovery service takes 64 endpoints and 2020 bytes: \d+ endpoints/,
      )
      assert.match((await mesh.kubespan(a, ['status'])).stdout, /! not published/)
      const view = await mesh.until(
        b,
        (seen) => {
          const record = recordOf(seen, a)
          return (
            (record?.addresses.filter((address) => address.includes('2001:db8:a')).length ?? 0) >=
            Math.min(ofIpv6, 10)
          )
        },
        PATIENCE_MS,
      )
      const record = recordOf(view, a)
      // The service keeps what it was told before.
      assert.ok((record?.kubespan.endpoints.length ?? 0) >= 60)
      assert.equal(useOf(record, a.v4 ?? ''), 'endpoint and routed')
      assert.equal(useOf(record, a.v6 ?? ''), 'endpoint and routed')
      assert.ok((record?.addresses.length ?? 0) > 70)
      await assertReaches(b, [a.v4 ?? '', a.v6 ?? '', record?.kubespan.address ?? ''])
    })
})

test('a name that comes late is followed without a restart', { skip }, async () => {
  const world = topology({ hosts: [publicHost('a'), publicHost('b')] })
  await using lab = await Lab.create(world, { prefix: 'e2ename' })
  const [a, b] = [lab.host('a'), lab.host('b')]
  const ownName = (host: LabHost) =>
    host === a ? { NodeConfig: { timing: SLOW, hostname: undefined, nodename: undefined } } : {}
  await using mesh = new Mesh(lab, { timing: SLOW, documents: ownName })
  await mesh.startDiscovery()
  mesh.startDaemon(b)
  // Of its own namespace of names, which the daemon keeps and the test enters by its process.
  mesh.startDaemon(a, [], { setup: 'exec unshare --uts sh -ec \'hostname localhost; exec "$@"\' sh "$@"' })
  const { pid } = await mesh.until(a, (view) =>
    view.warnings.some((warning) => warning.includes('has no name')),
  )
  const first = await mesh.until(b, (view) => view.affiliates.length === 2, PATIENCE_MS)
  assert.match(first.affiliates.find(({ isLocal }) => !isLocal)?.nodename ?? '', /^node-[0-9a-f]{8}$/)
  for (const name of ['worker-7', 'Worker-8.example.org']) {
    await run(['nsenter', '-t', `${pid}`, '-u', 'hostname', name])
    const { affiliates } = await mesh.until(
      b,
      (view) => view.affiliates.some(({ nodename }) => nodename === name.toLowerCase()),
      10_000,
    )
    assert.ok(affiliates.some(({ hostname }) => hostname === name))
  }
  assert.deepEqual((await mesh.control(a).view()).warnings, [])
})
/** Nothing happens by itself within the test. */
const SLOW = { ...FAST, reconcileEvery: '10m' }

/** Calls that the discovery service has begun to serve, of all kinds and from everybody. */
async function callsServed(lab: Lab): Promise<number> {
  const { stdout } = await lab.internet.exec('curl', ['-s', `http://127.0.0.1:${METRICS_PORT}/metrics`])
  const counts = [...stdout.matchAll(/^grpc_server_started_total\{.*\} (\d+)$/gm)].map(([, count]) =>
    Number(count),
  )
  assert.ok(counts.length > 0, stdout.slice(0, 200))
  return counts.reduce((sum, count) => sum + count, 0)
}
const METRICS_PORT = 2122

/** Of the daemon and of the tools that it has run. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_PER_SECOND
}
/** Of every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

test('containers that come and go once a second are no move, and cost next to nothing', {
  skip,
}, async () => {
  const world = topology({ hosts: [publicHost('a'), publicHost('b')] })
  await using lab = await Lab.create(world, { prefix: 'e2econtainers' })
  const [a, b] = [lab.host('a'), lab.host('b')]
  await give(a, ['link add docker0 type bridge', 'addr add 172.17.0.1/16 dev docker0', 'link set docker0 up'])
  await using mesh = await startMesh(lab, { discoveryFlags: [`-metrics-addr=127.0.0.1:${METRICS_PORT}`] })
  await mesh.full(PATIENCE_MS)
  await using pinger = await steadyPing(b, await ulaOf(mesh, a))
  await afterPeriod(mesh, a)
  const before = await mesh.control(a).view()
  const [callsBefore, cpuBefore] = [await callsServed(lab), cpuSeconds(before.pid)]
  const from = performance.now()
  await a.sh(
    `for i in $(seq ${CONTAINER_SECONDS}); do
      ip link add veth$i type veth peer name c$i
      ip link set veth$i master docker0
      ip link set veth$i up
      ip link set c$i up
      sleep 0.5
      ip link del veth$i
      sleep 0.5
    done`,
    { timeoutMilliseconds: CONTAINER_SECONDS * 5_000 },
  )
  const seconds = (performance.now() - from) / 1_000
  const cpu = cpuSeconds(before.pid) - cpuBefore
  const calls = (await callsServed(lab)) - callsBefore
  const { counters, peers } = await mesh.control(a).view()
  const said = `${calls} calls, ${counters.handshakes - before.counters.handshakes} handshakes, ${cpu.toFixed(2)} s of CPU in ${seconds.toFixed(0)} s`
  assert.ok(calls <= Math.max(1, seconds / 10), said)
  // Every session is renewed after two minutes, containers or not.
  assert.ok(counters.handshakes - before.counters.handshakes <= Math.ceil(seconds / 120), said)
  assert.equal(counters.peersLost, before.counters.peersLost, said)
  assert.equal(peers[0]?.state, 'up')
  if (process.env.SAY_COSTS) process.stderr.write(`${said}\n`)
  assert.ok(cpu <= 0.03 * seconds * patient(1), said)
  await assertNoneLost(pinger)
})
const CONTAINER_SECONDS = Number(process.env.CONTAINER_SECONDS ?? 15)
