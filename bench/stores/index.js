/** The stores by name; a store is imported only where it runs. @type {Record<string, () => Promise<import('./session.js').Adapter>>} */
export const stores = {
  varve: async () => (await import('./varve.js')).varve,
  'varve-in-memory': async () => (await import('./varve.js')).varveInMemory,
  'varve-durability-memory': async () => (await import('./varve.js')).varveDurabilityMemory,
  'classic-level': async () => (await import('./classic-level.js')).classicLevel,
  lmdb: async () => (await import('./lmdb.js')).lmdb,
  'lmdb-nosync': async () => (await import('./lmdb.js')).lmdbNoSync,
  'better-sqlite3': async () => (await import('./better-sqlite3.js')).betterSqlite3,
  'rocksdb-native': async () => (await import('./rocksdb-native.js')).rocksdbNative,
  rocksdb: async () => (await import('./rocksdb.js')).rocksdb,
  'memory-level': async () => (await import('./memory-level.js')).memoryLevel,
}
