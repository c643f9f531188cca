/** A full disk while background work records what it did: the tables of a failed attempt do not stay. */
import { expect, test } from 'vitest'
import { open } from '../../src/index.js'
import { FaultFileSystem, MemoryFileSystem } from '../../src/testing.js'

test('a flush that could not be recorded leaves no table behind, and work resumes by itself', async () => {
  const fileSystem = new FaultFileSystem(new MemoryFileSystem())
  const store = await open('/store', { fileSystem, valueEncoding: 'utf8' })
  const errors: string[] = []
  store.on('error', ({ code }) => errors.push(code))
  await store.set('a', '1')
  const fault = fileSystem.fail({ kind: 'write', path: /MANIFEST/, errno: 'ENOSPC' })
  await expect(store.flush()).rejects.toMatchObject({ code: 'NO_SPACE' })
  expect(fault.struck).toBe(1)
  expect(errors).toEqual(['NO_SPACE'])
  const tables = async (): Promise<number> =>
    (await fileSystem.readdir('/store')).filter((name) => name.endsWith('.sst')).length
  expect(await tables()).toBe(0)
  await store.flush()
  expect(await tables()).toBe(1)
  expect(store.stats().levels[0].tables).toBe(1)
  expect(await store.get('a')).toBe('1')
  await store.close()
})
