import {
  type Address,
  comparePrefixes,
  familyOf,
  hostPrefix,
  type Prefix,
  parseAddress,
  parsePrefix,
  prefixContains,
  splitPrefix,
} from '../../../shared/net/address.ts'
import { refuse } from './refusal.ts'

interface FakeSet {
  readonly type: readonly string[]
  readonly isInterval: boolean
  elements: string[]
}

interface FakeChain {
  readonly head: Record<string, unknown>
  rules: { readonly text: string; readonly comment: string | undefined }[]
}

interface FakeTable {
  /** Name → packets. */
  readonly counters: Map<string, number>
  readonly sets: Map<string, FakeSet>
  readonly chains: Map<string, FakeChain>
}

/** The tables of a host in memory, spoken to in the part of nft's language that the daemon and the tests use. */
export class FakeNft {
  /** By `family name`. */
  tables = new Map<string, FakeTable>()

  nft(args: readonly string[], input: string | undefined): string {
    if (args[0] === '-f') return this.#transaction(args, input ?? '')
    if (args[0] === '-j') return this.#list(args, args.slice(-2).join(' '))
    const [verb, object, family, name, set, element = ''] = args.filter((word) => !/^-(y|nn)$/.test(word))
    if (verb === 'list' && object === 'table') return this.#print(args, `${family} ${name}`)
    if (object === 'set' || verb === 'get') {
      const found = this.tables.get(`${family} ${name}`)?.sets.get(set ?? '') ?? missing(args)
      return printSet(
        set ?? '',
        verb === 'get' ? { ...found, elements: holders(args, found, element) } : found,
      )
    }
    return this.#transaction(args, args.join(' '))
  }

  /** What the output chain does with a packet to this address: the mark it leaves on it. */
  markOf(address: Address): number {
    for (const { chains, sets } of this.tables.values())
      for (const { text } of chains.get('kubespan_outgoing')?.rules ?? []) {
        const [, set = '', mark] = /^ip6? daddr @(\w+) .*\| (0x\w+) accept$/.exec(text) ?? []
        if (mark !== undefined && contains(sets.get(set), address)) return Number(mark)
      }
    return 0
  }

  /** Whether a packet to this address, with no mark that lets it pass by, ends when it leaves by another link than ours. */
  guards(address: Address): boolean {
    return [...this.tables.values()].some(({ chains, sets }) =>
      (chains.get('kubespan_guard')?.rules ?? []).some(({ text }) =>
        contains(sets.get(/^ip6? daddr @(\w+) .* drop$/.exec(text)?.[1] ?? ''), address),
      ),
    )
  }

  /** Everything in the script, or nothing of it. */
  #transaction(args: readonly string[], script: string): string {
    const before = structuredClone(this.tables)
    try {
      for (const line of script.split('\n')) if (line.trim() !== '') this.#command(args, line.trim())
    } catch (error) {
      this.tables = before
      throw error
    }
    return ''
  }

  #command(args: readonly string[], line: string): void {
    const [, verb, object, key = '', name = '', rest = ''] =
      /^(add|create|delete|flush) (table|counter|set|element|chain|rule|ruleset)(?: (\w+ \w+))?(?: (\w+))?(?: (.*))?$/.exec(
        line,
      ) ?? []
    if (object === 'ruleset') this.tables.clear()
    else if (object === 'table') this.#table(args, verb, key)
    else {
      const { counters, sets, chains } = this.tables.get(key) ?? missing(args)
      const set = (): FakeSet => sets.get(name) ?? missing(args)
      const chain = (): FakeChain => chains.get(name) ?? missing(args)
      const actions: Record<string, () => unknown> = {
        'add counter': () => counters.has(name) || counters.set(name, 0),
        'add set': () => sets.has(name) || sets.set(name, parseSet(rest)),
        'delete set': () => sets.delete(name) || missing(args),
        'flush set': () => set().elements.splice(0),
        'add element': () => addElements(args, set(), parseElements(rest)),
        'delete element': () => deleteElements(args, set(), parseElements(rest)),
        'add chain': () => chains.has(name) || chains.set(name, { head: parseHead(rest), rules: [] }),
        'delete chain': () => chains.delete(name) || missing(args),
        'flush chain': () => chain().rules.splice(0),
        'add rule': () => {
          const [, text = '', comment] = /^(.*?)(?: comment "(.*)")?$/.exec(rest) ?? []
          for (const [, used = ''] of text.matchAll(/@(\w+)/g)) if (!sets.has(used)) missing(args)
          for (const [, used = ''] of text.matchAll(/counter name (\w+)/g))
            if (!counters.has(used)) missing(args)
          chain().rules.push({ text, comment })
        },
      }
      const action = actions[`${verb} ${object}`]
      if (action === undefined) refuse('nft', args, `Error: syntax error: ${line}`, 1)
      action()
    }
  }

  #table(args: readonly string[], verb: string | undefined, key: string): void {
    if (verb === 'create' && this.tables.has(key)) refuse('nft', args, 'Error: File exists', 1)
    if (verb === 'add' || verb === 'create')
      this.tables.set(
        key,
        this.tables.get(key) ?? { counters: new Map(), sets: new Map(), chains: new Map() },
      )
    else if (!this.tables.delete(key)) missing(args)
  }

  /** As people read it. */
  #print(args: readonly string[], key: string): string {
    const { sets, chains } = this.tables.get(key) ?? missing(args)
    const blocks = [
      ...[...sets].map(([name, set]) => printSet(name, set)),
      ...[...chains].map(([name, { head, rules }]) => {
        const { type, hook, prio, policy } = head
        const lines = rules.map(({ text, comment }) => `\t\t${text} comment "${comment}"\n`)
        return `\tchain ${name} {\n\t\ttype ${type} hook ${hook} priority ${prio}; policy ${policy};\n${lines.join('')}\t}\n`
      }),
    ]
    return `table ${key} {\n${blocks.join('\n')}}\n`
  }

  #list(args: readonly string[], key: string): string {
    const table = this.tables.get(key) ?? missing(args)
    const nftables = [
      { metainfo: { json_schema_version: 1 } },
      { table: { name: key } },
      ...[...table.counters].map(([name, packets]) => ({ counter: { name, packets } })),
      ...[...table.sets].map(([name, { type, isInterval, elements }]) => ({
        set: {
          name,
          type: type.length === 1 ? type[0] : type,
          ...(isInterval ? { flags: ['interval'] } : {}),
          ...(elements.length === 0 ? {} : { elem: elements.map(elementJson) }),
        },
      })),
      ...[...table.chains].map(([name, { head }]) => ({ chain: { name, ...head } })),
      ...[...table.chains].flatMap(([chain, { rules }]) =>
        rules.map(({ text, comment }) => ({
          rule: { chain, ...(comment === undefined ? {} : { comment }), expr: [{ text }] },
        })),
      ),
    ]
    return JSON.stringify({ nftables })
  }
}

