/** What a read-only store costs to open and to refresh beside its writer, and what splitting a range takes. */
import { fill, milliseconds, onDisk, open, wallTime } from './stores.js'

const SETTLED = 100_000
const WARM = 4
const NEXT = SETTLED + WARM * 1000

/** A settled store with a read-only one beside it. @param {(reader: any, store: any) => Promise<number>} work */
const besideWriter = (work) => () =>
  onDisk({ targetFileSize: 1024 * 1024 }, async (store) => {
    await fill(store, 0, SETTLED)
    await store.compact()
    const reader = await open(store.path, { valueEncoding: 'utf8', readOnly: true })
    try {
      // What is measured has run before.
      for (let i = 0; i < WARM; i++) {
        await fill(store, SETTLED + i * 1000, SETTLED + (i + 1) * 1000)
        if (i === 0) await store.compact()
        await reader.refresh()
        reader.splitRange({}, 64)
      }
      return await work(reader, store)
    } finally {
      await reader.close()
    }
  })

/** A refresh behind `change`. @param {(store: any) => unknown} change */
const refreshed = (change) =>
  besideWriter(async (reader, store) => {
    await change(store)
    return milliseconds(() => reader.refresh(), wallTime)
  })

/** @param {number} parts */
const split = (parts) => besideWriter((reader) => milliseconds(() => reader.splitRange({}, parts), wallTime))

/** @type {import('./report.js').Feature[]} */
export const readOnly = [
  {
    name: 'read-only',
    title: 'a read-only store beside its writer, 100,000 entries, time on the wall',
    unit: 'ms',
    once: true,
    variants: {
      'refresh(), nothing new': refreshed(() => undefined),
      'one write': refreshed((store) => store.set('another', 'one')),
      '1,000 writes': refreshed((store) => fill(store, NEXT, NEXT + 1000)),
      'a flush of 1,000 writes': refreshed(async (store) => {
        await fill(store, NEXT, NEXT + 1000)
        await store.flush()
      }),
      'open()': besideWriter(async (_reader, store) => {
        /** @type {any} */
        let another
        const took = await milliseconds(async () => {
          another = await open(store.path, { valueEncoding: 'utf8', readOnly: true })
        }, wallTime)
        await another.close()
        return took
      }),
      'splitRange(), 4 parts': split(4),
      'splitRange(), 64 parts': split(64),
    },
  },
]
