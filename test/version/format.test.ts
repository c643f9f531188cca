import { describe, expect, test } from 'vitest'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import { encodeCurrent } from '../../src/version/current-file.js'
import { VersionSet } from '../../src/version/version-set.js'
import { DATABASE_ID, DIRECTORY } from './harness.js'
import { table } from './tables.js'

describe('on disk, never to change', () => {
  test('CURRENT', () => {
    const current = { manifestNumber: 7, epoch: 3, databaseId: DATABASE_ID, sealedLength: 0 }
    expect(Buffer.from(encodeCurrent(current)).toString()).toMatchInlineSnapshot(`
      "varve current 1
      manifest MANIFEST-000007
      epoch 3
      database a0a1a2a3a4a5a6a7a8a9aaabacadaeaf
      sealed 0
      crc32 36059481
      "
    `)
  })

  test('a MANIFEST', async () => {
    const fileSystem = new MemoryFileSystem({ strict: false })
    await fileSystem.mkdir(DIRECTORY)
    const set = await VersionSet.create({ fileSystem, directory: DIRECTORY }, DATABASE_ID, {
      keyEncoding: 'utf8',
    })
    const added = table(set.nextFileNumber(), 1, 300, {
      largestSequence: 2 ** 40,
      earliestExpiry: 1_700_000_000_000,
    })
    await set.logAndApply({ added: [{ level: 2, table: added }], flushedSequence: 5, logNumber: 9 })
    await set.logAndApply({ removed: [{ level: 2, number: added.number }] })
    const file = await fileSystem.open(`${DIRECTORY}/MANIFEST-000001`, 'read')
    const bytes = new Uint8Array(await file.size())
    file.readSync(bytes, 0)
    expect(
      Buffer.from(bytes)
        .toString('hex')
        .match(/.{1,64}/g),
    ).toMatchInlineSnapshot(`
      [
        "76617276654d414e01000000a0a1a2a3a4a5a6a7a8a9aaabacadaeaf01000000",
        "000000000100000000000000d66c23b4d2da5625d75652436400000002a3f87a",
        "0000000000000000de0005af666c757368656453657175656e636500ac6c6173",
        "7453657175656e636500a96c6f674e756d62657200ae6e65787446696c654e75",
        "6d62657202aa70726f70657274696573de0001ab6b6579456e636f64696e67a4",
        "7574663800000000721ca3e7d756524308000000045200b6a800000000000000",
        "6e2bed5fd75652438300000003e04be3a80000000000000077000000de0004a5",
        "61646465649192029d02cd03e86400c40400000001c4040000012cccc8cb4270",
        "000000000000cb4278bcfe56800000cb7ff0000000000000cd0190cd07d0cb42",
        "78bcfe56800000af666c757368656453657175656e636505a96c6f674e756d62",
        "657209ae6e65787446696c654e756d6265720300000000007f1ddf3bd7565243",
        "0800000004adc56158010000000000009ad7456fd75652432b00000003023505",
        "58010000000000001f000000de0002a772656d6f76656491920202ae6e657874",
        "46696c654e756d626572030000000000d7198f82d75652430800000004f30946",
        "b001000000000000",
      ]
    `)
  })
})
