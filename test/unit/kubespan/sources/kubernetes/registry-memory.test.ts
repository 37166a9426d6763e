import assert from 'node:assert/strict'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { registryMemoryFile } from '../../../../../kubespan/sources/kubernetes/registry-memory.ts'
import type { AddressPort, Prefix } from '../../../../../shared/net/address.ts'

test('what is stored is found again, and nonsense is nothing', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'openspan-memory-'))
  try {
    const path = join(directory, 'kubernetes.json')
    const memory = registryMemoryFile(path)
    assert.equal(await memory.read(), undefined)
    const remembered = {
      nodeId: 'me',
      own: { name: 'box', podCidrs: ['10.244.1.0/24', 'fd01::/64'] as Prefix[] },
      apiServers: ['192.0.2.1:6443'] as AddressPort[],
    }
    await memory.write(remembered)
    assert.deepEqual(await memory.read(), remembered)
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    await memory.write({ nodeId: 'me', own: undefined, apiServers: [] })
    assert.deepEqual(await memory.read(), { nodeId: 'me', own: undefined, apiServers: [] })
    for (const text of ['', '{', 'null', '[]', '{"nodeId":1}']) {
      await writeFile(path, text)
      assert.equal(await memory.read(), undefined, text)
    }
    await writeFile(path, '{"nodeId":"me","own":{"name":"n","podCidrs":["x"]},"apiServers":["y"]}')
    assert.deepEqual(await memory.read(), { nodeId: 'me', own: { name: 'n', podCidrs: [] }, apiServers: [] })
  } finally {
    await rm(directory, { recursive: true })
  }
})
