/** SQLite, through better-sqlite3: everything is synchronous. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { installedVersion } from './session.js'

/** @type {import('./session.js').Adapter} */
export const betterSqlite3 = {
  name: 'better-sqlite3',
  durable: true,
  settings:
    'WITHOUT ROWID table, prepared statements, WAL journal, exclusive lock, checkpoints every 64 MiB, synchronous = NORMAL (no fsync on ' +
    'commit), with fsync FULL. A batch is one transaction. Settled: wal_checkpoint(TRUNCATE)',
  version: () => installedVersion('better-sqlite3'),
  open: async (directory, { cacheSize, sync }) => {
    // @ts-expect-error: the package has no types.
    const { default: Database } = await import('better-sqlite3')
    await mkdir(directory, { recursive: true })
    const db = new Database(join(directory, 'store.sqlite'))
    db.pragma('locking_mode = EXCLUSIVE')
    db.pragma('journal_mode = WAL')
    db.pragma(`synchronous = ${sync ? 'FULL' : 'NORMAL'}`)
    // 64 MiB of log between checkpoints, as much as the cache: half as fast again to write as with the default 4 MiB.
    db.pragma('wal_autocheckpoint = 16384')
    if (cacheSize !== undefined) db.pragma(`cache_size = -${cacheSize / 1024}`)
    db.exec('CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID')

    const put = db.prepare('INSERT OR REPLACE INTO entries VALUES (?, ?)')
    const remove = db.prepare('DELETE FROM entries WHERE key = ?')
    const get = db.prepare('SELECT value FROM entries WHERE key = ?').pluck()
    const scan = db.prepare('SELECT key, value FROM entries ORDER BY key').raw()
    const scanReverse = db.prepare('SELECT key, value FROM entries ORDER BY key DESC').raw()
    const seek = db.prepare('SELECT key, value FROM entries WHERE key >= ? ORDER BY key LIMIT ?').raw()
    /** @type {import('./session.js').Session['putMany']} */
    const putAll = (keys, values, from, to) => {
      for (let i = from; i < to; i++) put.run(keys[i], values.at(i))
    }

    /** @param {Iterable<any>} rows */
    const count = (rows) => {
      let total = 0
      for (const [key, value] of rows) total += key.length > 0 && value.length > 0 ? 1 : 0
      return total
    }

    return {
      put: (key, value) => put.run(key, value),
      putMany: db.transaction(putAll),
      delete: (key) => remove.run(key),
      get: (key) => get.get(key),
      getSync: (key) => get.get(key),
      getMany: (keys) => keys.map((key) => get.get(key)),
      scan: () => count(scan.iterate()),
      scanReverse: () => count(scanReverse.iterate()),
      seek: (key, limit) => seek.all(key, limit).length,
      settle: async () => {
        db.pragma('wal_checkpoint(TRUNCATE)')
      },
      close: () => db.close(),
    }
  },
}
