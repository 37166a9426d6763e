import assert from 'node:assert/strict'
import { mergeAffiliates } from '../../../kubespan/plan/members/merge-affiliates.ts'
import { fromNode, type NodeView, toAnnotations } from '../../../kubespan/sources/kubernetes/annotations.ts'
import { compareBytes } from '../../../shared/byte-order.ts'
import { affiliateOf, type Check, type RecordedAffiliate, unknownKind } from './case.ts'

interface MergeCase {
  readonly raw: readonly { readonly rawId: string; readonly affiliate: RecordedAffiliate }[]
  readonly merged: RecordedAffiliate
}

export const checkMerge: Check<MergeCase> = ({ raw, merged }) => {
  const result = mergeAffiliates(
    raw.map(({ rawId, affiliate }) => ({ rawId, affiliate: affiliateOf(affiliate) })),
  )
  assert.deepEqual(result, [affiliateOf({ ...merged, operatingSystem: ourOperatingSystem(raw, merged) })])
}

/** SPEC 9, N11: where the reference loses the operating system, we have the first one in the order of merging. */
function ourOperatingSystem(raw: MergeCase['raw'], merged: RecordedAffiliate): string {
  if (merged.operatingSystem !== '') return merged.operatingSystem
  const known = raw
    .toSorted((a, b) => compareBytes(a.rawId, b.rawId))
    .find(({ affiliate }) => affiliate.operatingSystem !== '')
  return known?.affiliate.operatingSystem ?? ''
}

interface AnnotationsCase {
  readonly direction: 'toAnnotations' | 'fromNode'
  readonly affiliate: RecordedAffiliate | null
  readonly annotations?: Readonly<Record<string, string>>
  readonly node?: NodeView
}

export const checkAnnotations: Check<AnnotationsCase> = (recorded) => {
  const { direction, affiliate, annotations, node } = recorded
  if (direction === 'toAnnotations' && affiliate !== null && annotations !== undefined)
    assert.deepEqual(toAnnotations(affiliateOf(affiliate)), annotations)
  else if (direction === 'fromNode' && node !== undefined)
    assert.deepEqual(fromNode(node), affiliate === null ? undefined : affiliateOf(affiliate))
  else unknownKind(recorded)
}
