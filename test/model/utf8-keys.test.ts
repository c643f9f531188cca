import { test } from 'vitest'
import { explore, TIMEOUT_MS } from './explore.js'
import { utf8Keys } from './key-space.js'

test('a store with strings for keys is its model', { timeout: TIMEOUT_MS }, () =>
  explore('test/model/utf8-keys.test.ts', utf8Keys, { crash: 2, reopen: 1, iterate: 8 }, 80),
)
