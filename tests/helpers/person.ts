/**
 * A person with the real client program: an account, and a profile folder for each machine that they use.
 * @module
 */
import { join } from "node:path";
import { PASSWORD } from "./accounts.ts";
import { clientCommand, runClient, startClient } from "./mini_chat.ts";
import { Program, type ProgramResult } from "./program.ts";

/** One person at one machine. */
export class Person {
  readonly name: string;
  /** Folder of the client's profile: this machine's memory. */
  readonly profile: string;
  readonly #wrapper: readonly string[];

  /**
   * @param folder Where this machine's profile is made.
   * @param wrapper Command in front of the client's, such as one that enters a network namespace; none by default.
   */
  constructor(name: string, folder: string, wrapper: readonly string[] = []) {
    this.name = name;
    this.profile = join(folder, `profile-of-${name}`);
    this.#wrapper = wrapper;
  }

  /** Runs one subcommand to its end. */
  run(args: readonly string[], input?: string): Promise<ProgramResult> {
    const options = { env: this.#env, ...(input === undefined ? {} : { input }) };
    return runClient(args, options);
  }

  /** Runs one subcommand that has to succeed, and returns what it printed. */
  async must(args: readonly string[], input?: string): Promise<string> {
    const { code, stdout, stderr } = await this.run(args, input);
    if (code !== 0) {
      throw new Error(`${this.name}: ${args.join(" ")} ended with ${code}:\n${stdout}${stderr}`);
    }
    return stdout;
  }

  /** Makes the account with an invite link. */
  async register(link: string): Promise<void> {
    await this.must(["register", link, this.name], PASSWORD + "\n");
  }

  /** Logs in with the password, as on a new machine. */
  async login(link: string): Promise<void> {
    await this.must(["login", link, this.name], PASSWORD + "\n");
  }

  /** The texts that `inbox` shows, oldest first; they count as read afterwards. */
  async inbox(): Promise<string[]> {
    const lines = (await this.must(["inbox", "--json"])).split("\n").filter((line) => line !== "");
    return lines.map((line) => (JSON.parse(line) as { text: string }).text);
  }

  /** Starts the client at its menu, or with these arguments; it signs in by itself. */
  start(args: readonly string[] = []): Program {
    const options = { env: this.#env, name: `${this.name}'s client` };
    const [outer, ...outerArgs] = this.#wrapper;
    if (outer === undefined) return startClient(args, options);
    const { command, args: first } = clientCommand();
    return new Program(outer, [...outerArgs, command, ...first, ...args], options);
  }

  get #env(): Record<string, string> {
    return { MINI_CHAT_PROFILE: this.profile };
  }
}
