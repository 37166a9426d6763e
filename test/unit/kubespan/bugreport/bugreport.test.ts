import assert from 'node:assert/strict'
import { test } from 'node:test'
import { collectToolOutputs } from '../../../../kubespan/bugreport/collect.ts'
import { scrub } from '../../../../kubespan/bugreport/scrub.ts'
import { packTar } from '../../../../kubespan/bugreport/tar.ts'
import { ToolError } from '../../../../kubespan/host/tool-error.ts'
import { placementOf } from '../../../support/desired-states.ts'

const field = (block: Buffer, start: number, length: number): string =>
  block
    .subarray(start, start + length)
    .toString()
    .replace(/\0.*$/s, '')

test('an archive holds its files whole, in blocks with true checksums', () => {
  const archive = packTar(
    [
      { name: 'a/one.txt', content: 'ä'.repeat(300) },
      { name: 'a/empty', content: '' },
    ],
    1_700_000_000,
  )
  assert.equal(archive.length % 512, 0)
  const head = archive.subarray(0, 512)
  assert.deepEqual([field(head, 345, 155), field(head, 0, 100)], ['a', 'one.txt'])
  assert.equal(Number.parseInt(field(head, 124, 12), 8), 600)
  assert.equal(Number.parseInt(field(head, 136, 12), 8), 1_700_000_000)
  assert.equal(field(head, 257, 6), 'ustar')
  const blank = Buffer.from(head)
  blank.write(' '.repeat(8), 148)
  assert.equal(
    Number.parseInt(field(head, 148, 7), 8),
    blank.reduce((sum, byte) => sum + byte, 0),
  )
  assert.equal(archive.subarray(512, 512 + 600).toString(), 'ä'.repeat(300))
  assert.equal(field(archive.subarray(512 + 1024), 0, 100), 'empty')
  assert.ok(
    archive.subarray(-1024).every((byte) => byte === 0),
    'the end is two empty blocks',
  )
  assert.throws(() => packTar([{ name: 'x'.repeat(101), content: '' }], 0), RangeError)
})

test('no secret stays, whether it is known or only called one', () => {
  const secret = 'c2VjcmV0IG9mIHRoZSBjbHVzdGVy'
  assert.equal(scrub(`id ${secret}, again ${secret}!`, [secret]), 'id [redacted], again [redacted]!')
  assert.equal(scrub('short abc', ['abc']), 'short abc', 'too short to be one')
  for (const [text, want] of [
    ['privateKey: kQ==', 'privateKey: [redacted]'],
    ['  private key: (hidden)', '  private key: (hidden)'],
    ['preshared key: kQ==', 'preshared key: [redacted]'],
    ['"token":"abc","x":1', '"token":"[redacted]","x":1'],
    ['clusterSecret: x', 'clusterSecret: [redacted]'],
    ['secret: [redacted]', 'secret: [redacted]'],
    ['public key: kQ==', 'public key: kQ=='],
    ['peer kQ==', 'peer kQ=='],
  ] as const)
    assert.equal(scrub(text, []), want)
})

test('of two secrets of which one holds the other, nothing is left', () => {
  assert.equal(scrub('abcdefgh', ['abcd', 'abcdefgh']), '[redacted]')
})

test('tools are asked about what is ours, and a refusal is an answer', async () => {
  const asked: string[] = []
  const files = await collectToolOutputs({
    placement: placementOf({ routingTable: 77, nftTable: 'other' }),
    logLines: 5,
    runner: {
      async run(tool, args) {
        asked.push([tool, ...args].join(' '))
        if (tool === 'journalctl') throw new ToolError('missing', { tool, args }, {})
        return `${tool} says\n`
      },
    },
  })
  assert.ok(asked.includes('ip -4 route show table 77'))
  assert.ok(asked.includes('nft list table inet other'))
  assert.ok(!asked.some((call) => /dump|showconf|private-key/.test(call)), 'nothing that prints keys')
  const journal = files.find(({ name }) => name === 'tools/journal.txt')
  assert.match(journal?.content ?? '', /^\$ journalctl .*--lines=5\nToolError: journalctl is not installed/)
})
