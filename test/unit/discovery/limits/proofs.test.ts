import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isOwnName, judgeProof, type OwnNames } from '../../../../discovery/limits/proofs.ts'
import { ClusterKey } from '../../../../shared/affiliate/seal.ts'
import { SESSION, WriteKey } from '../../../../shared/identity/write-key.ts'

const key = WriteKey.of(ClusterKey.fromSecret(Buffer.alloc(32, 1).toString('base64')) as ClusterKey)
const NOW = 1_700_000_000_000
const MINUTE = 60_000

const judge = (over: {
  at?: number
  clusterId?: string
  what?: string
  authority?: string
  text?: string
}) => {
  const { at = NOW, clusterId = 'c', what = SESSION, authority = 'd.example:443' } = over
  const text = over.text ?? key.prove({ clusterId: 'c', authority, at, what: SESSION })
  const verdict = judgeProof(text, {
    clusterId,
    whats: [what],
    isOwnName: (dialled) => dialled === 'd.example:443',
    now: NOW,
  })
  return 'key' in verdict ? verdict.key : verdict.refused
}

test('a proof counts for five minutes before and after its time', () => {
  for (const minutes of [-5, 0, 5]) assert.equal(judge({ at: NOW + minutes * MINUTE }), key.publicKey)
  for (const minutes of [-5.001, 5.001]) assert.match(judge({ at: NOW + minutes * MINUTE }), /five minutes/)
})

test('a proof that another service was sent does not count here', () => {
  assert.match(judge({ authority: 'hostile.example:443' }), /another name/)
})

test('a proof for another cluster or purpose, and what is none, does not count', () => {
  assert.match(judge({ clusterId: 'd' }), /signature/)
  assert.match(judge({ what: 'another' }), /signature/)
  assert.match(judge({ text: 'anything' }), /form/)
})

const certified = (host: string): boolean => host === 'd.example' || host === '2001:db8::1'
const cases: { dialled: string; told?: string; names: Partial<OwnNames>; want: boolean; why: string }[] = [
  {
    dialled: 'a:1',
    told: 'a:1',
    names: {},
    want: true,
    why: 'in plaintext without names it is what the call says',
  },
  { dialled: 'a:1', told: 'b:1', names: {}, want: false, why: 'and nothing else' },
  {
    dialled: 'D.example:443',
    told: 'x',
    names: { certified },
    want: true,
    why: 'with TLS it is the certificate’s',
  },
  { dialled: '[2001:db8::1]:443', names: { certified }, want: true, why: 'addresses too' },
  {
    dialled: 'hostile.example:443',
    told: 'hostile.example:443',
    names: { certified },
    want: false,
    why: 'whatever the call says: a hostile service would say what fits the proof',
  },
  {
    dialled: 'a.example:443',
    told: '127.0.0.1:3000',
    names: { given: ['a.example'] },
    want: true,
    why: 'names that were given go for every port',
  },
  { dialled: 'a.example:443', names: { given: ['a.example:444'] }, want: false, why: 'unless they have one' },
  { dialled: 'a.example:443', names: { given: ['x', 'a.example:443'] }, want: true, why: 'that is the same' },
  {
    dialled: 'd.example:443',
    told: 'd.example:443',
    names: { given: ['x'], certified },
    want: false,
    why: 'and they alone',
  },
]
for (const { dialled, told, names, want, why } of cases)
  test(`own names: ${why}`, () =>
    assert.equal(isOwnName(dialled, told, { given: [], certified: undefined, ...names }), want))
