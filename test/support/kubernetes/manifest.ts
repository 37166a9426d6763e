import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { parseAllDocuments } from 'yaml'
import type { ApiServer } from './api-server.ts'

const FILE = fileURLToPath(new URL('../../../deploy/kubernetes/kubespan.yaml', import.meta.url))

const COLLECTIONS: Readonly<Record<string, string>> = {
  Namespace: '/api/v1/namespaces',
  ServiceAccount: '/api/v1/namespaces/NS/serviceaccounts',
  ClusterRole: '/apis/rbac.authorization.k8s.io/v1/clusterroles',
  ClusterRoleBinding: '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
  Role: '/apis/rbac.authorization.k8s.io/v1/namespaces/NS/roles',
  RoleBinding: '/apis/rbac.authorization.k8s.io/v1/namespaces/NS/rolebindings',
  ValidatingAdmissionPolicy: '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies',
  ValidatingAdmissionPolicyBinding: '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings',
  DaemonSet: '/apis/apps/v1/namespaces/NS/daemonsets',
}

export interface ManifestObject {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
}

/** The objects of deploy/kubernetes/kubespan.yaml. */
export async function manifestObjects(): Promise<readonly ManifestObject[]> {
  const documents = [parseAllDocuments(await readFile(FILE, 'utf8'))].flat()
  return documents.map((document) => document.toJS() as ManifestObject)
}

/** Creates everything in it, as `kubectl apply` does; every field has to be known to the API server. */
export async function applyManifest(server: ApiServer): Promise<void> {
  for (const object of await manifestObjects()) {
    const path = COLLECTIONS[object.kind]?.replace('NS', object.metadata.namespace ?? '')
    if (path === undefined) throw new Error(`the manifest has a ${object.kind}, which the test does not know`)
    await server.ask('POST', `${path}?fieldValidation=Strict`, object)
  }
}

/** A pod of the DaemonSet on a node, as the scheduler and kubelet would have it, and its token. */
export async function podToken(server: ApiServer, node: string, pod = `kubespan-${node}`): Promise<string> {
  const { metadata } = await server.ask('POST', '/api/v1/namespaces/kubespan/pods', {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: pod },
    spec: {
      serviceAccountName: 'kubespan',
      nodeName: node,
      containers: [{ name: 'kubespan', image: 'openspan/kubespan' }],
    },
  })
  return await boundToken(server, { kind: 'Pod', apiVersion: 'v1', name: pod, uid: metadata.uid })
}

/** A token of the ServiceAccount, bound to an object or to nothing. */
export async function boundToken(server: ApiServer, boundObjectRef?: object): Promise<string> {
  const path = '/api/v1/namespaces/kubespan/serviceaccounts/kubespan/token'
  const { status } = await server.ask('POST', path, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: { ...(boundObjectRef && { boundObjectRef }) },
  })
  return status.token
}
