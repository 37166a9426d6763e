import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type AffiliateTable,
  applyWatchMessages,
  EMPTY_TABLE,
  type TableContext,
  type WatchMessage,
} from '../../../../../kubespan/sources/discovery/table.ts'
import type { Affiliate } from '../../../../../shared/affiliate/affiliate.ts'
import { encodeAffiliate, encodeEndpoint } from '../../../../../shared/affiliate/codec.ts'
import { ClusterKey } from '../../../../../shared/affiliate/seal.ts'
import { type AddressPort, parseAddressPort } from '../../../../../shared/net/address.ts'

const key = ClusterKey.fromSecret(randomBytes(32).toString('base64')) as ClusterKey
const otherKey = ClusterKey.fromSecret(randomBytes(32).toString('base64')) as ClusterKey
const TTL = 1_800_000
const at = (now: number) => ({ ownId: 'me', key, now, ttl: TTL })

const applyWatchMessage = (
  table: AffiliateTable,
  message: WatchMessage,
  isSnapshot: boolean,
  context: TableContext,
) => applyWatchMessages(table, [message], isSnapshot, context)

const affiliate = (nodeId: string, publicKey = 'k'): Affiliate => ({
  nodeId,
  addresses: [],
  hostname: 'h',
  nodename: 'n',
  operatingSystem: '',
  machineType: 'worker',
  controlPlane: undefined,
  kubespan: {
    publicKey,
    address: undefined,
    additionalAddresses: [],
    excludeAdvertisedNetworks: [],
    endpoints: [],
  },
})
const seal = (value: Affiliate, id = value.nodeId, endpoints: Uint8Array[] = [], by = key) => ({
  id,
  data: by.sealAffiliate(encodeAffiliate(value)),
  endpoints,
})
const update = (...affiliates: ReturnType<typeof seal>[]) => ({ affiliates, deleted: false })
const deletion = (id: string) => ({
  affiliates: [{ id, data: new Uint8Array(), endpoints: [] }],
  deleted: true,
})
const endpoint = key.sealEndpoint(encodeEndpoint(parseAddressPort('192.0.2.1:51820') as AddressPort))

test('a snapshot replaces the table, later messages change it', () => {
  const first = applyWatchMessage(
    EMPTY_TABLE,
    update(seal(affiliate('a')), seal(affiliate('b'))),
    true,
    at(1),
  ).table
  const second = applyWatchMessage(first, update(seal(affiliate('c'))), false, at(2)).table
  assert.deepEqual([...second.affiliates.keys()], ['a', 'b', 'c'])
  const third = applyWatchMessage(second, update(seal(affiliate('c'))), true, at(3)).table
  assert.deepEqual([...third.affiliates.keys()], ['c'])
  assert.equal(third.affiliates.get('c')?.changedAt, 2, 'the same data is no change')
  assert.equal(third.affiliates.get('c')?.seenAt, 3)
})

test('several messages come to what they come to one after the other', () => {
  const { table } = applyWatchMessage(EMPTY_TABLE, update(seal(affiliate('a'))), true, at(1))
  const noData = { id: 'a', data: new Uint8Array(), endpoints: [endpoint] }
  const gone = applyWatchMessages(table, [deletion('a'), update(noData)], false, at(2))
  assert.deepEqual([...gone.table.affiliates.keys()], [], 'what was deleted is not remembered again')
  assert.equal(gone.table.departures.has('a'), true)
  const back = applyWatchMessages(table, [deletion('a'), update(seal(affiliate('a')))], false, at(2))
  assert.deepEqual([...back.table.affiliates.keys()], ['a'])
  assert.equal(back.table.departures.has('a'), false)
  const own = applyWatchMessages(table, [update(seal(affiliate('me'))), deletion('me')], false, at(2))
  assert.equal(own.own, 'missing')
})

test('a message that says what is known already changes nothing', () => {
  const known = seal(affiliate('a'))
  const { table } = applyWatchMessage(EMPTY_TABLE, update(known), true, at(1))
  assert.equal(applyWatchMessage(table, update(known), false, at(2)).isChanged, false)
  assert.equal(applyWatchMessage(table, deletion('b'), false, at(2)).isChanged, false)
  assert.equal(
    applyWatchMessage(table, update(seal(affiliate('a'))), false, at(2)).isChanged,
    true,
    'sealed anew',
  )
  assert.equal(applyWatchMessage(table, deletion('a'), false, at(2)).isChanged, true)
})

