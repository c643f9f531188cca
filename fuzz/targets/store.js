/**
 * Target: a whole store. One file of a small store is hostile, with the right checksums; the store is opened, everything
 * is read, written and upheld once, closed and opened again.
 *
 * What must hold: each step answers with a value or a typed error; nothing outside the directory is touched; no read is
 * larger than what there is; everything comes to an end; scans are in order. Where `verify` finds nothing wrong, nothing is: no
 * step meets damage, both directions of a scan agree, and it is so again behind everything that was done.
 */

import { VarveError } from '../../dist/base/errors.js'
import { InlineExecutor } from '../../dist/env/executor.js'
import { ManualClock } from '../../dist/env/manual-clock.js'
import { open } from '../../dist/store/open.js'
import { verify } from '../../dist/store/verify.js'
import {
  fileSystemWith,
  filesIn,
  GuardedFileSystem,
  packDirectory,
  STORE_PATH,
  unpackDirectory,
} from '../directory.js'
import { mutateBytes } from '../mutate.js'
import { Digest, Finding, isWellSaid } from '../outcome.js'
import { sealManifest, sealSegment, sealTable, sealText } from '../seal.js'
import { mutateTable } from '../tables.js'
import { HOSTILE_TEXTS } from '../values.js'
import { mutateSegment } from './logs.js'
import { mutateManifest, mutateText } from './versions.js'

/** @typedef {import('../random.js').Random} Random */

/** Options of a store that a few writes flush and compact. */
export const TINY = {
  memtableSize: 4096,
  blockSize: 256,
  targetFileSize: 2048,
  walSegmentSize: 8192,
  cacheSize: 4096,
  shardCount: 2,
  level0CompactionTrigger: 2,
  levelSizeMultiplier: 3,
  snapshotInterval: 0,
  cleanupInterval: 0,
}

/** @param {string} text */
const padded = (text) => `${text}${'.'.repeat(40)}`

/** A store with tables in two levels, a log, expiries, and a snapshot. @param {Record<string, unknown>} options @param {boolean} isClosed */
async function directoryOf(options, isClosed) {
  const fileSystem = await fileSystemWith(new Map())
  let state = 7
  const store = await open(STORE_PATH, {
    ...TINY,
    ...options,
    fileSystem: /** @type {any} */ (fileSystem),
    clock: new ManualClock(),
    executor: new InlineExecutor(),
    random: () => (state = (state * 16_807) % 2_147_483_647) / 2_147_483_647,
    valueEncoding: 'msgpack',
  })
  for (let i = 0; i < 40; i++)
    await store.set(`key${i}`, { id: i, text: padded('a') }, i % 4 === 0 ? { ttl: 1e6 } : {})
  await store.snapshot({ name: 'first' })
  for (let i = 0; i < 20; i++) await store.set(`key${i * 2}`, [i, padded('b')])
  await store.delete('key3')
  await store.flush()
  for (let i = 30; i < 44; i++) await store.set(`key${i}`, i)
  if (isClosed) await store.close()
  const files = await filesIn(fileSystem)
  if (!isClosed) await store.close()
  return packDirectory(files)
}

const seeds = await Promise.all([
  directoryOf({ compression: 'none' }, false),
  directoryOf({ compression: 'snappy' }, true),
  directoryOf({ compression: 'none', persistence: 'snapshot' }, false),
])

/** Which mutation knows a file, and what puts its checksums right. @param {string} name */
function formatOf(name) {
  if (name.endsWith('.sst')) return { mutate: mutateTableFile, seal: sealTable }
  if (name.endsWith('.wal')) return { mutate: mutateSegment, seal: sealSegment }
  if (name.includes('MANIFEST-')) return { mutate: mutateManifest, seal: sealManifest }
  return { mutate: mutateText, seal: sealText }
}

/** @type {import('./index.js').Target['mutate']} */
function mutateTableFile(bytes, random, others) {
  try {
    if (!random.oneIn(3)) return mutateTable(bytes, random)
  } catch {
    // It was not whole any more.
  }
  return sealTable(mutateBytes(bytes, random, others))
}

