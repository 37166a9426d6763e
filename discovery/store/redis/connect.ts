import { Redis, type RedisOptions } from 'ioredis'
import type { Milliseconds } from '../../../shared/clock.ts'
import type { RedisAddress } from '../address.ts'

export interface Credentials {
  /** Read from a file. */
  readonly password: string | undefined
  /** Certificates, in PEM, of those who may vouch for the server; undefined for those of the system. */
  readonly authorities: string | undefined
}

const CONNECT_LIMIT: Milliseconds = 5_000
/** A command that was not answered by then is given up: whoever waits for it may try again. */
const COMMAND_LIMIT: Milliseconds = 5_000
const RECONNECT_STEP: Milliseconds = 50
const RECONNECT_MAX: Milliseconds = 500

/** A connection that tries again for ever. While it is not there, commands fail at once, and none is sent twice. */
export function connectTo({ at, isTls, user, database }: RedisAddress, credentials: Credentials): Redis {
  const { password, authorities } = credentials
  const options: RedisOptions = {
    ...at,
    db: database,
    ...(user !== undefined && { username: user }),
    ...(password !== undefined && { password }),
    ...(isTls && { tls: authorities === undefined ? {} : { ca: authorities } }),
    connectionName: 'openspan',
    connectTimeout: CONNECT_LIMIT,
    commandTimeout: COMMAND_LIMIT,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    retryStrategy: (times) => Math.min(times * RECONNECT_STEP, RECONNECT_MAX),
  }
  return new Redis(options)
}
