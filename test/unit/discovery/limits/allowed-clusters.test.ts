import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { AllowedClusters } from '../../../../discovery/limits/allowed-clusters.ts'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

test('ids and hashes of ids, in any order, with room for remarks', () => {
  const allowed = new AllowedClusters(
    `# ours\n\n  one=\r\n${sha256('two').toUpperCase()}\n${sha256('three')}\n#four\n`,
    sha256,
  )
  assert.equal(allowed.size, 3)
  for (const id of ['one=', 'two', 'three', 'two']) assert.equal(allowed.has(id), true, id)
  for (const id of ['one', 'four', '#four', '']) assert.equal(allowed.has(id), false, id)
})

test('an id that looks like a hash is an id as well', () => {
  const id = 'ab'.repeat(32)
  assert.equal(new AllowedClusters(id, sha256).has(id), true)
})

test('a hash is computed once for each id that it lets in, and not at all when there is none', () => {
  let computed = 0
  const counting = (text: string): string => {
    computed += 1
    return sha256(text)
  }
  const allowed = new AllowedClusters(sha256('two'), counting)
  for (let n = 0; n < 5; n++) allowed.has('two')
  assert.equal(computed, 1)
  assert.equal(new AllowedClusters('one', counting).has('two'), false)
  assert.equal(computed, 1)
})

test('an empty file allows nobody', () => {
  assert.equal(new AllowedClusters('', sha256).has('one'), false)
})

const KEY = 'cCZ4Kn12GDCTatQ/R4S+STWbLoAp0fRVI1efXA+gM9g='

test('behind an id or its hash stands the write key of the members, and whether nobody else is served', () => {
  const allowed = new AllowedClusters(
    `one= ${KEY}\n${sha256('two')}\t${KEY}  members-only\nan id with ${KEY}\nfour`,
    sha256,
  )
  assert.deepEqual(allowed.find('one='), { key: KEY, isMembersOnly: false })
  assert.deepEqual(allowed.find('two'), { key: KEY, isMembersOnly: true })
  assert.deepEqual(allowed.find(`an id with ${KEY}`), { key: undefined, isMembersOnly: false })
  assert.deepEqual(allowed.find('four'), { key: undefined, isMembersOnly: false })
  assert.equal(allowed.find('five'), undefined)
})

test('members-only without a key keeps out everybody, and is a mistake', () => {
  assert.throws(
    () => new AllowedClusters('# ours\none members-only', sha256),
    /^Error: line 2: members-only needs/,
  )
})
