/** What caches are judged by: caches that are as simple and as exact as the books have them. Shared by the benchmark of hit rates and the test of them. */

/** Least recently used: a map, which keeps the order in which keys were put in. */
export class ExactLru {
  /** @type {Set<number>} */
  #keys = new Set()
  #capacity

  /** @param {number} capacity */
  constructor(capacity) {
    this.#capacity = capacity
  }

  /** Asks for a key, and puts it in if it is not there; whether it was. @param {number} key */
  request(key) {
    const isHit = this.#keys.delete(key)
    if (!isHit && this.#keys.size === this.#capacity) {
      for (const oldest of this.#keys) {
        this.#keys.delete(oldest)
        break
      }
    }
    this.#keys.add(key)
    return isHit
  }
}

/** Least frequently used, among equals the least recently used; a count ends with its entry. */
export class ExactLfu {
  /** @type {Map<number, number>} */
  #uses = new Map()
  /** By the number of uses, the keys in the order of their last use. @type {Map<number, Set<number>>} */
  #keys = new Map()
  #capacity

  /** @param {number} capacity */
  constructor(capacity) {
    this.#capacity = capacity
  }

  /** Asks for a key, and puts it in if it is not there; whether it was. @param {number} key */
  request(key) {
    const uses = this.#uses.get(key)
    if (uses === undefined) {
      if (this.#uses.size === this.#capacity) this.#evict()
      this.#put(key, 1)
      return false
    }
    this.#keys.get(uses)?.delete(key)
    this.#put(key, uses + 1)
    return true
  }

  /** @param {number} key @param {number} uses */
  #put(key, uses) {
    this.#uses.set(key, uses)
    const equals = this.#keys.get(uses)
    if (equals === undefined) this.#keys.set(uses, new Set([key]))
    else equals.add(key)
  }

  #evict() {
    for (let uses = 1; ; uses++) {
      for (const key of this.#keys.get(uses) ?? []) {
        this.#keys.get(uses)?.delete(key)
        this.#uses.delete(key)
        return
      }
    }
  }
}
