/** The source as the layer test sees it: files with their text and imports, and the rules that they must keep. */
import { readdirSync, readFileSync } from 'node:fs'
import * as path from 'node:path'

export interface SourceFile {
  /** Relative to `src`, with slashes: `store/engine.ts`. */
  readonly name: string
  readonly text: string
}

/** One rule that a file breaks. */
export interface Breach {
  readonly file: string
  readonly what: string
}

/** Each line may import from the lines before it; folders of one line not from each other. */
const LAYERS: readonly (readonly string[])[] = [
  ['base'],
  ['env'],
  ['record', 'iterator', 'cache'],
  ['wal', 'memtable', 'sstable'],
  ['version'],
  ['compaction'],
  ['repair'],
  ['store'],
  ['level', 'cli', 'adapters'],
  ['.'],
]

const MAX_LINES = 400

/** All files of `src`. */
export function readSources(root: string): SourceFile[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => ({
      name: name.split(path.sep).join('/'),
      text: readFileSync(path.join(root, name), 'utf8'),
    }))
}

/** What a file imports and re-exports, with dynamic imports and types. */
export function importsOf(text: string): string[] {
  const pattern = /\b(?:import|export)\b[^'";]*?\bfrom\s*['"]([^'"]+)['"]|\bimport\s*\(?\s*['"]([^'"]+)['"]/g
  return [...withoutComments(text).matchAll(pattern)].map((match) => match[1] ?? match[2])
}

/** Comments become spaces; strings stay. */
export function withoutComments(text: string): string {
  const tokens =
    /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|(`(?:\\.|[^`\\])*`)|\/\*[\s\S]*?\*\/|(?<![:\\])\/\/[^\n]*/g
  return text.replace(tokens, (_token, quoted?: string, template?: string) => quoted ?? template ?? ' ')
}

/** Code alone: neither comments nor what is in quotes. */
function codeOf(text: string): string {
  return withoutComments(text).replace(/"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/g, "''")
}

function folderOf(name: string): string {
  return path.posix.dirname(name).split('/')[0]
}

function layerOf(folder: string): number {
  return LAYERS.findIndex((line) => line.includes(folder))
}

/** The file of `src` that `specifier` in `from` means; `undefined` for a package. */
function targetOf(from: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined
  return path.posix.join(path.posix.dirname(from), specifier).replace(/\.js$/, '.ts')
}

/** Imports that go up or sideways, leave `src`, or name no file; folders that are in no layer. */
export function layerBreaches(files: readonly SourceFile[]): Breach[] {
  const names = new Set(files.map(({ name }) => name))
  const breaches: Breach[] = []
  for (const { name, text } of files) {
    const folder = folderOf(name)
    if (layerOf(folder) < 0) breaches.push({ file: name, what: `the folder ${folder} is in no layer` })
    for (const specifier of importsOf(text)) {
      const target = targetOf(name, specifier)
      if (target === undefined) continue
      if (!names.has(target)) {
        breaches.push({ file: name, what: `imports ${specifier}, which is not there` })
        continue
      }
      const other = folderOf(target)
      if (other === folder) continue
      const [mine, theirs] = [layerOf(folder), layerOf(other)]
      if (theirs > mine) breaches.push({ file: name, what: `imports up: ${target}` })
      if (theirs === mine) breaches.push({ file: name, what: `imports sideways: ${target}` })
    }
  }
  return breaches
}

/** Rings of files that import each other, types included; each is named once. */
export function importCycles(files: readonly SourceFile[]): string[][] {
  const targets = new Map<string, string[]>()
  for (const { name, text } of files) {
    targets.set(
      name,
      importsOf(text).flatMap((specifier) => targetOf(name, specifier) ?? []),
    )
  }
  const cycles: string[][] = []
  const finished = new Set<string>()
  const trail: string[] = []
  const visit = (name: string): void => {
    const at = trail.indexOf(name)
    if (at >= 0) cycles.push([...trail.slice(at), name])
    if (at >= 0 || finished.has(name)) return
    trail.push(name)
    for (const target of targets.get(name) ?? []) visit(target)
    trail.pop()
    finished.add(name)
  }
  for (const name of targets.keys()) visit(name)
  return cycles
}

/** Cycles that are made by imports of values: what a module loader would see. */
export function valueImportsOnly(files: readonly SourceFile[]): SourceFile[] {
  return files.map(({ name, text }) => ({
    name,
    text: withoutComments(text).replace(/\b(?:import|export)\s+type\b[^'";]*?\bfrom\s*['"][^'"]+['"]/g, ''),
  }))
}

/** The files that import one of `modules`. */
export function importersOf(files: readonly SourceFile[], modules: readonly string[]): string[] {
  return files
    .filter(({ text }) => importsOf(text).some((specifier) => modules.includes(specifier)))
    .map(({ name }) => name)
}

/** The files whose code matches, comments and quoted text aside. */
export function filesWithCode(files: readonly SourceFile[], pattern: RegExp): string[] {
  return files.filter(({ text }) => codeOf(text).search(pattern) >= 0).map(({ name }) => name)
}

/** Rules of taste that a program can check. */
export function styleBreaches(files: readonly SourceFile[]): Breach[] {
  const breaches: Breach[] = []
  for (const { name, text } of files) {
    const breach = (what: string): void => {
      breaches.push({ file: name, what })
    }
    const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
    if (lines > MAX_LINES) breach(`has ${lines} lines; ${MAX_LINES} are the most`)
    if (!/^(?:#!.*\n)?\/\*\*/.test(text)) breach('does not begin with a comment that says what it is for')
    if (/@ts-(?:ignore|expect-error|nocheck)/.test(text)) breach('silences the compiler')
    if (/\b(?:TODO|FIXME|XXX|HACK)\b/.test(text)) breach('holds something left to do')
    if (/(?::|\bas|<|\||,)\s*any\b/.test(codeOf(text))) breach('uses any')
    if (/\bconsole\.|\bdebugger\b/.test(codeOf(text))) breach('holds leftover debug code')
    if (!/^(?:[a-z0-9-]+\/)*[a-z0-9]+(?:-[a-z0-9]+)*\.ts$/.test(name)) breach('is not named in kebab-case')
    if (/^export default\b/m.test(codeOf(text))) breach('has a default export')
  }
  return breaches
}
