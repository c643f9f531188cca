import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import {
  filesWithCode,
  importCycles,
  importersOf,
  importsOf,
  layerBreaches,
  readSources,
  type SourceFile,
  styleBreaches,
  valueImportsOnly,
} from './source-tree.js'

const sources = readSources(fileURLToPath(new URL('../../src/', import.meta.url)))

const FILE_SYSTEM_MODULES = ['node:fs', 'node:fs/promises', 'fs', 'fs/promises']
const TIME =
  /\bDate\.now\b|\bnew Date\(\)|\bperformance\.|\bprocess\.(?:hrtime|uptime)\b|\bset(?:Timeout|Interval|Immediate)\b/
const TIME_MODULES = ['node:timers', 'timers', 'node:timers/promises', 'timers/promises', 'node:perf_hooks']

/** A source of one import or statement, to see a rule fail. */
function file(name: string, text: string): SourceFile {
  return { name, text: `/** For a test. */\n${text}\n` }
}

describe('the source', () => {
  test('is found', () => {
    expect(sources.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['index.ts', 'base/bytes.ts', 'store/store.ts']),
    )
    expect(sources.flatMap(({ text }) => importsOf(text)).length).toBeGreaterThan(200)
  })

  test('imports downward only, never up and never sideways', () => {
    expect(layerBreaches(sources)).toEqual([])
  })

  test('has no import cycles between files', () => {
    expect(importCycles(valueImportsOnly(sources))).toEqual([])
  })

  test('has no import cycles of types between folders', () => {
    const folders = new Map<string, string>()
    for (const { name, text } of sources) {
      const folder = name.includes('/') ? name.split('/')[0] : '.'
      const crossing = importsOf(text).flatMap((specifier) => /^\.\.\/([^/]+)\//.exec(specifier)?.[1] ?? [])
      folders.set(
        folder,
        (folders.get(folder) ?? '') + crossing.map((to) => `import '../${to}/index.js'\n`).join(''),
      )
    }
    expect(importCycles([...folders].map(([name, text]) => ({ name: `${name}/index.ts`, text })))).toEqual([])
  })

  test('reaches the file system in one file', () => {
    expect(importersOf(sources, FILE_SYSTEM_MODULES)).toEqual(['env/node-file-system.ts'])
  })

  test('reads the time and sets timers in one file', () => {
    expect(filesWithCode(sources, TIME)).toEqual(['env/system-clock.ts'])
    // A histogram reads no time.
    expect(importersOf(sources, TIME_MODULES)).toEqual(['env/histogram.ts'])
  })

  test('knows the options of a store in the store only', () => {
    const knowing = filesWithCode(sources, /\bStoreOptions\b/)
    expect(knowing).toContain('store/options.ts')
    expect(knowing.filter((name) => name !== 'index.ts' && !name.startsWith('store/'))).toEqual([])
  })

  test('keeps the rules of taste that a program can check', () => {
    expect(styleBreaches(sources)).toEqual([])
  })

  test('has barrels without logic', () => {
    for (const { name, text } of sources.filter(({ name }) => !name.includes('/'))) {
      expect(text.replace(/\/\*\*[\s\S]*?\*\/|export (?:type )?\{[^}]*\} from '[^']+'|\s/g, ''), name).toBe(
        '',
      )
    }
  })
})

describe('each rule can fail', () => {
  test('imports are seen, however they are written', () => {
    const text = `
      import a from './a.js'
      import { type B,
        c } from './b.js'
      import type { D } from "./d.js"
      import './e.js'
      export { f } from './f.js'
      export * from './g.js'
      export type { H } from './h.js'
      const i = await import('./i.js')
      // import x from './x.js'
      /* import y from './y.js' */
      export function f() { return 'from' }
      const url = 'http://from' // from './z.js'
    `
    expect(importsOf(text)).toEqual(['a', 'b', 'd', 'e', 'f', 'g', 'h', 'i'].map((name) => `./${name}.js`))
  })

  test('an import up, sideways, out of the tree, of nothing', () => {
    const breaches = layerBreaches([
      file('base/a.ts', "import type { B } from '../store/b.js'"),
      file('store/b.ts', "import { a } from '../base/a.js'"),
      file('wal/c.ts', "import { d } from '../memtable/d.js'"),
      file('memtable/d.ts', "export { gone } from './gone.js'"),
      file('misc/e.ts', ''),
    ])
    expect(breaches.map(({ file, what }) => `${file} ${what}`)).toEqual([
      'base/a.ts imports up: store/b.ts',
      'wal/c.ts imports sideways: memtable/d.ts',
      'memtable/d.ts imports ./gone.js, which is not there',
      'misc/e.ts the folder misc is in no layer',
    ])
  })

  test('a cycle, direct and through a third file, but not one of types alone', () => {
    const ring = [
      file('base/a.ts', "import './b.js'"),
      file('base/b.ts', "import './c.js'"),
      file('base/c.ts', "import './a.js'\nimport './d.js'"),
      file('base/d.ts', ''),
    ]
    expect(importCycles(ring)).toEqual([['base/a.ts', 'base/b.ts', 'base/c.ts', 'base/a.ts']])
    const types = [file('base/a.ts', "import type { B } from './b.js'"), file('base/b.ts', "import './a.js'")]
    expect(importCycles(types)).toHaveLength(1)
    expect(importCycles(valueImportsOnly(types))).toEqual([])
  })

  test('the file system or the clock elsewhere', () => {
    const files = [
      file('store/a.ts', "import { readFileSync } from 'node:fs'"),
      file('store/b.ts', "const fs = await import('fs/promises')"),
      file('store/c.ts', 'const t = Date.now()'),
      file('store/d.ts', 'setTimeout(() => undefined, 1)'),
      file('store/e.ts', "// Date.now() is elsewhere\nconst s = 'setTimeout'"),
    ]
    expect(importersOf(files, FILE_SYSTEM_MODULES)).toEqual(['store/a.ts', 'store/b.ts'])
    expect(filesWithCode(files, TIME)).toEqual(['store/c.ts', 'store/d.ts'])
  })

  test('taste', () => {
    const long = file('base/long.ts', 'const x = 1\n'.repeat(400))
    const bad = [
      long,
      { name: 'base/headless.ts', text: 'export const x = 1\n' },
      file('base/silent.ts', '// @ts-ignore'),
      file('base/later.ts', '// TODO: mend'),
      file('base/loose.ts', 'const x: any = 1'),
      file('base/cast.ts', 'const x = y as any'),
      file('base/debug.ts', 'console.log(1)'),
      file('base/camelCase.ts', ''),
      file('base/default.ts', 'export default 1'),
      file('base/good.ts', "// any word here, as any other\nconst x = 'as any'"),
    ]
    expect(styleBreaches(bad).map(({ file }) => file)).toEqual(bad.slice(0, -1).map(({ name }) => name))
  })
})
