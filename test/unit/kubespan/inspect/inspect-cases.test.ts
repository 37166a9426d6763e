import { test } from 'node:test'
import { FakeHost } from '../../../support/fake-host.ts'
import { INSPECT_CASES } from '../../../support/inspect-cases.ts'

for (const { name, run } of INSPECT_CASES) test(name, () => run(new FakeHost()))
