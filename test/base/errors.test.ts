import { describe, expect, test } from 'vitest'
import { assert, present } from '../../src/base/assert.js'
import { corruption, errnoOf, ioError, printable, shown, VarveError } from '../../src/base/errors.js'

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: it failed`), { code })
}

describe('VarveError', () => {
  test('carries a code, a message and what is known besides', () => {
    const cause = new Error('below')
    const error = new VarveError('CORRUPTION', 'damaged', { cause, path: '/a', offset: 0 })
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({
      name: 'VarveError',
      code: 'CORRUPTION',
      message: 'damaged',
      cause,
      path: '/a',
      offset: 0,
    })
    expect(
      'path' in new VarveError('CLOSED', 'closed') && new VarveError('CLOSED', 'closed').path !== undefined,
    ).toBe(false)
    expect('cause' in new VarveError('CLOSED', 'closed')).toBe(false)
  })

  test('corruption names the file and the offset in its message too', () => {
    expect(corruption('A block is damaged', '/store/000003.sst', 4096).message).toContain(
      '/store/000003.sst at offset 4096',
    )
    expect(corruption('A block is damaged', '/store/000003.sst')).toMatchObject({
      code: 'CORRUPTION',
      path: '/store/000003.sst',
    })
  })
})

describe('ioError', () => {
  test.each(['ENOSPC', 'EDQUOT', 'EFBIG'])('%s is NO_SPACE', (errno) => {
    const cause = systemError(errno)
    expect(ioError(cause, 'writing', '/a')).toMatchObject({ code: 'NO_SPACE', cause, path: '/a' })
  })

  test('any other is IO_ERROR with the reason, the deed and the path', () => {
    const error = ioError(systemError('EMFILE'), 'opening', '/store/x')
    expect(error).toMatchObject({ code: 'IO_ERROR', path: '/store/x' })
    expect(error.message).toMatch(/EMFILE.*opening.*\/store\/x/)
    expect(ioError('a string', 'opening', '/x').message).toContain('a string')
    expect(ioError(new Error('odd'), 'opening', '/x').message).toContain('odd')
  })

  test('an error of ours stays itself', () => {
    const error = new VarveError('LOCKED', 'locked')
    expect(ioError(error, 'opening', '/x')).toBe(error)
    expect(errnoOf(error)).toBeUndefined()
  })

  test('errnoOf reads what is an errno only', () => {
    expect(errnoOf(systemError('EIO'))).toBe('EIO')
    for (const other of [undefined, null, 'EIO', 5, {}, { code: 5 }, new Error('x')])
      expect(errnoOf(other)).toBeUndefined()
  })
})

test('shown describes whatever it is given', () => {
  const values = [
    'a"b',
    5,
    5n,
    Symbol('s'),
    null,
    undefined,
    [1],
    {},
    Object.create(null),
    () => 1,
    Number.NaN,
  ]
  expect(values.map(shown)).toEqual([
    '"a\\"b"',
    '5',
    '5',
    'Symbol(s)',
    'null',
    'undefined',
    'an array',
    'an object',
    'an object',
    'a function',
    'NaN',
  ])
})

test('assertions name the invariant', () => {
  expect(() => assert(false, 'pins are balanced')).toThrow('pins are balanced')
  assert(true, 'fine')
  expect(present(0, 'zero is there')).toBe(0)
  for (const nothing of [undefined, null])
    expect(() => present(nothing, 'it was made')).toThrow('it was made')
})

describe('what a message quotes', () => {
  const hostile = 'a\nb\u001b[31m\u009b2J\u202e\u2028\ud800\0\u007f'

  test('cannot forge a line of a log or steer a terminal', () => {
    const escaped = 'a\\u000ab\\u001b[31m\\u009b2J\\u202e\\u2028\\ud800\\u0000\\u007f'
    expect(printable(hostile, 100)).toBe(escaped)
    expect(new VarveError('IO_ERROR', hostile).message).toBe(escaped)
    expect(ioError(new Error(hostile), 'opening', `/${hostile}`).message).not.toMatch(
      /[\p{Cc}\p{Cs}\u2028\u202e]/u,
    )
  })

  test('is cut where it would fill the log', () => {
    expect(printable('x'.repeat(50), 10)).toBe(`${'x'.repeat(9)}…`)
    expect(shown('x'.repeat(5000)).length).toBeLessThan(300)
    expect(new VarveError('IO_ERROR', 'x'.repeat(5000)).message.length).toBeLessThan(2_100)
  })

  test('stays as it is otherwise', () => {
    expect(printable('grüße, 漢字 🎉', 100)).toBe('grüße, 漢字 🎉')
    expect(shown('key')).toBe('"key"')
  })
})
