import type { Family } from '../../shared/net/address.ts'
import type { KernelSettings, SettingPath } from '../host/kernel-settings.ts'

/** Those of all links, which reach every link when they are written. IPv6 goes by its own alone. */
const OF_ALL: readonly SettingPath[] = ['ipv4/ip_forward', 'ipv6/conf/all/forwarding']
/** Of a single link, which may forward while those of all are off; that of IPv6 exists since Linux 6.17. */
const OF_A_LINK = [
  { directory: 'ipv4/conf', name: 'forwarding' },
  { directory: 'ipv6/conf', name: 'force_forwarding' },
] as const
const IS_OF_FORWARDING =
  /^(ipv4\/ip_forward|ipv6\/conf\/all\/forwarding|ipv4\/conf\/.+\/forwarding|ipv6\/conf\/.+\/force_forwarding)$/

type Read = Map<SettingPath, string | undefined>

/**
 * All that decides whether this host forwards packets: where those of all links are on, these alone. Our own link forwards because
 * others do, and says nothing about them.
 */
export async function readForwarding(
  host: Pick<KernelSettings, 'readSetting' | 'listSettings'>,
  ownLinkName: string,
): Promise<Read> {
  const read = async (paths: readonly SettingPath[]): Promise<Read> =>
    new Map(
      await Promise.all(
        paths.map(
          async (path): Promise<[SettingPath, string | undefined]> => [path, await host.readSetting(path)],
        ),
      ),
    )
  const ofAll = await read(OF_ALL)
  if (forwardsPackets(ofAll)) return ofAll
  const paths = await Promise.all(
    OF_A_LINK.map(async ({ directory, name }) =>
      (await host.listSettings(directory))
        .filter((link) => link !== ownLinkName)
        .map((link) => `${directory}/${link}/${name}`),
    ),
  )
  return new Map([...ofAll, ...(await read(paths.flat()))])
}

/** Whether packets of others are forwarded, of one family and from one link at least. */
export const forwardsPackets = (settings: ReadonlyMap<SettingPath, string | undefined>): boolean =>
  [...settings].some(([path, value]) => IS_OF_FORWARDING.test(path) && isOn(value))

/** Families of which single links forward, and not all. */
export function forwardedByLink(settings: ReadonlyMap<SettingPath, string | undefined>): Family[] {
  const families = [
    { family: 4, ofAll: 'ipv4/ip_forward', ofALink: /^ipv4\/conf\/.+\/forwarding$/ },
    { family: 6, ofAll: 'ipv6/conf/all/forwarding', ofALink: /^ipv6\/conf\/.+\/force_forwarding$/ },
  ] as const
  return families
    .filter(
      ({ ofAll, ofALink }) =>
        !isOn(settings.get(ofAll)) &&
        [...settings].some(([path, value]) => ofALink.test(path) && isOn(value)),
    )
    .map(({ family }) => family)
}

const isOn = (value: string | undefined): boolean => value !== undefined && value !== '0'
