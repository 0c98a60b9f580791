/** Ctrl+C at a prompt. Not a failure: it unwinds to the menu, which says nothing more than that it stopped. */
export class Interrupt extends Error {
  override readonly name = "Interrupt";
  readonly text: string; // what had been typed, to be kept as a draft; empty for secrets

  constructor(text = "") {
    super("Interrupted by Ctrl+C");
    this.text = text;
  }
}
