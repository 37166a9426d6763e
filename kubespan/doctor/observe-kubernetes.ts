import type { Milliseconds } from '../../shared/clock.ts'
import { messageOf } from '../../shared/message-of.ts'
import type { Settings } from '../model/settings.ts'
import { ApiError } from '../sources/kubernetes/api.ts'
import type { KubernetesFact } from './facts.ts'
import type { DoctorWorld } from './world.ts'

/** Nobody waits longer than this for an API server. */
const LIST_LIMIT: Milliseconds = 5_000

/** Whether the Nodes can be read with the credentials of the configuration; undefined where they are not wanted. */
export async function observeKubernetes(
  world: DoctorWorld,
  { kubernetes }: Settings,
): Promise<KubernetesFact | undefined> {
  if (!kubernetes?.enabled) return undefined
  const api = world.kubernetes(kubernetes.access)
  const endpoint = await api.via().then(
    ({ host }) => host,
    () => undefined,
  )
  try {
    const { items } = await api.listNodes(AbortSignal.timeout(LIST_LIMIT))
    return { endpoint, nodes: items.length, problem: undefined, isForbidden: false }
  } catch (error) {
    return {
      endpoint,
      nodes: 0,
      problem: messageOf(error),
      isForbidden: error instanceof ApiError && (error.status === 403 || error.status === 401),
    }
  }
}
