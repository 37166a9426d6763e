import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as v from 'valibot'
import { describeIssue, fieldName } from '../../../shared/schema-issue.ts'

const problems = (schema: v.GenericSchema, value: unknown): string[] =>
  (v.safeParse(schema, value).issues ?? []).map((issue) => {
    const { path, text } = describeIssue(issue, schema)
    return `${fieldName(path)}: ${text}`
  })

test('a field is named as one would write it in code', () => {
  assert.equal(fieldName([]), '')
  assert.equal(fieldName(['a', 'b', 0, 'c', 12]), 'a.b[0].c[12]')
  assert.equal(fieldName([0]), '[0]')
})

test('the words of a schema win over ours', () => {
  assert.deepEqual(problems(v.pipe(v.string(), v.minLength(3, 'is too short')), 'ab'), [': is too short'])
  assert.deepEqual(problems(v.pipe(v.string(), v.minLength(3)), 'ab'), [': must be >=3'])
})

test('kinds are named in the words of YAML', () => {
  for (const [schema, value, expected] of [
    [v.string(), null, 'must be a text, not empty'],
    [v.number(), 'hunter2', 'must be a number, not this text'],
    [v.boolean(), {}, 'must be true or false, not a mapping'],
    [v.array(v.string()), true, 'must be a list, not a boolean'],
    [v.strictObject({}), 1, 'must be a mapping, not a number'],
    [v.strictObject({ a: v.string() }), [], 'must be a mapping, not a list'],
    [v.picklist(['a', 'b']), 'hunter2', 'must be one of "a", "b", not this text'],
    [v.literal('a'), [], 'must be "a", not a list'],
    [v.undefined(), 'hunter2', 'must be undefined, not this text'],
  ] as const)
    assert.deepEqual(problems(schema, value), [`: ${expected}`])
})

test('fields there are come from under whatever wraps an object', () => {
  const schema = v.strictObject({
    list: v.optional(
      v.array(v.nullable(v.strictObject({ a: v.optional(v.string()), b: v.optional(v.string()) }))),
    ),
    none: v.optional(
      v.pipe(
        v.strictObject({}),
        v.check(() => true),
      ),
    ),
  })
  assert.deepEqual(problems(schema, { list: [{ c: 1 }], none: { c: 1 } }), [
    'list[0].c: unknown field; there are a, b',
    'none.c: unknown field',
  ])
})
