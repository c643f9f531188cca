/** The README is written for TypeScript too: its examples compile under `strict`. */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..')

const CONFIGURATION = {
  compilerOptions: {
    strict: true,
    noEmit: true,
    target: 'es2022',
    module: 'nodenext',
    lib: ['es2023', 'esnext.disposable'],
    types: ['node'],
  },
  include: ['.'],
}

/** What the compiler says of programs, each a module of its own. */
async function compile(programs: readonly string[]): Promise<string> {
  // Inside the package, so that `import 'varve'` finds it.
  mkdirSync(join(root, '.tmp'), { recursive: true })
  const directory = mkdtempSync(join(root, '.tmp', 'strict-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(CONFIGURATION))
  for (const [i, program] of programs.entries()) writeFileSync(join(directory, `${i + 1}.ts`), program)
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  return promisify(execFile)(process.execPath, [compiler, '-p', directory]).then(
    ({ stdout }) => stdout,
    (error: { stdout: string }) => error.stdout,
  )
}

test('the examples of the README are strict TypeScript', { timeout: 60_000 }, async () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const examples = [...readme.matchAll(/```js\n([\s\S]*?)```/g)].map((match) => match[1] ?? '')
  expect(examples.length).toBeGreaterThan(2)
  expect(await compile(examples)).toBe('')
})

test('a mistake would be told', { timeout: 60_000 }, async () => {
  const program = `import { open } from 'varve'\nconst store = await open('./data')\nawait store.set(1, 'a')\n`
  expect(await compile([program])).toContain('TS2345')
})
