import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  networkOf,
  type PathMemory,
  pathsOn,
  rememberPaths,
} from '../../../../../kubespan/plan/paths/last-worked.ts'
import type { AddressPort } from '../../../../../shared/net/address.ts'
import { addressOn, linkOf } from '../../../../support/links.ts'
import { statusOf } from '../../../../support/peers.ts'

const up = (endpoint: string) => statusOf({ state: 'up', endpoint: endpoint as AddressPort })

test('a network is known by the prefixes of the physical links that are up', () => {
  const links = [
    linkOf('eth1', ['2001:db8::5/64', addressOn('fe80::1/64', 'link')]),
    linkOf('eth0', ['192.168.1.7/24']),
    linkOf('eth2', ['10.0.0.1/8'], { isUp: false }),
    linkOf('docker0', ['172.17.0.1/16'], { isPhysical: false }),
    linkOf('kubespan', ['fd00::1/64']),
  ]
  assert.equal(networkOf(links, 'kubespan'), '192.168.1.0/24 2001:db8::/64')
  assert.equal(networkOf([linkOf('veth0', ['10.1.0.1/16'], { isPhysical: false })], 'x'), '10.1.0.0/16')
})

test('where a peer is up is remembered per network, and nothing of who is not', () => {
  const home = rememberPaths(
    [],
    'home',
    new Map([
      ['a', up('10.0.0.1:1')],
      ['b', statusOf({})],
    ]),
  )
  const both = rememberPaths(home, 'work', new Map([['a', up('192.0.2.1:1')]]))
  assert.deepEqual([...pathsOn(both, 'home')], [['a', '10.0.0.1:1']])
  assert.deepEqual([...pathsOn(both, 'work')], [['a', '192.0.2.1:1']])
  assert.deepEqual([...pathsOn(both, 'elsewhere')], [])
  assert.equal(rememberPaths(both, 'work', new Map([['a', up('192.0.2.1:1')]])), both, 'nothing new')
})

test('it stays small: the networks and peers that changed last are kept', () => {
  let memory: PathMemory = []
  for (let number = 0; number < 20; number++)
    memory = rememberPaths(memory, `net ${number}`, new Map([['a', up('10.0.0.1:1')]]))
  assert.deepEqual([memory.length, memory[0]?.network], [16, 'net 19'])
  const many = new Map(Array.from({ length: 2500 }, (_, number) => [`key ${number}`, up('10.0.0.1:1')]))
  const [full] = rememberPaths(memory, 'big', many)
  assert.deepEqual([full?.endpoints.size, full?.endpoints.has('key 0')], [2000, false])
})
