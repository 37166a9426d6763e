import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { podAttachment } from '../lab/attachment.ts'
import type { LabHost } from '../lab/box.ts'
import { Capture } from '../lab/capture.ts'
import { addLan, changeAddress, linkDown, linkUp, move, rebind } from '../lab/changes.ts'
import { namespacesOf } from '../lab/cleanup.ts'
import { demoTopology } from '../lab/demo-topology.ts'
import { blackHoleAbove, block, cut, delay, lose, shrinkMtu } from '../lab/faults.ts'
import { handMadeMesh, meshAddress } from '../lab/hand-made-mesh.ts'
import { Lab } from '../lab/lab.ts'
import { findLeftovers, observeMachine, rememberTracks } from '../lab/leftovers.ts'
import { Pinger, pingAll } from '../lab/ping.ts'
import { publicHost, topology, whyUnreachable } from '../lab/topology.ts'
import { sendDatagrams, transferTcp } from '../lab/transfer.ts'
import { countsSince, wireguardCount } from '../lab/wan-watch.ts'

/** The lab proves itself: what the other end-to-end tests believe of it is looked at here, without a daemon. */

const reaches = async (from: LabHost, address: string): Promise<boolean> =>
  (await pingAll(from, [address], { timeoutSeconds: 0.3 }))[0]?.roundTripMilliseconds !== undefined

test('a mesh made by hand spans NATs, LANs and pods, and nothing crosses the wan in clear', async () => {
  await using lab = await Lab.create(demoTopology({ symmetric: true }), { prefix: 'labtest' })
  await handMadeMesh(lab)
  const before = await lab.counts()
  await Promise.all(
    lab.hosts.map(async (from) => {
      const targets = lab.hosts.filter(
        (to) => to !== from && whyUnreachable(lab.topology, from.spec, to.spec) === undefined,
      )
      const hosts = targets.flatMap((to) => [meshAddress(to), ...to.addresses])
      const pods = targets.flatMap((to) => podAddresses(to))
      const echoes = [
        ...(await pingAll(from, hosts, { attempts: 3 })),
        ...(await pingAll(from.pod ?? from, pods, { attempts: 3 })),
      ]
      const silent = echoes.filter(({ roundTripMilliseconds }) => roundTripMilliseconds === undefined)
      assert.deepEqual(silent, [], `from ${from.name}`)
    }),
  )
  const since = countsSince(before, await lab.counts())
  assert.ok(wireguardCount(since).packets > 200)
  assert.deepEqual(await lab.leaks(), [])
  assert.equal(since.other.packets, 0)
})

const podAddresses = ({ name, index }: LabHost): string[] => {
  const { v4, v6 } = podAttachment(name, index)
  return [v4?.address ?? '', v6?.address ?? '']
}

test('two hosts behind symmetric NATs cannot be brought together', async () => {
  await using lab = await Lab.create(demoTopology({ symmetric: true }), { prefix: 'labtest' })
  await handMadeMesh(lab)
  const [sym1, sym2, natted] = ['sym1', 'sym2', 'natted'].map((name) => lab.host(name))
  assert.ok(sym1 && sym2 && natted)
  assert.deepEqual(
    await Promise.all([
      reaches(sym1, meshAddress(sym2)),
      reaches(natted, meshAddress(sym1)),
      reaches(sym1, meshAddress(lab.host('cone'))),
    ]),
    [false, false, true],
  )
})

test('what leaves in clear is counted, and by whom', async () => {
  await using lab = await Lab.create(topology({ hosts: [publicHost('a'), publicHost('b')] }), {
    prefix: 'labtest',
  })
  assert.ok(await reaches(lab.host('a'), lab.host('b').v4 ?? ''))
  await reaches(lab.host('a'), '10.99.0.1')
  const { other, internet } = await lab.counts()
  assert.deepEqual([other.packets, internet.packets], [3, 0])
  assert.deepEqual(
    (await lab.leaks())
      .map(({ from, to, protocol, packets }) => `${from} ${to} ${protocol} ${packets}`)
      .sort(),
    ['198.18.1.2 10.99.0.1 icmp 1', '198.18.1.2 198.18.2.2 icmp 1', '198.18.2.2 198.18.1.2 icmp 1'],
  )
})

test('two labs side by side do not meet, and nothing stays of either', async () => {
  const two = topology({ hosts: [publicHost('a'), publicHost('b')] })
  const machine = await observeMachine()
  const labs = await Promise.all([1, 2].map(() => Lab.create(two, { prefix: 'labtest' })))
  for (const lab of labs) lab.host('a').spawn('sleep', ['1000'])
  const namespaces = labs.flatMap(({ id }) => namespacesOf(id))
  assert.equal(namespaces.length, 8)
  assert.deepEqual(Lab.sweep('labtest'), [], 'labs in use are no leftovers')
  const tracks = labs.map(({ id }) => rememberTracks(id, machine))
  await Promise.all(labs.map((lab) => lab[Symbol.asyncDispose]()))
  assert.deepEqual(await Promise.all(tracks.map(findLeftovers)), [[], []])
})

test('a lab that cannot be built leaves nothing', async () => {
  const broken = topology({ hosts: [publicHost('a', { rpFilter: 'neither' as unknown as 0 })] })
  await assert.rejects(Lab.create(broken, { prefix: 'labtest-broken' }), { name: 'CommandError' })
  assert.deepEqual(
    readdirSync('/run/netns').filter((name) => name.startsWith('labtest-broken.')),
    [],
  )
})

let lab: Lab
let a: LabHost
let b: LabHost
before(async () => {
  lab = await Lab.create(demoTopology(), { prefix: 'labtest' })
  ;[a, b] = [lab.host('public1'), lab.host('public2')]
})
after(() => lab[Symbol.asyncDispose]())

