import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ANNOTATION } from '../../../../../kubespan/sources/kubernetes/annotations.ts'
import type { RawNode } from '../../../../../kubespan/sources/kubernetes/node-record.ts'
import { NodeTable } from '../../../../../kubespan/sources/kubernetes/node-table.ts'
import { rawNode } from '../../../../support/kubernetes/fake-api.ts'

const speaking = (name: string, nodeId: string, createdAt?: string): RawNode =>
  rawNode(name, { annotations: { [ANNOTATION.nodeId]: nodeId }, ...(createdAt && { createdAt }) })
const at = (version: string, raw: RawNode): RawNode => ({
  ...raw,
  metadata: { ...raw.metadata, resourceVersion: version },
})
const ids = (table: NodeTable, own?: string): string[] => [...table.affiliates(own).keys()]

test('a list replaces everything, and says whether that changed anything', () => {
  const table = new NodeTable()
  assert.equal(table.replace([speaking('a', '1'), speaking('b', '2'), rawNode('c'), {}]), true)
  assert.deepEqual(ids(table), ['1', '2'])
  assert.equal(table.replace([speaking('a', '1'), speaking('b', '2'), rawNode('c')]), false)
  assert.equal(table.replace([speaking('b', '2'), rawNode('c')]), true)
  assert.deepEqual(ids(table), ['2'])
  assert.deepEqual([...table.departures], ['1'])
})

test('a heartbeat changes nothing, and the whole value stays the same one', () => {
  const table = new NodeTable()
  table.replace([speaking('a', '1')])
  const before = table.affiliates(undefined)
  const heartbeat = { ...speaking('a', '1'), status: { ...speaking('a', '1').status, conditions: [1] } }
  assert.equal(table.set(heartbeat), false)
  assert.equal(table.affiliates(undefined), before)
  assert.equal(table.set({}), false)
})

test('our own Node is not among the others', () => {
  const table = new NodeTable()
  table.replace([speaking('a', '1'), speaking('b', '2')])
  assert.deepEqual(ids(table, 'a'), ['2'])
  assert.deepEqual(ids(table), ['1', '2'])
})

test('who is deleted, or takes its annotations back, has departed until it speaks again', () => {
  const table = new NodeTable()
  table.replace([speaking('a', '1'), speaking('b', '2')])
  assert.equal(table.delete('a'), true)
  assert.equal(table.delete('a'), false)
  table.set(rawNode('b'))
  assert.deepEqual([...table.departures], ['1', '2'])
  table.set(speaking('a2', '1'))
  assert.deepEqual([...table.departures], ['2'])
  assert.deepEqual(ids(table), ['1'])
})

test('a machine that changes its identity has left under the old one', () => {
  const table = new NodeTable()
  table.replace([speaking('a', '1')])
  table.set(speaking('a', 'new'))
  assert.deepEqual(ids(table), ['new'])
  assert.deepEqual([...table.departures], ['1'])
})

test('of two Nodes with one id the younger one counts', () => {
  const table = new NodeTable()
  table.replace([
    speaking('new-name', '1', '2026-02-01T00:00:00Z'),
    speaking('old-name', '1', '2026-01-01T00:00:00Z'),
  ])
  assert.equal(table.affiliates(undefined).get('1')?.nodename, 'new-name')
  assert.deepEqual(table.doubles(undefined), [{ nodeId: '1', names: ['new-name', 'old-name'] }])
  table.delete('new-name')
  assert.deepEqual(table.doubles(undefined), [])
  assert.equal(table.affiliates(undefined).get('1')?.nodename, 'old-name')
  assert.equal(table.departures.size, 0)
})

test('the answer to a patch is not undone by events from before it', () => {
  const table = new NodeTable()
  table.replace([at('10', rawNode('a'))])
  assert.equal(table.set(at('12', speaking('a', '1'))), true)
  assert.equal(table.set(at('11', rawNode('a'))), false)
  assert.deepEqual(ids(table), ['1'])
  table.replace([at('9', rawNode('a'))])
  assert.deepEqual(ids(table), [], 'a list is the truth even when the numbers went back')
  assert.equal(table.set(at('opaque', speaking('a', '1'))), true)
})

test('departures do not grow for ever', () => {
  const table = new NodeTable()
  table.replace(Array.from({ length: 1500 }, (_, number) => speaking(`n${number}`, `${number}`)))
  table.replace([])
  assert.equal(table.departures.size, 1024)
})

test('another Node with our node id is seen, whether or not ours has it already', () => {
  const table = new NodeTable()
  const own = { name: 'box', nodeId: 'me' }
  const doubled = [{ nodeId: 'me', names: ['box', 'copy'] }]
  table.replace([rawNode('box'), rawNode('silent'), speaking('copy', 'me'), speaking('other', '2')])
  assert.deepEqual(table.doubles(own), doubled)
  assert.deepEqual(table.doubles(undefined), [])
  table.set(speaking('box', 'me'))
  assert.deepEqual(table.doubles(own), doubled)
  table.set(speaking('copy', 'new'))
  assert.deepEqual(table.doubles(own), [])
})
