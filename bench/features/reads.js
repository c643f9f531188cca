/** What ways of reading cost beside `get` and a plain scan. */
import { ENTRIES, fill, inMemory, keyOf, microseconds, milliseconds, onDisk } from './stores.js'

const RANGE = 20_000

/** @param {(store: any, i: number) => unknown} operation @param {object} [options] */
const read = (operation, options = {}) =>
  inMemory(options, async (store) => {
    await fill(store, 0, ENTRIES)
    return microseconds(ENTRIES, (i) => operation(store, (i * 7919) % ENTRIES))
  })

/** Blocks of tables, without a cache. @param {object} options */
const readUncached = (options) =>
  onDisk({ cacheSize: 0, ...options }, async (store) => {
    await fill(store, 0, ENTRIES)
    await store.compact()
    return microseconds(ENTRIES / 4, (i) => store.getSync(keyOf((i * 7919) % ENTRIES)))
  })

/** A scan of settled entries, for one entry. @param {(store: any) => unknown} scan */
const scanned = (scan) =>
  inMemory({}, async (store) => {
    await fill(store, 0, RANGE)
    await store.compact()
    await scan(store)
    return ((await milliseconds(() => scan(store))) * 1000) / RANGE
  })

/** @param {(store: any) => Iterable<unknown>} iterable */
const loop = (iterable) => (/** @type {any} */ store) => {
  let count = 0
  for (const _entry of iterable(store)) count++
  return count
}

/** @type {import('./report.js').Feature[]} */
export const reads = [
  {
    name: 'get',
    title: 'await get, from memory',
    unit: 'µs',
    variants: {
      plain: () => read((store, i) => store.get(keyOf(i))),
      'metrics: false': () => read((store, i) => store.get(keyOf(i)), { metrics: false }),
      getSync: () => read((store, i) => store.getSync(keyOf(i))),
      exists: () => read((store, i) => store.exists(keyOf(i))),
      getEntry: () => read((store, i) => store.getEntry(keyOf(i))),
      'of an entry with a ttl': () => read((store, i) => store.get(keyOf(i)), { defaultTtl: 3_600_000 }),
      "bounded, 'lru'": () =>
        read((store, i) => store.get(keyOf(i)), { maxEntries: 1_000_000, evictionPolicy: 'lru' }),
      'in a transaction of its own': () =>
        read((store, i) => store.transaction((/** @type {any} */ tx) => tx.get(keyOf(i)))),
      'a view of its own': () =>
        read(async (store, i) => {
          const view = store.view()
          await view.get(keyOf(i))
          view.close()
        }),
    },
  },
  {
    name: 'scan',
    title: 'a scan of 20,000 settled entries, for each',
    unit: 'µs',
    variants: {
      'for (… of entries())': () => scanned(loop((store) => store.entries())),
      'for await': () =>
        scanned(async (store) => {
          for await (const _entry of store.entries());
        }),
      reverse: () => scanned(loop((store) => store.entries({ reverse: true }))),
      'keys()': () => scanned(loop((store) => store.keys())),
      'values()': () => scanned(loop((store) => store.values())),
      filter: () => scanned(loop((store) => store.entries({ filter: () => true }))),
      'in a transaction': () =>
        scanned((store) => store.transaction((/** @type {any} */ tx) => tx.entries().all())),
      'count()': () => scanned((store) => store.count()),
      'size()': () => scanned((store) => store.size()),
    },
  },
  {
    name: 'instant',
    title: 'what does not scan, of 20,000 entries',
    unit: 'µs',
    variants: Object.fromEntries(
      Object.entries({
        'estimateCount()': (/** @type {any} */ store) => store.estimateCount(),
        'estimateSize()': (/** @type {any} */ store) => store.estimateSize(),
        'stats()': (/** @type {any} */ store) => store.stats(),
        'view()': (/** @type {any} */ store) => store.view().close(),
      }).map(([name, call]) => [
        name,
        () =>
          inMemory({}, async (store) => {
            await fill(store, 0, RANGE)
            await store.compact()
            return microseconds(1000, () => call(store))
          }),
      ]),
    ),
  },
  {
    name: 'uncached',
    title: 'getSync, without a block cache, on the disk',
    unit: 'µs',
    variants: {
      "compression 'snappy'": () => readUncached({}),
      "compression 'none'": () => readUncached({ compression: 'none' }),
      "compression 'gzip'": () => readUncached({ compression: 'gzip' }),
      'filterBitsPerKey: 0': () => readUncached({ filterBitsPerKey: 0 }),
      'blockSize: 16 KiB': () => readUncached({ blockSize: 16 * 1024 }),
    },
  },
]
