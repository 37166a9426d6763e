import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AffiliateView, DaemonView } from '../../kubespan/model/daemon-view.ts'
import type { LabHost } from '../lab/box.ts'
import { Lab } from '../lab/lab.ts'
import { mesh as startMesh } from '../lab/mesh.ts'
import { lan, publicHost, topology } from '../lab/topology.ts'
import { assertReaches, FAST, PATIENCE_MS, skip } from './story.ts'

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
  await b.sh(`ip -6 addr add ${twice}/64 dev eth1 nodad`)
  await a.sh(
    `ip -6 addr add ${twice}/64 dev eth1; ip -6 addr add ${ending}/64 dev eth1 nodad preferred_lft 0`,
  )
  await using mesh = await startMesh(lab, { timing: { ...FAST, reconcileEvery: '10m' } })
  await mesh.full(PATIENCE_MS)

  await t.test('what another machine has is nowhere; what is deprecated is routed only', async () => {
    assert.match((await a.sh('ip -6 addr show dev eth1')).stdout, new RegExp(`${twice}/64.* dadfailed`))
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
