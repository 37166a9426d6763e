import { createHash } from 'node:crypto'
import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from 'pino'

export type { Logger } from 'pino'

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

const REDACTED = '[redacted]'
const SECRET_FIELD = /secret|private.?key|preshared|psk|passw|token|authorization|cookie/i
const CLUSTER_FIELD = /^cluster_?id$/i
/** Fields of child loggers pass only by serializers, which go by exact name. */
const NAMES = [
  'secret',
  'clusterSecret',
  'privateKey',
  'presharedKey',
  'psk',
  'password',
  'token',
  'authorization',
]
const CLUSTER_NAMES = ['clusterId', 'cluster_id']
const MAX_DEPTH = 5
const TAG_CHARACTERS = 8
const TAG = /^[0-9a-f]{8}$/

/** Who knows a cluster id may read and write the cluster, so logs name a cluster by this: 8 hex digits of its SHA-256. */
export const clusterTag = (clusterId: string): string =>
  createHash('sha256').update(clusterId, 'utf8').digest('hex').slice(0, TAG_CHARACTERS)

/**
 * The root of all loggers: JSON lines on standard error. Fields that look like secrets are redacted at any depth, and a
 * cluster id becomes its tag: a last net, callers should hand over neither.
 */
export function createLogger(level: LogLevel, stream: DestinationStream = destination(2)): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: {
        level: (label) => ({ level: label }),
        log: redactFields,
      },
      serializers: Object.fromEntries(
        [...NAMES, ...CLUSTER_NAMES].map((name) => [name, (value: unknown) => redact(name, value, 0)]),
      ),
    },
    stream,
  )
}

const redactFields = (fields: object): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, redact(name, value, 0)]))

function redact(name: string, value: unknown, depth: number): unknown {
  const holdsSomething = typeof value === 'string' || (typeof value === 'object' && value !== null)
  if (SECRET_FIELD.test(name) && holdsSomething) return REDACTED
  if (CLUSTER_FIELD.test(name) && typeof value === 'string')
    return TAG.test(value) ? value : clusterTag(value)
  if (depth >= MAX_DEPTH) return value
  if (Array.isArray(value)) return value.map((item) => redact('', item, depth + 1))
  if (value === null || typeof value !== 'object' || Object.getPrototypeOf(value) !== Object.prototype)
    return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, redact(key, inner, depth + 1)]))
}
