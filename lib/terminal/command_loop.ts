// cliffy's `CLI`, on streams of ours. It asks for a line by writing its delimiter; then it is fed the name of a command.
// Both its faults stay without effect so: its tokenizer, which drops punctuation and every letter that is not Latin, only
// ever sees that word; and no line can arrive while a command runs.
// @ts-types="./cliffy.d.ts"
import { CLI } from "cliffy";
import { PassThrough, Writable } from "node:stream";

export interface Dispatch {
  readonly name: string;
  readonly run: () => Promise<void>;
}

/** cliffy writes this when it is ready for a line; nobody sees it. */
const DELIMITER = "> ";
// What cliffy's tokenizer keeps in one piece.
const NAME = /^[\w.-]+$/;

export class CommandLoop {
  readonly #cli: CLI;
  readonly #input = new PassThrough();
  readonly #next: () => Promise<Dispatch | null>;
  readonly #done = Promise.withResolvers<void>();
  #run: () => Promise<void> = () => Promise.resolve(); // the command whose name was fed

  constructor(next: () => Promise<Dispatch | null>) {
    this.#next = next;
    const output = new Writable({
      write: (chunk, _encoding, done) => {
        done();
        if (String(chunk) === DELIMITER) void this.#feed();
      },
    });
    this.#cli = new CLI({ input: this.#input, output, quietBlank: true }).setDelimiter(DELIMITER);
  }

  add(name: string, description: string): void {
    if (!NAME.test(name)) throw new RangeError(`Cannot add a command as its name does not fit: ${name}`);
    this.#cli.addCommand(name, { description, action: () => this.#run() });
  }

  /** Runs commands one after the other until there are no more. */
  run(): Promise<void> {
    this.#cli.show();
    return this.#done.promise;
  }

  async #feed(): Promise<void> {
    try {
      const dispatch = await this.#next();
      if (dispatch === null) {
        this.#cli.hide();
        this.#input.end();
        this.#done.resolve();
        return;
      }
      this.#run = dispatch.run;
      this.#input.write(`${dispatch.name}\n`);
    } catch (error) {
      this.#done.reject(error);
    }
  }
}
