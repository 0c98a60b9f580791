/** Ids that grow with time (UUID version 7), made faster than the library makes them. */
export class IdMaker {
  readonly #tail = crypto.randomUUID().slice(18); // -xxxx-xxxxxxxxxxxx, variant included
  #count = 0;

  /** The next id. */
  next(): string {
    const time = Date.now().toString(16).padStart(12, "0");
    const count = (this.#count++).toString(16).padStart(7, "0");
    // Time, the version and 3 digits of the counter; then the variant and random digits; then the rest of the counter.
    const head = `${time.slice(0, 8)}-${time.slice(8)}-7${count.slice(0, 3)}`;
    return head + this.#tail.slice(0, 14) + count.slice(3);
  }
}
