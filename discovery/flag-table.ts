import { formatByteSize, parseByteSize } from '../shared/byte-size.ts'
import { type Flag, flag } from '../shared/flags.ts'
import { hostPrefix, type Prefix, parseAddress, parsePrefix } from '../shared/net/address.ts'
import { formatListenAddress, type ListenAddress, parseListenAddress } from '../shared/net/listen-address.ts'
import { formatStoreAddress, parseStoreAddress, type StoreAddress } from './store/address.ts'

const ADDRESS_KIND = {
  placeholder: 'ADDRESS',
  allowed: 'an address such as :3000, 10.0.0.1:3000 or unix:/run/x.sock',
}

const listenFlag = (text: string, help: string): Flag<ListenAddress> =>
  flag.parsed(parseListenAddress(text) as ListenAddress, help, {
    ...ADDRESS_KIND,
    parse: parseListenAddress,
    format: formatListenAddress,
  })

/** A listener that need not be: null, written as the empty text. */
const optionalListenFlag = (text: string, help: string): Flag<ListenAddress | null> =>
  flag.parsed<ListenAddress | null>(parseListenAddress(text) ?? null, help, {
    ...ADDRESS_KIND,
    allowed: `${ADDRESS_KIND.allowed}, or empty`,
    parse: (given) => (given === '' ? null : parseListenAddress(given)),
    format: (address) => (address === null ? '' : formatListenAddress(address)),
  })

const NETWORK = {
  placeholder: 'NETWORK',
  allowed: 'networks such as 10.0.0.0/8, or addresses',
  parse: (text: string): Prefix | undefined => {
    const address = parseAddress(text)
    return address === undefined ? parsePrefix(text) : hostPrefix(address)
  },
  format: String,
}

const LOOPBACK = ['127.0.0.0/8', '::1/128'] as readonly string[] as readonly Prefix[]

const MOST = Number.MAX_SAFE_INTEGER

/**
 * Every setting of the service. The first part has the names and defaults that operators know (SPEC 1.11); except that
 * forwarded addresses are believed only from `-trusted-proxies`. `development` is the default of `-debug`.
 */
