import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ToolError } from '../../../../kubespan/host/tool-error.ts'
import { askByEcho } from '../../../../kubespan/sources/echo.ts'
import type { Address } from '../../../../shared/net/address.ts'

const asked = ['fd00::1', 'fd00::2'] as Address[]
/** A host whose fping ends so. */
const hostOf = (end: ToolError | string) => {
  const calls: string[] = []
  return {
    calls,
    async run(tool: string, args: readonly string[]): Promise<string> {
      calls.push([tool, ...args].join(' '))
      if (typeof end !== 'string') throw end
      return end
    },
  }
}
const ended = (kind: ToolError['kind'], exitCode?: number, stderr = '') =>
  new ToolError(kind, { tool: 'fping', args: [] }, { exitCode, stderr })

test('one run asks all, and its report says who has answered', async () => {
  const host = hostOf(ended('failed', 1, 'fd00::1 : -\nfd00::2 : 0.42\n'))
  assert.deepEqual([...((await askByEcho(host, asked)) ?? [])], [['fd00::2', 0.42]])
  assert.equal(host.calls.length, 1)
  assert.match(host.calls[0] ?? '', / fd00::1 fd00::2$/)
  assert.deepEqual([...((await askByEcho(hostOf(ended('failed', 1, 'fd00::1 : -')), asked)) ?? [])], [])
  const all =
    'fd00::1 : [0], 64 bytes, 0.195 ms (0.195 avg, 0% loss)\nfd00::2 : [0], 64 bytes, 12.3 ms (12.3 avg, 0% loss)\n'
  const answers = await askByEcho(hostOf(all), asked)
  assert.deepEqual(
    [...(answers ?? [])],
    [
      ['fd00::1', 0.195],
      ['fd00::2', 12.3],
    ],
    'it succeeds when all answer',
  )
})

test('where fping is missing or not permitted nobody was asked', async () => {
  assert.equal(await askByEcho(hostOf(ended('missing')), asked), undefined)
  assert.equal(await askByEcho(hostOf(ended('failed', 4)), asked), undefined)
  assert.equal(await askByEcho(hostOf(ended('failed', 1, 'fping: cannot')), asked), undefined)
  assert.equal(await askByEcho(hostOf(ended('killed')), asked), undefined)
})
