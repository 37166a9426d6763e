import assert from 'node:assert/strict'
import { globSync } from 'node:fs'
import { test } from 'node:test'
import { execa } from 'execa'
import { DiscoveryProcess } from '../support/discovery-process.ts'
import { patient } from '../support/patience.ts'
import { RedisServer } from '../support/store/redis-server.ts'

const LIMIT_MS = 180_000

test('a replica on Redis passes the conformance suites', async () => {
  await using redis = await RedisServer.start()
  const store = `-store=redis+unix:${redis.path}`
  await using replica = await DiscoveryProcess.start('-gc-interval=100ms', store)
  const { NODE_TEST_CONTEXT: _, ...environment } = process.env
  const { all, exitCode } = await execa(
    process.execPath,
    [
      '--test',
      '--test-concurrency=1',
      '--test-reporter=./test/support/reporter.ts',
      ...globSync('test/conformance/discovery-*.test.ts').sort(),
    ],
    {
      env: { ...environment, TARGET: replica.endpoint },
      extendEnv: false,
      all: true,
      reject: false,
      timeout: patient(LIMIT_MS),
    },
  )
  assert.equal(exitCode, 0, all)
  assert.match(all, /\d{2,} passed, 0 failed/)
})
