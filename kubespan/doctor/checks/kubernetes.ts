import { error, type Finding, ok, warning } from '../../model/finding.ts'
import type { Facts, KubernetesFact } from '../facts.ts'

/** Whether the Kubernetes registry gets to an API server, may read the Nodes there, and knows which one is this machine. */
export function checkKubernetes({ kubernetes, daemon }: Facts): Finding[] {
  if (kubernetes === undefined) return []
  const view = 'value' in daemon ? daemon.value?.kubernetes : undefined
  const findings = [checkApi(kubernetes)]
  if (view?.nodename !== undefined)
    findings.push(ok('kubernetes', `the Node of this machine is ${view.nodename}`))
  else if (view?.connected)
    findings.push(
      warning(
        'kubernetes',
        `which of ${kubernetes.nodes} Nodes is this machine is not known, so nothing is written there`,
        'kubectl get nodes, and nodeName: NAME in the KubernetesRegistryConfig',
      ),
    )
  if (kubernetes.problem === undefined && view?.connected && view.problem !== undefined)
    findings.push(warning('kubernetes', view.problem, 'kubectl auth can-i patch nodes'))
  return findings
}

function checkApi({ endpoint = 'the API server', nodes, problem, isForbidden }: KubernetesFact): Finding {
  if (problem === undefined) return ok('kubernetes', `${endpoint} answers, with ${nodes} Nodes`)
  if (isForbidden)
    return warning(
      'kubernetes',
      `${endpoint} answers, and lets us see no other Node: ${problem}`,
      'kubectl auth can-i list nodes, with the same credentials',
    )
  return error('kubernetes', `${endpoint} does not answer: ${problem}`, `curl -vk https://${endpoint}/readyz`)
}
