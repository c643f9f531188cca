/** Ways of writing the entries of the dataset into an empty store; each checks afterwards, untimed, what has been written. */
import { expectContents } from '../measure/expect.js'
import { BATCH, inFlight, oneByOne } from './loops.js'

/** @typedef {import('./workload.js').Context} Context */
/** @typedef {import('./workload.js').Outcome} Outcome */

/** @param {Context} context @param {number} [count] */
export async function putAwaited(context, count = context.dataset.keys.length) {
  const { session, dataset } = context
  const { keys, values } = dataset
  return written(context, await oneByOne(context, count, (i) => session.put(keys[i], values.at(i))))
}

/** `undefined` of a store that is synchronous: it has nothing in flight. @param {Context} context @param {number} [count] */
export async function putInFlight(context, count = context.dataset.keys.length) {
  const { session, dataset } = context
  const { keys, values } = dataset
  if (!session.concurrent) return undefined
  return written(context, await inFlight(context, count, (i) => session.put(keys[i], values.at(i))))
}

/** Atomic batches of 100. @param {Context} context */
export async function putBatches(context) {
  const { session, dataset } = context
  const { keys, values } = dataset
  const outcome = await oneByOne(
    context,
    Math.ceil(keys.length / BATCH),
    (i) => session.putMany(keys, values, i * BATCH, Math.min((i + 1) * BATCH, keys.length)),
    { each: Math.min(BATCH, keys.length) },
  )
  return written(context, outcome, BATCH)
}

/** Everything, whatever the time, and then settled: what reads are measured on. @param {Context} context */
export async function loadAndSettle(context) {
  await putBatches({ ...context, limitMs: Number.POSITIVE_INFINITY })
  await context.session.settle()
}

/**
 * Checks what is there and counts its bytes.
 * @param {Context} context @param {Outcome} outcome @param {number} [each] @returns {Promise<Outcome>}
 */
async function written({ session, dataset, written }, outcome, each = 1) {
  const count = Math.min((outcome.details?.operations ?? 0) * each, dataset.keys.length)
  written.bytes += count * dataset.meanEntryBytes
  await expectContents(session, dataset, count)
  return outcome
}
