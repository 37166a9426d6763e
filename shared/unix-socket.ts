import { connect } from 'node:net'

/** Whether a process listens on the socket at this path: a file alone may be what one that was killed left behind. */
export const isAnswered = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
