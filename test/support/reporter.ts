import { relative } from 'node:path'
import type { TestEvent } from 'node:test/reporters'
import { inspect } from 'node:util'

/**
 * Says what a person wants to know and no more: each failure in full, each skipped test with its reason,
 * slow tests, files that are short of coverage, and one closing line `N passed, N failed, N skipped`.
 */
export default async function* report(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const counts = { passed: 0, failed: 0, skipped: 0 }
  for await (const event of source) {
    if (event.type === 'test:fail' || event.type === 'test:pass') {
      const { name, file, line, details, skip } = event.data
      const isSuite = details.type === 'suite'
      const where = file === undefined ? '' : `${relative(process.cwd(), file)}:${line}`
      if (event.type === 'test:fail') {
        const error = event.data.details.error as Error & { failureType?: string }
        if (error.failureType === 'subtestsFailed') continue
        counts.failed += 1
        yield `\nFAILED ${name}\n  ${where}\n${inspect(error.cause ?? error, { depth: 6 }).replace(/^/gm, '  ')}\n`
      } else if (isSuite) continue
      else if (skip !== undefined) {
        counts.skipped += 1
        yield `skipped ${name}: ${skip === true ? 'no reason given' : skip}\n`
      } else {
        counts.passed += 1
        if (process.env.TEST_VERBOSE) yield `ok ${name} (${Math.round(details.duration_ms)} ms)\n`
      }
    } else if (event.type === 'test:stdout' || event.type === 'test:stderr') {
      yield event.data.message
    } else if (event.type === 'test:coverage') {
      const { files, totals, workingDirectory } = event.data.summary
      for (const file of files)
        if (file.coveredLinePercent < 90 || file.coveredBranchPercent < 80)
          yield `coverage ${relative(workingDirectory, file.path)}: lines ${file.coveredLinePercent.toFixed(0)} %, branches ${file.coveredBranchPercent.toFixed(0)} %\n`
      yield `coverage in all: lines ${totals.coveredLinePercent.toFixed(1)} %, branches ${totals.coveredBranchPercent.toFixed(1)} %, functions ${totals.coveredFunctionPercent.toFixed(1)} %\n`
    }
  }
  yield `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`
}
