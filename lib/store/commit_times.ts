// How long commits take: three numbers, in memory that the thread which commits may share with the one that asks.
const COUNT = 0;
const TOTAL_MS = 1;
const LAST_MS = 2;

export class CommitTimes {
  readonly #numbers: Float64Array;

  /** @param memory As `CommitTimes.memory()` makes it; written by one thread alone. */
  constructor(memory: SharedArrayBuffer = CommitTimes.memory()) {
    this.#numbers = new Float64Array(memory);
  }

  static memory(): SharedArrayBuffer {
    return new SharedArrayBuffer(3 * Float64Array.BYTES_PER_ELEMENT);
  }

  note(ms: number): void {
    this.#numbers[COUNT]! += 1;
    this.#numbers[TOTAL_MS]! += ms;
    this.#numbers[LAST_MS] = ms;
  }

  get count(): number {
    return this.#numbers[COUNT]!;
  }

  get totalMs(): number {
    return this.#numbers[TOTAL_MS]!;
  }

  /** Null before the first one. */
  get lastMs(): number | null {
    return this.count === 0 ? null : this.#numbers[LAST_MS]!;
  }
}
