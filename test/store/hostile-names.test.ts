/** Keys, names of snapshots and paths that would do harm in a file name, a log line or a terminal. */
import { expect, test } from 'vitest'
import { VarveError } from '../../src/base/errors.js'
import { parseFileName } from '../../src/base/file-names.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import { DIRECTORY, openText, TINY } from './stores.js'

const HOSTILE = [
  '..',
  '.',
  '../../escape',
  '/etc/passwd',
  'a/b',
  'a\\b',
  'C:\\windows',
  'nul\0byte',
  'line\nbreak',
  '\r\u001b[2J\u001b[31mred',
  '\u009b31m',
  '\u202egnp.exe',
  '\u2028',
  'x'.repeat(10_000),
]

/** What no line of a log may hold. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\u2028-\u202e]/u

async function errorOf(call: () => Promise<unknown>): Promise<VarveError> {
  const error = await call().then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(error).toBeInstanceOf(VarveError)
  return error as VarveError
}

test('keys make no file names and come back as they were', async () => {
  const fileSystem = new MemoryFileSystem()
  const store = await openText({ ...TINY, fileSystem })
  for (const key of HOSTILE) await store.set(key, key)
  await store.flush()
  for (const key of HOSTILE) expect(await store.get(key)).toBe(key)
  for (const name of await fileSystem.readdir(DIRECTORY)) expect(parseFileName(name), name).toBeDefined()
  expect(await fileSystem.readdir('/')).toEqual([DIRECTORY.slice(1)])
})

test.each(['\ud800', 'x\udc00\u001b[31m', `${'k'.repeat(70_000)}\n`])(
  'a key that is refused is not in the message',
  async (key) => {
    const store = await openText()
    const { message } = await errorOf(() => store.set(key, ''))
    expect(message.length).toBeLessThan(300)
    expect(message).not.toMatch(UNPRINTABLE)
  },
)

test.each([...HOSTILE, '', 'ends.', 'ends.tmp', '-begins', '\ud800'])(
  '%j is no name of a snapshot',
  async (name) => {
    const fileSystem = new MemoryFileSystem()
    const store = await openText({ fileSystem })
    await store.set('key', 'value')
    for (const call of [() => store.snapshot({ name }), () => store.deleteSnapshot(name)]) {
      const { code, message } = await errorOf(call)
      expect(code).toBe('INVALID_ARGUMENT')
      expect(message).not.toMatch(UNPRINTABLE)
    }
    expect(await store.snapshots()).toEqual([])
    expect(await fileSystem.readdir('/')).toEqual([DIRECTORY.slice(1)])
  },
)

test.each([...HOSTILE, '', '\ud800'])('restoring from %j says what is wrong in one line', async (path) => {
  const store = await openText()
  await store.set('key', 'value')
  const { code, message } = await errorOf(() => store.restoreSnapshot(path))
  expect(['NOT_FOUND', 'INVALID_ARGUMENT']).toContain(code)
  expect(message).not.toMatch(UNPRINTABLE)
  expect(message.length).toBeLessThan(2_100)
  expect(await store.get('key')).toBe('value')
})
