import { constants, type ServerHttp2Stream } from 'node:http2'

/**
 * Tells the client of a call that was answered early that the rest of its request, if there is one, is not wanted. A turn
 * later, because Node 26 drops headers that wait to be sent when their stream is closed.
 */
export function refuseRest(stream: ServerHttp2Stream): void {
  if (stream.readableEnded) return
  setImmediate(() => {
    if (!stream.destroyed) stream.close(constants.NGHTTP2_NO_ERROR)
  })
}
