/** Fuzzes one target in a thread of its own, so that the main thread can tell when it hangs. */
import { parentPort, workerData } from 'node:worker_threads'
import { inputOf, keep, kindOf, problemOf, reduced } from './fuzz.js'
import { targetOf } from './targets/index.js'

const { name, firstSeed, milliseconds, progress } = workerData
const target = targetOf(name)
/** Executions so far and the seed at hand, for the main thread. */
const shared = new Float64Array(progress)
const kinds = new Set()
const end = performance.now() + milliseconds

for (let seed = firstSeed; performance.now() < end; seed++) {
  shared[1] = seed
  const input = inputOf(target, seed)
  const problem = await problemOf(target, input)
  shared[0]++
  if (problem === undefined || kinds.has(kindOf(problem))) continue
  kinds.add(kindOf(problem))
  const small = target.isWhole
    ? input
    : await reduced(input, async (candidate) => {
        shared[0] += 2 ** -20
        const found = await problemOf(target, candidate)
        return found !== undefined && kindOf(found) === kindOf(problem)
      })
  parentPort?.postMessage({ seed, message: problem.message, file: keep(target, small) })
}
