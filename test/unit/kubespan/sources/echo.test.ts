import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ToolError } from '../../../../kubespan/host/tool-error.ts'
import { askByEcho } from '../../../../kubespan/sources/echo.ts'
import type { Address } from '../../../../shared/net/address.ts'

const asked = ['fd00::1', 'fd00::2'] as Address[]
/** A host whose fping says these lines and then ends so. */
const hostOf = (lines: readonly string[], end?: ToolError) => {
  const calls: string[] = []
  return {
    calls,
    async *stream(tool: string, args: readonly string[]) {
      calls.push([tool, ...args].join(' '))
      yield* lines
      if (end !== undefined) throw end
    },
  }
}
const ended = (kind: ToolError['kind'], exitCode?: number) =>
  new ToolError(kind, { tool: 'fping', args: [] }, { exitCode })

test('one run asks all, and who is printed has answered', async () => {
  const host = hostOf(['fd00::2'], ended('failed', 1))
  assert.deepEqual([...((await askByEcho(host, asked)) ?? [])], ['fd00::2'])
  assert.equal(host.calls.length, 1)
  assert.match(host.calls[0] ?? '', / fd00::1 fd00::2$/)
  assert.equal((await askByEcho(hostOf(asked), asked))?.size, 2)
})

test('where fping is missing or not permitted nobody was asked', async () => {
  assert.equal(await askByEcho(hostOf([], ended('missing')), asked), undefined)
  assert.equal(await askByEcho(hostOf([], ended('failed', 4)), asked), undefined)
  assert.equal(await askByEcho(hostOf([], ended('killed')), asked), undefined)
})