const printSet = (name: string, { type, elements }: FakeSet): string => {
  const list = elements.length === 0 ? '' : `\t\telements = { ${elements.join(', ')} }\n`
  return `\tset ${name} {\n\t\ttype ${type.join(' . ')}\n${list}\t}\n`
}

/** `{ 10.0.0.1 }` → the element that holds it. */
function holders(args: readonly string[], set: FakeSet, text: string): string[] {
  const address = parseAddress(text.replace(/[{} ]/g, ''))
  const found = set.elements.filter(
    (element) => address !== undefined && contains({ ...set, elements: [element] }, address),
  )
  return found.length === 0 ? missing(args) : found
}

const missing = (args: readonly string[]): never => refuse('nft', args, 'Error: No such file or directory', 1)

function parseSet(text: string): FakeSet {
  const [, type = ''] = /type ([^;]+);/.exec(text) ?? []
  return { type: type.split(' . '), isInterval: /flags interval;/.test(text), elements: [] }
}

function parseHead(text: string): Record<string, unknown> {
  const [, type, hook, prio, policy] =
    /type (\w+) hook (\w+) priority (-?\d+); policy (\w+);/.exec(text) ?? []
  return type === undefined ? {} : { type, hook, prio: Number(prio), policy }
}

const parseElements = (text: string): string[] => text.replace(/^\{\s*|\s*\}$/g, '').split(/\s*,\s*/)

const isOfType = (type: string, word: string): boolean => {
  if (type === 'inet_service') return /^\d+$/.test(word) && Number(word) < 65_536
  const prefix = asPrefix(word)
  return prefix !== undefined && familyOf(prefix) === (type === 'ipv4_addr' ? 4 : 6)
}

function asPrefix(text: string): Prefix | undefined {
  const address = parseAddress(text)
  return address === undefined ? parsePrefix(text) : hostPrefix(address)
}

function addElements(args: readonly string[], set: FakeSet, added: readonly string[]): void {
  for (const element of added) {
    const words = element.split(' . ')
    const fits =
      words.length === set.type.length && set.type.every((type, index) => isOfType(type, words[index] ?? ''))
    if (!fits) refuse('nft', args, `Error: datatype mismatch: ${element}`, 1)
  }
  set.elements = [...new Set([...set.elements, ...added])]
  if (!set.isInterval) return
  const prefixes = set.elements.flatMap((element) => asPrefix(element) ?? []).sort(comparePrefixes)
  let last: Prefix | undefined
  for (const prefix of prefixes) {
    if (last !== undefined && prefixContains(last, splitPrefix(prefix).address))
      refuse('nft', args, 'Error: interval overlaps with an existing one', 1)
    last = prefix
  }
}

function deleteElements(args: readonly string[], set: FakeSet, gone: readonly string[]): void {
  if (!gone.every((element) => set.elements.includes(element))) missing(args)
  set.elements = set.elements.filter((element) => !gone.includes(element))
}

function elementJson(element: string): unknown {
  if (element.includes(' . ')) return { concat: element.split(' . ').map(elementJson) }
  if (/^\d+$/.test(element)) return Number(element)
  const [addr, len] = element.split('/')
  return len === undefined ? element : { prefix: { addr, len: Number(len) } }
}

const contains = (set: FakeSet | undefined, address: Address): boolean =>
  (set?.elements ?? []).some((element) => {
    const prefix = asPrefix(element)
    return prefix !== undefined && prefixContains(prefix, address)
  })
