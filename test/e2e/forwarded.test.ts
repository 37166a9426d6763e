import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Box, LabHost } from '../lab/box.ts'
import { Lab } from '../lab/lab.ts'
import { Mesh } from '../lab/mesh.ts'
import { pingAll } from '../lab/ping.ts'
import { publicHost, topology } from '../lab/topology.ts'
import { afterPeriod, assertReaches, eventually, FAST, PATIENCE_MS, skip } from './story.ts'

const PORT = 4000
const SERVER = `require('net').createServer((s) => s.end(s.remoteAddress)).listen(${PORT}, '::', () => console.log('ready'))`

/** What the server on that port says, which is who called it; empty when it is not reached. */
const ask = async (from: Box, address: string, port = PORT): Promise<string> => {
  const { stdout } = await from.exec(
    'timeout',
    ['3', 'bash', '-c', `exec 3<>/dev/tcp/${address}/${port} && cat <&3`],
    { check: false },
  )
  return stdout.replace('::ffff:', '')
}

const fiveOfFive = async (from: Box, address: string): Promise<number> => {
  let answered = 0
  for (let ping = 0; ping < 5; ping += 1)
    if ((await pingAll(from, [address]))[0]?.roundTripMilliseconds !== undefined) answered += 1
  return answered
}

/** A router that translates by the link that packets leave by, or wherever they leave, and has a service of its own inside. */
const translate = (router: LabHost, inside: string, masquerade: string, elsewhere: string) =>
  router.exec('nft', ['-f', '-'], {
    input: `add table inet router
      delete table inet router
      table inet router {
        chain inward {
          type nat hook prerouting priority dstnat
          tcp dport 8080 dnat ip to ${inside}:${PORT}
          tcp dport 8081 dnat ip to ${elsewhere}:${PORT}
        }
        chain outward {
          type nat hook postrouting priority srcnat
          ${masquerade} masquerade
          ct status dnat ip daddr ${elsewhere} masquerade
        }
      }`,
  })

