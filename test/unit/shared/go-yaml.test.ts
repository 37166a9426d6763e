import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as v from 'valibot'
import { goBoolean, goInteger } from '../../../shared/go-scalar.ts'
import { checkDocument, readDocuments } from '../../../shared/yaml-document.ts'

/** The same fields as those of the Go type that the answers below come from: gopkg.in/yaml.v3 v3.0.1 with KnownFields. */
const leaf = {
  enabled: v.optional(v.pipe(v.unknown(), v.transform(goBoolean), v.boolean())),
  mtu: v.optional(v.pipe(v.unknown(), v.transform(goInteger), v.number(), v.integer(), v.minValue(0))),
  name: v.optional(v.string()),
  list: v.optional(v.array(v.string())),
}
const sub = v.optional(v.strictObject({ ...leaf, sub: v.optional(v.strictObject(leaf)) }))
const SCHEMA = v.strictObject({ ...leaf, sub, any: v.optional(v.unknown()) })

/** All documents of a text, without `any`; `refused` when something is wrong with one. */
function read(text: string): unknown {
  const { documents, problems } = readDocuments('f', text)
  if (problems.length > 0) return 'refused'
  const values = documents.map((document) => checkDocument(document, SCHEMA))
  if (values.some(({ ok }) => !ok)) return 'refused'
  return values.map((checked) => {
    const { any: _, ...value } = checked.ok ? checked.value : {}
    return value
  })
}

const TRUE = [
  'yes',
  'Yes',
  'YES',
  'y',
  'Y',
  'on',
  'On',
  'ON',
  'true',
  'True',
  'TRUE',
  '"yes"',
  "'on'",
  '"y"',
  '!!str yes',
]
const FALSE = ['no', 'No', 'NO', 'n', 'N', 'off', 'Off', 'OFF', 'false', 'False', 'FALSE']
const NO_BOOLEAN = ['yEs', 'tRUE', '"true"', '1', '0', '""', '!!bool yes', '!!str true', 'nope', '[]']
const MTU_1420 = [
  '1420',
  '1_420',
  '1_4_2_0',
  '1420_',
  '0x58c',
  '0X58C',
  '0o2614',
  '02614',
  '0b10110001100',
  '0B1011_0001100',
  '+1420',
  '1420.0',
  '1.42e3',
]
const NO_MTU = ['"1420"', "'0x10'", '-1', 'yes', '_1420', '190:20']

test('what is a boolean in Go is one here', () => {
  for (const word of TRUE) assert.deepEqual(read(`enabled: ${word}`), [{ enabled: true }], word)
  for (const word of FALSE) assert.deepEqual(read(`enabled: ${word}`), [{ enabled: false }], word)
  for (const word of NO_BOOLEAN) assert.equal(read(`enabled: ${word}`), 'refused', word)
  assert.deepEqual(read('enabled: yes # truly'), [{ enabled: true }])
  assert.deepEqual(read('? enabled\n: yes'), [{ enabled: true }])
  assert.deepEqual(
    read('name: yes\nlist: [no, on]'),
    [{ name: 'yes', list: ['no', 'on'] }],
    'a text stays one',
  )
})

test('what is a number in Go is the same one here', () => {
  for (const word of MTU_1420) assert.deepEqual(read(`mtu: ${word}`), [{ mtu: 1420 }], word)
  for (const word of NO_MTU) assert.equal(read(`mtu: ${word}`), 'refused', word)
  for (const [word, mtu] of [
    ['0O17', 15],
    ['0B11', 3],
    ['08', 8],
    ['09', 9],
    ['0_7', 7],
    ['017', 15],
    ['0', 0],
  ] as const)
    assert.deepEqual(read(`mtu: ${word}`), [{ mtu }], word)
})

test('what has nothing behind it is as absent', () => {
  for (const empty of ['', '~', 'null', 'Null', 'NULL'])
    for (const field of ['enabled', 'mtu', 'name', 'list', 'sub'])
      assert.deepEqual(read(`${field}: ${empty}`), [{}], `${field}: ${empty}`)
  assert.deepEqual(read('sub: {}'), [{ sub: {} }])
  assert.deepEqual(read('sub: {enabled: }'), [{ sub: {} }])
  assert.deepEqual(read('sub:\n  mtu:\n  # enabled: true\n'), [{ sub: {} }])
  assert.deepEqual(read('list: [a, ~, b]'), [{ list: ['a', 'b'] }])
  assert.deepEqual(read('list:\n  - a\n  -\n  - b\n'), [{ list: ['a', 'b'] }])
  assert.deepEqual(read('list: [~]'), [{ list: [] }])
  for (const wrong of ['sub: ""', 'list: a', 'list: {}', 'list: [[a]]', 'bogus:', 'sub: {bogus: }'])
    assert.equal(read(wrong), 'refused', wrong)
})

