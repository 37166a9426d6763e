import { read, writeSync } from 'node:fs'
import type { Box } from './box.ts'

/**
 * A delay on one interface of a router without netem: what arrives there is routed into a TUN device, a process
 * (this file, run as a program) reads it, holds it, and writes it back; it then goes on as it would have.
 */
export async function startDelayLine(
  router: Box,
  port: string,
  milliseconds: number,
): Promise<AsyncDisposable> {
  const tun = `d${port}`
  const table = 1000 + Number(port.slice(1))
  const rules = (verb: 'add' | 'delete'): string =>
    [4, 6].map((family) => `ip -${family} rule ${verb} iif ${port} lookup ${table} priority 100\n`).join('')
  const process_ = router.spawn(
    'perl',
    ['-e', ATTACH, tun, process.execPath, import.meta.filename, `${milliseconds}`],
    { name: tun },
  )
  await process_.waitFor(/^ready$/m)
  await router.sh(
    `ip link set ${tun} up\nip -4 route add default dev ${tun} table ${table}\nip -6 route add default dev ${tun} table ${table}\n${rules('add')}`,
  )
  return {
    async [Symbol.asyncDispose]() {
      await router.sh(rules('delete'))
      await process_[Symbol.asyncDispose]()
    },
  }
}

/**
 * Node cannot make the ioctl that attaches a TUN device; perl, which is on every Debian, makes it and then becomes
 * the program with the device as descriptor 3 (TUNSETIFF = 0x400454ca; IFF_TUN | IFF_NO_PI = 0x1001).
 */
const ATTACH = `
$^F = 9;
open(my $tun, "+<", "/dev/net/tun") or die "tun: $!";
ioctl($tun, 0x400454ca, pack("a16 s x22", shift @ARGV, 0x1001)) or die "tun: $!";
fileno($tun) == 3 or die "descriptor " . fileno($tun);
exec @ARGV;`

const TUN_DESCRIPTOR = 3
const MAX_PACKET_BYTES = 65_536

/** A timer counts from the start of its turn of the loop and may fire most of a millisecond early: the clock decides what is due. */
function holdPackets(milliseconds: number): void {
  const held: { readonly packet: Buffer; readonly due: number }[] = []
  const release = (): void => {
    const now = performance.now()
    for (let first = held[0]; first !== undefined && first.due <= now; first = held[0]) {
      send(first.packet)
      held.shift()
    }
    if (held[0] !== undefined) setTimeout(release, held[0].due - now)
  }
  const hold = (packet: Buffer): void => {
    if (held.push({ packet, due: performance.now() + milliseconds }) === 1) setTimeout(release, milliseconds)
  }
  const buffer = Buffer.allocUnsafe(MAX_PACKET_BYTES)
  const readNext = (): void =>
    read(TUN_DESCRIPTOR, buffer, 0, MAX_PACKET_BYTES, null, (error, bytes) => {
      if (error !== null && error.code !== 'EINTR') throw error
      if (error === null) hold(Buffer.from(buffer.subarray(0, bytes)))
      readNext()
    })
  readNext()
}

function send(packet: Buffer): void {
  try {
    writeSync(TUN_DESCRIPTOR, packet)
  } catch {
    // A packet that is refused is lost, as on any wire.
  }
}

if (import.meta.main) {
  holdPackets(Number(process.argv[2]))
  process.stdout.write('ready\n')
}
