import assert from 'node:assert/strict'
import { test } from 'node:test'
import { INTERNET_V4, INTERNET_V6 } from '../lab/attachment.ts'
import { LabDiscovery } from '../lab/discovery.ts'
import { DISCOVERY_PORT, Lab } from '../lab/lab.ts'
import { Mesh } from '../lab/mesh.ts'
import { meshAddresses, nodeAddresses, pingMatrix, podAddresses } from '../lab/ping-matrix.ts'
import { publicHost, topology } from '../lab/topology.ts'
import { afterPeriod, assertNothingInClear, FAST, PATIENCE_MS, skip, ulaOf } from './story.ts'

test('hosts and a discovery service without IPv4', { skip }, async (t) => {
  const hosts = [
    publicHost('a', { families: [6], pod: true }),
    publicHost('b', { families: [6], pod: true }),
    publicHost('dual', { pod: true }),
  ]
  await using lab = await Lab.create(topology({ hosts }), { prefix: 'e2eipv6' })
  const a = lab.host('a')
  const url = `[${INTERNET_V6}]:${DISCOVERY_PORT}`
  await using _service = await new LabDiscovery(lab.internet, { flags: [`-addr=${url}`] }).start()
  await using mesh = new Mesh(lab, { timing: FAST, services: [`http://${url}`] })
  for (const host of lab.hosts) mesh.startDaemon(host)
  await mesh.full(PATIENCE_MS)

  await t.test('the service is reached by IPv6 alone, and passes the tunnel by', async () => {
    const { services } = await mesh.control(a).view()
    assert.deepEqual(
      services.map(({ connected, endpoint, publicAddresses }) => [connected, endpoint, publicAddresses]),
      [[true, url, [a.v6]]],
    )
    const { stdout } = await a.exec('nft', ['list', 'set', 'inet', 'openspan', 'bypass_v6'])
    assert.ok(stdout.includes(`${INTERNET_V6} . ${DISCOVERY_PORT}`))
    const v4 = await a.exec(
      'timeout',
      ['1', 'bash', '-c', `exec 3<>/dev/tcp/${INTERNET_V4}/${DISCOVERY_PORT}`],
      {
        check: false,
      },
    )
    assert.notEqual(v4.code, 0)
  })

  await t.test('every pair reaches each other, pods by IPv4 too', async () => {
    for (const host of lab.hosts) {
      const { peers } = await afterPeriod(mesh, host)
      for (const { endpoint } of peers) assert.match(endpoint ?? '', /^\[2001:db8:/)
    }
    const ula = new Map<string, string>()
    for (const host of lab.hosts) ula.set(host.name, await ulaOf(mesh, host))
    for (const kind of [nodeAddresses, meshAddresses(({ name }) => ula.get(name) ?? ''), podAddresses]) {
      const { title, cells } = await pingMatrix(lab.hosts, kind, { attempts: 5 })
      assert.deepEqual(
        cells.flat(2).filter(({ roundTripMilliseconds }) => roundTripMilliseconds === undefined),
        [],
        title,
      )
    }
    await assertNothingInClear(lab)
  })
})
