// Answers questions about trust policies with @cloud-copilot/iam-simulate, an
// evaluator that shares nothing with ours. One JSON object per line on standard
// input, {policy, action, principal, context}; one per line on standard output,
// {result} or {error}. The last line is {questions, seconds}: the processor time
// of the evaluations. Test only: see package.json.
import { createInterface } from 'node:readline'
import { runSimulation } from '@cloud-copilot/iam-simulate'

const role = { resource: 'arn:aws:iam::123456789012:role/sandbox', accountId: '123456789012' }
let questions = 0
let spent = 0

async function answer({ policy, action, principal, context }) {
  const got = await runSimulation(
    {
      request: { principal, action, resource: role, contextVariables: context },
      identityPolicies: [],
      serviceControlPolicies: [],
      resourceControlPolicies: [],
      resourcePolicy: policy
    },
    {}
  )
  if (got.resultType === 'error') return { error: JSON.stringify(got.errors) }
  const ignored = got.result?.ignoredContextKeys ?? []
  return ignored.length ? { error: `ignored keys: ${ignored}` } : { result: got.overallResult }
}

const out = []
for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line)
  const began = process.cpuUsage()
  let reply
  try {
    reply = await answer(question)
  } catch (e) {
    reply = { error: String(e) }
  }
  const took = process.cpuUsage(began)
  spent += took.user + took.system
  questions++
  out.push(JSON.stringify(reply))
}
out.push(JSON.stringify({ questions, seconds: spent / 1e6 }))
process.stdout.write(out.join('\n') + '\n')