for (const rpFilter of [0, 2] as const)
  test(`a router of others is a member, and they go on reaching members (rp_filter ${rpFilter})`, {
    skip,
  }, async (t) => {
    const hosts = [
      publicHost('r', { pod: true, rpFilter }),
      publicHost('b', { pod: true, rpFilter }),
      publicHost('stranger'),
    ]
    await using lab = await Lab.create(topology({ hosts }), { prefix: 'e2eforward' })
    const [r, b, stranger] = ['r', 'b', 'stranger'].map((name) => lab.host(name))
    assert.ok(r && b && stranger && r.pod && b.pod)
    const client = r.pod
    const inside = `10.244.${r.index}.10`
    const away = `10.244.${b.index}.10`
    await translate(r, inside, 'oifname "eth0"', away)
    const servers = [b, client, b.pod].map((box) =>
      box.spawn(process.execPath, ['-e', SERVER], { name: 'server' }),
    )
    await using _servers = {
      [Symbol.asyncDispose]: async () => void (await Promise.all(servers.map((one) => one.stop()))),
    }
    for (const server of servers) await server.waitFor(/ready/)
    const inClear = async () => (await lab.counts()).other.packets
    for (const address of [b.v4 ?? '', b.v6 ?? ''])
      assert.equal(await fiveOfFive(client, address), 5, 'before')
    assert.equal(await ask(client, b.v4 ?? ''), r.v4)

    /** The router says nothing of who is behind it; b advertises its pod. */
    const unknown = {
      KubeSpanConfig: { advertiseKubernetesNetworks: false },
      NodeConfig: { podCIDRs: [] },
    }
    await using mesh = new Mesh(lab, {
      timing: FAST,
      documents: (host) => (host === r ? unknown : undefined),
    })
    await mesh.startDiscovery()
    for (const host of [r, b]) mesh.startDaemon(host)
    await mesh.full(PATIENCE_MS)
    await assertReaches(r, [b.v4 ?? '', b.v6 ?? ''])

    await t.test('clients behind it', async () => {
      await afterPeriod(mesh, r)
      for (const address of [b.v4 ?? '', b.v6 ?? ''])
        assert.equal(await fiveOfFive(client, address), 5, address)
      assert.equal(await ask(client, b.v4 ?? ''), r.v4)
      assert.equal(await ask(client, b.v6 ?? ''), r.v6)
      const { stdout } = await mesh.kubespan(r, ['explain', b.v4 ?? ''])
      assert.match(stdout, new RegExp(`of what this host forwards only packets from .*${r.v4}`))
    })

    await t.test(
      'what the router itself sends, and the answers of b, are in the tunnel all the same',
      async () => {
        const fromB = (await lab.leaks()).filter(({ from }) => from === b.v4 || from === b.v6)
        // Answers to echoes from before there was a mesh are among them; nothing is added.
        const before = await inClear()
        await assertReaches(r, [b.v4 ?? '', b.v6 ?? ''])
        assert.equal(await inClear(), before)
        assert.equal(await fiveOfFive(client, b.v4 ?? ''), 5)
        assert.deepEqual(
          (await lab.leaks()).filter(({ from }) => from === b.v4 || from === b.v6),
          fromB,
        )
      },
    )

    await t.test('a service inside, called by a member, answers through the tunnel', async () => {
      const before = await inClear()
      assert.equal(await ask(b, r.v4 ?? '', 8080), b.v4)
      assert.equal(await inClear(), before)
    })

    await t.test('a service that the router forwards to a pod of another member gets there', async () => {
      assert.equal(await ask(stranger, r.v4 ?? '', 8081), r.v4)
      const clear = (await lab.leaks()).filter(({ to, from }) => to === away || from === away)
      assert.deepEqual(clear, [])
    })

    await t.test('pods that are known and masqueraded wherever they leave are in the tunnel', async () => {
      await translate(r, inside, `ip saddr ${inside}`, away)
      mesh.writeConfig(r, {
        KubeSpanConfig: { advertiseKubernetesNetworks: false },
        NodeConfig: { podCIDRs: [`10.244.${r.index}.0/24`] },
      })
      await mesh.control(r).reload()
      await eventually(
        'the pods are known',
        async () => (await r.exec('nft', ['list', 'set', 'inet', 'openspan', 'own_v4'])).stdout,
        (text) => text.includes(`10.244.${r.index}.0/24`),
      )
      const before = await inClear()
      assert.equal(await fiveOfFive(client, b.v4 ?? ''), 5)
      assert.equal(await ask(client, b.v4 ?? ''), r.v4)
      assert.equal(await inClear(), before)
    })
  })

test('a router of which single links forward, and not all, is one as well', { skip }, async () => {
  const hosts = [publicHost('r', { pod: true }), publicHost('b')]
  await using lab = await Lab.create(topology({ hosts }), { prefix: 'e2eperlink' })
  const [r, b] = ['r', 'b'].map((name) => lab.host(name))
  assert.ok(r?.pod && b?.v4)
  const client = r.pod
  await r.exec('sh', [
    '-ec',
    `cd /proc/sys/net
    echo 0 > ipv4/ip_forward; echo 0 > ipv6/conf/all/forwarding
    for link in ipv4/conf/*; do case $link in */all|*/default) ;; *) echo 1 > $link/forwarding ;; esac; done`,
  ])
  await translate(r, `10.244.${r.index}.10`, 'oifname "eth0"', `10.244.${b.index}.10`)
  assert.equal(await fiveOfFive(client, b.v4), 5, 'before')

  const unknown = { KubeSpanConfig: { advertiseKubernetesNetworks: false }, NodeConfig: { podCIDRs: [] } }
  await using mesh = new Mesh(lab, { timing: FAST, documents: (host) => (host === r ? unknown : undefined) })
  await mesh.startDiscovery()
  for (const host of [r, b]) mesh.startDaemon(host)
  await mesh.full(PATIENCE_MS)
  await assertReaches(r, [b.v4])
  await afterPeriod(mesh, r)
  assert.equal(await fiveOfFive(client, b.v4), 5)
})
