/** Stores of a later version: refused and named, and not repaired, since nothing is wrong with them. */
import { expect, test } from 'vitest'
import { encodeChecked } from '../../src/base/checked-text.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import { open } from '../../src/store/open.js'
import { repair } from '../../src/store/repair.js'
import { verify } from '../../src/store/verify.js'
import {
  bytesOf,
  DIRECTORY,
  diskOf,
  type Image,
  imageOf,
  makeStore,
  OPTIONS,
  surroundings,
  withFile,
} from './images.js'

/** The image with the text file `name` as one of format 2, with a sound checksum. */
function inFormat2(image: Image, name: string): Image {
  const text = Buffer.from(bytesOf(image, name)).toString('latin1')
  const body = text.slice(0, text.lastIndexOf('crc32 ')).replace(/^(varve \w+) 1\n/, '$1 2\n')
  return withFile(image, name, Uint8Array.from(encodeChecked(body)))
}

const refusal = { code: 'UNSUPPORTED_FORMAT', message: expect.stringContaining('has format 2') }

async function errorsOf(fileSystem: MemoryFileSystem): Promise<string[]> {
  const { findings } = await verify(DIRECTORY, { fileSystem })
  return findings.filter(({ severity }) => severity === 'error').map(({ code, file }) => `${code} ${file}`)
}

test('a CURRENT of a later format is refused as such by everything, and nothing is changed', async () => {
  const image = inFormat2((await makeStore()).closed, 'CURRENT')
  const fileSystem = await diskOf(image)
  const options = { ...OPTIONS, ...surroundings(fileSystem) }
  await expect(open(DIRECTORY, options)).rejects.toMatchObject(refusal)
  await expect(open(DIRECTORY, { ...options, readOnly: true })).rejects.toMatchObject(refusal)
  expect(await errorsOf(fileSystem)).toEqual(['unsupported-format CURRENT'])
  await expect(repair(DIRECTORY, { out: '/out', fileSystem })).rejects.toMatchObject(refusal)
  expect(await fileSystem.readdir('/')).toEqual([DIRECTORY.slice(1)])
  expect(await imageOf(fileSystem)).toEqual(image)
})

test('a SNAPSHOT of a later format is named, and the store goes on without it', async () => {
  const made = new MemoryFileSystem({ strict: false })
  const store = await open(DIRECTORY, { ...OPTIONS, ...surroundings(made) })
  await store.set('key', 'value')
  await store.snapshot({ name: 'one' })
  await store.close()
  const fileSystem = await diskOf(inFormat2(await imageOf(made), 'snapshots/one/SNAPSHOT'))
  expect(await errorsOf(fileSystem)).toEqual(['unsupported-format snapshots/one/SNAPSHOT'])
  const opened = await open(DIRECTORY, { ...OPTIONS, ...surroundings(fileSystem) })
  expect(await opened.get('key')).toBe('value')
  await expect(opened.snapshots()).rejects.toMatchObject(refusal)
  await opened.close()
})
