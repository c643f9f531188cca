/** A misspelt or wrong option is refused by name, wherever options go in, and nothing is done. */
import { describe, expect, test } from 'vitest'
import { VarveError } from '../../src/base/errors.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import { destroy } from '../../src/store/destroy.js'
import { open, openInMemory } from '../../src/store/open.js'
import { attach } from '../../src/store/sharing/attach.js'
import { prometheusText } from '../../src/store/statistics/prometheus.js'
import { WriteBatch } from '../../src/store/write-batch.js'
import { openText, type TextStore } from './stores.js'

type Options = Record<string, unknown>

/** Each way in, with what a user may misspell there and what was meant. */
const CALLS: Record<
  string,
  { call: (store: TextStore, options: never) => unknown; wrong: Options; named: string; meant: string }
> = {
  set: { call: (s, o) => s.set('a', 'new', o), wrong: { tll: 5 }, named: 'tll', meant: 'ttl' },
  'set, inherited': {
    call: (s, o) => s.set('a', 'new', Object.create(o)),
    wrong: { tll: 5 },
    named: 'tll',
    meant: 'ttl',
  },
  setNX: { call: (s, o) => s.setNX('b', 'new', o), wrong: { TTL: 5 }, named: 'TTL', meant: 'ttl' },
  update: {
    call: (s, o) => s.update('a', () => 'new', o),
    wrong: { duraility: 'os' },
    named: 'duraility',
    meant: 'durability',
  },
  compareAndSet: {
    call: (s, o) => s.compareAndSet('a', 'old', 'new', o),
    wrong: { ttlMs: 5 },
    named: 'ttlMs',
    meant: 'ttl',
  },
  delete: { call: (s, o) => s.delete('a', o), wrong: { ttl: 5 }, named: 'ttl', meant: 'durability' },
  increment: {
    call: (s, o) => s.increment('n', 1, o),
    wrong: { ttl: 5 },
    named: 'ttl',
    meant: 'durability',
  },
  expire: { call: (s, o) => s.expire('a', 5, o), wrong: { ttl: 5 }, named: 'ttl', meant: 'durability' },
  persist: {
    call: (s, o) => s.persist('a', o),
    wrong: { durable: true },
    named: 'durable',
    meant: 'durability',
  },
  applyBatch: {
    call: (s, o) => s.applyBatch(new WriteBatch().set('a', 'new'), o),
    wrong: { sync: true },
    named: 'sync',
    meant: 'durability',
  },
  'set in a batch': {
    call: (_, o) => new WriteBatch().set('a', 'new', o),
    wrong: { durability: 'disk' },
    named: 'durability',
    meant: 'ttl',
  },
  'set in a transaction': {
    call: (s, o) => s.transaction((tx) => tx.set('a', 'new', o)),
    wrong: { tt: 5 },
    named: 'tt',
    meant: 'ttl',
  },
  transaction: {
    call: (s, o) => s.transaction((tx) => tx.set('a', 'new'), o),
    wrong: { retry: 5 },
    named: 'retry',
    meant: 'retries',
  },
  clear: { call: (s, o) => s.clear({}, o), wrong: { prefix: 'a' }, named: 'prefix', meant: 'durability' },
  'clear, range': { call: (s, o) => s.clear(o), wrong: { gte: 'a', limit: 1 }, named: 'limit', meant: 'lt' },
  count: { call: (s, o) => s.count(o), wrong: { gte: 'a', limit: 1 }, named: 'limit', meant: 'lt' },
  estimateSize: { call: (s, o) => s.estimateSize(o), wrong: { lte_: 'a' }, named: 'lte_', meant: 'lte' },
  compact: { call: (s, o) => s.compact(o), wrong: { start: 'a' }, named: 'start', meant: 'gte' },
  entries: {
    call: (s, o) => s.entries(o),
    wrong: { prefx: 'a' },
    named: 'prefx',
    meant: 'prefix',
  },
  keys: { call: (s, o) => s.keys(o), wrong: { revers: true }, named: 'revers', meant: 'reverse' },
  values: { call: (s, o) => s.values(o), wrong: { fillcache: true }, named: 'fillcache', meant: 'fillCache' },
  'entries of a view': {
    call: (s, o) => s.view().entries(o),
    wrong: { Limit: 1 },
    named: 'Limit',
    meant: 'limit',
  },
  'entries of a transaction': {
    call: (s, o) => s.transaction((tx) => tx.entries(o)),
    wrong: { fillCache: false },
    named: 'fillCache',
    meant: 'filter',
  },
  'watch, range': {
    call: (s, o) => s.watch(o),
    wrong: { prefixes: 'a' },
    named: 'prefixes',
    meant: 'prefix',
  },
  watch: { call: (s, o) => s.watch('a', o), wrong: { form: 7 }, named: 'form', meant: 'from' },
  snapshot: { call: (s, o) => s.snapshot(o), wrong: { nmae: 'a' }, named: 'nmae', meant: 'name' },
  destroy: {
    call: (_, o) => destroy('/nowhere', o),
    wrong: { filesystem: new MemoryFileSystem() },
    named: 'filesystem',
    meant: 'fileSystem',
  },
  attach: {
    call: (s, o) => attach(s.share(), o),
    wrong: { cachesize: 5 },
    named: 'cachesize',
    meant: 'cacheSize',
  },
  prometheusText: {
    call: (s, o) => prometheusText(s.stats(), o),
    wrong: { label: {} },
    named: 'label',
    meant: 'labels',
  },
  open: {
    call: (_, o) => open('/elsewhere', o),
    wrong: { cachesize: 5 },
    named: 'cachesize',
    meant: 'cacheSize',
  },
  openInMemory: {
    call: (_, o) => openInMemory(o),
    wrong: { persistence: 'wal' },
    named: 'persistence',
    meant: 'metrics',
  },
}