test('our own record is not in the table, and its absence is noticed', () => {
  const has = applyWatchMessage(EMPTY_TABLE, update(seal(affiliate('me'))), true, at(1))
  assert.equal(has.table.affiliates.size, 0)
  assert.ok(typeof has.own === 'object')
  assert.equal(applyWatchMessage(EMPTY_TABLE, update(), true, at(1)).own, 'missing')
  assert.equal(applyWatchMessage(EMPTY_TABLE, deletion('me'), false, at(1)).own, 'missing')
  assert.equal(applyWatchMessage(EMPTY_TABLE, deletion('a'), false, at(1)).own, undefined)
})

test('a deletion within the TTL was a wish, one after it may be expiry', () => {
  const { table } = applyWatchMessage(EMPTY_TABLE, update(seal(affiliate('a'))), true, at(0))
  assert.deepEqual(applyWatchMessage(table, deletion('a'), false, at(TTL - 1)).table.departures.get('a'), {
    at: TTL - 1,
    explicit: true,
  })
  assert.equal(
    applyWatchMessage(table, deletion('a'), false, at(TTL)).table.departures.get('a')?.explicit,
    false,
  )
  const back = applyWatchMessage(
    applyWatchMessage(table, deletion('a'), false, at(1)).table,
    update(seal(affiliate('a'))),
    false,
    at(2),
  )
  assert.equal(back.table.departures.size, 0)
})

test('a record that was sealed before the one that stands is passed over', () => {
  const WALL = 1_800_000_000_000
  const said = (publicKey: string, sealedAt: number) =>
    update(seal({ ...affiliate('a', publicKey), sealedAt }))
  const context = { ...at(3), wall: WALL }
  const first = applyWatchMessage(EMPTY_TABLE, said('new', WALL - 1), true, context)
  const replayed = applyWatchMessage(first.table, said('old', WALL - 2), false, context)
  assert.equal(replayed.table.affiliates.get('a')?.affiliate.kubespan.publicKey, 'new')
  assert.deepEqual(replayed.problems, [{ id: 'a', what: 'an old record again' }])
  const later = applyWatchMessage(first.table, said('newer', WALL), false, context)
  assert.equal(later.table.affiliates.get('a')?.affiliate.kubespan.publicKey, 'newer')
})

test('a time of sealing that is far ahead is none, so that it can be overtaken', () => {
  const context = { ...at(3), wall: 1_000_000 }
  const sealedAt = (ahead: number) =>
    applyWatchMessage(
      EMPTY_TABLE,
      update(seal({ ...affiliate('a'), sealedAt: 1_000_000 + ahead })),
      true,
      context,
    ).table.affiliates.get('a')?.affiliate.sealedAt
  assert.equal(sealedAt(600_000), 1_600_000)
  assert.equal(sealedAt(600_001), undefined)
})

test('under our own id, what was sealed before our last is not another machine', () => {
  const foreign = (sealedAt?: number) =>
    applyWatchMessage(
      EMPTY_TABLE,
      update(seal({ ...affiliate('me'), ...(sealedAt === undefined ? {} : { sealedAt }) })),
      false,
      { ...at(3), isOwnSeal: () => false, ownSealedAt: 500 },
    ).foreign?.nodeId
  assert.equal(foreign(499), undefined)
  assert.equal(foreign(500), 'me')
  assert.equal(foreign(), 'me')
})

test('ever new ids fill neither the table nor what is remembered of the departed', () => {
  const many = (from: number, count: number) =>
    update(...Array.from({ length: count }, (_, n) => seal(affiliate(`n${from + n}`))))
  let { table, problems } = applyWatchMessage(EMPTY_TABLE, many(0, 1030), false, at(1))
  assert.equal(table.affiliates.size, 1024)
  assert.equal(problems.filter(({ what }) => what === 'more nodes than a cluster has').length, 6)
  for (let round = 0; round < 4; round += 1) {
    for (const id of [...table.affiliates.keys()])
      table = applyWatchMessage(table, deletion(id), false, at(2)).table
    table = applyWatchMessage(table, many(2000 * (round + 1), 1024), false, at(2)).table
  }
  assert.ok(table.departures.size <= 2048)
})

