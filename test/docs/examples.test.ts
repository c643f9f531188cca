/**
 * The examples of the documentation run, and what they say is true.
 *
 * Every ```js block of README.md and docs/ runs as a program of its own against the built package. A line such as
 * `await store.get('a') // 'b'` is an assertion: the comment, up to a colon behind a word, is the expected value.
 */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..')

// Inside the package, so that `import 'varve'` finds it.
mkdirSync(join(root, '.tmp'), { recursive: true })
const workDirectory = mkdtempSync(join(root, '.tmp', 'docs-'))
afterAll(() => rmSync(workDirectory, { recursive: true, force: true }))

function markdownFiles(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) return markdownFiles(path)
    return entry.name.endsWith('.md') ? [path] : []
  })
}

const pages = [
  ...['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'].map((name) => join(root, name)),
  ...markdownFiles(join(root, 'docs')),
]

/** The literal that a comment begins with, or `undefined`. */
function expectedValue(comment: string): string | undefined {
  const text = comment.replace(/^(true|false|undefined|\d+): .*$/, '$1').trim()
  try {
    new Function(`return (${text})`)()
    return text
  } catch {
    return undefined
  }
}

function asProgram(code: string): { program: string; assertions: number } {
  let assertions = 0
  const lines = code.split('\n').map((line) => {
    const match = /^((?:await )?\w+\.\w+\(.*\)) \/\/ (.+)$/.exec(line)
    const expected = match === null ? undefined : expectedValue(match[2] ?? '')
    if (match === null || expected === undefined) return line
    assertions++
    return `assert.deepStrictEqual(${match[1]}, ${expected})`
  })
  return { program: `import assert from 'node:assert/strict'\n${lines.join('\n')}\n`, assertions }
}

const examples = pages.flatMap((page) =>
  [...readFileSync(page, 'utf8').matchAll(/```js\n([\s\S]*?)```/g)].map((match, index) => ({
    name: `${relative(root, page)}, example ${index + 1}`,
    code: match[1] ?? '',
  })),
)

describe('the examples', () => {
  test.each(examples)('$name runs', async ({ name, code }) => {
    const { program } = asProgram(code)
    const cwd = mkdtempSync(join(workDirectory, 'example-'))
    const file = join(cwd, 'example.mjs')
    writeFileSync(file, program)
    const outcome = await promisify(execFile)(process.execPath, [file], { cwd, timeout: 20_000 }).catch(
      (error: Error) => error,
    )
    expect(outcome, `${name}:\n${program}`).not.toBeInstanceOf(Error)
  })

  test('hold assertions at all', () => {
    const total = examples.reduce((sum, { code }) => sum + asProgram(code).assertions, 0)
    expect(total).toBeGreaterThanOrEqual(5)
  })
})

describe('the links', () => {
  test.each(pages.map((page) => relative(root, page)))('of %s lead somewhere', (page) => {
    const text = readFileSync(join(root, page), 'utf8')
    const targets = [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map((match) => match[1] ?? '')
    const missing = targets.filter(
      (target) => !/^https?:/.test(target) && !existsSync(resolve(root, dirname(page), target)),
    )
    expect(missing).toEqual([])
  })

  test('to source files in the text lead somewhere', () => {
    const missing = pages.flatMap((page) => {
      const text = readFileSync(page, 'utf8')
      return [...text.matchAll(/`((?:src|test|docs|bench)\/[\w./-]+?)`/g)]
        .map((match) => match[1] ?? '')
        .filter((path) => !existsSync(join(root, path)))
        .map((path) => `${relative(root, page)}: ${path}`)
    })
    expect(missing).toEqual([])
  })
})