/** @type {import('./index.js').Target} */
export const store = {
  name: 'store',
  codes: [],
  isPure: false,
  seeds: () => seeds,
  mutate(input, random) {
    const files = unpackDirectory(input)
    const name = random.pick([...files.keys()])
    const bytes = files.get(name) ?? new Uint8Array(0)
    if (random.oneIn(12)) return packDirectory(shuffled(files, name, random))
    files.set(name, formatOf(name).mutate(bytes, random, [...files.values()]))
    return packDirectory(files)
  },
  async run(input) {
    const files = unpackDirectory(input)
    const largest = Math.max(0, ...[...files.values()].map(({ length }) => length))
    const below = await fileSystemWith(files)
    const guarded = new GuardedFileSystem(below, largest)
    const isSound = await isFoundSound(guarded)
    await lookAtStore(guarded, isSound)
    const first = await useStore(guarded, isSound)
    // What was sound stays so.
    const second = await useStore(guarded, (await isFoundSound(guarded)) || isSound)
    if (below.openCount !== 0) throw new Finding(`leaves ${below.openCount} files open`)
    return `${first} ${second}`
  },
}

/** Files under each other's names, or hostile ones. @param {Map<string, Uint8Array>} files @param {string} name @param {Random} random */
function shuffled(files, name, random) {
  const bytes = files.get(name) ?? new Uint8Array(0)
  const other = random.pick([...files.keys()])
  switch (random.below(5)) {
    case 0:
      files.delete(name)
      break
    case 1:
      files.set(name, files.get(other) ?? bytes)
      files.set(other, bytes)
      break
    case 2:
      files.set(
        name.replace(/\d+/, () => random.pick(['000001', '999999', '9007199254740991', '00001'])),
        bytes,
      )
      break
    case 3:
      files.set(
        `snapshots/${random.pick(HOSTILE_TEXTS).replaceAll('/', '').slice(0, 200)}x/${name.split('/').pop()}`,
        bytes,
      )
      break
    default:
      files.set(`${random.pick(HOSTILE_TEXTS).replaceAll('/', '').slice(0, 200)}x`, bytes)
  }
  return files
}

/** What only a damaged file is answered with. */
const DAMAGE = ['CORRUPTION', 'UNSUPPORTED_FORMAT']

/** What a hostile file may be answered with; `IO_ERROR` only for what the file system said itself. */
const CODES = [
  'CORRUPTION',
  'UNSUPPORTED_FORMAT',
  'NOT_FOUND',
  'INVALID_ARGUMENT',
  'INVALID_VALUE',
  'EXISTS',
  'IO_ERROR',
]

/** Whether `verify` finds nothing wrong. Then nothing that is read afterwards may be. @param {GuardedFileSystem} guarded */
async function isFoundSound(guarded) {
  try {
    return (await verify(STORE_PATH, { fileSystem: /** @type {any} */ (guarded) })).ok
  } catch (error) {
    checkError(guarded.finding ?? error)
    return false
  }
}

/** Throws a {@link Finding} unless the error is a right answer. @param {unknown} error @param {boolean} isSound */
function checkAnswer(error, isSound) {
  checkError(error)
  if (isSound && error instanceof VarveError && DAMAGE.includes(error.code))
    throw new Finding(`verify finds nothing wrong, and then: ${error}`, { cause: error })
}

/** Opens the store as it is, for reading only. @param {GuardedFileSystem} guarded @param {boolean} isSound */
async function lookAtStore(guarded, isSound) {
  try {
    const reader = await withinTime(
      open(STORE_PATH, {
        ...TINY,
        readOnly: true,
        fileSystem: /** @type {any} */ (guarded),
        valueEncoding: 'msgpack',
      }),
    )
    try {
      await withinTime(reader.keys().all())
    } finally {
      await reader.close()
    }
  } catch (error) {
    checkAnswer(guarded.finding ?? error, isSound)
  }
}

