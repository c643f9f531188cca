/** LevelDB, through classic-level. */
import { levelSession } from './abstract-level.js'
import { installedVersion } from './session.js'

/** @type {import('./session.js').Adapter} */
export const classicLevel = {
  name: 'classic-level',
  durable: true,
  settings:
    'defaults: 4 MiB write buffer, Snappy, bloom filter of 10 bits; { sync: true } with fsync. Chained batches; ' +
    'iterators in chunks of 1,000 (nextv). Settled: compactRange over everything, then reopened',
  version: () => installedVersion('classic-level'),
  open: async (directory, options) => {
    const { ClassicLevel } = await import('classic-level')
    const create = async () => {
      const db = new ClassicLevel(directory, {
        keyEncoding: 'utf8',
        valueEncoding: 'buffer',
        ...(options.cacheSize === undefined ? {} : { cacheSize: options.cacheSize }),
      })
      await db.open()
      return db
    }
    const db = await create()
    const session = levelSession(db, options)
    const compact = () => db.compactRange('', '~')
    return {
      ...session,
      compact,
      settle: async () => {
        await compact()
        // LevelDB deletes what a compaction replaced when it next has cause to; opening again is one.
        await db.close()
        await db.open()
      },
    }
  },
}
