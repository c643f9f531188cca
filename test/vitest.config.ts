import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

/** What `fuzz` imports from the build comes from the sources here, as for every other test. */
const fuzzFromSources = {
  name: 'fuzz-from-sources',
  enforce: 'pre' as const,
  resolveId(specifier: string, importer?: string) {
    const match = /^(?:\.\.\/)+dist\/(.*)\.js$/.exec(specifier)
    if (match === null || importer === undefined || !/[\\/]fuzz[\\/]/.test(importer)) return undefined
    return fileURLToPath(new URL(`../src/${match[1]}.ts`, import.meta.url))
  },
}

export default defineConfig({
  plugins: [fuzzFromSources],
  root: fileURLToPath(new URL('..', import.meta.url)),
  test: {
    include: ['test/**/*.test.ts'],
    // Processes, because tests of stores use threads, signals and memory limits of their own.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
})