test('whose last word was that it has left departs with that word', () => {
  const first = applyWatchMessage(
    EMPTY_TABLE,
    update(seal(affiliate('a')), seal(affiliate('b'))),
    true,
    at(1),
  )
  const { table } = applyWatchMessages(
    first.table,
    [update(seal(affiliate('a', ''))), deletion('a'), deletion('b')],
    false,
    at(2),
  )
  assert.equal(table.departures.get('a')?.farewell?.nodeId, 'a')
  assert.equal(table.departures.get('b')?.farewell, undefined)
})

test('what cannot be opened is passed over and an older decoded one stays', () => {
  const { table } = applyWatchMessage(EMPTY_TABLE, update(seal(affiliate('a'))), true, at(1))
  for (const bad of [
    seal(affiliate('a', 'new'), 'a', [], otherKey),
    { id: 'a', data: new Uint8Array(5), endpoints: [] },
  ]) {
    const { table: next, problems } = applyWatchMessage(table, update(bad), false, at(2))
    assert.equal(next.affiliates.get('a')?.affiliate.kubespan.publicKey, 'k')
    assert.equal(problems[0]?.what, 'data cannot be opened')
  }
  const noData = { id: 'a', data: new Uint8Array(), endpoints: [] }
  assert.equal(applyWatchMessage(table, update(noData), false, at(2)).table.affiliates.size, 1)
  assert.equal(applyWatchMessage(EMPTY_TABLE, update(noData), false, at(2)).table.affiliates.size, 0)
})

test('a blob under a foreign id is ignored, also when it claims to be us (C3)', () => {
  for (const inner of ['b', 'me']) {
    const { table, problems } = applyWatchMessage(
      EMPTY_TABLE,
      update(seal(affiliate(inner), 'a')),
      true,
      at(1),
    )
    assert.equal(table.affiliates.size, 0)
    assert.equal(problems[0]?.what, 'data belongs to another node')
  }
})

test('bad endpoints are skipped one by one (C1), duplicates once', () => {
  const hostile = [new Uint8Array(0), new Uint8Array(15), randomBytes(16), endpoint, endpoint]
  const { table, problems } = applyWatchMessage(
    EMPTY_TABLE,
    update(seal(affiliate('a'), 'a', hostile)),
    true,
    at(1),
  )
  assert.deepEqual(table.affiliates.get('a')?.affiliate.kubespan.endpoints, ['192.0.2.1:51820'])
  assert.equal(problems.length, 3)
})

test('endpoints belong to a KubeSpan node only', () => {
  const { table } = applyWatchMessage(
    EMPTY_TABLE,
    update(seal(affiliate('a', ''), 'a', [endpoint])),
    true,
    at(1),
  )
  assert.deepEqual(table.affiliates.get('a')?.affiliate.kubespan.endpoints, [])
})

test('no bytes whatever can make it throw', () => {
  const bytes = fc.uint8Array({ maxLength: 80 })
  const hostile = fc.record({ id: fc.string(), data: bytes, endpoints: fc.array(bytes, { maxLength: 4 }) })
  fc.assert(
    fc.property(
      fc.array(hostile, { maxLength: 5 }),
      fc.boolean(),
      fc.boolean(),
      (affiliates, deleted, isSnapshot) => {
        applyWatchMessage(EMPTY_TABLE, { affiliates, deleted }, isSnapshot, at(1))
      },
    ),
  )
})

test('what is under an id that no node can have is passed over', () => {
  for (const id of ['!', '', 'a b', 'a\n', '../a', 'ä']) {
    const { table, problems } = applyWatchMessage(EMPTY_TABLE, update(seal(affiliate(id))), false, at(1))
    assert.deepEqual([table.affiliates.size, problems[0]?.what], [0, 'its id is no node id'])
  }
})
