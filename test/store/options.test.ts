import { describe, expect, test } from 'vitest'
import { checkDurability, checkDuration, resolveSettings } from '../../src/store/options.js'

function refusal(options: unknown): { code?: string; message?: string } {
  try {
    resolveSettings(options as never)
  } catch (error) {
    return error as { code?: string; message?: string }
  }
  return {}
}

describe('options', () => {
  test('have the defaults that the documentation names', () => {
    const KiB = 1024
    const MiB = 1024 * KiB
    expect(resolveSettings({})).toMatchObject({
      maxKeySize: 64 * KiB - 1,
      maxValueSize: 64 * MiB,
      durability: 'os',
      syncIntervalMs: 1000,
      defaultTtlMs: 0,
      createIfMissing: true,
      errorIfExists: false,
      lockTimeoutMs: 0,
      memtableSize: 4 * MiB,
      cacheSize: 32 * MiB,
      blockSize: 4 * KiB,
      compression: 'snappy',
    })
  })

  test('a bound of bytes is one of entries too', () => {
    expect(resolveSettings({}).bound).toBeUndefined()
    expect(resolveSettings({ maxBytes: 9 }).bound).toMatchObject({ maxEntries: 2 ** 23, maxBytes: 9 })
    expect(resolveSettings({ maxEntries: 9 }).bound).toMatchObject({ maxEntries: 9, maxBytes: Infinity })
  })

  test('that are undefined are as good as not given', () => {
    const names = Object.keys(resolveSettings({}))
    expect(names.length).toBeGreaterThan(10)
    expect(
      resolveSettings({ maxKeySize: undefined, durability: undefined, compression: undefined } as never),
    ).toEqual(resolveSettings({}))
  })

  const integers = {
    maxEntries: [0, 2 ** 23 + 1],
    maxBytes: [0, 2 ** 53],
    maxKeySize: [0, 65_536],
    maxValueSize: [0, 2 ** 30 + 1],
    shardCount: [0, 3, 512],
    memtableSize: [1, 2 ** 31],
    cacheSize: [-1, 2 ** 37],
    blockSize: [1, 2 ** 23],
    targetFileSize: [1, 2 ** 33],
    walSegmentSize: [1, 2 ** 31],
    level0CompactionTrigger: [0, 65],
    levelSizeMultiplier: [1, 101],
    maxOpenFiles: [0, 1_000_001],
    filterBitsPerKey: [-1, 65],
  }

  test.each(Object.entries(integers))(
    '%s: a number that is out of bounds, no whole one or none at all is refused',
    (name, bad) => {
      for (const value of [
        ...bad,
        1.5,
        Number.NaN,
        Number.POSITIVE_INFINITY,
        '8',
        null,
        8n,
        {},
        Object.create(null),
        Symbol('8'),
      ]) {
        expect(refusal({ [name]: value })).toMatchObject({
          code: 'INVALID_ARGUMENT',
          message: expect.stringContaining(name),
        })
      }
    },
  )

  test.each(['syncInterval', 'defaultTtl', 'lockTimeout'])('%s: no duration is refused', (name) => {
    for (const value of [-1, Number.NaN, '8', null, 8n, {}]) {
      expect(refusal({ [name]: value })).toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringContaining(name),
      })
    }
    expect(refusal({ [name]: 0 })).toEqual({})
    expect(refusal({ [name]: Number.POSITIVE_INFINITY })).toEqual({})
  })

  test.each(['createIfMissing', 'errorIfExists'])('%s: true or false', (name) => {
    for (const value of [0, 1, 'true', null, {}]) {
      expect(refusal({ [name]: value })).toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringContaining(name),
      })
    }
  })

  test.each(['durability', 'compression'])('%s: one of its names', (name) => {
    for (const value of ['', 'Disk', 'lz4', null, 5, 5n, {}, Symbol('x')]) {
      expect(refusal({ [name]: value })).toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringContaining(name),
      })
    }
  })

  test.each(['fileSystem', 'clock', 'executor', 'random'])(
    '%s: what a store runs on is looked at before it runs',
    (name) => {
      for (const value of [null, 'x', 5, {}]) {
        expect(refusal({ [name]: value })).toMatchObject({
          code: 'INVALID_ARGUMENT',
          message: expect.stringContaining(name),
        })
      }
    },
  )

  test('compression can be switched on and off', () => {
    expect(resolveSettings({ compression: true }).compression).toBe('snappy')
    expect(resolveSettings({ compression: false }).compression).toBe('none')
    expect(resolveSettings({ compression: 'gzip' }).compression).toBe('gzip')
  })

  test('that are misspelt are refused, not ignored', () => {
    for (const name of ['valueEncodign', 'ttl', 'cachesize', 'toString']) {
      expect(refusal({ [name]: 1 })).toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringContaining(name),
      })
    }
  })

  test('are an object', () => {
    for (const options of [null, 5, 'fast']) expect(refusal(options).code).toBe('INVALID_ARGUMENT')
  })
})

test('checkDuration and checkDurability fall back when nothing is given', () => {
  expect(checkDuration('ttl', undefined, 7)).toBe(7)
  expect(checkDuration('ttl', 0.5, 7)).toBe(0.5)
  expect(checkDurability(undefined, 'disk')).toBe('disk')
  expect(checkDurability('memory', 'disk')).toBe('memory')
})
