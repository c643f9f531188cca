/** The process whose memory `memory.js` watches: loads a store and reads it back, keeping nothing of it. */
import { keyAt } from './data/keys.js'
import { VALUE_LENGTH, Values } from './data/values.js'
import { peakMemory, residentMemory } from './measure/system.js'

const { open, WriteBatch } = await import(new URL('../dist/index.js', import.meta.url).href)

const BATCH = 100
const REPORTS = 4

/** @param {string} what */
async function report(what) {
  const resident = (await residentMemory(process.pid)) ?? process.memoryUsage.rss()
  process.send?.({ what, resident, peak: await peakMemory() })
}

/** @param {{ n: number, path: string, seed: number }} task */
async function load({ n, path, seed }) {
  const values = new Values(seed, { distinct: 1024 })
  const store = await open(path)
  const batch = new WriteBatch()
  const reportEvery = Math.ceil(n / REPORTS / BATCH) * BATCH
  // The sum of all keys, as a mark that every one of them comes back.
  let sum = 0
  for (let index = 0; index < n; ) {
    batch.clear()
    for (const end = Math.min(index + BATCH, n); index < end; index++) {
      const key = keyAt(index, seed)
      sum = (sum + Number.parseInt(key.slice(0, 8), 16)) >>> 0
      batch.set(key, values.at(index))
    }
    await store.applyBatch(batch)
    if (index % reportEvery === 0 || index === n) await report(`Loaded ${index.toLocaleString('en')}`)
  }
  for (const reverse of [false, true]) {
    await check(store, n, sum, reverse)
    await report(`Read back ${reverse ? 'backwards' : 'forwards'}`)
  }
  await store.close()
  await report('Closed')
}

/** @param {any} store @param {number} n @param {number} sum @param {boolean} reverse */
async function check(store, n, sum, reverse) {
  let count = 0
  let seen = 0
  let last = reverse ? '~' : ''
  for await (const [key, value] of store.entries({ reverse })) {
    if (reverse ? key >= last : key <= last) throw new Error(`Out of order: ${key} after ${last}.`)
    if (value.length !== VALUE_LENGTH) throw new Error(`The value of ${key} has ${value.length} bytes.`)
    last = key
    seen = (seen + Number.parseInt(key.slice(0, 8), 16)) >>> 0
    count++
  }
  if (count !== n || seen !== sum)
    throw new Error(`${count} entries came back, not the ${n} that were written.`)
}

process.once('message', async (/** @type {any} */ task) => {
  try {
    if (task.kind === 'load') await load(task)
    else await report('Idle')
    process.disconnect()
  } catch (error) {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
    process.send?.({ error: message, peak: 0 }, () => process.exit(1))
  }
})
