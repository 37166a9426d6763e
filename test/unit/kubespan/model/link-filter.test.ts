import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_LINK_FILTERS, parseLinkFilter } from '../../../../kubespan/model/link-filter.ts'

const matches = (text: string, name: string, kind?: string) => parseLinkFilter(text)?.matches({ name, kind })

test('names by pattern, kinds by theirs, and what is kept', () => {
  assert.equal(matches('docker*', 'docker_gwbridge'), true)
  assert.equal(matches('docker*', 'mydocker0'), false)
  assert.equal(matches('eth?', 'eth1'), true)
  assert.equal(matches('eth?', 'eth10'), false)
  assert.equal(matches('eth0.7', 'eth0x7'), false, 'only * and ? stand for others')
  assert.equal(matches('kind:gre*', 'eth0', 'gretap'), true)
  assert.equal(matches('kind:gre*', 'gre0'), false)
  assert.deepEqual([parseLinkFilter('!wg0')?.isKept, parseLinkFilter('wg0')?.isKept], [true, false])
  assert.equal(matches('!wg*', 'wg9'), true)
})

test('what is no pattern is none', () => {
  for (const text of ['', '!', '!!wg0', 'kind:', 'a b', 'a/b', '!kind:'])
    assert.equal(parseLinkFilter(text), undefined, text)
  for (const text of DEFAULT_LINK_FILTERS) assert.ok(parseLinkFilter(text), text)
})
