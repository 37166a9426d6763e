import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LabHost } from '../lab/box.ts'
import { LabDiscovery, waitForListener } from '../lab/discovery.ts'
import { block } from '../lab/faults.ts'
import { DISCOVERY_PORT, Lab } from '../lab/lab.ts'
import { isUp, Mesh } from '../lab/mesh.ts'
import { publicHost, topology } from '../lab/topology.ts'
import { afterPeriod, assertReaches, eventually, FAST, PATIENCE_MS, skip, ulaOf } from './story.ts'

const OTHER_PORT = 4000
const LISTEN = `require('net').createServer((s) => s.end('x')).listen(${OTHER_PORT}, '::')`

test('the discovery service runs on a node of the mesh, and the mesh comes up through it', {
  skip,
}, async (t) => {
  const hosts = ['a', 'b', 'c'].map((name) => publicHost(name))
  await using lab = await Lab.create(topology({ hosts }), { prefix: 'e2ebypass' })
  const [a, b, c] = ['a', 'b', 'c'].map((name) => lab.host(name))
  assert.ok(a && b && c)
  await lab.wan.exec('nft', ['-f', '-'], {
    input: `table inet story {
      counter tcp_in_clear { }
      chain arriving {
        type filter hook prerouting priority -310
        tcp dport ${OTHER_PORT} counter name tcp_in_clear
        tcp sport ${OTHER_PORT} counter name tcp_in_clear
      }
    }`,
  })
  const inClear = async (): Promise<number> =>
    Number(
      /packets (\d+)/.exec(
        (await lab.wan.exec('nft', ['list', 'counter', 'inet', 'story', 'tcp_in_clear'])).stdout,
      )?.[1],
    )
  await using _service = await new LabDiscovery(a).start()
  await using other = a.spawn(process.execPath, ['-e', LISTEN], { name: 'other' })
  await waitForListener(a, other, OTHER_PORT)
  const canConnect = async (from: LabHost, address: string): Promise<boolean> =>
    (
      await from.exec('timeout', ['1', 'bash', '-c', `exec 3<>/dev/tcp/${address}/${OTHER_PORT}`], {
        check: false,
      })
    ).code === 0

  await using mesh = new Mesh(lab, { timing: FAST, services: [`http://${a.v4}:${DISCOVERY_PORT}`] })
  const fault = await block(lab, a, b)
  await using _second = await block(lab, a, c)
  for (const host of [a, b]) mesh.startDaemon(host)

  await t.test('without any tunnel to that node, others still join', async () => {
    for (const host of [a, b])
      await mesh.until(
        host,
        ({ services, peers }) => services[0]?.connected === true && peers.length === 1,
        PATIENCE_MS,
      )
    mesh.startDaemon(c)
    await mesh.until(c, (view) => isUp(view, 'b') && view.peers.length === 2, PATIENCE_MS)
    await assertReaches(c, [await ulaOf(mesh, b)])
    assert.ok(!isUp(await mesh.control(c).view(), 'a'))
  })

  await t.test('every other port of it is out of reach, not in clear', async () => {
    for (const host of [b, c])
      for (const address of a.addresses) assert.equal(await canConnect(host, address), false)
    assert.equal(await inClear(), 0)
  })

  await t.test(
    'a daemon that starts on a host with marks and rules in place gets to the service',
    async () => {
      await mesh.daemon(b).stop('SIGKILL')
      mesh.startDaemon(b)
      const view = await mesh.until(b, ({ services }) => services[0]?.connected === true, PATIENCE_MS)
      assert.equal(view.peers.find(({ label }) => label === 'a')?.state === 'up', false)
      await afterPeriod(mesh, b)
      assert.equal(await canConnect(b, a.v4 ?? ''), false)
      assert.equal(await inClear(), 0)
    },
  )

  await t.test('with the tunnel up the other port is reached, through the tunnel', async () => {
    await fault[Symbol.asyncDispose]()
    await mesh.until(b, (view) => isUp(view, 'a'), PATIENCE_MS)
    await mesh.until(a, (view) => isUp(view, 'b'), PATIENCE_MS)
    for (const address of [a.v4 ?? '', a.v6 ?? ''])
      await eventually(
        `${address} is reached`,
        () => canConnect(b, address),
        (is) => is,
      )
    await afterPeriod(mesh, b)
    assert.equal(await inClear(), 0)
  })
})
