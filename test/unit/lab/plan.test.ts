import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AddressBook } from '../../lab/address-book.ts'
import { boxScript } from '../../lab/box-script.ts'
import { demoTopology } from '../../lab/demo-topology.ts'
import { portRules } from '../../lab/nat-rules.ts'
import { defaultMappings, planLab } from '../../lab/plan.ts'
import { behind, nat, publicHost, topology } from '../../lab/topology.ts'

const plan = planLab(demoTopology({ symmetric: true }), 3000)

test('every box, address and interface of a plan is there once', () => {
  const names = plan.boxes.map(({ name }) => name)
  assert.equal(new Set(names).size, names.length)
  const ends = plan.cables.flatMap(({ box, attachment }) => [
    `${box} ${attachment.device}`,
    `${attachment.port.box} ${attachment.port.device}`,
  ])
  assert.equal(new Set(ends).size, ends.length)
  for (const end of ends) assert.ok(names.includes(end.split(' ')[0] ?? ''), end)
  const addresses = plan.boxes
    .flatMap(({ ipv4, ipv6 }) => [...ipv4, ...ipv6])
    .filter((line) => line.startsWith('addr'))
  assert.equal(new Set(addresses).size, addresses.length)
})

test('addresses follow from the place in the topology', () => {
  const addresses = Object.fromEntries(
    [...plan.uplinks].map(([name, { v4, v6 }]) => [name, [v4?.address, v6?.address]]),
  )
  assert.deepEqual(addresses.public1, ['198.18.1.2', '2001:db8:1::2'])
  assert.deepEqual(addresses.natted, ['10.9.0.2', '2001:db8:9:1::2'])
  assert.deepEqual(addresses.cone, ['10.10.0.2', undefined])
  assert.equal(plan.lans.get('office')?.get('lan2')?.v4?.address, '192.168.1.3')
})

test('the wan knows where IPv6 behind a NAT is, and only there', () => {
  const wan = plan.boxes.find(({ name }) => name === 'wan')
  assert.deepEqual(
    wan?.ipv6.filter((line) => line.startsWith('route')),
    ['route add 2001:db8:9:1::/64 via 2001:db8:9::2'],
  )
})

test('a box sets its switches before anything comes up, and each family has its own batch', () => {
  const host = plan.boxes.find(({ name }) => name === 'public1')
  assert.ok(host)
  const script = boxScript(host)
  assert.ok(script.indexOf('accept_dad') < script.indexOf('link set lo up'))
  assert.equal(script.match(/^ip -[46] -batch/gm)?.length, 2)
  assert.ok(!script.includes('nft'), 'a host has no rules of the lab')
})

test('hosts behind one NAT keep their port outside as far as they do not collide', () => {
  const home = nat('home', 'port-restricted')
  const both = topology({ hosts: [behind('home', 'a'), behind('home', 'b')], nats: [home] })
  const mappings = defaultMappings(both, home)
  assert.deepEqual(
    mappings.map(({ address, outsidePort }) => [address, outsidePort]),
    [
      ['10.3.0.2', 51820],
      ['10.3.0.3', 51821],
    ],
  )
  const rules = portRules(mappings)
  assert.ok(!rules.includes('10.3.0.2'), 'a port that is kept needs no rule')
  assert.match(rules, /ip saddr 10\.3\.0\.3 udp sport 51820 udp sport set 51821/)
  assert.match(rules, /ip daddr 10\.3\.0\.3 udp dport 51821 udp dport set 51820/)
})

test('what is handed out later was never there before', () => {
  const home = nat('home', 'symmetric', { v6: true })
  const host = behind('home', 'a')
  const book = new AddressBook(topology({ hosts: [host, publicHost('b')], nats: [home] }))
  assert.equal(book.newUplink('wan', host).v4?.address, '198.18.4.2')
  assert.equal(book.newUplink('wan', host).v4?.address, '198.18.5.2')
  const moved = book.newUplink('home', host)
  assert.deepEqual([moved.v4?.address, moved.v6?.address], ['10.3.0.100', '2001:db8:3:1::64'])
  assert.equal(
    book.newAddresses('wan', { ...moved, port: { box: 'wan', device: 'w2' } }, host).v4?.address,
    '198.18.2.101',
  )
  assert.deepEqual(
    [
      book.outsidePort('home', '10.3.0.2'),
      book.mapPort('home', '10.3.0.2'),
      book.outsidePort('home', '10.3.0.2'),
    ],
    [51820, [{ address: '10.3.0.2', insidePort: 51820, outsidePort: 51821 }], 51821],
  )
  assert.throws(() => book.nat('away'), /no NAT is called away/)
})
