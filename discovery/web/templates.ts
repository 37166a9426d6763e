import { createHash } from 'node:crypto'

/** A piece of a page: what is in it is escaped already. */
export class Html {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (sign) => ESCAPES[sign] as string)

export type HtmlValue = string | number | Html | readonly Html[]

function textOf(value: HtmlValue): string {
  if (value instanceof Html) return value.text
  return typeof value === 'object' ? value.map(({ text }) => text).join('') : escapeHtml(String(value))
}

/** A template whose values are escaped, except those that are Html themselves. */
export const html = (parts: TemplateStringsArray, ...values: readonly HtmlValue[]): Html =>
  new Html(String.raw({ raw: parts }, ...values.map(textOf)))

const STYLE = `
:root { color-scheme: light dark; --ink: light-dark(#1d2430, #dfe4ec); --soft: light-dark(#5a6474, #97a1b1);
  --paper: light-dark(#fbfaf7, #14181f); --card: light-dark(#fff, #1b212a); --line: light-dark(#dcd8cf, #323b48);
  --accent: light-dark(#0b6e5f, #4fc3ae) }
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 17px/1.6 system-ui, sans-serif }
main { max-width: 46rem; margin: 0 auto; padding: 3.5rem 1.25rem 4rem }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .75rem; letter-spacing: -.015em }
h2 { font-size: 1.1rem; margin: 2.5rem 0 .5rem; overflow-wrap: anywhere }
p, ul { margin: .75rem 0; max-width: 40rem } li { margin: .3rem 0 }
a { color: var(--accent) } .lead { font-size: 1.15rem } .soft { color: var(--soft) }
code, .hex, input { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: .88em }
form { display: flex; gap: .5rem; margin: .4rem 0 1.5rem } label { display: block; margin-top: 1.5rem; font-weight: 600 }
input { flex: 1; min-width: 0; padding: .55rem .7rem; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: 6px }
button { padding: .55rem 1.1rem; font: inherit; font-weight: 600; color: var(--paper); background: var(--accent); border: 0; border-radius: 6px; cursor: pointer }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }
article { margin: 1rem 0; padding: .9rem 1.1rem; background: var(--card); border: 1px solid var(--line); border-radius: 8px }
h3 { margin: 0; font-size: 1rem; overflow-wrap: anywhere } dl { margin: .4rem 0 0 }
dt { color: var(--soft); font-size: .82rem; margin-top: .5rem } dd { margin: 0; font-size: .92rem } .hex { overflow-wrap: anywhere; font-size: .78rem }
`

const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64')

/** A page may hold a cluster id, which gives access to the cluster: it is not to be stored, nor told to other sites. */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'content-security-policy': `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
}

/** What comes before and after the content of a page. */
export const pageFrame = (title: string): { readonly start: string; readonly end: string } => ({
  start: `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
`,
  end: '</main>\n</body>\n</html>\n',
})
