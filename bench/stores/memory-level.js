/** memory-level: a sorted tree in the memory of the process. */
import { levelSession } from './abstract-level.js'
import { installedVersion } from './session.js'

/** @type {import('./session.js').Adapter} */
export const memoryLevel = {
  name: 'memory-level',
  durable: false,
  settings: 'storeEncoding buffer (the default)',
  version: () => installedVersion('memory-level'),
  open: async (_directory, options) => {
    const { MemoryLevel } = await import('memory-level')
    const db = new MemoryLevel({ keyEncoding: 'utf8', valueEncoding: 'buffer' })
    await db.open()
    return { ...levelSession(db, options), settle: async () => {} }
  },
}
