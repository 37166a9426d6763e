import { WriteKey } from '../../shared/identity/write-key.ts'
import { clusterTag } from '../../shared/log.ts'
import type { DaemonView } from '../model/daemon-view.ts'
import { DEFAULT_LINK_FILTERS } from '../model/link-filter.ts'
import { formatHostPort } from '../model/service-endpoint.ts'
import type { Settings } from '../model/settings.ts'
import { proxyInUse } from './daemon-proxy.ts'

/** One effective value and where it came from. */
export interface EffectiveValue {
  readonly value: unknown
  /** `file:line` of the document that decided it, or `default`. */
  readonly from: string
}

/** `kubespan config show`: every effective value by its name; what is secret is named and not shown. */
export function renderSettings(
  {
    settings,
    origin,
  }: {
    readonly settings: Settings
    readonly origin: ReadonlyMap<string, string>
  },
  daemon: Pick<DaemonView, 'settings'> | undefined,
): { value: Readonly<Record<string, EffectiveValue>>; table: string } {
  const {
    services,
    proxy: ofCommand,
    kubernetes,
    cluster,
    node,
    placement,
    bypass,
    racing,
    filters,
    linkFilters,
    namesGiven: _,
    timing,
    extraAnnouncedEndpoints,
    ...mesh
  } = settings
  const value: Record<string, EffectiveValue> = {}
  const add = (name: string, shown: unknown): void => {
    value[name] = { value: shown, from: origin.get(name) ?? 'default' }
  }
  for (const [key, shown] of Object.entries(mesh)) add(`kubespan.${key}`, shown)
  value['kubespan.extraAnnouncedEndpoints'] = {
    value: extraAnnouncedEndpoints.map((e) => (typeof e === 'string' ? e : `auto:${e.autoPort}`)),
    from: origin.get('kubespan.extraAnnouncedEndpoints') ?? 'default',
  }
  for (const { name, endpoint } of services)
    add(`services.${name}`, `${endpoint.plaintext ? 'http' : 'https'}://${formatHostPort(endpoint)}`)
  const { proxy, of } = proxyInUse({ proxy: ofCommand }, daemon)
  const environment =
    of === 'daemon' ? 'environment of the daemon' : 'environment of this command, as no daemon answers'
  value.proxy = { value: proxy?.toJSON(), from: environment }
  for (const [key, shown] of Object.entries(kubernetes ?? {})) add(`kubernetes.${key}`, shown)
  if (cluster !== undefined)
    value.cluster = {
      value: { idTag: clusterTag(cluster.id), secret: '[redacted]' },
      from: origin.get('cluster') ?? '',
    }
  for (const [room, values] of Object.entries({ node, placement, bypass, racing, filters, timing }))
    for (const [key, shown] of Object.entries(values)) add(`${room}.${key}`, shown)
  add('filters.links', [...DEFAULT_LINK_FILTERS, ...linkFilters])

  const names = Object.keys(value)
  const width = Math.max(...names.map((name) => name.length))
  const text = (shown: unknown): string =>
    shown === undefined ? '-' : typeof shown === 'string' ? shown : JSON.stringify(shown)
  const table = names
    .map((name) => `${name.padEnd(width)}  ${text(value[name]?.value)}  (${value[name]?.from})\n`)
    .join('')
  return { value, table }
}

/** `kubespan config show --write-key`: what a discovery service knows members by. It says nothing of the secret. @throws without a cluster */
export function renderWriteKey({ cluster }: Pick<Settings, 'cluster'>): string {
  if (cluster === undefined) throw new Error('there is no write key without a cluster id and secret')
  return `${WriteKey.of(cluster.key).publicKey}\n`
}
