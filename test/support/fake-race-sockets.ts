import type { RaceSockets } from '../../kubespan/host/race-sockets.ts'
import type { AddressPort } from '../../shared/net/address.ts'

/** Race sockets without a network: what is sent is noted, and a test speaks to relays by their port. */
export class FakeRaceSockets implements RaceSockets {
  readonly sent: { readonly packet: Uint8Array; readonly to: AddressPort }[] = []
  readonly relays = new Map<number, (packet: Uint8Array) => void>()
  isClosed = false
  #ports = 40_000

  async openRelay(onPacket: (packet: Uint8Array) => void) {
    this.#ports += 1
    const port = this.#ports
    this.relays.set(port, onPacket)
    return { port, close: () => void this.relays.delete(port) }
  }

  send(packet: Uint8Array, to: AddressPort): void {
    this.sent.push({ packet, to })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isClosed = true
  }
}

export const initiation = (): Uint8Array => {
  const packet = new Uint8Array(148)
  packet[0] = 1
  return packet
}
