/**
 * The part of cliffy 2.5.1 that is used here. Its own declarations draw in `@types/node` 6 of 2016, which hides
 * the runtime's types from the whole program.
 * @module
 */

export class CLI {
  constructor(
    options: { readonly input: unknown; readonly output: unknown; readonly quietBlank?: boolean },
  );
  setDelimiter(delimiter: string): this;
  addCommand(
    name: string,
    command: {
      readonly description?: string;
      readonly action: () => void | Promise<void>;
    },
  ): this;
  show(): this;
  hide(): this;
}
