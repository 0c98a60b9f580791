/**
 * A person with the real client program: an account, and a profile folder for each machine that they use.
 * @module
 */
import { join } from "node:path";
import { clientCommand, type TestServer } from "./mini_chat.ts";
import { addBeside, certificateOf, makeProfile, PASSWORD } from "./population.ts";
import { Program, type ProgramOptions, type ProgramResult, runProgram } from "./program.ts";

/** One person at one machine. */
export class Person {
  readonly name: string;
  /** Folder of the client's profile: this machine's memory. */
  readonly profile: string;
  readonly #wrapper: readonly string[];
  #link = ""; // of the server; empty before `register` or `login`

  /**
   * @param name Name of the account.
   * @param folder Where this machine's profile is made; another folder is another machine.
   * @param wrapper Command in front of the client's, such as one that enters a network namespace; none by default.
   */
  constructor(name: string, folder: string, wrapper: readonly string[] = []) {
    this.name = name;
    this.profile = join(folder, `profile-of-${name}`);
    this.#wrapper = wrapper;
  }

  /** Runs one subcommand to its end, with this text as its whole input. */
  run(args: readonly string[], input = ""): Promise<ProgramResult> {
    const [command, first] = this.#command;
    return runProgram(command, [...first, ...args], { ...this.#options(args), input });
  }

  /** Runs one subcommand that has to succeed, and returns what it printed. */
  async must(args: readonly string[], input?: string): Promise<string> {
    const { code, stdout, stderr } = await this.run(args, input);
    if (code !== 0) {
      throw new Error(`${this.name}: ${args.join(" ")} ended with ${code}:\n${stdout}${stderr}`);
    }
    return stdout;
  }

  /** Makes the account, and a profile that is signed in, as `register` does, without a program and the work of a hash. */
  async settleIn({ data, port, inviteLink, fingerprint }: TestServer): Promise<void> {
    this.#link = inviteLink;
    const account = await addBeside(data, this.name);
    makeProfile(this.profile, port, await certificateOf(data), account, fingerprint);
  }

  /** Makes the account with an invite link. */
  async register(link: string): Promise<void> {
    this.#link = link;
    await this.must(["register", link, this.name], PASSWORD + "\n");
  }

  /** Logs in with the password, as on a new machine. */
  async login(link: string): Promise<void> {
    this.#link = link;
    await this.must(["login", link, this.name], PASSWORD + "\n");
  }

  /** The texts that `inbox` shows, oldest first; they count as read afterwards. */
  async inbox(): Promise<string[]> {
    const lines = (await this.must(["inbox", "--json"])).split("\n").filter((line) => line !== "");
    return lines.map((line) => (JSON.parse(line) as { text: string }).text);
  }

  /** What the server tells this person about everybody: name and presence. */
  async users(): Promise<Record<string, string>> {
    const lines = (await this.must(["users", "--json"])).split("\n").filter((line) => line !== "");
    const users = lines.map((line) => JSON.parse(line) as { name: string; presence: string });
    return Object.fromEntries(users.map(({ name, presence }) => [name, presence]));
  }

  /** Starts the client at its menu, where it signs in by itself, or with these arguments. */
  start(args: readonly string[] = [this.#link]): Program {
    const [command, first] = this.#command;
    return new Program(command, [...first, ...args], this.#options(args));
  }

  get #command(): [command: string, first: readonly string[]] {
    const { command, args } = clientCommand();
    const [outer, ...outerArgs] = [...this.#wrapper, command];
    return [outer ?? command, [...outerArgs, ...args]];
  }

  #options([subcommand = ""]: readonly string[]): ProgramOptions {
    return { env: { MINI_CHAT_PROFILE: this.profile }, name: `${this.name}'s client (${subcommand})` };
  }
}
