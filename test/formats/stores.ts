/**
 * The stores of a format version that are kept as files, and what is in them.
 *
 * `npm run vitest -- run --mode formats test/formats` makes those that are not there; files that are there are never
 * changed. With a new format version come new stores, in a directory of their own.
 */
import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { InlineExecutor } from '../../src/env/executor.js'
import { ManualClock } from '../../src/env/manual-clock.js'
import { open } from '../../src/store/open.js'
import type { StoreOptions } from '../../src/store/options.js'

/** Where the stores of format version 1 are. */
export const VERSION_1 = fileURLToPath(new URL('v1', import.meta.url))

export const NOW = 1_700_000_000_000

/** When what expires does: long behind every run of the tests. */
const EXPIRES_AT = Date.UTC(2300, 0)

export type Entries = readonly (readonly [key: unknown, value: unknown])[]

/** A store that is kept. */
export interface KeptStore {
  readonly name: string
  readonly options: StoreOptions
  /** All of it, in order. */
  readonly entries: Entries
  /** How it was left: all in tables and closed; with a log, as if its process had died; a snapshot of one. */
  readonly left: 'settled' | 'live' | 'snapshot'
}

function texts(count: number, make: (i: number) => unknown): Entries {
  return Array.from({ length: count }, (_, i) => [`key${String(i).padStart(3, '0')}`, make(i)])
}

const SMALL = { memtableSize: 16_384, blockSize: 256, walSegmentSize: 1024 } as const

export const STORES: readonly KeptStore[] = [
  {
    name: 'settled-utf8-json-snappy',
    options: { ...SMALL, keyEncoding: 'utf8', valueEncoding: 'json', compression: 'snappy' },
    entries: texts(60, (i) => ({ i, text: 'grüße '.repeat(i % 5), list: [i, null, true] })),
    left: 'settled',
  },
  {
    name: 'settled-buffer-buffer-gzip',
    options: { ...SMALL, keyEncoding: 'buffer', valueEncoding: 'buffer', compression: 'gzip' },
    entries: Array.from(
      { length: 60 },
      (_, i) => [Buffer.of(i, 0, 255 - i), Buffer.alloc(i * 3, i)] as const,
    ),
    left: 'settled',
  },
  {
    name: 'settled-utf8-utf8-even',
    options: { ...SMALL, keyEncoding: 'utf8', valueEncoding: 'utf8', compression: 'snappy' },
    entries: texts(60, (i) => `value ${100 + i}`),
    left: 'settled',
  },
  {
    name: 'settled-ordered-msgpack-none',
    options: { ...SMALL, keyEncoding: 'ordered', valueEncoding: 'msgpack', compression: 'none' },
    entries: [
      [null, 1],
      [false, 'no'],
      [-3.5, [1, 2]],
      [7, { deep: { er: 'value' } }],
      [new Date(NOW), new Date(NOW)],
      ['text', Buffer.from('bytes')],
      [['user', 7], 'a'],
      [['user', 7, 'mail'], 'b'],
      [['user', 10], 'c'],
    ],
    left: 'settled',
  },
  {
    name: 'live-utf8-utf8',
    options: { ...SMALL, keyEncoding: 'utf8', valueEncoding: 'utf8' },
    entries: texts(50, (i) => `value ${i}`),
    left: 'live',
  },
  {
    name: 'snapshot-utf8-buffer',
    options: { ...SMALL, keyEncoding: 'utf8', valueEncoding: 'buffer' },
    entries: texts(40, (i) => Buffer.from(`value ${i}`)),
    left: 'snapshot',
  },
]

/** Makes the files of a store, unless they are there. Half of it is written twice, and some keys are deleted. */
export async function makeFiles(
  directory: string,
  { name, options, entries, left }: KeptStore,
): Promise<void> {
  const target = join(directory, name)
  if (existsSync(target)) return
  const work = join(tmpdir(), `varve-format-${name}`)
  rmSync(work, { recursive: true, force: true })
  const clock = new ManualClock(NOW)
  const store = await open<unknown, unknown>(work, {
    ...options,
    clock,
    executor: new InlineExecutor(),
    durability: 'disk',
  })
  for (const [key] of entries) await store.set(key, entries[0][1])
  if (typeof entries[0][0] === 'string') await store.set('a deleted one', entries[0][1])
  await store.compact()
  for (const [key, value] of entries.slice(0, entries.length >> 1)) await store.set(key, value)
  await store.flush()
  for (const [i, [key, value]] of entries.slice(entries.length >> 1).entries()) {
    await store.set(key, value, i % 4 === 0 ? { ttl: EXPIRES_AT - NOW } : {})
  }
  if (typeof entries[0][0] === 'string') await store.delete('a deleted one')
  if (left === 'settled') await store.flush()
  const source = left === 'snapshot' ? (await store.snapshot({ name: 'kept' })).path : work
  mkdirSync(directory, { recursive: true })
  const copy = (): void =>
    cpSync(source, target, { recursive: true, filter: (path) => !path.endsWith('LOCK') })
  if (left === 'live') copy()
  await store.close()
  if (left !== 'live') copy()
  rmSync(work, { recursive: true, force: true })
}
