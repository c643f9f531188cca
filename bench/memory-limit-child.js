/**
 * The process whose memory `memory-limit.js` watches: uses a store in every way that takes memory, with the option `memoryLimit` or any others,
 * and keeps nothing of what it gets. Told to do nothing, it imports nothing: that is bare Node.js.
 */
import { peakMemory } from './measure/system.js'

const BATCH = 100
const IN_FLIGHT = 64

/** @param {string} what */
async function report(what) {
  process.send?.({ what, peak: await peakMemory() })
}

/** @param {{ n: number, valueLength: number, path: string, options: object }} task */
async function use({ n, valueLength, path, options }) {
  const { keyAt } = await import('./data/keys.js')
  const { randomIntegers } = await import('./data/random.js')
  const { open, WriteBatch } = await import(new URL('../dist/index.js', import.meta.url).href)
  const random = randomIntegers(1)
  // A value is half random bytes, then the same again: it compresses to about half.
  const bytes = Buffer.allocUnsafeSlow(2 ** 20)
  for (let i = 0; i < bytes.length; i++) bytes[i] = random()
  const value = Buffer.allocUnsafeSlow(valueLength)
  const half = valueLength >> 1
  /** @param {number} i */
  const valueFor = (i) => {
    const at = Math.imul(i, 61) % (bytes.length - valueLength)
    bytes.copy(value, 0, Math.abs(at), Math.abs(at) + half)
    value.copyWithin(half, 0, valueLength - half)
    return value
  }
  const key = () => keyAt(random() % n, 1)

  const store = await open(path, options)
  const batch = new WriteBatch()
  /** @param {number} count @param {(i: number) => string} keyOf */
  const write = async (count, keyOf) => {
    for (let i = 0; i < count; ) {
      batch.clear()
      for (const end = Math.min(i + BATCH, count); i < end; i++) batch.set(keyOf(i), valueFor(i))
      await store.applyBatch(batch)
    }
  }
  await report('open')
  await write(n, (i) => keyAt(i, 1))
  await report('load, batches of 100')
  let seen = 0
  for await (const _ of store.entries()) seen++
  await report('scan, for await')
  for (const _ of store.entries()) seen++
  await report('scan, synchronous')
  for await (const _ of store.entries({ reverse: true })) seen++
  await report('scan backwards')
  if (seen !== 3 * n) throw new Error(`${seen} entries came back, not 3 × ${n}.`)
  const gets = Math.min(n, 300_000)
  for (let i = 0; i < gets; i++) store.getSync(key())
  await report('random get, synchronous')
  for (let i = 0; i < gets / 4; i += IN_FLIGHT)
    await Promise.all(Array.from({ length: IN_FLIGHT }, () => store.get(key())))
  await report(`random get, ${IN_FLIGHT} in flight`)
  let writing = true
  const overwriting = write(n / 2, key).finally(() => {
    writing = false
  })
  while (writing) {
    for await (const _ of store.entries()) if (!writing) break
  }
  await overwriting
  await report('overwrite under scans')
  await store.compact()
  await report('compact')
  const { memory } = store.stats()
  await store.close()
  process.send?.({ what: 'close', peak: await peakMemory(), memory })
}

process.once('message', async (/** @type {any} */ task) => {
  try {
    if (task.path === undefined) await report('nothing')
    else await use(task)
    process.disconnect()
  } catch (error) {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
    process.send?.({ error: message }, () => process.exit(1))
  }
})