/** @param {GuardedFileSystem} guarded @param {boolean} isSound */
async function useStore(guarded, isSound) {
  const digest = new Digest()
  /** @type {VarveError[]} */
  const reported = []
  /** @template T @param {() => T | Promise<T>} step @returns {Promise<T | undefined>} */
  const attempt = async (step) => {
    try {
      return await withinTime(step())
    } catch (error) {
      checkAnswer(guarded.finding ?? error, isSound)
      digest.bytes(Buffer.from(/** @type {VarveError} */ (error).code))
      return undefined
    }
  }
  const clock = new ManualClock()
  const opened = await attempt(() =>
    open(STORE_PATH, {
      ...TINY,
      fileSystem: /** @type {any} */ (guarded),
      clock,
      executor: new InlineExecutor(),
      valueEncoding: 'msgpack',
      random: () => 0.5,
    }),
  )
  if (opened !== undefined) {
    opened.on('error', (error) => reported.push(error))
    await readAll(opened, attempt, digest, isSound)
    await writeAndUphold(opened, attempt)
    await attempt(() => opened.close())
  }
  if (guarded.finding !== undefined) throw guarded.finding
  for (const error of reported) checkAnswer(error, isSound)
  return digest.toString()
}

/**
 * @param {import('../../dist/store/store.js').Store<string, unknown>} store
 * @param {<T>(step: () => T | Promise<T>) => Promise<T | undefined>} attempt @param {Digest} digest @param {boolean} isSound
 */
async function readAll(store, attempt, digest, isSound) {
  const forwards = await attempt(() => store.keys().all())
  const backwards = await attempt(() => store.keys({ reverse: true }).all())
  if (forwards !== undefined && backwards !== undefined) {
    // An index that lies may hide from one what the other sees; then `verify` has told.
    if (isSound && forwards.join() !== backwards.reverse().join())
      throw new Finding('scans forwards and backwards differently')
    for (const [i, key] of forwards.entries()) {
      digest.bytes(Buffer.from(key))
      if (i > 0 && Buffer.compare(Buffer.from(forwards[i - 1]), Buffer.from(key)) >= 0)
        throw new Finding('scans out of order')
    }
  }
  await attempt(() => [...store.entries({ gte: 'key2', lt: 'key4' })].length)
  for (const key of ['key0', 'key3', 'key17', 'key43', '', 'zzz']) {
    await attempt(() => store.get(key))
    await attempt(() => store.getSync(key))
    await attempt(() => store.getEntry(key))
  }
  await attempt(() => store.count())
  await attempt(() => store.size())
  await attempt(() => store.estimateSize({ gte: 'key1', lt: 'key3' }))
  await attempt(() => store.stats())
  await attempt(() => store.verify())
  const infos = (await attempt(() => store.snapshots())) ?? []
  for (const info of infos) await attempt(() => info.entryCount)
}

/** @param {import('../../dist/store/store.js').Store<string, unknown>} store @param {<T>(step: () => T | Promise<T>) => Promise<T | undefined>} attempt */
async function writeAndUphold(store, attempt) {
  await attempt(() => store.set('key7', 'written'))
  await attempt(() => store.flush())
  await attempt(() => store.compact())
  await attempt(() => store.keys().all())
  await attempt(() => store.snapshot({ name: 'second' }))
  await attempt(() => store.restoreSnapshot(`${STORE_PATH}/snapshots/first`))
  await attempt(() => store.keys().all())
  await attempt(() => store.clear({ prefix: 'key1' }))
  await attempt(() => store.deleteSnapshot('first'))
  await attempt(() => store.deleteSnapshot('second'))
}

/** Throws a {@link Finding} unless the error is a right answer. @param {unknown} error */
export function checkError(error) {
  if (error instanceof Finding) throw error
  if (error instanceof VarveError && isWellSaid(error)) {
    if (CODES.includes(error.code)) return
    // After a failure in the background, whose error tells why.
    if (error.code === 'READ_ONLY') return checkError(error.cause)
  }
  const cause = error instanceof Error && error.cause instanceof Error ? `; cause: ${error.cause.stack}` : ''
  throw new Finding(`answers with ${error instanceof VarveError ? error.code : ''} ${error}${cause}`, {
    cause: error,
  })
}

/** How long a step may take that waits for something. */
const STEP_LIMIT_MS = 10_000

/** @template T @param {T | Promise<T>} step @returns {Promise<T>} */
async function withinTime(step) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Finding('waits for ever')), STEP_LIMIT_MS)
  })
  try {
    return /** @type {T} */ (await Promise.race([step, late]))
  } finally {
    clearTimeout(timer)
  }
}