async function failureOf(work: () => unknown): Promise<VarveError> {
  try {
    await work()
  } catch (error) {
    if (error instanceof VarveError) return error
    throw error
  }
  throw new Error('it was accepted')
}

describe.each(Object.entries(CALLS))('%s', (_name, { call, wrong, named, meant }) => {
  test(`refuses ${JSON.stringify(wrong)}, names it, and does nothing`, async () => {
    const store = await openText()
    await store.set('a', 'old')
    const error = await failureOf(() => call(store, wrong as never))
    expect(error.code).toBe('INVALID_ARGUMENT')
    expect(error.message).toContain(`"${named}"`)
    expect(error.message).toContain(`"${meant}"`)
    expect(await store.entries().all()).toEqual([['a', 'old']])
    expect(await store.snapshots()).toEqual([])
  })

  test('refuses what is no object', async () => {
    const store = await openText()
    for (const options of [null, 5, 'ttl', true]) {
      // A string or number is a key to watch() and a path of mistakes elsewhere.
      if (call === CALLS['watch, range']?.call || call === CALLS['set, inherited']?.call) return
      expect((await failureOf(() => call(store, options as never))).code).toBe('INVALID_ARGUMENT')
    }
  })
})

test('a name that no option is near to is not put down to one', async () => {
  const store = await openText()
  const { message } = await failureOf(() => store.set('a', 'x', { colour: 1 } as never))
  expect(message).toContain('"colour" of set. There are "ttl", "durability"')
})

describe('the options of an iterator', () => {
  const WRONG: [string, unknown][] = [
    ['reverse', 'yes'],
    ['reverse', null],
    ['fillCache', 'x'],
    ['limit', Number.NaN],
    ['limit', -1],
    ['limit', 1.5],
    ['limit', '5'],
    ['filter', 5],
    ['filter', null],
    ['signal', {}],
    ['signal', null],
    ['view', {}],
  ]

  test.each(WRONG)('%s: %s is refused at once, by name', async (name, value) => {
    const store = await openText()
    const options = { [name]: value } as never
    const calls = [
      () => store.entries(options),
      () => store.keys(options),
      () => store.view().values(options),
    ]
    if (name !== 'fillCache' && name !== 'view')
      calls.push(() => store.transaction((tx) => tx.keys(options)) as never)
    for (const call of calls) {
      const error = await failureOf(call)
      expect(error.code).toBe('INVALID_ARGUMENT')
      expect(error.message).toContain(name)
    }
  })
})

describe('events', () => {
  test('that there are not are refused, by on and by off', async () => {
    const store = await openText()
    for (const method of ['on', 'off'] as const) {
      const error = await failureOf(() => store[method]('flushed' as never, () => undefined))
      expect(error.code).toBe('INVALID_ARGUMENT')
      expect(error.message).toContain('"flushed"')
      expect(error.message).toContain('flush, compaction')
      expect((await failureOf(() => store[method]('flush', 5 as never))).code).toBe('INVALID_ARGUMENT')
    }
  })

  test('off takes a listener away', async () => {
    const store = await openText()
    let heard = 0
    const listener = () => heard++
    store.on('flush', listener)
    await store.set('a', 'b')
    await store.flush()
    store.off('flush', listener)
    await store.set('a', 'c')
    await store.flush()
    expect(heard).toBe(1)
  })
})
