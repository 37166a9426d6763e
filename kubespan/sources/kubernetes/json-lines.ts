const NEWLINE = 0x0a

/** The largest object that etcd stores is 1.5 MB; a line beyond this is no event. */
export const LINE_MAX_BYTES = 16 * 1024 * 1024

/** Splits a stream of bytes into its lines and parses each as JSON. Throws on what is none. */
export async function* jsonLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<unknown> {
  let parts: Buffer[] = []
  let length = 0
  for await (const chunk of chunks) {
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      parts.push(chunk.subarray(start, end))
      const line = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)
      parts = []
      length = 0
      start = end + 1
      if (line.length > 0) yield JSON.parse(line.toString('utf8'))
    }
    if (start === chunk.length) continue
    parts.push(chunk.subarray(start))
    length += chunk.length - start
    if (length > LINE_MAX_BYTES) throw new Error('the API server sends a line without end')
  }
}