export const discoveryFlags = (development: boolean) => ({
  addr: listenFlag(':3000', 'where gRPC and the pages are served'),
  certificatePath: flag.text('', 'PEM file with the certificate chain; turns TLS on', 'FILE'),
  keyPath: flag.text('', 'PEM file with the private key', 'FILE'),
  landingAddr: optionalListenFlag(':3001', 'where the pages are served in plain HTTP; empty for nowhere'),
  metricsAddr: optionalListenFlag(
    ':2122',
    'where /metrics, /healthz and /readyz are served; empty for nowhere',
  ),
  debug: flag.boolean(development, 'log in full detail (also with MODE=dev in the environment)'),
  gcInterval: flag.duration(60_000, 'how often what has expired is removed'),
  redirectEndpoint: flag.parsed('', 'HOST:PORT of the server that clients shall go to instead', {
    placeholder: 'HOST:PORT',
    allowed: 'a host and a port, such as discovery.example.com:443',
    parse: (text) =>
      text === '' || /^(\[[0-9a-fA-F:.]+\]|[^\s/:[\]]+):\d{1,5}$/.test(text) ? text : undefined,
    format: String,
  }),
  snapshotsEnabled: flag.boolean(true, 'keep the state across restarts'),
  snapshotPath: flag.text('/var/discovery-service/state.binpb', 'where the state is kept', 'FILE'),
  snapshotInterval: flag.duration(600_000, 'how often the state is saved'),
  trustXRealIp: flag.boolean(true, 'believe X-Real-IP, from trusted proxies'),
  trustFirstXForwardedFor: flag.boolean(
    true,
    'believe the first address of X-Forwarded-For, from trusted proxies',
  ),

  trustedProxies: flag.list(LOOPBACK, 'networks whose word about client addresses is believed', NETWORK),
  reportClientIp: flag.boolean(true, 'tell clients the address they are seen with'),
  rateLimit: flag.wholeNumber(15, 'calls per second of one client address; 0 for no limit', {
    least: 0,
    most: MOST,
  }),
  rateBurst: flag.wholeNumber(60, 'calls that one address may make at once', { least: 1, most: MOST }),
  rateQueue: flag.wholeNumber(1024, 'calls of one address that may wait for their turn', {
    least: 0,
    most: MOST,
  }),
  rateIpv6ByNetwork: flag.boolean(true, 'IPv6 addresses of one /64 share a rate'),
  allowedClusters: flag.text(
    '',
    'file with a cluster id, or its SHA-256 in hex, per line; others are refused',
    'FILE',
  ),
  maxClustersPerAddress: flag.wholeNumber(
    0,
    'clusters that one client address may bring to life; 0 for no limit',
    {
      least: 0,
      most: MOST,
    },
  ),
  maxAffiliatesPerAddress: flag.wholeNumber(
    512,
    'affiliates of one cluster that one client address may add; 0 for no limit',
    {
      least: 0,
      most: MOST,
    },
  ),
  maxUnprovenPerAddress: flag.wholeNumber(
    64,
    'the same of a cluster with a write key, for those that do not prove to be members; 0 for no limit',
    {
      least: 0,
      most: MOST,
    },
  ),
  authority: flag.list(
    [] as readonly string[],
    'names that nodes dial this service by, for proofs of membership',
    {
      placeholder: 'NAME',
      allowed: 'hosts such as discovery.example.com, each with or without a port',
      parse: (text) => (/^[^\s/,]+$/.test(text) ? text.toLowerCase() : undefined),
      format: String,
    },
  ),
  memoryLimit: flag.parsed(0, 'new clusters are refused above this; 0 for four fifths of what there is', {
    placeholder: 'SIZE',
    allowed: 'a size such as 512MiB',
    parse: parseByteSize,
    format: formatByteSize,
  }),

  flushInterval: flag.duration(100, 'watchers of a cluster are told at most this often', 0),
  flushIntervalMax: flag.duration(500, 'the same while telling them is expensive', 0),
  watchStallTimeout: flag.duration(60_000, 'a watcher that takes nothing for so long is dropped'),
  headerTimeout: flag.duration(10_000, 'a connection that has not said what it wants by then is closed'),
  keepaliveIdle: flag.duration(30_000, 'a connection that was silent for so long is pinged'),
  keepaliveTimeout: flag.duration(20_000, 'a connection that does not answer a ping by then is closed'),
  shutdownTimeout: flag.duration(4_000, 'calls in flight may take so long at shutdown', 0),
  filePollInterval: flag.duration(10_000, 'how often files that are watched are read again in any case'),
  warmUp: flag.duration(
    1_000,
    'before it listens, the service serves itself for so long, so that the code is compiled when all nodes come back at once; 0s for not at all',
    0,
  ),
  statsInterval: flag.duration(3_600_000, 'how often /stats counts anew', 0),

  store: flag.parsed<StoreAddress>(
    { kind: 'memory' },
    'where clusters are kept; elsewhere than in memory, any number of services share them',
    {
      placeholder: 'STORE',
      allowed:
        'memory, redis://[USER@]HOST[:PORT][/DATABASE], rediss://… or redis+unix:/PATH, without a password',
      parse: parseStoreAddress,
      format: formatStoreAddress,
    },
  ),
  storePasswordFile: flag.text('', 'file with the password of the store', 'FILE'),
  storeCaFile: flag.text(
    '',
    'PEM file of those who may vouch for the store; else those of the system',
    'FILE',
  ),

  adminAddr: optionalListenFlag('', 'where the admin API is served; empty for nowhere'),
  adminTokenFile: flag.text(
    '',
    'file with the token that the admin API asks for; needed unless it is a unix socket',
    'FILE',
  ),
  logLevel: flag.choice('info', 'what is logged', ['debug', 'info', 'warn', 'error']),
  logCalls: flag.boolean(true, 'log a line for each call'),
  logClusterIds: flag.boolean(
    false,
    'log cluster ids as they are; who knows one may read and change the cluster',
  ),
  config: flag.text('', 'YAML file with any of these settings, by the same names', 'FILE'),
  version: flag.boolean(false, 'print the version and exit'),
})
