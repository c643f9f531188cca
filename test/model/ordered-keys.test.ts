import { test } from 'vitest'
import { explore, TIMEOUT_MS } from './explore.js'
import { orderedKeys } from './key-space.js'

test('a store with ordered keys is its model', { timeout: TIMEOUT_MS }, () =>
  explore('test/model/ordered-keys.test.ts', orderedKeys, { crash: 1, reopen: 1, iterate: 6 }, 80),
)
