import { hostname } from 'node:os'
import type { Clock, Milliseconds } from '../../shared/clock.ts'

/** To ask the kernel costs a microsecond, and it tells nobody by itself: /proc/sys/kernel/hostname is no file to watch. */
const ASK_EVERY: Milliseconds = 1_000

export const systemHostName = (): string => hostname()

/** Tells when this host is called by another name, until it is disposed of: DHCP and people name hosts late. */
export function watchHostName(
  clock: Pick<Clock, 'after'>,
  onChange: () => void,
  ask: () => string = systemHostName,
): Disposable {
  let known = ask()
  let alarm: Disposable
  const look = (): void => {
    const now = ask()
    const isNews = now !== known
    known = now
    alarm = clock.after(ASK_EVERY, look)
    if (isNews) onChange()
  }
  alarm = clock.after(ASK_EVERY, look)
  return { [Symbol.dispose]: () => alarm[Symbol.dispose]() }
}
