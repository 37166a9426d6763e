import type { DaemonView } from '../model/daemon-view.ts'
import { ProxySettings } from '../model/proxy.ts'
import type { Settings } from '../model/settings.ts'

export interface ProxyInUse {
  readonly proxy: ProxySettings | undefined
  /** Whose environment that is from. */
  readonly of: 'daemon' | 'command'
  /** The daemon has credentials for it, and we have not. */
  readonly lacksCredentials: boolean
}

/** The proxy of the daemon: a command may have another one in its environment, or none. Its own where no daemon tells. */
export function proxyInUse(
  { proxy }: Pick<Settings, 'proxy'>,
  daemon: Pick<DaemonView, 'settings'> | undefined,
): ProxyInUse {
  const view = daemon?.settings.proxy
  if (view === undefined) return { proxy, of: 'command', lacksCredentials: false }
  if (view === null) return { proxy: undefined, of: 'daemon', lacksCredentials: false }
  const its = ProxySettings.fromView(view, proxy)
  return { proxy: its, of: 'daemon', lacksCredentials: view.hasCredentials && its.credentials === undefined }
}
