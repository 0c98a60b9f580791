// A machine that install.sh is run on: an empty home, the commands that it has, and a release to install from.
import { join } from "node:path";
import { type Need, testWith } from "../helpers/needs.ts";
import { runProgram } from "../helpers/program.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { ReleaseFolder, TARGET } from "./release_folder.ts";

/** What is installed. */
export const PROGRAM = "mini-chat-client";
/** Its archive for this machine. */
export const ARCHIVE = `${PROGRAM}-${TARGET}.tar.gz`;
/** A program that only says its version. */
export const TINY = "#!/bin/sh\necho mini-chat-client 1.2.3\n";

/** A whole archive, with a program that is a script. */
export const FILES = {
  [PROGRAM]: TINY,
  "LICENSE": "free",
  [`completions/bash/${PROGRAM}`]: "# bash",
  [`completions/zsh/_${PROGRAM}`]: "#compdef",
  [`completions/fish/${PROGRAM}.fish`]: "# fish",
  [`man/${PROGRAM}.1`]: ".TH",
};

/** Where they go, from the home folder. */
export const INSTALLED = [
  `.local/bin/${PROGRAM}`,
  `.local/share/bash-completion/completions/${PROGRAM}`,
  `.local/share/fish/vendor_completions.d/${PROGRAM}.fish`,
  `.local/share/man/man1/${PROGRAM}.1`,
  `.local/share/zsh/site-functions/_${PROGRAM}`,
];

/** Every kind of sh that it has to run in. */
export const SHELLS = [["dash"], ["busybox", "sh"], ["bash", "--posix"]];

/** A person's machine: an empty home, and a release to install from. */
export class Machine implements AsyncDisposable {
  readonly #folder = tempFolder();
  readonly home = join(this.#folder.path, "home");
  readonly release = new ReleaseFolder(join(this.#folder.path, "release"));
  /** What runs the script. */
  shell = ["dash"];
  /** Variables of its own. */
  env: Record<string, string> = {};

  static async start(): Promise<Machine> {
    const machine = new Machine();
    await Deno.mkdir(machine.home);
    await Deno.mkdir(machine.release.path);
    await machine.release.publish(PROGRAM, FILES);
    return machine;
  }

  /** Runs the published script. */
  async runs(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    const [command, ...first] = this.shell;
    return await runProgram(command!, [...first, this.release.script, ...args], { env: this.variables });
  }

  get variables(): Record<string, string> {
    const quiet = {
      MINI_CHAT_INSTALL_DIR: "",
      MINI_CHAT_RELEASE_URL: "",
      XDG_DATA_HOME: "",
      SUDO_USER: "",
      no_proxy: "*",
    };
    return { ...quiet, LC_ALL: "C", HOME: this.home, SHELL: "/bin/bash", ...this.env };
  }

  /** Puts a command in front of the system's. */
  async fakes(command: string, script: string): Promise<void> {
    const folder = join(this.#folder.path, "fakes");
    await Deno.mkdir(folder, { recursive: true });
    await Deno.writeTextFile(join(folder, command), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    this.env = { ...this.env, PATH: `${folder}:${Deno.env.get("PATH")}` };
  }

  /** A PATH with these programs and no other. */
  async has(...commands: string[]): Promise<void> {
    const folder = join(this.#folder.path, "only");
    await Deno.mkdir(folder);
    for (const command of commands) {
      const { stdout } = await runProgram("sh", ["-c", `command -v ${command}`]);
      await Deno.symlink(stdout.trim(), join(folder, command));
    }
    this.env = { ...this.env, PATH: folder };
  }

  /** A further folder of this machine. */
  folder(name: string): string {
    return join(this.#folder.path, name);
  }

  /** Every file of the home or of another folder, by its path from there; hidden ones too. */
  files(folder = this.home): string[] {
    return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
      isDirectory ? this.files(join(folder, name)).map((file) => `${name}/${file}`) : [name]
    ).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release[Symbol.asyncDispose]();
    this.#folder[Symbol.dispose]();
  }
}

/** What each of these tests needs. */
export const NEEDS: readonly Need[] = ["linux", { command: "curl" }, { command: "dash" }, {
  command: "busybox",
}];

/** Registers a test of one machine. */
export function testOn(name: string, fn: (machine: Machine) => Promise<void>, ...needs: Need[]): void {
  testWith([...NEEDS, ...needs], `install.sh ${name}`, async () => {
    await using machine = await Machine.start();
    await fn(machine);
  });
}
