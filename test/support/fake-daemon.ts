import type { DaemonControl } from '../../kubespan/control/server.ts'
import type { DaemonView } from '../../kubespan/model/daemon-view.ts'
import type { SelfReport } from '../../kubespan/model/own-address.ts'
import type { Address, AddressPort } from '../../shared/net/address.ts'
import { affiliateOf } from './affiliates.ts'
import { daemonView } from './daemon-view.ts'
import { hostView } from './host-view.ts'

const NO_FATES = { hasTable: false, hasDevice: false, rules: [], fates: [] }

/** A daemon that only remembers what it was asked. */
export class FakeDaemon implements DaemonControl {
  readonly rawAffiliates = [{ rawId: 'service/x', affiliate: affiliateOf({ nodeId: 'x' }) }]
  current: DaemonView = daemonView()
  asked: string[] = []
  readonly #listeners = new Set<() => void>()

  get subscribers(): number {
    return this.#listeners.size
  }
  change(view: DaemonView): void {
    this.current = view
    for (const listener of this.#listeners) listener()
  }
  self: SelfReport | undefined
  view = () => this.current
  refresh = async () => {}
  host = async () => {
    this.asked.push('host')
    return hostView()
  }
  candidates = (key: string) => [{ endpoint: '192.0.2.1:1' as AddressPort, kind: key }]
  fates = async (addresses: readonly Address[]) => ({ ...NO_FATES, earlierRules: addresses })
  subscribe(listener: () => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }
  leave = async () => void this.asked.push('leave')
  down = async (): Promise<void> => {
    throw new Error('nft: busy')
  }
  forget = (id: string) =>
    id === 'gone'
      ? { isDone: true, says: ['forgot gone'] }
      : { isDone: false, says: [`no unconfirmed affiliate is called ${id}`] }
  resetIdentity = async () => ({ backup: '/old', problem: undefined })
  reload = async () => (this.asked.includes('leave') ? 'line 3: bad' : undefined)
}
