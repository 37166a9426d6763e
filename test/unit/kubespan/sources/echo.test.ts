import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ToolError } from '../../../../kubespan/host/tool-error.ts'
import { askByEcho } from '../../../../kubespan/sources/echo.ts'
import type { Address } from '../../../../shared/net/address.ts'

const asked = ['fd00::1', 'fd00::2'] as Address[]
/** A host whose fping ends so. */
const hostOf = (end?: ToolError) => {
  const calls: string[] = []
  return {
    calls,
    async run(tool: string, args: readonly string[]): Promise<string> {
      calls.push([tool, ...args].join(' '))
      if (end !== undefined) throw end
      return ''
    },
  }
}
const ended = (kind: ToolError['kind'], exitCode?: number, stderr = '') =>
  new ToolError(kind, { tool: 'fping', args: [] }, { exitCode, stderr })

test('one run asks all, and its report says who has answered', async () => {
  const host = hostOf(ended('failed', 1, 'fd00::1 : -\nfd00::2 : 0.42\n'))
  assert.deepEqual([...((await askByEcho(host, asked)) ?? [])], ['fd00::2'])
  assert.equal(host.calls.length, 1)
  assert.match(host.calls[0] ?? '', / fd00::1 fd00::2$/)
  assert.deepEqual([...((await askByEcho(hostOf(ended('failed', 1, 'fd00::1 : -')), asked)) ?? [])], [])
  assert.equal((await askByEcho(hostOf(), asked))?.size, 2, 'it succeeds when all answer')
})

test('where fping is missing or not permitted nobody was asked', async () => {
  assert.equal(await askByEcho(hostOf(ended('missing')), asked), undefined)
  assert.equal(await askByEcho(hostOf(ended('failed', 4)), asked), undefined)
  assert.equal(await askByEcho(hostOf(ended('killed')), asked), undefined)
})