test('links, addresses and networks change under a running host', async () => {
  const [host, peer] = [lab.host('natted'), b]
  const [v4 = '', v6 = ''] = [peer.v4, peer.v6]
  const isOnline = async (): Promise<boolean[]> => Promise.all([reaches(host, v4), reaches(host, v6)])
  assert.deepEqual(await isOnline(), [true, true])
  await linkDown(host)
  assert.deepEqual(await isOnline(), [false, false])
  await linkUp(host)
  assert.deepEqual(await isOnline(), [true, true])

  const old = host.v4
  await changeAddress(lab, host)
  assert.notEqual(host.v4, old)
  assert.deepEqual(await isOnline(), [true, true])
  await move(lab, host, 'wan')
  assert.match(host.v4 ?? '', /^198\.18\./)
  assert.deepEqual(await isOnline(), [true, true])
  assert.ok(await reaches(peer, host.v4 ?? ''))
  await move(lab, host, 'conenat')
  assert.match(host.v4 ?? '', /^10\./)
  assert.deepEqual(await reaches(host, v4), true)

  await addLan(lab, 'home', [host, peer])
  assert.ok(await reaches(host, peer.lans.get('home')?.v4?.address ?? ''))
})

test('a rebound NAT maps the same port to another one', async () => {
  const host = lab.host('cone')
  const { v4 = '' } = b
  const seenPorts = async (): Promise<string[]> => {
    const listener = b.spawn(process.execPath, ['-e', SAY_PORTS], { name: `ports-${Math.random()}` })
    await listener.waitFor(/ready/)
    await host.exec(process.execPath, ['-e', SEND_FROM_WIREGUARD_PORT, v4])
    const [, port = ''] = await listener.waitFor(/port (\d+)/)
    await listener.stop('SIGKILL')
    return [port]
  }
  const before = await seenPorts()
  assert.deepEqual(before, ['51820'])
  await rebind(lab, host)
  assert.notDeepEqual(await seenPorts(), before)
})

const SAY_PORTS = `const s = require('dgram').createSocket('udp4')
s.on('message', (_, from) => console.log('port ' + from.port)).bind(51820, () => console.log('ready'))`
const SEND_FROM_WIREGUARD_PORT = `const s = require('dgram').createSocket('udp4')
s.bind(51820, () => s.send('x', 51820, process.argv[1], () => s.close()))`

test('faults break what they say, and heal', async () => {
  const [v4 = '', v6 = ''] = [b.v4, b.v6]
  const both = async (): Promise<boolean[]> => Promise.all([reaches(a, v4), reaches(a, v6)])
  {
    await using _blocked = await block(lab, a, b, { family: 4, protocol: 'all' })
    assert.deepEqual(await both(), [false, true])
  }
  {
    await using _udpOnly = await block(lab, a, b)
    assert.deepEqual(await both(), [true, true])
    assert.equal(
      (await sendDatagrams(a, b, v4, { packets: 5, bytes: 100, packetsPerSecond: 1000 })).received,
      0,
    )
  }
  {
    await using _cut = await cut(lab, a)
    assert.deepEqual(await both(), [false, false])
  }
  {
    await using _hole = await blackHoleAbove(lab, a, 1400)
    const large = await a.exec('ping', ['-c1', '-W0.3', '-s', '1400', v4], { check: false })
    assert.deepEqual([large.code, await reaches(a, v4)], [1, true])
  }
  {
    await using _small = await shrinkMtu(lab, b, 1400)
    const { stdout } = await a.exec('ping', ['-c2', '-i0.2', '-W0.3', '-M', 'do', '-s', '1400', v4], {
      check: false,
    })
    assert.match(stdout, /Frag(mentation)? needed/i)
  }
  {
    await using _lossy = await lose(lab, a, 50)
    const { received } = await sendDatagrams(a, b, v4, { packets: 400, bytes: 100, packetsPerSecond: 4000 })
    assert.ok(received > 120 && received < 280, `${received} of 400 through 50 % loss`)
  }
  assert.deepEqual(await both(), [true, true])
  const { received } = await sendDatagrams(a, b, v6, { packets: 400, bytes: 100, packetsPerSecond: 4000 })
  assert.equal(received, 400)
})

test('a delay line adds to the round trip of both families and loses nothing', async () => {
  const [v4 = '', v6 = ''] = [b.v4, b.v6]
  await using pinger = new Pinger(a, v4, 0.02)
  {
    await using _slow = await delay(lab, a, 100)
    for (const { roundTripMilliseconds = 0 } of await pingAll(a, [v4, v6]))
      assert.ok(roundTripMilliseconds >= 100 && roundTripMilliseconds < 150, `${roundTripMilliseconds} ms`)
    await pinger.nextAnswer(1000)
    await new Promise((resolve) => setTimeout(resolve, 150))
  }
  const run = await pinger.stop()
  assert.ok(run.received > 10)
  assert.ok(run.sent - run.received <= 6, `${run.sent - run.received} lost while the line was taken away`)
})

test('a capture shows what passes', async () => {
  await using capture = await Capture.start(lab.wan, 'any', 'icmp and host 198.18.2.2')
  assert.ok(await reaches(a, b.v4 ?? ''))
  const lines = await capture.stop()
  assert.ok(lines.some((line) => line.includes('198.18.1.2 > 198.18.2.2: ICMP echo request')))
})

test('bytes are moved and counted', async () => {
  const { receivedBytes } = await transferTcp(a, b, b.v6 ?? '', 20_000_000)
  assert.equal(receivedBytes, 20_000_000)
})
