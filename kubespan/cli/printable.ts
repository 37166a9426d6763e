import { printable } from '../../shared/printable.ts'

export { printable }

/** The same for text of several lines. */
export const printableLines = (text: string): string => text.split('\n').map(printable).join('\n')
