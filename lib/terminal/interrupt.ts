/**
 * How a prompt says that the person pressed Ctrl+C at it.
 * @module
 */

/** Ctrl+C at a prompt. Not a failure: it unwinds to the menu, which says nothing more than that it stopped. */
export class Interrupt extends Error {
  /** Tells it from other errors. */
  override readonly name = "Interrupt";
  /** What had been typed, to be kept as a draft; empty for secrets. */
  readonly text: string;

  /**
   * Makes one.
   *
   * @param text What had been typed.
   */
  constructor(text = "") {
    super("Interrupted by Ctrl+C");
    this.text = text;
  }
}
