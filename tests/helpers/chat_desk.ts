/**
 * A person at the keyboard with a profile of their own and the whole menu but e-mail and direct chat, and a real server in this process.
 * @module
 */
import { Command } from "commander";
import { Passwords } from "../../lib/chat/passwords.ts";
import { App } from "../../lib/commands/app.ts";
import { connect } from "../../lib/commands/chat/connect.ts";
import { openProfile, type Profile } from "../../lib/profile/profile.ts";
import { addServeOptions, type ServeOptions } from "../../lib/server/options.ts";
import { type RunningServer, serve, type ServeSurroundings } from "../../lib/server/serve.ts";
import { FakeTerminal } from "./fake_terminal.ts";
import { ScreenReader } from "./screen_reader.ts";
import { tempFolder } from "./temp_folder.ts";

/** Password of everybody here. */
export const PASSWORD = "correct horse";

/** Starts a server on loopback, with the flags' defaults but for these, and passwords that cost little. */
export function startLocalServer(
  data: string,
  changes: Partial<ServeOptions> = {},
  surroundings: ServeSurroundings = {},
): Promise<RunningServer> {
  const command = addServeOptions(new Command());
  command.parse([], { from: "user" });
  const options = { ...command.opts<ServeOptions>(), host: "127.0.0.1", port: 0, data, ...changes };
  return serve(options, { info() {}, warn() {}, error() {} }, {
    passwords: new Passwords({ logN: 4, r: 8, p: 1 }),
    ...surroundings,
  });
}

/** Somebody's place. */
export class ChatDesk implements AsyncDisposable {
  /** Keyboard and screen. */
  readonly tty: FakeTerminal;
  /** What stands on the screen. */
  readonly screen: ScreenReader;
  /** What is kept on this machine. */
  readonly profile: Profile;
  /** The program at work. */
  readonly app: App;
  /** Where that is kept. */
  readonly profileFolder: string;
  readonly #folder = tempFolder();

  /**
   * @param options.isPipe Whether nobody sits here.
   * @param options.now The clock that long waits are shown by.
   */
  constructor(options: { readonly isPipe?: boolean; readonly now?: () => number } = {}) {
    const isThere = options.isPipe !== true;
    this.tty = new FakeTerminal({
      columns: 200,
      rows: 60,
      noColor: "1",
      isKeyboard: isThere,
      isScreen: isThere,
    });
    this.screen = new ScreenReader(this.tty);
    this.profileFolder = this.#folder.path;
    this.profile = openProfile(this.profileFolder);
    this.app = new App(this.tty.terminal, this.profile, {
      isScript: false,
      readInput: () => Promise.resolve(""),
      downloadFolder: this.#folder.path,
      homeFolder: this.#folder.path,
      ...(options.now && { now: options.now }),
    });
  }

  /** Connects with an invite link and makes an account. */
  async register(link: string, name: string): Promise<void> {
    const connecting = connect(this.app, link);
    await this.screen.answers(
      ["Name:", name],
      ["Password:", PASSWORD],
      ["Make a new account", "y"],
      ["Once more:", PASSWORD],
    );
    await connecting;
    await this.screen.sees(`as ${name}.`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.app[Symbol.asyncDispose]();
    await this.tty[Symbol.asyncDispose]();
    this.profile[Symbol.dispose]();
    this.#folder[Symbol.dispose]();
  }
}
