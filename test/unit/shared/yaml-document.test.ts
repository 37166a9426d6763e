import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as v from 'valibot'
import {
  checkDocument,
  readDamagedDocuments,
  readDocuments,
  type YamlDocument,
} from '../../../shared/yaml-document.ts'

const SCHEMA = v.strictObject({
  kind: v.literal('Node'),
  name: v.string(),
  kindOfLink: v.optional(v.picklist(['auto', 'kernel'])),
  enabled: v.optional(v.boolean()),
  mtu: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1280))),
  secret: v.optional(
    v.pipe(
      v.string(),
      v.base64(),
      v.check((text) => text.length === 44, 'is no key'),
    ),
  ),
  filters: v.optional(v.strictObject({ endpoints: v.optional(v.array(v.string())) })),
  ports: v.optional(v.array(v.strictObject({ port: v.number() }))),
})

function only(text: string): YamlDocument {
  const { documents, problems } = readDocuments('node.yaml', text)
  assert.deepEqual(problems, [])
  assert.equal(documents.length, 1)
  return documents[0] as YamlDocument
}

function problemsOf(text: string): readonly string[] {
  const checked = checkDocument(only(text), SCHEMA)
  assert.ok(!checked.ok)
  return checked.problems
}

test('a good document becomes what its schema says', () => {
  const checked = checkDocument(only('kind: Node\nname: a\nmtu: 1280\n'), SCHEMA)
  assert.deepEqual(checked, { ok: true, value: { kind: 'Node', name: 'a', mtu: 1280 } })
})

test('every problem is reported with its line and its field', () => {
  const text = `kind: Knot
enabled: yes
kindOfLink: wired
mtu: 1280.5
filters:
  endpoints:
    - 10.0.0.0/8
    - 5
  excludes: []
ports:
  - port: 1
  - prot: 2
extra:
  deep: 1
`
  assert.deepEqual(problemsOf(text), [
    'node.yaml:1: kind: must be "Node", not this text',
    'node.yaml:1: name: is required',
    'node.yaml:3: kindOfLink: must be one of "auto", "kernel", not this text',
    'node.yaml:2: enabled: must be true or false, not this text',
    'node.yaml:4: mtu: must be a whole number',
    'node.yaml:8: filters.endpoints[1]: must be a text, not a number',
    'node.yaml:9: filters.excludes: unknown field; there are endpoints',
    'node.yaml:12: ports[1].port: is required',
    'node.yaml:12: ports[1].prot: unknown field; there are port',
    'node.yaml:13: extra: unknown field; there are kind, name, kindOfLink, enabled, mtu, secret, filters, ports',
  ])
})

test('what is right beside a mistake can be had', () => {
  const usable = (text: string): unknown => {
    const checked = checkDocument(only(text), SCHEMA)
    assert.ok(!checked.ok)
    return checked.usable
  }
  assert.deepEqual(usable('kind: Node\nname: a\nmtu: 3\nfilters: {endpoints: [a, 1]}\nother: 1\n'), {
    kind: 'Node',
    name: 'a',
  })
  assert.equal(usable('kind: Node\nname: 1\n'), undefined, 'nothing without what is required')
  assert.equal(usable('text'), undefined)
  assert.deepEqual(
    readDamagedDocuments('f', 'ok: 1\n---\nname: a\nb: [1\n').map(({ value, place }) => ({ value, place })),
    [{ value: { name: 'a', b: [1] }, place: 'f:3' }],
  )
})

test('values are not repeated', () => {
  const text = 'kind: Node\nname: a\nsecret: hunter2!\nmtu: 77\nfilters: [hunter2]\nports: {}\n'
  const problems = problemsOf(text)
  assert.deepEqual(problems, [
    'node.yaml:4: mtu: must be >=1280',
    'node.yaml:3: secret: is not a valid base64',
    'node.yaml:3: secret: is no key',
    'node.yaml:5: filters: must be a mapping, not a list',
    'node.yaml:6: ports: must be a list, not a mapping',
  ])
  assert.ok(!problems.join().includes('hunter2'))
})

test('a document that is no mapping, and one with nothing where something must be', () => {
  assert.deepEqual(problemsOf('just text'), ['node.yaml:1: must be a mapping, not this text'])
  assert.deepEqual(problemsOf('kind: Node\nname:\n'), ['node.yaml:2: name: must be a text, not empty'])
  assert.deepEqual(problemsOf('kind: Node\nname: true\n'), [
    'node.yaml:2: name: must be a text, not a boolean',
  ])
})

test('several documents know their lines, empty ones do not count', () => {
  const { documents, problems } = readDocuments(
    'all.yaml',
    '# first\n---\na: 1\n---\n---\n# none\n---\nb: 2\n',
  )
  assert.deepEqual(problems, [])
  assert.deepEqual(
    documents.map(({ value, place }) => ({ value, place })),
    [
      { value: { a: 1 }, place: 'all.yaml:3' },
      { value: { b: 2 }, place: 'all.yaml:8' },
    ],
  )
  for (const text of ['', '\n', '# nothing\n', '---\n'])
    assert.deepEqual(readDocuments('f', text), { documents: [], problems: [] })
})

test('fields are found through anchors, and the nearest thing stands for what is missing', () => {
  const document = only('base: &base\n  list:\n    - x\ncopy: *base\n')
  assert.equal(document.placeOf(['copy', 'list', 0]), 'node.yaml:3')
  assert.equal(document.placeOf(['base', 'other', 'deeper']), 'node.yaml:1')
  assert.equal(document.placeOf(['base', 'list', 7]), 'node.yaml:2')
  assert.equal(document.placeOf(['base', 'list', 0, 'deeper']), 'node.yaml:3')
})

test('what is no YAML is reported without quoting it; other documents stay', () => {
  const { documents, problems } = readDocuments('bad.yaml', 'a: 1\na: 2\n---\nsecret: [hunter2\n---\nok: 1\n')
  assert.deepEqual(
    documents.map(({ value }) => value),
    [{ ok: 1 }],
  )
  assert.equal(problems.length, 2)
  assert.equal(problems[0], 'bad.yaml:2: Map keys must be unique')
  assert.match(problems[1] ?? '', /^bad\.yaml:\d+: Flow sequence/)
  for (const text of ['}hunter2', '\thunter2: 1', 'a: !hunter 2', 'x: "hunter2'])
    for (const problem of readDocuments('bad.yaml', text).problems) {
      assert.match(problem, /^bad\.yaml:\d+: \S/)
      assert.ok(!problem.includes('hunter2'), problem)
    }
})

test('aliases cannot multiply without end', () => {
  const levels = Array.from({ length: 9 }, (_, level) => {
    const items =
      level === 0
        ? '[x, x]'
        : `[${Array(9)
            .fill(`*a${level - 1}`)
            .join(', ')}]`
    return `a${level}: &a${level} ${items}`
  })
  const { documents, problems } = readDocuments('bomb.yaml', levels.join('\n'))
  assert.deepEqual(documents, [])
  assert.match(problems[0] ?? '', /^bomb\.yaml:1: Excessive alias count/)
})
