/** The tables of the documentation leave nothing out, name nothing that there is not, and tell the true defaults. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { EVENT_NAMES } from '../../src/store/events.js'
import { openInMemory } from '../../src/store/open.js'
import { resolveSettings, STORE_OPTION_NAMES } from '../../src/store/options.js'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')

/** The rows of tables whose head begins with `head`, as cells. */
function rows(path: string, head: string): string[][] {
  const found: string[][] = []
  let inside = false
  for (const line of read(path).split('\n')) {
    if (!line.startsWith('|')) inside = false
    else if (line.startsWith(`| ${head} |`)) inside = true
    else if (inside && !line.startsWith('|---'))
      found.push(
        line
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim()),
      )
  }
  return found
}

/** What stands in backticks in the first column. */
const names = (path: string, head: string) =>
  rows(path, head).flatMap(([first]) =>
    [...(first ?? '').matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? ''),
  )

const UNITS: Record<string, number> = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }

/** The value that a cell such as "4 MiB", "300,000", "true" or "`'os'`" stands for; undefined for words. */
function valueIn(cell: string): unknown {
  const size = /^([\d,]+)(?: (KiB|MiB|GiB))?$/.exec(cell)
  if (size !== null) return Number((size[1] ?? '').replaceAll(',', '')) * (UNITS[size[2] ?? ''] ?? 1)
  if (cell === 'true' || cell === 'false') return cell === 'true'
  return /^`'(.*)'`$/.exec(cell)?.[1]
}

describe('docs/options.md', () => {
  test('has one row for each option, and for nothing else', () => {
    expect(names('docs/options.md', 'option | default').concat().sort()).toEqual(
      [...STORE_OPTION_NAMES].sort(),
    )
  })

  test('tells the defaults', () => {
    const settings = resolveSettings({}) as unknown as Record<string, unknown>
    const compared = rows('docs/options.md', 'option | default').filter(([first, second]) => {
      const name = (first ?? '').replaceAll('`', '')
      const setting = settings[name] ?? settings[`${name}Ms`]
      if (setting === undefined || typeof setting === 'object') return false
      expect(valueIn(second ?? ''), name).toBe(setting)
      return true
    })
    expect(compared.length).toBeGreaterThan(20)
  })

  test('lists the options of calls that are accepted', async () => {
    const listed = Object.fromEntries(
      rows('docs/options.md', 'call | options').flatMap(([calls, options]) =>
        [...(calls ?? '').matchAll(/`([^`]+)`/g)].map((match) => [
          match[1],
          [...(options ?? '').replace(/\(.*?\)/g, '').matchAll(/`([^`]+)`/g)].map(
            ([, option]) => option ?? '',
          ),
        ]),
      ),
    )
    const store = await openInMemory({ valueEncoding: 'json' })
    const values: Record<string, unknown> = {
      ttl: 5,
      durability: 'os',
      retries: 1,
      from: 1,
      buffer: 1,
      bufferBytes: 1,
    }
    const given = (call: string) =>
      Object.fromEntries((listed[call] ?? []).map((name) => [name, values[name]])) as never
    await store.set('a', 1, given('set'))
    await store.setNX('a', 1, given('setNX'))
    await store.update('a', () => 1, given('update'))
    await store.compareAndSet('a', 1, 2, given('compareAndSet'))
    await store.increment('a', 1, given('increment'))
    await store.expire('a', 5, given('expire'))
    await store.persist('a', given('persist'))
    await store.delete('a', given('delete'))
    await store.transaction(() => undefined, given('transaction'))
    for (const call of ['entries', 'keys', 'values'] as const) await store[call](given(call)).close()
    await store.watch('a', given('watch')).close()
    await store.close()
  })
})

describe('docs/errors.md', () => {
  test('has one row for each code, and for nothing else', () => {
    const type = /export type ErrorCode =([^;]*?)\n\n/.exec(read('src/base/errors.ts'))?.[1] ?? ''
    const codes = [...type.matchAll(/'([A-Z_]+)'/g)].map((match) => match[1] ?? '')
    expect(codes.length).toBeGreaterThanOrEqual(18)
    expect(names('docs/errors.md', 'code | when').sort()).toEqual(codes.sort())
  })
})

describe('docs/statistics.md', () => {
  test('has one row for each event, and for nothing else', () => {
    expect(names('docs/statistics.md', 'event | when').sort()).toEqual([...EVENT_NAMES].sort())
  })

  test('has a row for each figure, and for nothing else', async () => {
    const store = await openInMemory()
    const expected = Object.entries(store.stats()).flatMap(([name, value]) =>
      name === 'amplification' || name === 'latency'
        ? Object.keys(value).map((part) => `${name}.${part}`)
        : [name],
    )
    await store.close()
    const listed = names('docs/statistics.md', 'field | what it is').map((name) => name.replace('[]', ''))
    expect(listed.sort()).toEqual(expected.sort())
  })
})

describe('docs/README.md', () => {
  test('lists every page', () => {
    const pages = readdirSync(join(root, 'docs')).filter(
      (name) => name.endsWith('.md') && name !== 'README.md',
    )
    expect(pages.filter((page) => !read('docs/README.md').includes(`](${page})`))).toEqual([])
  })
})
