// Decides requests with @cloud-copilot/iam-simulate: one JSON object a line in, one word a line out. It calls the evaluation
// itself, behind the checks of the package's simulator, which know the real actions and keys of every service.
import { createInterface } from 'node:readline'
import { loadPolicy } from '@cloud-copilot/iam-policy'
import { authorize } from './node_modules/@cloud-copilot/iam-simulate/dist/esm/core_engine/CoreSimulatorEngine.js'
import { AwsRequestImpl } from './node_modules/@cloud-copilot/iam-simulate/dist/esm/request/request.js'
import { RequestContextImpl } from './node_modules/@cloud-copilot/iam-simulate/dist/esm/requestContext.js'
import { DiscoveryContextKeyConstraints } from './node_modules/@cloud-copilot/iam-simulate/dist/esm/context_keys/discoveryContextKeyConstraints.js'

const load = (text) => loadPolicy(JSON.parse(text), { name: 'policy' })

function decide(w) {
  const principal = w.Principal === '' ? { type: 'Anonymous' } : w.Principal
  const request = new AwsRequestImpl(principal, { resource: w.Resource, accountId: w.Owner }, w.Action, new RequestContextImpl(w.Keys))
  return authorize({
    request,
    sessionPolicy: w.Session?.length ? load(w.Session[0]) : undefined,
    identityPolicies: (w.Identity ?? []).map(load),
    serviceControlPolicies: (w.Guardrails ?? []).map((g, i) => ({ orgIdentifier: `ou-${i}`, policies: [load(g)] })),
    resourceControlPolicies: [],
    resourcePolicy: w.ResourcePolicy ? load(w.ResourcePolicy) : undefined,
    permissionBoundaries: w.Boundary ? [load(w.Boundary)] : undefined,
    vpcEndpointPolicies: undefined,
    simulationParameters: { simulationMode: 'Strict', discoveryContextKeyConstraints: new DiscoveryContextKeyConstraints([]) },
    serviceSettings: { s3: {} }
  }).result
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer
  try {
    answer = decide(JSON.parse(line))
  } catch (e) {
    answer = `error: ${e.message}`
  }
  console.log(answer)
}
