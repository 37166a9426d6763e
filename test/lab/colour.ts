import { styleText } from 'node:util'

/** Colours where standard output is a terminal that wants them (NO_COLOR, FORCE_COLOR are heeded); plain text elsewhere. */
type Paint = (text: string) => string
const paint =
  (style: Parameters<typeof styleText>[0]): Paint =>
  (text) =>
    styleText(style, text, { stream: process.stdout })

export const bold = paint('bold')
export const dim = paint('dim')
export const green = paint('green')
export const red = paint('red')
export const yellow = paint('yellow')
