/** What features cost a write: those that are used, and those that are there and are not. */
import {
  ENTRIES,
  fill,
  inMemory,
  keyOf,
  microseconds,
  milliseconds,
  onDisk,
  textOf,
  WriteBatch,
  wallTime,
} from './stores.js'

/** @param {any} store @param {object} [options] */
const sets = (store, options) => microseconds(ENTRIES, (i) => store.set(keyOf(i), textOf(i), options))

/** A store in memory with `options`, written with `set`. @param {object} [options] @param {object} [writeOptions] */
const written = (options = {}, writeOptions = undefined) =>
  inMemory(options, (store) => sets(store, writeOptions))

/** @param {any} store */
const setsOnDisk = (store) => microseconds(ENTRIES, (i) => store.set(keyOf(i), textOf(i)), wallTime)

/** Entries that are there, for writes that look first. @param {(store: any, i: number) => unknown} operation @param {object} [options] */
const overwritten = (operation, options = {}) =>
  inMemory(options, async (store) => {
    for (let i = 0; i < ENTRIES; i += 1000) {
      const batch = new WriteBatch()
      for (let j = i; j < i + 1000; j++) batch.set(keyOf(j), '1')
      await store.applyBatch(batch)
    }
    return microseconds(ENTRIES, (i) => operation(store, i))
  })

/** @type {import('./report.js').Feature[]} */
export const writes = [
  {
    name: 'set',
    title: 'await set, in memory',
    unit: 'µs',
    variants: {
      plain: () => written(),
      '{ ttl }': () => written({}, { ttl: 3_600_000 }),
      'defaultTtl of the store': () => written({ defaultTtl: 3_600_000 }),
      '{ durability }': () => written({}, { durability: 'os' }),
      "bounded, 'lru'": () => written({ maxEntries: 1_000_000, evictionPolicy: 'lru' }),
      'setNX of a new key': () =>
        inMemory({}, (store) => microseconds(ENTRIES, (i) => store.setNX(keyOf(i), textOf(i)))),
      'in batches of 100': () =>
        inMemory({}, async (store) => {
          const perBatch = await microseconds(ENTRIES / 100, (n) => {
            const batch = new WriteBatch()
            for (let i = n * 100; i < (n + 1) * 100; i++) batch.set(keyOf(i), textOf(i))
            return store.applyBatch(batch)
          })
          return perBatch / 100
        }),
      'in a transaction of its own': () =>
        inMemory({}, (store) =>
          microseconds(ENTRIES / 2, (i) =>
            store.transaction((/** @type {any} */ tx) => tx.set(keyOf(i), textOf(i))),
          ),
        ),
    },
  },
  {
    name: 'set-unused',
    title: 'await set, in memory, beside features that are not used',
    unit: 'µs',
    variants: {
      plain: () => written(),
      'the same again': () => written(),
      'metrics: false': () => written({ metrics: false }),
      'was watched once': () =>
        inMemory({}, async (store) => {
          await store.watch('nothing').close()
          return sets(store)
        }),
      'a listener of each event': () =>
        inMemory({}, (store) => {
          for (const event of ['error', 'flush', 'compaction', 'snapshot', 'stall', 'expire', 'evict']) {
            store.on(event, () => undefined)
          }
          return sets(store)
        }),
      'onExpire, cleanupInterval: 5, nothing expires': () =>
        written({ cleanupInterval: 5, onExpire: () => undefined }),
      'cleanupInterval: 0': () => written({ cleanupInterval: 0 }),
      'an open view': () =>
        inMemory({}, async (store) => {
          await store.set('before', 'it')
          const view = store.view()
          const cost = await sets(store)
          view.close()
          return cost
        }),
      "leakDetection: 'all'": () => written({ leakDetection: 'all' }),
    },
  },
  {
    name: 'read-modify-write',
    title: 'read and write one key in one step, in memory',
    unit: 'µs',
    variants: {
      'get, then set': () =>
        overwritten(async (store, i) => store.set(keyOf(i), `${Number(await store.get(keyOf(i))) + 1}`)),
      update: () =>
        overwritten((store, i) =>
          store.update(keyOf(i), (/** @type {string} */ old) => `${Number(old) + 1}`),
        ),
      increment: () => overwritten((store, i) => store.increment(keyOf(i))),
      compareAndSet: () => overwritten((store, i) => store.compareAndSet(keyOf(i), '1', '2')),
      'setNX in vain': () => overwritten((store, i) => store.setNX(keyOf(i), '2')),
      expire: () => overwritten((store, i) => store.expire(keyOf(i), 3_600_000)),
      delete: () => overwritten((store, i) => store.delete(keyOf(i))),
      transaction: () =>
        overwritten((store, i) =>
          store.transaction(async (/** @type {any} */ tx) => {
            tx.set(keyOf(i), `${Number(await tx.get(keyOf(i))) + 1}`)
          }),
        ),
    },
  },
  {
    name: 'durability',
    title: 'await set, on the disk, time on the wall',
    unit: 'µs',
    variants: {
      "durability 'os'": () => onDisk({}, setsOnDisk),
      "durability 'memory'": () => onDisk({ durability: 'memory' }, setsOnDisk),
      "durability 'disk'": () =>
        onDisk({ durability: 'disk' }, (store) =>
          microseconds(400, (i) => store.set(keyOf(i), textOf(i)), wallTime),
        ),
      "persistence 'wal'": () => onDisk({ persistence: 'wal' }, setsOnDisk),
      "persistence 'snapshot'": () => onDisk({ persistence: 'snapshot' }, setsOnDisk),
      openInMemory: () => written(),
    },
  },
  {
    name: 'compression',
    title: '50,000 entries written, flushed and compacted, on the disk, processor time of both threads',
    unit: 'ms',
    variants: Object.fromEntries(
      ["'snappy'", "'none'", "'gzip'"].map((name) => [
        name,
        () =>
          onDisk({ compression: name.slice(1, -1) }, (store) =>
            milliseconds(async () => {
              await fill(store, 0, 50_000)
              await store.compact()
            }),
          ),
      ]),
    ),
  },
]
