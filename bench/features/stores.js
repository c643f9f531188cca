/** What all features are measured on: fresh stores, the same keys and values, and clocks. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keyAt } from '../data/keys.js'
import { Values } from '../data/values.js'

const dist = new URL('../../dist/', import.meta.url)
export const { open, openInMemory, WriteBatch } = await import(new URL('index.js', dist).href)
export const { ManualClock } = await import(new URL('testing.js', dist).href)

/** Entries of a store, where nothing else is said: less than a memtable, so that no flush comes between. */
export const ENTRIES = 10_000

const decoder = new TextDecoder()
const values = new Values(1, { distinct: 1024 })
const texts = Array.from({ length: 1024 }, (_, i) => decoder.decode(values.at(i)))
/** @type {string[]} */
const keys = []

/** Key number `i`: 16 bytes, in random order. @param {number} i */
export function keyOf(i) {
  for (let next = keys.length; next <= i; next++) keys.push(keyAt(next, 1))
  return keys[i]
}

/** Value number `i`: 100 bytes. @param {number} i */
export const textOf = (i) => texts[i % texts.length]

/** Hands a new store in memory to `work`. @param {object} options @param {(store: any) => Promise<number>} work */
export async function inMemory(options, work) {
  const store = await openInMemory({ valueEncoding: 'utf8', ...options })
  try {
    return await work(store)
  } finally {
    await store.close()
  }
}

/** Hands a new store on the disk to `work`. @param {object} options @param {(store: any) => Promise<number>} work */
export async function onDisk(options, work) {
  const directory = await mkdtemp(join(tmpdir(), 'varve-features-'))
  try {
    const store = await open(join(directory, 'store'), { valueEncoding: 'utf8', ...options })
    try {
      return await work(store)
    } finally {
      await store.close()
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** Writes entries `from` to `to` in batches. @param {any} store @param {number} from @param {number} to @param {object} [options] */
export async function fill(store, from, to, options) {
  const batch = new WriteBatch()
  for (let i = from; i < to; ) {
    batch.clear()
    for (const end = Math.min(i + 1000, to); i < end; i++) batch.set(keyOf(i), textOf(i), options)
    await store.applyBatch(batch)
  }
}

/**
 * Milliseconds of processor time, of all threads of this process: what an operation takes that waits for nothing, however
 * busy the machine is with other things.
 */
export function processorTime() {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** Milliseconds on the wall: for what waits for the disk. */
export const wallTime = () => performance.now()

/** What `work` takes, in milliseconds. @param {() => unknown} work @param {() => number} [now] */
export async function milliseconds(work, now = processorTime) {
  const began = now()
  await work()
  return now() - began
}

/**
 * What one call of `operation` takes, in microseconds, each awaited: the mean of the last three quarters of `count`.
 * @param {number} count
 * @param {(i: number) => unknown} operation
 * @param {() => number} [now]
 */
export async function microseconds(count, operation, now = processorTime) {
  const warm = count >> 2
  for (let i = 0; i < warm; i++) await operation(i)
  const began = now()
  for (let i = warm; i < count; i++) await operation(i)
  return ((now() - began) * 1000) / (count - warm)
}