test('signs at the beginning, ends of lines and tabs', () => {
  for (const text of [
    '\ufeffenabled: true',
    '\ufeff---\nenabled: true',
    '# c\n---\nenabled: true',
    'enabled:\ttrue',
    'enabled: true\t',
    '%YAML 1.1\n---\nenabled: yes',
    '---\n---\nenabled: true',
  ])
    assert.deepEqual(read(text), [{ enabled: true }], JSON.stringify(text))
  assert.deepEqual(read('enabled: true\r\nmtu: 1420\r\n'), [{ enabled: true, mtu: 1420 }])
  for (const text of ['\tenabled: true', 'sub:\n\tenabled: true', 'enabled: true\nenabled: false'])
    assert.equal(read(text), 'refused', JSON.stringify(text))
})

const A = 'any: &a {mtu: 1420, enabled: true}\n'
const AB = 'any: [&a {mtu: 1420, enabled: true}, &b {mtu: 1300, name: b}]\n'
const merges: readonly [string, unknown][] = [
  [`${A}sub: *a`, { mtu: 1420, enabled: true }],
  [`${A}sub: {<<: *a}`, { mtu: 1420, enabled: true }],
  [`${A}sub: {!!merge <<: *a}`, { mtu: 1420, enabled: true }],
  [`${A}sub: {<<: *a, mtu: 1500}`, { mtu: 1500, enabled: true }],
  [`${A}sub: {mtu: 1500, <<: *a}`, { mtu: 1500, enabled: true }],
  [`${A}sub: {<<: *a, mtu: }`, { enabled: true }],
  [`${AB}sub: {<<: [*a, *b]}`, { mtu: 1420, enabled: true, name: 'b' }],
  [`${AB}sub: {<<: [*b, *a]}`, { mtu: 1300, enabled: true, name: 'b' }],
  [`${AB.replace('name: b}', 'name: b, <<: *a}')}sub: {<<: *b}`, { mtu: 1300, enabled: true, name: 'b' }],
  ['any: [&a {sub: {mtu: 1420, name: a}}]\nsub: {<<: *a, sub: {name: b}}', { sub: { name: 'b' } }],
  ['any: &a {list: [x]}\nsub: {<<: *a, list: [y]}', { list: ['y'] }],
  ['sub: {<<: {mtu: 3}}', { mtu: 3 }],
  ['sub: {<<: []}', {}],
]
for (const [text, value] of merges)
  test(`a merge is Go's: ${text.replaceAll('\n', ' | ')}`, () => {
    assert.deepEqual(read(text), [{ sub: value }])
  })

test('a merge that Go refuses is refused, at its line', () => {
  for (const text of [
    `${AB}sub: {<<: *a, <<: *b}`,
    'any: &a 5\nsub: {<<: *a}',
    'any: &a [1]\nsub: {<<: *a}',
    'any: &a ~\nsub: {<<: *a}',
    'any: 1\nsub: {<<: }',
    'any: 1\nsub: {<<: ~}',
    `${A}sub: {"<<": *a}`,
    `${A}sub: {'<<': *a}`,
    `${A}sub: {!!str <<: *a}`,
    'any: &a {bogus: 1}\nsub: {<<: *a}',
    'any: 1\nsub: {<<: *nope}',
  ])
    assert.equal(read(text), 'refused', text)
  assert.deepEqual(readDocuments('f', `${A}sub:\n  mtu: 1\n  <<: 5\n`).problems, [
    'f:4: << merges mappings, or a list of them, only',
  ])
})

test('what is wrong in something merged is told where it stands', () => {
  const [document] = readDocuments(
    'f',
    'any: &a\n  enabled: true\n  mtu: many\nsub:\n  <<: *a\n  name: a\n',
  ).documents
  assert.ok(document)
  const checked = checkDocument(document, SCHEMA)
  assert.deepEqual(checked.ok ? [] : checked.problems, ['f:3: sub.mtu: must be a number, not this text'])
  assert.equal(document.placeOf(['sub', 'name']), 'f:6')
})

test('anchors hold for the documents that follow', () => {
  assert.deepEqual(read(`${A}---\nsub: *a`), [{}, { sub: { mtu: 1420, enabled: true } }])
  assert.deepEqual(read(`${A}---\nany: &a {mtu: 9}\nsub: {<<: *a}\n---\nsub: *a`), [
    {},
    { sub: { mtu: 9 } },
    { sub: { mtu: 9 } },
  ])
  assert.equal(read(`sub: *a\n---\n${A}`), 'refused', 'not for those before')
})

test('lines are right behind items that are empty', () => {
  const [document] = readDocuments('f', 'list:\n  -\n  - a\n  -\n  - [b]\n').documents
  assert.ok(document)
  const checked = checkDocument(document, SCHEMA)
  assert.deepEqual(checked.ok ? [] : checked.problems, ['f:5: list[3]: must be a text, not a list'])
})
