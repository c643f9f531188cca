import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MAX_FOUND_NUMBER } from '../../src/base/entry.js'
import { manifestName, parseFileName, sstName, temporaryName, walName } from '../../src/base/file-names.js'

describe('file names', () => {
  test('are fixed for ever', () => {
    expect([walName(2), sstName(3), manifestName(1), sstName(12_345_678)]).toEqual([
      '000002.wal',
      '000003.sst',
      'MANIFEST-000001',
      '12345678.sst',
    ])
  })

  test('come back from every number', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: MAX_FOUND_NUMBER }), (number) => {
        expect(parseFileName(walName(number))).toEqual({ kind: 'wal', number })
        expect(parseFileName(sstName(number))).toEqual({ kind: 'sst', number })
        expect(parseFileName(manifestName(number))).toEqual({ kind: 'manifest', number })
        expect(parseFileName(temporaryName(sstName(number)))).toEqual({ kind: 'temporary' })
      }),
    )
  })

  test('that are special are known', () => {
    expect(parseFileName('CURRENT')).toEqual({ kind: 'current' })
    expect(parseFileName('LOCK')).toEqual({ kind: 'lock' })
  })

  test('of strangers are not claimed', () => {
    const strangers = [
      'notes.txt',
      'current',
      '2.wal',
      '000000.wal',
      '0000002.sst',
      '000002.sst.bak',
      'MANIFEST-1',
      'MANIFEST-000001.old',
      '00000a.sst',
      '9999999999999999.wal',
      'x000002.wal',
      '',
    ]
    for (const name of strangers) expect(parseFileName(name), name).toBeUndefined()
  })

  test('parse only what the store would write', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^(MANIFEST-)?\d{0,18}(\.wal|\.sst)?$/), (name) => {
        const parsed = parseFileName(name)
        if (parsed === undefined || !('number' in parsed)) return
        const written = { wal: walName, sst: sstName, manifest: manifestName }[parsed.kind](parsed.number)
        expect(written).toBe(name)
      }),
    )
  })
})
