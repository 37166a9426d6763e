import assert from 'node:assert/strict'
import { decodeNodeId, encodeNodeId, machineIdOf } from '../../../shared/identity/node-id.ts'
import { isUlaOfPurpose, ULA_PURPOSE, ulaAddress, ulaPrefix } from '../../../shared/identity/ula.ts'
import { hostPrefix } from '../../../shared/net/address.ts'
import { filterAddresses, parseFilter } from '../../../shared/net/endpoint-filter.ts'
import { addressOf, bytesOf, type Check, hexOf, type RecordedList, unknownKind } from './case.ts'

interface NodeIdCase {
  readonly encoded: string
  readonly bytesHex?: string
  readonly decodedHex?: string
  readonly decodeError?: boolean | string | null
  readonly machineId?: string
}

export const checkNodeId: Check<NodeIdCase> = (recorded) => {
  const { encoded, bytesHex, decodedHex, decodeError, machineId } = recorded
  const decoded = decodeNodeId(encoded)
  if (decodeError) {
    assert.equal(decoded, undefined, `"${encoded}" is no node id`)
    return
  }
  if (decodedHex === undefined) unknownKind(recorded)
  assert.equal(decoded && hexOf(decoded), decodedHex)
  if (bytesHex !== undefined) assert.equal(encodeNodeId(bytesOf(bytesHex)), encoded)
  if (machineId !== undefined) assert.equal(machineIdOf(encoded), machineId)
}

const PURPOSES: Readonly<Record<string, keyof typeof ULA_PURPOSE>> = {
  unknown: 'unknown',
  bootstrap: 'bootstrap',
  kubespan: 'kubespan',
  siderolink: 'siderolink',
  'virtual-siderolink': 'virtualSiderolink',
}

interface UlaCase {
  readonly clusterId?: string
  readonly mac?: string
  readonly macHex?: string
  readonly error?: boolean
  readonly kubespanSubnet?: string
  readonly kubespanAddress?: string
  readonly prefixes?: Readonly<Record<string, string>>
  readonly address?: string
  readonly isKubespanULA?: boolean
  readonly isSideroLinkULA?: boolean
}

export const checkUla: Check<UlaCase> = (recorded) => {
  const { clusterId, macHex, address, prefixes } = recorded
  const mac = recorded.mac ?? macHex?.match(/../g)?.join(':') ?? macHex
  if (address !== undefined) checkPurpose(address, recorded)
  else if (clusterId === undefined || mac === undefined) unknownKind(recorded)
  else {
    const subnet = ulaPrefix(clusterId, ULA_PURPOSE.kubespan)
    const own = ulaAddress(subnet, mac)
    if (recorded.error) {
      assert.equal(own, undefined, `${mac} is no MAC`)
      return
    }
    assert.ok(own !== undefined, `${mac} is a MAC`)
    assert.equal(subnet, recorded.kubespanSubnet)
    assert.equal(hostPrefix(own), recorded.kubespanAddress)
    checkPurpose(own, recorded)
    for (const [name, prefix] of Object.entries(prefixes ?? {})) {
      const purpose = PURPOSES[name]
      assert.ok(purpose !== undefined, `a purpose of that name: ${name}`)
      assert.equal(ulaPrefix(clusterId, ULA_PURPOSE[purpose]), prefix, name)
    }
  }
}

function checkPurpose(address: string, { isKubespanULA, isSideroLinkULA }: UlaCase): void {
  const parsed = addressOf(address)
  if (isKubespanULA !== undefined)
    assert.equal(isUlaOfPurpose(parsed, ULA_PURPOSE.kubespan), isKubespanULA, 'KubeSpan address')
  if (isSideroLinkULA !== undefined)
    assert.equal(isUlaOfPurpose(parsed, ULA_PURPOSE.siderolink), isSideroLinkULA, 'SideroLink address')
}

interface FilterCase {
  readonly filters: RecordedList
  readonly ips: RecordedList
  readonly error?: boolean
  readonly result?: RecordedList
}

export const checkEndpointFilter: Check<FilterCase> = (recorded) => {
  const filters = recorded.filters ?? []
  const isRefused = filters.some((filter) => parseFilter(filter) === undefined)
  assert.equal(isRefused, recorded.error ?? false, 'whether the filters are refused')
  if (isRefused) return
  assert.deepEqual(filterAddresses((recorded.ips ?? []).map(addressOf), filters), recorded.result ?? [])
}
