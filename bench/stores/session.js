/**
 * What a benchmark asks of a store. One file of this folder per store implements it.
 *
 * Keys are ASCII strings, values are Buffers: each store gets and gives them in its native way.
 * An operation that a store has no way to do is left out, and the table shows a dash. A method that a store does
 * synchronously answers without a promise; the benchmark awaits it all the same, as an application would.
 *
 * @typedef {object} Session An open store.
 * @property {(key: string, value: Buffer) => unknown} put resolves when the write is as durable as `sync` asks
 * @property {boolean} [concurrent] whether several puts in flight make sense (not where put is synchronous)
 * @property {(keys: string[], values: { at: (index: number) => Buffer }, from: number, to: number) => unknown} putMany
 *   one atomic batch: keys `from` to `to` (exclusive)
 * @property {(key: string) => unknown} get the value or `undefined`
 * @property {(key: string) => Buffer | undefined} [getSync]
 * @property {(keys: string[]) => unknown} getMany the values
 * @property {() => Promise<number> | number} scan
 *   every entry in order, keys and values, the fastest way that the store has; the number of entries
 * @property {() => Promise<number>} [scanAwaited] the same with `for await`
 * @property {() => Promise<number> | number} scanReverse
 * @property {(key: string, count: number) => Promise<number> | number} seek `count` entries from `key` on
 * @property {(key: string) => unknown} delete as durable as `put`
 * @property {() => Promise<void>} [compact] of stores that have such a thing
 * @property {() => Promise<void>} settle until all background work is done and the files are as small as they get
 * @property {(keys: string[], valueLength: number) => Promise<number>} [getInThreads] reads the keys in a thread for each processor, each thread
 *   all of them; gets a second of all threads together
 * @property {() => number} [writeAmplification] as the store itself counts it
 * @property {() => unknown} close
 *
 * @typedef {object} OpenOptions
 * @property {number | undefined} cacheSize bytes of cache; the store's default without it
 * @property {boolean} sync whether a write waits for the device
 *
 * @typedef {object} Adapter
 * @property {string} name
 * @property {boolean} durable whether it counts as a durable peer
 * @property {boolean} [own] whether it is Varve
 * @property {string} settings the settings, for the report
 * @property {() => Promise<string>} version
 * @property {(directory: string, options: OpenOptions) => Promise<Session>} open
 * @property {(group: string, what: { directory: string, n: number, cacheSize: number }) => Promise<import('../workloads/workload.js').Outcomes>} [measure]
 *   of a program that has workloads of its own, in place of sessions; nothing for a group that it does not have
 */

import { readFile } from 'node:fs/promises'

/** The version of an installed package. @param {string} name */
export async function installedVersion(name) {
  const manifest = new URL(`../node_modules/${name}/package.json`, import.meta.url)
  return JSON.parse(await readFile(manifest, 'utf8')).version
}
