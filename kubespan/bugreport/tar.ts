export interface TarEntry {
  /** Relative, with `/` between its parts: at most 155 bytes up to the last one, and 100 behind it. */
  readonly name: string
  readonly content: string
}

const BLOCK_BYTES = 512
const NAME_MAX_BYTES = 100
const PREFIX_MAX_BYTES = 155
const MODE = '0000600'
const OWNER = '0000000'

/** A tape archive (POSIX ustar) of text files, which belong to root and nobody else may read. */
export function packTar(entries: readonly TarEntry[], mtimeSeconds: number): Buffer {
  const blocks = entries.flatMap(({ name, content }) => {
    const bytes = Buffer.from(content)
    return [header(name, bytes.length, mtimeSeconds), bytes, Buffer.alloc(paddingFor(bytes.length))]
  })
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK_BYTES)])
}

const paddingFor = (length: number): number => (BLOCK_BYTES - (length % BLOCK_BYTES)) % BLOCK_BYTES

const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, '0')

/** The directory stands in a field of its own. */
function splitName(name: string): readonly [prefix: string, base: string] {
  const slash = name.lastIndexOf('/')
  return slash < 0 ? ['', name] : [name.slice(0, slash), name.slice(slash + 1)]
}

function header(name: string, length: number, mtimeSeconds: number): Buffer {
  const [prefix, base] = splitName(name)
  if (Buffer.byteLength(base) > NAME_MAX_BYTES || Buffer.byteLength(prefix) > PREFIX_MAX_BYTES)
    throw new RangeError(`too long for a tar: ${name}`)
  const block = Buffer.alloc(BLOCK_BYTES)
  const fields: readonly (readonly [offset: number, text: string])[] = [
    [0, base],
    [100, MODE],
    [108, OWNER],
    [116, OWNER],
    [124, octal(length, 11)],
    [136, octal(mtimeSeconds, 11)],
    // The checksum is made as if its own field were blank.
    [148, ' '.repeat(8)],
    [156, '0'],
    [257, 'ustar\0' + '00'],
    [345, prefix],
  ]
  for (const [offset, text] of fields) block.write(text, offset)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${octal(sum, 6)}\0 `, 148)
  return block
}
